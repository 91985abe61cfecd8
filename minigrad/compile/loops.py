"""A loop nest as text: what its members compute, where each value is loaded and stored, and which axes become one.

Each value is computed in the outermost loop that it depends on. A reduction over the innermost axes sums in a register, in
blocks, so that long sums keep their digits; one over outer axes adds to memory.
"""

import math
from collections import defaultdict

from . import access
from .access import Affine
from .expressions import DTYPES, SIXTEEN, expression, literal, uniform_literal
from .fuse import in_rows, is_reduction, iterated, reduced_axes

COUNTERS = "ijklmnopq"
BLOCK = range(256, 4097)  # how many elements a register sums before it is added to the next
STEP = 1024  # the length of blocks where no length divides the axis
LINE, LINES, WAYS = 16, 64, 8  # of the first cache: numbers in a line, lines in a way, and ways
NEAR = 2**16  # numbers that lie near each other: the second cache has them
START = {"sum": 0, "prod": 1, "any": 0, "all": 1}
COMBINE = {
    "sum": "plus({}, {})", "prod": "times({}, {})", "max": "largest({}, {})", "min": "smallest({}, {})",
    "any": "u1({} | u1({}))", "all": "u1({} & u1({}))",
}  # fmt: skip
WHOLE = {"sum": "{} + {}", "prod": "{} * {}", "max": "max({}, {})", "min": "min({}, {})"}  # of integers


