"""Arrays with a hidden batch axis, and the ``xp`` that computes on them.

Inside ``vmap`` a tensor holds a :class:`Batched` array. It shows the shape of one sample; the real array behind it has one
axis more, in front. Its backend, :class:`BatchWords`, answers every word of the vocabulary for the whole batch at once:

1. by a rule of the word or of its kind (``rules.py``): an elementwise word aligns the batch axes, a reduction shifts its axis ...
2. else by the operation's own text, run on batched arrays: what the text is made of has rules;
3. else sample by sample, with the results stacked: right for every word, and slow.

So operations, their gradients of any order and the engine need to know nothing of batches: the rules of an operation run on
batched arrays as they run on any others. A batched array may hold batched arrays itself, one for each ``vmap`` around it.
Bradbury et al., "JAX: composable transformations of Python+NumPy programs" (2018); Matthews and Johnson, "vmap" (2017).
"""

import functools

import numpy as np

from .. import backends, graph
from ..backends.operators import give_operators
from ..backends.words import bodies
from ..errors import GradError
from ..tensor import wrap

_ITEM = (
    "vmap: It looks like you're calling .item() on a Tensor. We don't support vmap over calling .item() on a Tensor, please try "
    "to rewrite what you're doing with other operations: inside vmap a tensor stands for a whole batch and has no single value"
)
_FLOW = (
    "vmap: It looks like you're attempting to use a Tensor in some data-dependent control flow. We don't support that: inside "
    "vmap a tensor stands for a whole batch. Use where(condition, a, b) in place of `if`"
)
_SMALLER = (
    "vmap: inplace arithmetic(self, *extra_args) is not possible because there exists a Tensor `other` in extra_args that has "
    "more elements than `self`: a value that differs from sample to sample cannot be written into, or read from, a tensor that "
    "all samples share. Use an operation out of place, or make `self` from a batched tensor, for instance with x.new_zeros(...)"
)


_RANDOM = (
    "vmap: called random operation while in randomness error mode. Please either use the 'same' or 'different' randomness flags "
    "on vmap or perform the randomness operation out of vmap"
)


def refuse_in_trace(what):
    """TraceError while a function is traced, whose arrays are no samples, and whose graph has no levels."""
    trace = graph.tracer.get()
    if trace is not None:
        raise trace.refuse(what, "call the compiled function inside the transform, or use autograd.grad(create_graph=True)")


class Level:
    """One running (or finished) ``vmap``: how many samples, and since when."""

    __slots__ = ("randomness", "size", "start")

    def __init__(self, size, randomness="error"):
        refuse_in_trace("vmap() was called")
        self.size, self.randomness, self.start = size, randomness, graph.serial()

    @staticmethod
    def draw(levels, draw):
        """Random numbers inside ``vmap``: ``draw()`` once for all samples, or once for each."""
        if any(level.randomness == "error" for level in levels):
            raise RuntimeError(_RANDOM)
        return _drawn(levels, draw)


def _drawn(levels, draw):
    if not levels:
        return draw()
    *outer, level = levels
    if level.randomness == "same":
        return _drawn(outer, draw)
    samples = [_drawn(outer, draw).array for _ in range(level.size)]
    return wrap(batched(inner_words(samples).stack(*samples, axis=0), level))


