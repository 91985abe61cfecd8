"""Where in memory a loop finds an element: affine functions of the loop's counters.

An :class:`Affine` is ``constant + sum(step * counter)``. The index of an element is one Affine for each axis; a view turns the
index of its own element into that of its input's, and laid out in rows an index becomes one address. So views cost nothing:
a loop reads through them.
"""

import itertools
import math

VIEWS = frozenset(
    """reshape permute_dims matrix_transpose broadcast_to expand alias copy contiguous getitem flip swapaxes diagonal windows
    sliding""".split()
)


class Affine:
    """``constant + sum(step * counter)``, with steps as ((counter, step), ...) in the order of the counters."""

    __slots__ = ("constant", "steps")

    def __init__(self, constant=0, steps=()):
        self.constant, self.steps = constant, steps

    def __eq__(self, other):
        return self.constant == other.constant and self.steps == other.steps

    def __hash__(self):
        return hash((self.constant, self.steps))

    def __repr__(self):
        return f"Affine({self.constant}, {self.steps})"

    def times(self, factor, plus=0):
        return Affine(self.constant * factor + plus, tuple([(v, s * factor) for v, s in self.steps]) if factor else ())

    def replaced(self, counters):
        """The same with each counter replaced by an Affine."""
        return total([Affine(self.constant), *(counters[v].times(s) for v, s in self.steps)])

    def step(self, counter):
        return next((s for v, s in self.steps if v == counter), 0)


ZERO = Affine()


def total(parts):
    constant, steps = 0, {}
    for part in parts:
        constant += part.constant
        for v, s in part.steps:
            steps[v] = steps.get(v, 0) + s
    return Affine(constant, tuple(sorted((v, s) for v, s in steps.items() if s)))


def strides_of(shape):
    """In elements, of an array laid out in rows."""
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step)
        step *= max(n, 1)
    return tuple(reversed(strides))


def own_index(shape):
    """The index of a loop nest over ``shape`` itself, one counter an axis."""
    return tuple([Affine(0, ((k, 1),)) if n != 1 else ZERO for k, n in enumerate(shape)])


def address(index, shape):
    """The place in memory of the element at ``index`` of an array laid out in rows."""
    return total([i.times(s) for i, s in zip(index, strides_of(shape))])


def split(place, shape, extents):
    """The index, in an array of ``shape``, of the element at an Affine ``place`` in memory; None where it is not affine."""
    index = []
    for step in strides_of(shape):
        high = tuple([(v, s) for v, s in place.steps if s % step == 0])
        low = tuple([(v, s) for v, s in place.steps if s % step])
        reach = place.constant % step + sum(s * (extents[v] - 1) for v, s in low)
        if any(s < 0 for _, s in place.steps) or reach >= step:
            return None
        index.append(Affine(place.constant // step, tuple([(v, s // step) for v, s in high])))
        place = Affine(place.constant % step, low)
    return tuple([ZERO if n == 1 else i for i, n in zip(index, shape)])


def broadcast(index, shape):
    """The index of an operand of ``shape`` beside a result whose index is ``index``, which may have fewer axes."""
    index = (ZERO,) * (len(shape) - len(index)) + tuple(index)
    return tuple([ZERO if n == 1 else i for i, n in zip(index[len(index) - len(shape) :], shape)])


def is_view(n):
    return n.op in VIEWS and (n.op != "getitem" or len(n.inputs) == 1)


def through(n, index, extents):
    """The index of the input's element that a view shows at ``index``; None where that is no affine function."""
    shape = n.inputs[0].shape
    if n.op in ("alias", "copy", "contiguous"):
        return index
    if n.op in ("broadcast_to", "expand"):
        return broadcast(index, shape)
    if n.op == "matrix_transpose":
        return (*index[:-2], index[-1], index[-2])
    if n.op == "swapaxes":
        order = list(index)
        a, b = n.inputs[1:3]
        order[a], order[b] = order[b], order[a]
        return tuple(order)
    if n.op == "permute_dims":
        found = [ZERO] * len(shape)
        for i, axis in zip(index, n.params["axes"]):
            found[axis] = i
        return tuple(found)
    if n.op == "flip":
        axes = _axes(n.params["axis"], len(shape))
        return tuple([i.times(-1, shape[k] - 1) if k in axes else i for k, i in enumerate(index)])
    if n.op == "reshape":
        return split(address(index, n.shape), shape, extents)
    if n.op in ("diagonal", "windows", "sliding"):
        return shown(n.op, n.params, index, shape)
    return _sliced(n.params["key"], index, shape)


def shown(view, params, index, shape):
    """The index, in an array of ``shape``, of what a diagonal or windows show at ``index``."""
    if view == "diagonal":
        offset = params.get("offset", 0)
        return (*index[:-1], index[-1].times(1, max(-offset, 0)), index[-1].times(1, max(offset, 0)))
    if view == "sliding":
        axis = params["axis"] % len(shape)
        step = total([index[axis].times(params["step"]), index[-1]])
        return (*index[:axis], step, *index[axis + 1 : -1])
    count = len(params["stride"])
    lead, places, taps = index[: -2 * count], index[-2 * count : -count], index[-count:]
    return (*lead, *(total([o.times(s), k.times(d)]) for o, k, s, d in zip(places, taps, params["stride"], params["dilation"])))


def _axes(axis, ndim):
    given = range(ndim) if axis is None or not ndim else axis if isinstance(axis, tuple | list) else (axis,)
    return {a % ndim for a in given}


def _sliced(key, index, shape):
    """Basic indexing: integers, slices, None and an ellipsis."""
    named = sum(1 for k in key if k is not None and k is not ...)
    index, axis, found = list(index), 0, []
    for k in [*key, *(() if ... in key else (...,))]:
        if k is None:
            index.pop(0)
        elif k is ...:
            for _ in range(len(shape) - named):
                found.append(index.pop(0))
                axis += 1
        elif k.__class__ is tuple:
            start, _, step = slice(*k[1:]).indices(shape[axis])
            found.append(index.pop(0).times(step, start))
            axis += 1
        else:
            found.append(Affine(k % shape[axis]))
            axis += 1
    return tuple(found)


def refine(shapes):
    """The finest shape that all of ``shapes``, of one size, are made of by joining neighbouring axes; None if there is none."""
    size = math.prod(shapes[0])
    if not size:
        return (0,)
    marks = {1, size}
    for shape in shapes:
        step = 1
        for n in reversed(shape):
            step *= n
            marks.add(step)
    marks = sorted(marks)
    if any(b % a for a, b in itertools.pairwise(marks)):
        return None
    return tuple([b // a for a, b in zip(reversed(marks[:-1]), reversed(marks[1:]))])