class Nest:
    """The text of one loop: ``parameters`` in order, as ("pointer", value) and ("number", value); ``lines`` of the body."""

    def __init__(self, loop, schedule, storage, functions, shared=False):
        self.loop, self.schedule, self.storage, self.functions = loop, schedule, storage, functions
        self.shared = shared  # the outermost loop runs from lo to hi
        self.parameters, self.names = [], {}
        self.loads, self.calls, self.stores, self.sums = [], [], [], []
        self.known, self.helpers = {}, set()
        self.space = _blocked(access.refine([iterated(m) for m in loop.members]), loop.members)
        self._collect()
        self._collapse()

    # ---------------------------------------------------------------------------------------------------- what is computed
    def _collect(self):
        flat = access.address(access.own_index(self.space), self.space)
        for m in self.loop.members:
            shape = iterated(m)
            index = access.split(flat, shape, self.space)
            if is_reduction(m):
                value = self._value(m.inputs[0], index)
                axes = reduced_axes(m)
                kept = [access.ZERO if k in axes else i for k, i in enumerate(index)]
                place = access.address([kept[k] for k in range(len(shape)) if k not in axes], _without(shape, axes))
                over = {v for k in axes for v, _ in index[k].steps}
                self.sums.append((m, value, place, over))
            else:
                value = self._compute(m, index)
                self.known[m, flat] = value
                if m not in self.schedule.local:
                    self.stores.append((m, value, flat))

    def _value(self, n, index):
        """The name of the value of ``n`` at ``index``."""
        if n.number:
            return self._parameter("number", n)
        constant = uniform_literal(n)
        if constant is not None:
            return constant
        place = access.address(index, n.shape)
        if (n, place) in self.known:
            return self.known[n, place]
        if self._has_memory(n):
            return self._load(n, place)
        return self._compute(n, index)

    def _has_memory(self, n):
        return n in self.schedule.roots or self.schedule.kinds[n] not in ("map", "view")

    def _compute(self, n, index):
        if access.is_view(n):
            x = n.inputs[0]
            if n.op == "reshape" and self._has_memory(in_rows(x)):
                return self._load(in_rows(x), access.address(index, n.shape))
            return self._value(x, access.through(n, index, self.space))
        operands = {i: self._value(i, index if i.number else access.broadcast(index, i.shape)) for i in n.arguments}
        key = n, access.address(index, n.shape)
        if key not in self.known:
            self.known[key] = name = f"v{len(self.calls) + len(self.loads)}"
            self.calls.append((name, n, operands))
        return self.known[key]

    def _load(self, n, place):
        key = n, place
        if key not in self.known:
            self.known[key] = name = f"v{len(self.calls) + len(self.loads)}"
            self.loads.append((name, n, place))
            self.calls.append(None)  # numbers stay unique
            self._parameter("pointer", n)
        return self.known[key]

    def _parameter(self, what, n):
        """The name of a parameter of the function: values that share their memory share the pointer."""
        key = n if what == "number" else self.storage[n]
        if key not in self.names:
            self.names[key] = f"{'c' if what == 'number' else 'x'}{len(self.names)}"
            self.parameters.append((what, n))
        return self.names[key]

    # ------------------------------------------------------------------------------------------------- which axes are one
    def _collapse(self):
        """Join neighbouring axes that every address walks through as one."""
        places = [p for _, _, p in self.loads] + [p for _, _, p in self.stores] + [p for _, _, p, _ in self.sums]
        extents, groups = list(self.space), [[k] for k in range(len(self.space))]
        k = len(extents) - 2
        while k >= 0:
            outer, inner = groups[k][-1], groups[k + 1][0]
            walks = all(p.step(outer) == p.step(inner) * self.space[inner] for p in places)
            same = all((outer in over) == (inner in over) for *_, over in self.sums)
            if walks and same and not (self.sums and extents[k + 1] in BLOCK and extents[k] > 1):
                groups[k : k + 2] = [groups[k] + groups[k + 1]]
                extents[k : k + 2] = [extents[k] * extents[k + 1]]
            k -= 1
        self.extents = extents
        axis = {v: d for d, g in enumerate(groups) for v in g}
        last = {g[-1]: d for d, g in enumerate(groups)}

        def joined(p):
            return Affine(p.constant, tuple([(last[v], s) for v, s in p.steps if v in last]))

        self.loads = [(name, n, joined(p)) for name, n, p in self.loads]
        self.stores = [(n, name, joined(p)) for n, name, p in self.stores]
        self.sums = [(n, name, joined(p), {axis[v] for v in over}) for n, name, p, over in self.sums]

    # -------------------------------------------------------------------------------------------------------------- the text
    def text(self):
        """The lines of the function's body."""
        depth, before, after, head = {}, defaultdict(list), defaultdict(list), []
        dims = len(self.extents)
        for name, n, place in self.loads:
            depth[name] = max((v + 1 for v, _ in place.steps), default=0)
            value = f"{self._parameter('pointer', n)}[{written(place)}]"
            if n.dtype in SIXTEEN:
                value = f"{SIXTEEN[n.dtype]}_value({value})"
            before[depth[name]].append(f"{name} = {value} != 0" if n.dtype == bool else f"{name} = {value}")
        for call in self.calls:
            if call is not None:
                name, n, operands = call
                depth[name] = max((depth.get(o, 0) for o in operands.values()), default=0)
                text = expression(n, operands.__getitem__, self.functions)
                self._notice(text)
                before[depth[name]].append(f"{name} = {text}")
        for n, name, place in self.stores:
            before[dims].append(f"{self._parameter('pointer', n)}[{written(place)}] = {self._stored(n, name)}")
        for n, name, place, over in self.sums:
            self._reduce(n, name, place, over, before, after, head)
        return [*head, *self._nest(0, before, after)]

    def _stored(self, n, name):
        if n.dtype in SIXTEEN:
            return f"{SIXTEEN[n.dtype]}_bits({name})"
        return f"u1({name})" if n.dtype == bool else f"{DTYPES[n.dtype]}({name})" if name in self.names.values() else name

    def _nest(self, d, before, after):
        lines = list(before[d])
        if d == len(self.extents) - 2 and self.turns:
            lines += self._by_lines(d, before)
        elif d < len(self.extents):
            count = "lo, hi" if d == 0 and self.shared and self.is_shared else "n" if self.is_flat else self.extents[d]
            inner = ["    " + line for line in self._nest(d + 1, before, after)]
            if self.in_blocks and d == len(self.extents) - 1:
                within = [*before["block"], f"for {COUNTERS[d]} in range(b, min(b + {STEP}, {count})):", *inner, *after["block"]]
                lines += [f"for b in range(0, {count}, {STEP}):", *["    " + line for line in within]]
            else:
                lines += [f"for {COUNTERS[d]} in range({count}):", *inner]
        return lines + after[d]

    def _by_lines(self, d, before):
        """The last two loops, the last one a few steps at a time: each line of memory stays in cache until all of it is read."""
        count = "lo, hi" if d == 0 and self.shared and self.is_shared else self.extents[d]
        last, (i, j) = self.extents[d + 1], COUNTERS[d : d + 2]
        return [
            f"for b in range(0, {last}, {LINE}):",
            f"    end = min(b + unknown({LINE}), {last})",  # else LLVM turns the loops, and writes far apart
            f"    for {i} in range({count}):",
            *["        " + line for line in before[d + 1]],
            f"        for {j} in range(b, end):",
            *["            " + line for line in before[d + 2]],
        ]

    @property
    def turns(self):
        """Whether an array lies along the loop before the last, and one pass of the last leaves nothing of it in cache."""
        last = len(self.extents) - 1
        if last < 1 or self.sums:
            return False
        places = [place for *_, place in (*self.loads, *self.stores)]
        steps = [p.step(last) for p in places if p.step(last - 1) == 1]
        return any(s * self.extents[last] > NEAR and _lines_kept(s) < self.extents[last] for s in steps)

    @property
    def in_blocks(self):
        """Whether a sum over the last axis is too long for one register, and has no blocks of equal length."""
        last = len(self.extents) - 1
        return any(last in over for *_, over in self.sums) and self.extents[last] > BLOCK[-1]

    @property
    def is_shared(self):
        """Whether pieces of the outermost loop may run side by side: nothing is summed over it."""
        return bool(self.extents) and not any(0 in over for *_, over in self.sums)

    @property
    def cost(self):
        """About what an element costs, in elements of a simple loop."""
        return 1 + sum(2 for call in self.calls if call is not None and call[1].op in self.functions)

    @property
    def is_flat(self):
        """Whether one loop over n elements is all there is: then n is a parameter, and one function serves every size."""
        return len(self.extents) == 1 and not self.sums

    def _reduce(self, n, value, place, over, before, after, head):
        """A sum: in registers over the innermost axes, in memory over the others."""
        dims, target, at = len(self.extents), self._parameter("pointer", n), written(place)
        combine = (WHOLE.get(n.op, COMBINE[n.op]) if n.dtype.kind == "i" else COMBINE[n.op]).format
        exact = {"sum": "{} + {}", "prod": "{} * {}"}.get(n.op, combine("{}", "{}")).format
        start, size = self._start(n), math.prod(n.shape)
        self._notice(combine("", ""))
        inner = dims
        while inner > 0 and inner - 1 in over:
            inner -= 1
        in_memory = any(v < inner for v in over)
        if in_memory:
            head.append(f"for i in range({size}):")
            head.append(f"    {target}[i] = {start}")
        value = f"{DTYPES[n.dtype]}({value})" if n.inputs[0].dtype != n.dtype else value
        if not over:  # one element each
            before[dims].append(f"{target}[{at}] = {value}")
            return
        if inner == dims:
            before[dims].append(f"{target}[{at}] = {exact(f'{target}[{at}]', value)}")
            return
        levels = [f"s{len(before[dims])}_{d}" for d in range(inner, dims)]
        for d, name in zip(range(inner, dims), levels):
            before[d].append(f"{name} = {start}")
        last = levels[-1]
        if self.in_blocks:
            last = f"{levels[-1]}_b"
            before["block"].append(f"{last} = {start}")
            after["block"].append(f"{levels[-1]} = {exact(levels[-1], last)}")
        before[dims].append(f"{last} = {combine(last, value)}")
        for d in range(dims - 1, inner, -1):
            after[d].append(f"{levels[d - 1 - inner]} = {exact(levels[d - 1 - inner], levels[d - inner])}")
        store = f"{target}[{at}] = "
        after[inner].append(store + (exact(f"{target}[{at}]", levels[0]) if in_memory else levels[0]))

    def _start(self, n):
        if n.dtype == bool:
            return f"u1({START[n.op]})"
        if n.op in START:
            return literal(START[n.op], n.dtype)
        if n.dtype.kind == "f":
            return literal(-math.inf if n.op == "max" else math.inf, n.dtype)
        return literal((-(2**63)) if n.op == "max" else 2**63 - 1, n.dtype)

    def _notice(self, text):
        self.helpers.add(text)


def written(place):
    """An address as text."""
    parts = [COUNTERS[v] if s == 1 else f"{s} * {COUNTERS[v]}" for v, s in place.steps]
    if place.constant or not parts:
        parts.append(str(place.constant))
    return " + ".join(parts)


def _lines_kept(step):
    """How many lines, so many numbers apart, the first cache keeps: the fewer, the higher the power of two in it."""
    return WAYS * LINES // (math.gcd(step // LINE, LINES) if step % LINE == 0 else 1)


def _without(shape, axes):
    return tuple([s for k, s in enumerate(shape) if k not in axes])


def _blocked(space, members):
    """The space with a long last axis that is summed over cut into blocks of equal length."""
    space = tuple(space)
    if not any(is_reduction(m) and len(iterated(m)) - 1 in reduced_axes(m) for m in members if iterated(m)):
        return space
    if space and space[-1] > BLOCK[-1]:
        block = next((b for b in reversed(BLOCK) if space[-1] % b == 0), None)
        if block:
            return (*space[:-1], space[-1] // block, block)
    return space