class Batched:
    """``value``: an array whose first axis is the batch of ``level``; everything else shows one sample."""

    __slots__ = ("__weakref__", "base", "level", "value")
    __array_ufunc__ = None  # ndarray + Batched comes to Batched.__radd__
    xp = None  # the BatchWords of the real array's library

    def __init__(self, value, level, base=None):
        self.value, self.level, self.base = value, level, base

    shape = property(lambda self: self.value.shape[1:])
    dtype = property(lambda self: self.value.dtype)
    ndim = property(lambda self: self.value.ndim - 1)
    size = property(lambda self: graph.size_of(self.value.shape[1:]))
    strides = property(lambda self: self.value.strides[1:])
    itemsize = property(lambda self: self.value.dtype.itemsize)
    nbytes = property(lambda self: self.size * self.itemsize)
    flags = property(lambda self: self.value.flags)
    device = property(lambda self: self.value.device)

    def astype(self, dtype, copy=True):
        return self.__class__(self.value.astype(dtype), self.level)

    def copy(self):
        return self.__class__(self.value.copy(), self.level)

    def reshape(self, *shape):
        return call("reshape", self, shape=tuple(shape[0]) if shape and isinstance(shape[0], tuple | list) else shape)

    def __getitem__(self, key):
        """Integers, slices, None and ``...``, as a view; index arrays, which may differ from sample to sample."""
        if key is Ellipsis:
            return self
        key = key if isinstance(key, tuple) else (key,)
        if not any(hasattr(k, "dtype") for k in key):
            return self.__class__(self.value[(slice(None), *key)], self.level, self)
        arrays, template = _split(key)
        return call("getitem", self, *arrays, key=template)

    def __setitem__(self, key, other):
        """Write ``other`` into every sample."""
        if key is not Ellipsis:
            arrays, template = _split(key if isinstance(key, tuple) else (key,))
            other = call("index_put", self, other, *arrays, key=template)
        if isinstance(other, Batched):
            if other.level is self.level:
                other = aligned(other.value, self.ndim)
            elif other.level.start > self.level.start:
                raise RuntimeError(_SMALLER)
        self.value[...] = other
        graph.writes.stamp(self.value)

    def _item(self, *_, **__):
        raise RuntimeError(_ITEM)

    def _flow(self, *_, **__):
        raise RuntimeError(_FLOW)

    def _foreign(self, *_, **__):
        raise RuntimeError(_SMALLER)

    __float__ = __int__ = __index__ = __complex__ = item = tolist = _item
    __bool__ = min = max = any = all = _flow
    __array__ = __dlpack__ = _foreign
    __array_interface__ = property(_foreign)

    def __array_function__(self, *_):
        return NotImplemented

    def __repr__(self):
        return f"Batched({self.value!r})"


def _split(key):
    """The arrays of an index, and the rest of it as a static key."""
    template = [("slice", k.start, k.stop, k.step) if isinstance(k, slice) else "?" if hasattr(k, "dtype") else k for k in key]
    return [k for k in key if hasattr(k, "dtype")], tuple(template)


class BatchWords:
    """``xp`` of batched arrays, over the words of the ``real`` library."""

    name = "batched"  # a name without kernels: the real words below find theirs

    def __init__(self, real):
        self.real, self.device_type, self.HALVES = real, real.device_type, real.HALVES
        self.ndarray = type(f"Batched{real.name.capitalize()}", (Batched,), {"__slots__": ()})
        self.ndarray.xp = self
        self.upload, self.make = real.upload, real.make

    def __getattr__(self, word):
        if word.startswith("__") or not (word in bodies or hasattr(self.real, word)):
            raise AttributeError(f"xp.{word}: no such word in the vocabulary and no operation of that name")
        function = functools.partial(call, word)
        setattr(self, word, function)
        return function

    def asarray(self, value):
        return value if isinstance(value, Batched) else self.real.asarray(value)

    def host(self, x):
        if not isinstance(x, Batched):
            return self.real.host(x)
        raise RuntimeError("vmap: a batched tensor has no NumPy array of one sample; leave vmap first")

    def size(self, x):
        return graph.size_of(x.shape)

    def check_bounds(self, index, **limits):
        while isinstance(index, Batched):
            index = index.value
        self.real.check_bounds(index, **limits)


_words = {}  # name of the real backend -> BatchWords


def words_of(array):
    """The BatchWords over an array's library; made, and made known, on first use."""
    if isinstance(array, Batched):
        return array.xp
    real = backends.of(array)
    if real.name not in _words:
        words = _words[real.name] = BatchWords(real)
        backends.by_type[words.ndarray] = words
        backends.wrappers.append(words.ndarray)
    return _words[real.name]


