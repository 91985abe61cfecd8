"""Arrays put together from pieces: concatenation, padding, and gradients of slices, of which several make one array.

``ungetitem`` puts a value into zeros; a sum of such calls whose regions do not meet is one array written piece by piece.
"""

import itertools
import math

from . import access
from .expressions import SIXTEEN, in_loops, literal
from .fuse import in_rows, is_plain, kind
from .ir import Graph, Instruction
from .loops import COUNTERS, written


def region(key, shape):
    """(start, extent, step) for each axis of ``shape``; None where the key is not that simple."""
    named = sum(1 for k in key if k is not None and k is not ...)
    full = [*key, *(() if ... in key else (...,))]
    axes = []
    for k in full:
        if k is None:
            return None
        if k is ...:
            for _ in range(len(shape) - named):
                axes.append((0, shape[len(axes)], 1))
        elif k.__class__ is tuple:
            start, stop, step = slice(*k[1:]).indices(shape[len(axes)])
            axes.append((start, len(range(start, stop, step)), step))
        elif k.__class__ is int:
            axes.append((k % shape[len(axes)], 1, 1))
        else:
            return None
    return tuple(axes)


def assemble(graph):
    """The graph with ``concat``, ``stack``, ``roll``, ``pad``, static ``ungetitem``, and sums of these, as ``assemble`` calls."""
    known, nodes, users, there = {i: i for i in graph.inputs}, [], {}, set(graph.inputs)
    for n in graph.nodes:
        for i in n.arguments:
            users[i] = users.get(i, 0) + 1
    for o in graph.outputs:
        users[o] = users.get(o, 0) + 1
    for n in graph.nodes:
        inputs = tuple([known[i] if i.__class__ is Instruction else i for i in n.inputs])
        pieces = _pieces(n, inputs, users)
        if pieces is None:
            known[n] = n if inputs == n.inputs else n.copy(inputs)
        else:
            values, regions, fill = pieces
            nodes += [v for v in values if v not in there]  # a value that had to be stretched
            made = Instruction("assemble", values, {"regions": regions, "fill": fill})
            made.shape, made.dtype = n.shape, n.dtype
            known[n] = made
        nodes.append(known[n])
        there.update((known[n], *known[n].arguments))
    return Graph(graph.inputs, nodes, [known[o] for o in graph.outputs], graph.state)


def _pieces(n, inputs, users):
    """(values, their regions, what fills the rest) of a call that puts an array together; None of any other call."""
    if n.dtype not in in_loops() or n.keywords or not n.shape or not all(map(is_plain, (i for i in inputs))):
        return None
    if n.op == "ungetitem" and len(inputs) == 1:
        found = region(n.params["key"], n.shape)
        return None if found is None else (inputs, (found,), 0)
    if n.op == "concat" and all(i.dtype == n.dtype for i in inputs):
        axis, start, regions = n.params.get("axis", 0) % len(n.shape), 0, []
        for i in inputs:
            regions.append(tuple([(start if k == axis else 0, s, 1) for k, s in enumerate(i.shape)]))
            start += i.shape[axis]
        return inputs, tuple(regions), 0
    if n.op == "stack" and all(i.dtype == n.dtype for i in inputs):
        axis, whole = n.params.get("axis", 0) % len(n.shape), [(0, s, 1) for s in n.shape]
        return inputs, tuple([(*whole[:axis], (k, 1, 1), *whole[axis + 1 :]) for k in range(len(inputs))]), 0
    if n.op == "roll" and n.params["axis"] is not None and 0 not in n.shape:
        return _rolled(inputs[0], n.params["shifts"], n.params["axis"])
    if n.op == "pad" and (n.dtype.kind == "f" or n.dtype in SIXTEEN or math.isfinite(n.params.get("value", 0))):
        found = tuple([(before, s, 1) for (before, _), s in zip(n.params["widths"], inputs[0].shape)])
        return inputs, (found,), n.params.get("value", 0)
    if n.op == "index_put" and len(inputs) == 2 and all(i.dtype == n.dtype for i in inputs):
        found = region(n.params["key"], n.shape)
        if found is None:
            return None
        whole = tuple([(0, s, 1) for s in n.shape])
        return (inputs[0], _stretched(inputs[1], n.params["key"], found)), (whole, found), 0
    if (
        n.op == "add"
        and len(inputs) == 2
        and all(i.op == "assemble" and i.shape == n.shape and not i.params["fill"] for i in inputs)
    ):
        regions = (*inputs[0].params["regions"], *inputs[1].params["regions"])
        if all(users.get(i, 0) == 1 for i in n.inputs) and _are_apart(regions):
            return (*inputs[0].inputs, *inputs[1].inputs), regions, 0
    return None


