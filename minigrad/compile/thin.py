"""Matrix products with an axis of one element, as multiplications and sums: these share loops with what stands around them."""

from .ir import Graph, Instruction
from .matmul import is_product, multiplications

LARGEST = 2**14  # multiplications: BLAS is worth its call from there on


def thin_products(graph):
    """The graph with thin, small products written out."""
    known, nodes = {i: i for i in graph.inputs}, []

    def call(op, inputs, shape, **params):
        made = Instruction(op, inputs, params)
        made.shape, made.dtype = shape, inputs[0].dtype
        nodes.append(made)
        return made

    for n in graph.nodes:
        inputs = tuple([known[i] if i.__class__ is Instruction else i for i in n.inputs])
        if not _is_thin(n):
            known[n] = n if inputs == n.inputs else n.copy(inputs)
            nodes.append(known[n])
            continue
        a, b = inputs
        (m, k), columns = a.shape, b.shape[1]
        if k == 1:
            known[n] = call("multiply", (a, b), n.shape)
        elif columns == 1:
            turned = call("matrix_transpose", (b,), (1, k))
            known[n] = call("sum", (call("multiply", (a, turned), (m, k)),), n.shape, axis=(1,), keepdims=True)
        else:
            turned = call("matrix_transpose", (a,), (k, 1))
            known[n] = call("sum", (call("multiply", (turned, b), (k, columns)),), n.shape, axis=(0,), keepdims=True)
    return Graph(graph.inputs, nodes, [known[o] for o in graph.outputs], graph.state)


def _is_thin(n):
    if not is_product(n) or any(len(i.shape) != 2 for i in n.inputs):
        return False
    (m, k), columns = n.inputs[0].shape, n.inputs[1].shape[1]
    return 1 in (m, k, columns) and 0 not in (m, k, columns) and multiplications(n) <= LARGEST