def batched(value, level, base=None):
    """``value`` with its first axis hidden."""
    return words_of(value).ndarray(value, level, base)


def top_level(arrays):
    """The innermost level among some arrays, or None."""
    found = None
    for a in arrays:
        if isinstance(a, Batched) and (found is None or a.level.start > found.start):
            found = a.level
    return found


def aligned(value, ndim):
    """A real array (B, ...) with axes of length 1 after the first, so that each sample has ``ndim`` axes."""
    missing = ndim + 1 - value.ndim
    return value if missing <= 0 else value.reshape((value.shape[0], *(1,) * missing, *value.shape[1:]))


def spread(value, level, xp):
    """An array that all samples share as one (B, ...)."""
    return xp.broadcast_to(value, shape=(level.size, *value.shape))


def inner_words(values):
    """The ``xp`` of what is behind the batched arrays."""
    found = None
    for v in values:
        if isinstance(v, Batched):
            return v.xp
        if found is None and hasattr(v, "dtype"):
            found = v
    return backends.of(found)


# ------------------------------------------------------------------------------------------------------------------- words
def call(word, *args, **params):
    """One word on arrays of which some are batched."""
    from .rules import rule_of

    level = top_level(args)
    if level is None:
        return getattr(inner_words(args), word)(*args, **params)
    flags = tuple([isinstance(a, Batched) and a.level is level for a in args])
    values = [a.value if f else a for a, f in zip(args, flags)]
    xp = inner_words(values)
    if word == "arange":  # the same numbers for every sample
        return xp.arange(*values, **params)
    rule = rule_of(word, xp)
    out = NotImplemented if rule is None else rule(xp, word, values, flags, level, params)
    if out is NotImplemented:
        out = _by_text(word, args, params)
        if out is not NotImplemented:
            return out
        out = _by_loop(xp, word, values, flags, level, params)
    if isinstance(out, tuple):
        return tuple([batched(o, level) for o in out])
    first = next(i for i, f in enumerate(flags) if f)
    shares = graph.owner_of(out) is graph.owner_of(values[first])
    return batched(out, level, args[first] if shares else None)


give_operators(Batched, call)


def _by_text(word, args, params):
    """The operation's text on batched arrays; NotImplemented for a word, and where the text cannot be followed."""
    xp = next(a.xp for a in args if isinstance(a, Batched))
    body = bodies.get(word)
    if body is None or hasattr(type(xp.real), word) or (word in vars(xp.real) and _is_native(xp.real, word)):
        return NotImplemented
    level = top_level(args)
    try:
        out = body(xp, *args, **params)
    except Exception:  # it asked for values, or it is wrong in itself: sample by sample that will show
        return NotImplemented
    if isinstance(out, tuple):
        return tuple([_in_level(o, level) for o in out])
    return _in_level(out, level)


def _is_native(real, word):
    """Whether a name found on a backend is the library's own word, and not an operation's text that was remembered there."""
    return not isinstance(vars(real)[word], functools.partial)


def _in_level(out, level):
    """A result that came out the same for all samples, as a batched array: gradients rely on it."""
    if isinstance(out, Batched) and out.level is level:
        return out
    return batched(spread(out, level, backends.of(out)), level)


def _by_loop(xp, word, values, flags, level, params):
    """Sample by sample: right for every word."""
    function = getattr(xp, word)
    results = []
    for i in range(level.size):
        sample = [xp.getitem(v, key=(i, ...)) if f else v for v, f in zip(values, flags)]
        results.append(function(*sample, **params))
    if not results:
        raise GradError(f"vmap: {word} has no batching rule, and a batch of no samples cannot be run sample by sample")
    if isinstance(results[0], tuple):
        return tuple([_stacked(xp, word, parts) for parts in zip(*results)])
    return _stacked(xp, word, results)


