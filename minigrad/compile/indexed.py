"""Elements read, added and written at places: those that index tensors name, and those that a view shows.

Each such call is one loop nest of the step. A place is an affine address, as a view's is, plus a step for each index that is
read: it is read, and looked at whether it lies inside, in the outermost loop that it depends on.
"""

import math

import numpy as np

from .. import backends
from . import access
from .access import ZERO, Affine
from .expressions import DTYPES, literal
from .fuse import in_rows
from .kernels import lowering
from .loops import COUNTERS, written

INDICES = (np.dtype(np.int64), np.dtype(np.int32))


class Index:
    """An index that is read: its ``tensor``, the Affine ``place`` there, and the extent and the step of the axis it counts."""

    def __init__(self, tensor, place, extent, step):
        self.tensor, self.place, self.extent, self.step = tensor, place, extent, step


# ------------------------------------------------------------------------------------------------------------------- places
def _along_axis(indices, axis, shape):
    """(space, Affine address in an array of ``shape``, [Index]) of take_along_axis and its kin."""
    index, steps = list(access.own_index(indices.shape)), access.strides_of(shape)
    place = access.address(index, indices.shape)
    index[axis] = ZERO
    return indices.shape, access.address(index, shape), [Index(indices, place, shape[axis], steps[axis])]


def _by_key(key, indices, shape):
    """The same of a key with index tensors; None where NumPy's rules are not that simple.

    The axes of the index tensors, together, stand where the first of them stood; in front if others stand between them.
    """
    rest = len(shape) - sum(1 for what in key if what is not ...)
    if not indices or any(what is None for what in key) or (not rest and ... in key):
        return None
    at = key.index(...) if ... in key else len(key)
    full = [*key[:at], *[("slice", None, None, None)] * rest, *key[at + 1 :]]
    named = [k for k, what in enumerate(full) if what.__class__ is not tuple]
    adjacent = named == list(range(named[0], named[0] + len(named)))
    together = np.broadcast_shapes(*[i.shape for i in indices])
    kept = [len(range(*slice(*what[1:]).indices(n))) for what, n in zip(full, shape) if what.__class__ is tuple]
    first = named[0] if adjacent else 0
    space = (*kept[:first], *together, *kept[first:])
    own, steps, tensors = access.own_index(space), access.strides_of(shape), iter(indices)
    shared, sliced = own[first : first + len(together)], iter([*own[:first], *own[first + len(together) :]])
    parts, found = [], []
    for axis, what in enumerate(full):
        if what == "?":
            tensor = next(tensors)
            place = access.address(access.broadcast(shared, tensor.shape), tensor.shape)
            found.append(Index(tensor, place, shape[axis], steps[axis]))
        elif what.__class__ is int:
            parts.append(Affine(what % shape[axis] * steps[axis]))
        else:
            start, _, step = slice(*what[1:]).indices(shape[axis])
            parts.append(next(sliced).times(step, start).times(steps[axis]))
    return space, access.total(parts), found


def _read(n):
    """(the array that is read or written, what is written or None, places)"""
    if n.op == "take_along_axis":
        x, indices = n.inputs
        return x.shape, None, _along_axis(indices, n.params["axis"] % len(x.shape), x.shape)
    if n.op == "getitem":
        return n.inputs[0].shape, None, _by_key(n.params["key"], n.inputs[1:], n.inputs[0].shape)
    value = n.inputs[0] if n.op in ADDED else n.inputs[1] if n.op == "index_put" else n.inputs[2]
    if n.op in ("scatter_along_axis", "put_along_axis"):
        return n.shape, value, _along_axis(n.inputs[1], n.params["axis"] % len(n.shape), n.shape)
    return n.shape, value, _by_key(n.params["key"], n.inputs[1 if n.op in ADDED else 2 :], n.shape)


ADDED = frozenset(["ungetitem", "scatter_along_axis"])  # to zeros; what is put is put into a copy


def _fits(n):
    if n.dtype not in DTYPES or 0 in n.shape or (n.op in ADDED and n.dtype == bool) or n.keywords:
        return False
    along = n.op.endswith("_along_axis")
    indices = n.inputs[1:2] if along else n.inputs[1 if n.op in ("getitem", "ungetitem") else 2 :]
    values = [i for i in n.inputs if not any(i is k for k in indices)]
    if not all(i.dtype in INDICES for i in indices) or not all(i.dtype == n.dtype for i in values):
        return False
    shape, _, found = _read(n)
    return found is not None and 0 not in (*shape, *found[0]) and len(found[0]) <= len(COUNTERS)


