"""Bias and ReLU behind a matrix product, added while its elements are in registers: ``affine(a, b, bias)``.

Only products that minigrad's own tiles compute can do that, and it pays where it saves a loop: behind a product that a loop
reads anyway, the bias stays in that loop.
"""

import math

from .fuse import in_rows, is_plain, kind
from .ir import Graph, Instruction
from .matmul import by_tiles, is_product


def joined(graph):
    """The graph with each product that only a bias reads, and what only a ReLU reads of this, as one ``affine``."""
    readers = readers_of(graph)
    ends, gone = {}, set()  # the last node of what is joined -> the product; nodes that are no longer needed
    for n in graph.nodes:
        add = only_reader(n, readers) if _is_own(n) else None
        bias = _bias(n, add) if add is not None else None
        if bias is None:
            continue
        relu = only_reader(add, readers)
        last = relu if relu is not None and relu.op == "relu" else add
        if last is add and any(r is not None and kind(r) != "call" for r in readers.get(add, ())):
            continue
        made = Instruction("affine", (*n.inputs, bias), {"relu": last is not add})
        made.shape, made.dtype = n.shape, n.dtype
        ends[last] = made
        gone.update({n, add} - {last})
    return rebuilt(graph, ends, gone) if ends else graph


def _is_own(n):
    if n.op != "matmul" or not is_product(n) or any(len(i.shape) < 2 for i in n.inputs):
        return False
    rows, columns, k = math.prod(n.shape) // n.shape[-1], n.shape[-1], n.inputs[0].shape[-1]
    return by_tiles(n, rows, columns, k, False) and by_tiles(n, rows, columns, k, True)  # however it will lie


def _bias(n, add):
    """The row that ``add`` adds to each row of a product, or None."""
    if add.op != "add" or add.shape != n.shape or add.dtype != n.dtype:
        return None
    bias = add.inputs[1] if add.inputs[0] is n else add.inputs[0]
    if not is_plain(bias) or bias.dtype != n.dtype or not bias.shape or kind(in_rows(bias)) in ("map", "view"):
        return None
    return bias if bias.shape[-1] == n.shape[-1] == math.prod(bias.shape) else None


# -------------------------------------------------------------------------------------------------------- nodes made into one
def readers_of(graph):
    """value -> the nodes that read it, each as often as it does; None for the outputs."""
    readers = {}
    for n in graph.nodes:
        for i in n.arguments:
            readers.setdefault(i, []).append(n)
    for o in graph.outputs:
        readers.setdefault(o, []).append(None)
    return readers


def only_reader(n, readers):
    found = readers.get(n, ())
    return found[0] if len(found) == 1 else None


def rebuilt(graph, ends, gone):
    """The graph with each node of ``ends`` replaced and those of ``gone`` left out."""
    known, nodes = {}, []
    for n in graph.nodes:
        if n in gone:
            continue
        source = ends.get(n, n)
        inputs = tuple([known.get(i, i) for i in source.inputs])
        known[n] = source if inputs == source.inputs else source.copy(inputs)
        nodes.append(known[n])
    return Graph(graph.inputs, nodes, [known.get(o, o) for o in graph.outputs], graph.state)
