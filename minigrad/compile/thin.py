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
        if a.shape[1] == 1:
            known[n] = call("multiply", (a, b), n.shape)
            continue
        matrix, vector = (a, b) if b.shape[1] == 1 else (b, a)
        axis = 1 if matrix is a else 0  # that is summed over
        if matrix.op == "matrix_transpose":  # as it lies in memory
            matrix, axis = matrix.inputs[0], 1 - axis
        across = tuple([1 if a == axis else size for a, size in enumerate(matrix.shape)])
        along = (1, matrix.shape[1]) if axis else (matrix.shape[0], 1)
        vector = vector if vector.shape == along else call("matrix_transpose", (vector,), along)
        found = call("sum", (call("multiply", (matrix, vector), matrix.shape),), across, axis=(axis,), keepdims=True)
        known[n] = found if across == n.shape else call("matrix_transpose", (found,), n.shape)
    return Graph(graph.inputs, nodes, [known[o] for o in graph.outputs], graph.state)


def _is_thin(n):
    if not is_product(n) or any(len(i.shape) != 2 for i in n.inputs):
        return False
    (m, k), columns = n.inputs[0].shape, n.inputs[1].shape[1]
    return 1 in (m, k, columns) and 0 not in (m, k, columns) and multiplications(n) <= LARGEST