def _stacked(xp, word, parts):
    parts = [p if p.__class__ in backends.by_type else xp.asarray(p) for p in parts]
    if any(p.shape != parts[0].shape for p in parts):
        raise RuntimeError(
            f"vmap: We do not support batching operators that can output dynamic shape. Attempted to vmap over {word}, whose "
            f"results have the shapes {', '.join(str(tuple(p.shape)) for p in parts[:3])} ...: use a mask of the full shape, "
            f"where(mask, x, 0)"
        )
    return xp.stack(*parts, axis=0)


# ---------------------------------------------------------------------------------------------------- in and out of a level
def enter(a, level):
    """(B, ...) -> a batched array. The adjoint of ``leave``."""
    if _is_inside(a, level):
        return batched(enter(_swapped(a.value), level), a.level)
    return batched(a, level)


def leave(a, level):
    """A batched array -> (B, ...); what all samples share is repeated."""
    if _is_inside(a, level):
        return batched(_swapped(leave(a.value, level)), a.level)
    if isinstance(a, Batched) and a.level is level:
        return a.value
    return spread(a, level, backends.of(a))


def _is_inside(a, level):
    """Whether ``level`` lies below the level of ``a``: the later one is always the outer shell."""
    return isinstance(a, Batched) and a.level.start > level.start


def _swapped(value):
    """The first two axes exchanged."""
    return inner_words([value]).permute_dims(value, axes=(1, 0, *range(2, value.ndim)))


def share(a, level):
    """An array from outside as one that every sample shares: nothing to do. The adjoint of ``total``."""
    return a


def total(a, level):
    """The sum over the samples: the gradient of what they share."""
    if _is_inside(a, level):
        return batched(total(a.value, level), a.level)
    if isinstance(a, Batched) and a.level is level:
        return inner_words([a.value]).sum(a.value, axis=0, keepdims=False)
    return a * np.asarray(level.size, a.dtype) if a.dtype.kind != "V" else a * level.size


class Boundary:
    """A step into or out of a level as an operation of the recorded graph."""

    outputs, broadcasts, backward, layout, kind, differentiable = 1, False, None, (), "boundary", True

    def __init__(self, function):
        self.function, self.name = function, f"vmap_{function.__name__}"
        self.backward_name = function.__name__.capitalize()
        self.adjoint = None

    def __call__(self, t, level):
        out = wrap(self.function(t.array, level))
        if t.node is not None and graph.recording():
            out.node = graph.Node(self, (t.node,), (), level, graph.serial(), out.array.shape)
        return out

    def gradients(self, n, g, create_graph):
        return [self.adjoint(g, n.params) if create_graph else self.adjoint.function(g, n.params)]


ENTER, LEAVE, SHARE, TOTAL = map(Boundary, (enter, leave, share, total))
ENTER.adjoint, LEAVE.adjoint, SHARE.adjoint, TOTAL.adjoint = LEAVE, ENTER, TOTAL, SHARE


def seal(tensors, level):
    """Close a level: where the graph behind ``tensors`` leads out of it, gradients are summed over the samples.

    While the level was open they were not: inside, the gradient of a tensor from outside is that of each sample.
    """
    doors, seen = {}, set()
    stack = [t.node for t in tensors if t.node is not None and t.node.serial > level.start]
    while stack:
        n = stack.pop()
        if n in seen:
            continue
        seen.add(n)
        if n.op is ENTER and n.params is level:
            continue
        n.parents = tuple([_door(p, level, doors) for p in n.parents])
        _seal_saved(n, level, doors)
        stack.extend(p for p in n.parents if p is not None and p.serial > level.start)


def _seal_saved(n, level, doors):
    """A user's Function keeps the history of its saved tensors itself."""
    if n.op.kind == "function" and n.saved:
        n.saved[0].reroute(lambda node: _door(node, level, doors))


def _door(p, level, doors):
    if p is None or p.serial > level.start or (p.op is SHARE and p.params is level):
        return p
    if p not in doors:
        doors[p] = graph.Node(SHARE, (p,), (), level, level.start, p.shape)
    return doors[p]