def _rolled(x, shifts, axes):
    """Along each axis what moves on, and what leaves at the end and comes in at the beginning."""
    moves = dict.fromkeys(range(len(x.shape)), 0)
    for shift, axis in zip(*[v if isinstance(v, tuple | list) else (v,) for v in (shifts, axes)], strict=True):
        moves[axis % len(x.shape)] += shift
    cuts = []
    for axis, size in enumerate(x.shape):
        by = moves[axis] % size
        cuts.append([(0, by, size - by), (size - by, 0, by)] if by else [(0, 0, size)])  # (from, to, how many)
    pieces, regions = [], []
    for cut in itertools.product(*cuts):
        part = Instruction("getitem", (x,), {"key": tuple([("slice", start, start + n, None) for start, _, n in cut])})
        part.shape, part.dtype = tuple([n for *_, n in cut]), x.dtype
        pieces.append(part)
        regions.append(tuple([(to, n, 1) for _, to, n in cut]))
    return tuple(pieces), tuple(regions), 0


def _stretched(value, key, where):
    """A value in the shape of the region that it is written to."""
    named = [k for k in key if k is not None and k is not ...]
    whole = {a for a, k in zip(_axes_of(key, len(where)), named) if k.__class__ is int}
    shape = tuple([extent for a, (_, extent, _) in enumerate(where) if a not in whole])
    if value.shape == shape:
        return value
    made = Instruction("broadcast_to", (value,), {"shape": shape})
    made.shape, made.dtype = shape, value.dtype
    return made


def _axes_of(key, ndim):
    """The axis that each integer and slice of a key stands for."""
    if ... not in key:
        return list(range(len(key)))
    before = key.index(...)
    return [*range(before), *range(ndim - (len(key) - before - 1), ndim)]


def _are_apart(regions):
    def meet(a, b):
        return all(x[0] < y[0] + (y[1] - 1) * y[2] + 1 and y[0] < x[0] + (x[1] - 1) * x[2] + 1 for x, y in zip(a, b))

    return not any(meet(a, b) for k, a in enumerate(regions) for b in regions[:k])


# ---------------------------------------------------------------------------------------------------------------- emission
def operands(n):
    """The values that the pieces look into, or the pieces themselves."""
    return [_source(p)[0] if _source(p) else p for p in n.inputs]


def _source(piece):
    """(value, Affine address over the space, space) of a piece's elements; None where they must be laid out first."""
    below = in_rows(piece)
    space = access.refine([piece.shape, below.shape]) if math.prod(piece.shape) else None
    if space is None:
        return None
    flat = access.address(access.own_index(space), space)
    index, n = access.split(flat, below.shape, space), below
    while index is not None and kind(n) == "view":
        x = n.inputs[0]
        if n.op == "reshape" and kind(in_rows(x)) != "view":
            return in_rows(x), access.address(index, n.shape), space
        index, n = access.through(n, index, space), x
    return None if index is None else (n, access.address(index, n.shape), space)


def emit(n, emitter):
    """Lines that fill what no piece covers, then copy each piece."""
    lines = []
    regions = n.params["regions"]
    size = math.prod(n.shape)
    if sum(math.prod([extent for _, extent, _ in r]) for r in regions) < size:
        value = literal(n.params["fill"], n.dtype)
        if n.dtype == bool or n.dtype in SIXTEEN:
            value = f"{'u1' if n.dtype == bool else f'{SIXTEEN[n.dtype]}_bits'}({value})"
        body = ["for i in range(n):", f"    x0[i] = {value}"]
        lines.append(emitter.loop(["n", "x0"], body, [str(size), emitter.pointer(n)]))
    for piece, where in zip(n.inputs, regions):
        if math.prod(piece.shape):
            lines.append(_copy(n, piece, where, emitter))
    return lines


def _copy(n, piece, where, emitter):
    found = _source(piece)
    if found is None or not emitter.has_memory(found[0]):
        value, space = in_rows(piece), piece.shape
        place = access.address(access.own_index(space), space)
    else:
        value, place, space = found
    flat = access.address(access.own_index(space), space)
    index = list(access.split(flat, [extent for _, extent, _ in where], space))
    target = access.address([i.times(step, start) for i, (start, _, step) in zip(index, where)], n.shape)
    body, indent = [], ""
    for k, extent in enumerate(space):
        if extent != 1:
            body.append(f"{indent}for {COUNTERS[k]} in range({extent}):")
            indent += "    "
    body.append(f"{indent}x1[{written(target)}] = x0[{written(place)}]")
    return emitter.loop(["x0", "x1"], body, [emitter.pointer(value), emitter.pointer(n)])