# ---------------------------------------------------------------------------------------------------------------- emission
def _emit(n, w):
    _, value, (space, base, indices) = _read(n)
    pointers = [w.emitter.pointer(in_rows(i.tensor)) for i in indices]
    if value is None:
        source, target = n.inputs[0], access.address(access.own_index(space), space)
        statement = "x0[{1}] = x1[{0}]"
        given = [w.emitter.pointer(n), w.emitter.pointer(in_rows(source))]
    else:
        target = access.address(access.broadcast(access.own_index(space), value.shape), value.shape)
        statement = f"x0[{{0}}] {'+=' if n.op in ADDED else '='} x1[{{1}}]"
        given = [w.emitter.pointer(n), w.emitter.pointer(in_rows(value))]
        _prepare(n, w)
    extents, (base, target, *places) = _joined(space, [base, target, *(i.place for i in indices)])
    lines = [[] for _ in range(len(extents) + 1)]
    dynamic = []
    for k, (i, place) in enumerate(zip(indices, places)):
        depth = max((v + 1 for v, _ in place.steps), default=0)
        outside = f"if u8(p{k}) >= u8({i.extent}):"  # or below 0: those are large, seen as unsigned
        lines[depth] += [f"p{k} = i8(x{k + 2}[{written(place)}])", outside, f"    p{k} += {i.extent}"]
        lines[depth] += [f"    {outside}", "        return 0"]
        dynamic.append(f"{i.step} * p{k}" if i.step != 1 else f"p{k}")
    lines[-1].append(statement.format(" + ".join([*dynamic, written(base)]), written(target)))
    body = [*_nest(range(len(extents)), extents, lines), "return -1"]
    name = w.emitter.module.function([f"x{k}" for k in range(2 + len(indices))], body)
    slot = w.emitter.check(_outside(n), n)
    w.lines += [f"numbers[{slot}] = {name}({', '.join([*given, *pointers])})", f"if numbers[{slot}] >= 0:", "    return"]


def _outside(n):
    """The error of a bad index: that of the word itself."""
    word, params = n.op, dict(n.params)

    def error(arrays, place):
        try:
            getattr(backends.numpy, word)(*arrays, **params)
        except IndexError as found:
            return found
        return IndexError("an index is out of bounds")

    return error


def _prepare(n, w):
    """Zeros, or a copy of what is written into."""
    size = math.prod(n.shape)
    if n.op in ADDED or n.op in ACCUMULATED:
        value = "u1(0)" if n.dtype == bool else literal(0, n.dtype)
        name = w.emitter.module.function(["n", "x0"], ["for i in range(n):", f"    x0[i] = {value}"])
        w.lines.append(f"{name}({size}, {w.emitter.pointer(n)})")
    else:
        name = w.emitter.module.function(["n", "x0", "x1"], ["for i in range(n):", "    x0[i] = x1[i]"])
        w.lines.append(f"{name}({size}, {w.emitter.pointer(n)}, {w.emitter.pointer(in_rows(n.inputs[0]))})")


def _joined(space, places):
    """The loop's extents and addresses with neighbouring axes made one wherever every address walks through both as one."""
    groups = [[k] for k, extent in enumerate(space) if extent != 1]
    for k in range(len(groups) - 2, -1, -1):
        outer, inner, extent = groups[k][-1], groups[k + 1][-1], math.prod(space[v] for v in groups[k + 1])
        if all(p.step(outer) == p.step(inner) * extent for p in places):
            groups[k : k + 2] = [groups[k] + groups[k + 1]]
    number = {g[-1]: d for d, g in enumerate(groups)}
    joined = [Affine(p.constant, tuple([(number[v], s) for v, s in p.steps if v in number])) for p in places]
    return [math.prod(space[v] for v in g) for g in groups], joined


def _nest(order, extents, lines):
    """Loops over the axes in ``order``; ``lines[d]`` stand inside ``d`` of them."""
    text, indent = [], ""
    for d, at in enumerate([*order, None]):
        text += [indent + line for line in lines[d]]
        if at is not None:
            text.append(f"{indent}for {COUNTERS[at]} in range({extents[at]}):")
            indent += "    "
    return text


for _word in ("getitem", "ungetitem", "index_put", "take_along_axis", "scatter_along_axis", "put_along_axis"):
    lowering(_word, _fits)(_emit)


# ------------------------------------------------------------------------------------------------- where a view would show
SHOWN = {"unwindows": "windows", "unsliding": "sliding", "sliding_put": "sliding", "diagonal_put": "diagonal"}
ACCUMULATED = frozenset(["unwindows", "unsliding"])


def _is_shown(n):
    value = n.inputs[-1]
    fits = n.dtype in DTYPES and 0 not in (*n.shape, *value.shape) and len(value.shape) <= len(COUNTERS)
    return fits and n.dtype.kind != "b" and all(i.dtype == n.dtype for i in n.inputs)


def _put(n, w):
    """Zeros or a copy, and each element of the value added or written where the view shows it; windows one tap at a time."""
    value = n.inputs[-1]
    _prepare(n, w)
    index = access.shown(SHOWN[n.op], n.params, access.own_index(value.shape), n.shape)
    source = access.address(access.own_index(value.shape), value.shape)
    target, extents = access.address(index, n.shape), value.shape
    taps = len(n.params["stride"]) if n.op == "unwindows" else 1 if n.op == "unsliding" else 0
    order = [*range(len(extents) - taps, len(extents)), *range(len(extents) - taps)]
    lines = [[] for _ in range(len(extents) + 1)]
    lines[-1].append(f"x0[{written(target)}] {'+=' if n.op in ACCUMULATED else '='} x1[{written(source)}]")
    name = w.emitter.module.function(["x0", "x1"], _nest(order, extents, lines))
    w.lines.append(f"{name}({w.emitter.pointer(n)}, {w.emitter.pointer(in_rows(value))})")


for _word in SHOWN:
    lowering(_word, _is_shown)(_put)
