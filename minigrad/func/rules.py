"""How a word runs on a whole batch at once: a rule by the word's kind, or one of its own.

A rule is ``rule(xp, word, values, flags, level, params)``: ``values`` are the real arrays, (B, ...) where the flag is set;
``xp`` their words. It returns the real result with the batch axis in front, or NotImplemented where it does not apply.
"""

import numpy as np

from ..backends.words import Words
from ..graph import size_of
from .batching import aligned, spread

RULES = {}  # word -> rule
# Words of the libraries that are no operations, and operations whose kind does not say that they are elementwise.
_ELEMENTWISE = {*Words.SAME, *Words.RENAMED} - {"swapaxes"} | set("full_like zeros_like ones_like copy contiguous".split())
_LAST_AXES = """inv det cofactors slogdet cholesky cholesky_factor qr tall_qr complete_qr svd full_svd singular_values eigh
    symmetric_eigen symmetric_eigenvalues pseudo_inverse tril triu diagonal windows unwindows""".split()
_ONE_AXIS = """softmax log_softmax masked_softmax cumsum cumprod cummax cummin logcumsumexp cummax_with_index cummin_with_index
    argsort flip top_places sliding""".split()
_FOLDED = "max_pool2d avg_pool2d avg_pool2d_dx adaptive_max_pool2d im2col col2im max_unpool max_unpool_add".split()


def rule_of(word, xp):
    """The rule of a word, or None: then its text is run, or a loop."""
    rule = RULES.get(word)
    if rule is None:
        rule = RULES[word] = _by_kind(word) or _none
    return None if rule is _none else rule


def _none(*_):
    return NotImplemented


def _by_kind(word):
    from ..op import registry

    op = registry.get(word)
    if word in _ELEMENTWISE or (op is not None and op.kind in ("elementwise", "cast")):
        return elementwise
    if op is not None and {"axis", "keepdims"} <= set(op.params):
        return reduction
    return None


def rule(*words):
    def decorate(function):
        RULES.update(dict.fromkeys(words, function))
        return function

    return decorate


# ------------------------------------------------------------------------------------------------------------ helpers
def _ndim(value, flag):
    return value.ndim - 1 if flag else getattr(value, "ndim", 0)


def _full(xp, values, flags, level):
    """Every array as (B, ...); numbers and None as they are."""
    return [v if f or not hasattr(v, "dtype") else spread(v, level, xp) for v, f in zip(values, flags)]


def _axis(axis, ndim):
    """An axis, or several, of a sample as those of the batch."""
    if isinstance(axis, tuple | list):
        return tuple([_axis(a, ndim) for a in axis])
    if not -max(ndim, 1) <= axis < max(ndim, 1):
        raise np.exceptions.AxisError(axis, ndim)
    return axis % max(ndim, 1) + 1


def _moved(xp, x, source, target):
    """The axes ``source`` moved to ``target``."""
    order = [i for i in range(x.ndim) if i not in source]
    for t, s in sorted(zip(target, source)):
        order.insert(t, s)
    return xp.permute_dims(x, axes=tuple(order))


# ------------------------------------------------------------------------------------------------------- by their kind
def elementwise(xp, word, values, flags, level, params):
    """Line the batch axes up: a sample with fewer axes gets axes of length 1 after the first."""
    ndim = max(_ndim(v, f) for v, f in zip(values, flags))
    return getattr(xp, word)(*[aligned(v, ndim) if f else v for v, f in zip(values, flags)], **params)


def reduction(xp, word, values, flags, level, params):
    """The axes shifted by one; a reduction of everything is one over a row for each sample."""
    if not flags[0] or any(flags[1:]):
        return NotImplemented
    (x, *rest), axis = values, params["axis"] if "axis" in params else None
    ndim, keepdims = x.ndim - 1, params.get("keepdims", False)
    if axis is not None and ndim:
        return getattr(xp, word)(x, *rest, **{**params, "axis": _axis(axis, ndim)})
    flat = x.reshape((level.size, size_of(x.shape[1:])))
    out = getattr(xp, word)(flat, *rest, **{**params, "axis": 1, "keepdims": False})
    shape = (level.size, *(1,) * (ndim if keepdims else 0))
    return tuple([o.reshape(shape) for o in out]) if isinstance(out, tuple) else out.reshape(shape)


@rule(*_LAST_AXES)
def last_axes(xp, word, values, flags, level, params):
    """Words that work on the last axes, whatever stands in front."""
    if any(hasattr(v, "dtype") for v in values[1:]):
        return NotImplemented
    return getattr(xp, word)(*values, **params)


@rule(*_ONE_AXIS)
def one_axis(xp, word, values, flags, level, params):
    x = values[0]
    if x.ndim == 1:
        return NotImplemented
    if "axis" not in params and word == "argsort":
        params = {**params, "axis": -1}
    if params["axis"] is None:
        return NotImplemented
    return getattr(xp, word)(x, **{**params, "axis": _axis(params["axis"], x.ndim - 1)})


@rule(*_FOLDED)
def folded(xp, word, values, flags, level, params):
    """Words on images (N, C, ...): the batch joins the first axis."""
    full = _full(xp, values, flags, level)
    n = full[0].shape[1]
    out = getattr(xp, word)(*[v.reshape((level.size * n, *v.shape[2:])) for v in full], **params)

    def unfold(o):
        return o.reshape((level.size, n, *o.shape[1:]))

    return tuple([unfold(o) for o in out]) if isinstance(out, tuple) else unfold(out)


# ------------------------------------------------------------------------------------------------------ matrix products
@rule("matmul")
def matmul(xp, word, values, flags, level, params):
    (a, b), (batch_a, batch_b) = values, flags
    ndim_a, ndim_b = _ndim(a, batch_a), _ndim(b, batch_b)
    if not ndim_a or not ndim_b:
        return NotImplemented
    if ndim_a == 1:  # a row
        a = a.reshape((*a.shape[:-1], 1, a.shape[-1]))
    if ndim_b == 1:  # a column
        b = b.reshape((*b.shape, 1))
    ndim = max(ndim_a, ndim_b, 2)
    out = xp.matmul(aligned(a, ndim) if batch_a else a, aligned(b, ndim) if batch_b else b)
    shape = list(out.shape)
    if ndim_b == 1:
        del shape[-1]
    if ndim_a == 1:
        del shape[-1 if ndim_b == 1 else -2]
    return out.reshape(tuple(shape))


@rule("solve", "triangular")
def solve(xp, word, values, flags, level, params):
    ndim = max(_ndim(v, f) for v, f in zip(values, flags))
    return getattr(xp, word)(*[aligned(v, ndim) for v in _full(xp, values, flags, level)], **params)


# -------------------------------------------------------------------------------------------------------------- shapes
@rule("reshape")
def reshape(xp, word, values, flags, level, params):
    (x,), shape = values, list(params["shape"])
    size = size_of(x.shape[1:])
    if -1 in shape:
        known = size_of(n for n in shape if n != -1)
        shape[shape.index(-1)] = size // known if known else 0
    if size_of(shape) != size:
        raise ValueError(f"cannot reshape array of size {size} into shape {tuple(params['shape'])}")
    return xp.reshape(x, shape=(x.shape[0], *shape))


@rule("permute_dims")
def permute_dims(xp, word, values, flags, level, params):
    (x,) = values
    return xp.permute_dims(x, axes=(0, *_axis(tuple(params["axes"]), x.ndim - 1)))


@rule("matrix_transpose")
def matrix_transpose(xp, word, values, flags, level, params):
    return NotImplemented if values[0].ndim < 3 else xp.matrix_transpose(values[0])


@rule("alias")
def alias(xp, word, values, flags, level, params):
    return xp.alias(values[0])


@rule("broadcast_to", "expand")
def broadcast_to(xp, word, values, flags, level, params):
    (x,), shape = values, tuple(params["shape"])
    return getattr(xp, word)(aligned(x, len(shape)), shape=(x.shape[0], *shape))


@rule("swapaxes")
def swapaxes(xp, word, values, flags, level, params):
    x, first, second = values
    return xp.swapaxes(x, *_axis((first, second), x.ndim - 1))


@rule("concat", "stack")
def concat(xp, word, values, flags, level, params):
    full = _full(xp, values, flags, level)
    ndim = full[0].ndim - 1 + (word == "stack")
    return getattr(xp, word)(*full, axis=_axis(params.get("axis", 0), ndim))


@rule("pad")
def pad(xp, word, values, flags, level, params):
    return xp.pad(values[0], **{**params, "widths": ((0, 0), *params["widths"])})


@rule("roll")
def roll(xp, word, values, flags, level, params):
    (x,), axis = values, params["axis"]
    return NotImplemented if axis is None else xp.roll(x, shifts=params["shifts"], axis=_axis(axis, x.ndim - 1))


@rule("full")
def full(xp, word, values, flags, level, params):
    return xp.full(values[0], **{**params, "shape": (level.size, *params["shape"])})


@rule("unsliding")
def unsliding(xp, word, values, flags, level, params):
    (g,) = values
    return xp.unsliding(g, **{**params, "axis": _axis(params["axis"], g.ndim - 2)})


@rule("sliding_put")
def sliding_put(xp, word, values, flags, level, params):
    x, v = _full(xp, values, flags, level)
    return xp.sliding_put(x, v, **{**params, "axis": _axis(params["axis"], x.ndim - 1)})


@rule("diagonal_put")
def diagonal_put(xp, word, values, flags, level, params):
    return xp.diagonal_put(*_full(xp, values, flags, level), **params)


# ------------------------------------------------------------------------------------------------------------ indexing
_ALL = ("slice", None, None, None)


class _Key:
    """A key of one sample, read: what it does to the axes of a sample, and how to say so for the batch."""

    def __init__(self, key, indices, flags, shape):
        count = sum(k != "?" and k is not None and k is not ... for k in key)
        taken = count + sum(i.ndim - f if i.dtype.kind == "b" else 1 for i, f in zip(indices, flags))
        key = list(key) if ... in key else [*key, ...]
        at = key.index(...)
        key[at : at + 1] = [_ALL] * (len(shape) - taken)
        self.key = tuple(key)
        advanced = [p for p, k in enumerate(key) if k == "?" or (indices and isinstance(k, int))]
        self.apart = bool(advanced) and advanced[-1] - advanced[0] + 1 != len(advanced)
        self.before = 0 if self.apart or not advanced else advanced[0]  # result axes in front of those of the indices
        self.varied = any(flags)  # whether the indices differ from sample to sample
        self.width = max((i.ndim - f for i, f in zip(indices, flags)), default=0)
        self.indices, self.flags = indices, flags

    def simple(self):
        """Whether a full slice in front says it all."""
        return not self.varied and not self.apart

    def with_samples(self, xp, level):
        """Key and indices with the number of the sample in front: the result is (B, axes of the indices, the others)."""
        numbers = xp.arange(self.indices[0], n=level.size).reshape((level.size, *(1,) * self.width))
        indices = [aligned(i, self.width) if f else i for i, f in zip(self.indices, self.flags)]
        return ("?", *self.key), (numbers, *indices)

    def inward(self, xp, out):
        """(B, axes of the indices, the others) -> (B, as the sample's key puts them)."""
        if not self.before:
            return out
        return _moved(xp, out, range(1, 1 + self.width), range(1 + self.before, 1 + self.before + self.width))

    def outward(self, xp, v):
        """The other way."""
        if not self.before:
            return v
        return _moved(xp, v, range(1 + self.before, 1 + self.before + self.width), range(1, 1 + self.width))


def _masks(indices):
    return any(i.dtype.kind == "b" for i in indices)


def _result_shape(shape, key, indices, flags):
    """The shape of one sample's ``x[key]``."""
    from ..backends.words import index_key

    samples = [np.zeros(i.shape[1:] if f else i.shape, np.int64) for i, f in zip(indices, flags)]
    return np.broadcast_to(np.zeros(()), shape)[index_key(key, samples)].shape


@rule("getitem")
def getitem(xp, word, values, flags, level, params):
    (x, *indices), (batch_x, *varied) = values, flags
    if _masks(indices):
        if any(varied):
            return NotImplemented
        if len(indices) > 1:
            return NotImplemented
    key = _Key(params["key"], indices, varied, x.shape[1:] if batch_x else x.shape)
    if not any(varied) and (key.simple() or _masks(indices)):
        return NotImplemented if key.apart else xp.getitem(x, *indices, key=(_ALL, *key.key))
    where, arrays = key.with_samples(xp, level)
    if batch_x:
        return key.inward(xp, xp.getitem(x, *arrays, key=where))
    out = xp.getitem(x, *arrays[1:], key=key.key)  # the batch axis is the first of the indices'
    return out if not key.before else _moved(xp, out, [key.before], [0])


@rule("slice")
def slice_(xp, word, values, flags, level, params):
    return xp.slice(values[0], key=(_ALL, *params["key"]))


@rule("ungetitem")
def ungetitem(xp, word, values, flags, level, params):
    (v, *indices), (batch_v, *varied) = values, flags
    if _masks(indices):
        return NotImplemented
    shape = params["shape"]
    key = _Key(params["key"], indices, varied, shape)
    v = v if batch_v else spread(v, level, xp)
    if key.simple():
        return xp.ungetitem(v, *indices, key=(_ALL, *key.key), shape=(level.size, *shape))
    where, arrays = key.with_samples(xp, level)
    return xp.ungetitem(key.outward(xp, v), *arrays, key=where, shape=(level.size, *shape))


@rule("index_put")
def index_put(xp, word, values, flags, level, params):
    (x, v, *indices), (batch_x, batch_v, *varied) = values, flags
    if _masks(indices):
        return NotImplemented
    x = x if batch_x else spread(x, level, xp)
    key = _Key(params["key"], indices, varied, x.shape[1:])
    shape = _result_shape(x.shape[1:], key.key, indices, varied)
    if batch_v:
        v = xp.broadcast_to(aligned(v, len(shape)), shape=(level.size, *shape))
    if key.simple():
        return xp.index_put(x, v, *indices, key=(_ALL, *key.key))
    if not batch_v:
        v = xp.broadcast_to(xp.asarray(v), shape=(level.size, *shape))
    where, arrays = key.with_samples(xp, level)
    return xp.index_put(x, key.outward(xp, v), *arrays, key=where)


@rule("slice_put")
def slice_put(xp, word, values, flags, level, params):
    (x, v), (batch_x, batch_v) = values, flags
    x = x if batch_x else spread(x, level, xp)
    if batch_v:
        v = aligned(v, len(_result_shape(x.shape[1:], params["key"], (), ())))
    return xp.slice_put(x, v, key=(_ALL, *params["key"]))


@rule("take_along_axis", "put_along_axis", "extreme_along_axis", "ties_along_axis", "scatter_along_axis")
def along_axis(xp, word, values, flags, level, params):
    full = _full(xp, values, flags, level)
    ndim = full[0].ndim - 1
    if not ndim or full[1].ndim - 1 != ndim:
        return NotImplemented
    params = {**params, "axis": _axis(params["axis"], ndim)}
    if "shape" in params:
        params["shape"] = (level.size, *params["shape"])
    return getattr(xp, word)(*full, **params)


@rule("embedding")
def embedding(xp, word, values, flags, level, params):
    (index, weight), (batch_index, batch_weight) = values, flags
    if not batch_weight:
        return xp.embedding(index, weight, **params)
    if not batch_index:
        return xp.getitem(weight, index, key=(_ALL, "?"))
    rows = weight.shape[1]
    return xp.getitem(weight.reshape((-1, *weight.shape[2:])), _offset(xp, index, rows, level), key=("?",))


@rule("index_add_rows", "embedding_dw")
def index_add_rows(xp, word, values, flags, level, params):
    """Each sample adds into rows of its own."""
    if params.get("padding_idx") is not None or params.get("scale_grad_by_freq"):
        return NotImplemented
    g, index = _full(xp, values, flags, level)
    rows, width = params["rows"], g.shape[-1]
    index = _offset(xp, index, rows, level).reshape((-1,))
    out = xp.index_add_rows(g.reshape((index.shape[0], width)), index, rows=rows * level.size)
    return out.reshape((level.size, rows, width))


def _offset(xp, index, rows, level):
    """Row numbers of each sample's table as those of all tables under one another."""
    index = xp.where(index < 0, index + rows, index)
    return index + xp.arange(index, n=level.size).reshape((level.size, *(1,) * (index.ndim - 1))) * rows


# --------------------------------------------------------------------------------------------------------- convolution
def _images(x):
    """(B, N, ...) -> (B * N, ...)."""
    return x.reshape((x.shape[0] * x.shape[1], *x.shape[2:]))


def _grouped(xp, x):
    """(B, N, C, ...) -> (N, B * C, ...): each sample a group of channels of its own."""
    x = _moved(xp, x, [0], [1])
    return x.reshape((x.shape[0], x.shape[1] * x.shape[2], *x.shape[3:]))


def _ungrouped(xp, y, level):
    """(N, B * C, ...) -> (B, N, C, ...)."""
    return _moved(xp, y.reshape((y.shape[0], level.size, y.shape[1] // level.size, *y.shape[2:])), [1], [0])


@rule("conv2d", "conv2d_dx")
def conv2d(xp, word, values, flags, level, params):
    """Images of all samples in one batch; where the filters differ, each sample is a group of channels."""
    if values[2:]:
        return NotImplemented  # a bias: the text adds it
    function = getattr(xp, word)
    if not flags[1]:
        x, weight = values
        y = function(_images(x), weight, **params)
        return y.reshape((level.size, x.shape[1], *y.shape[1:]))
    x, weight = _full(xp, values, flags, level)
    y = function(_grouped(xp, x), _images(weight), **{**params, "groups": params["groups"] * level.size})
    return _ungrouped(xp, y, level)


@rule("conv2d_dw")
def conv2d_dw(xp, word, values, flags, level, params):
    slope, x = _full(xp, values, flags, level)
    out = xp.conv2d_dw(_grouped(xp, slope), _grouped(xp, x), **{**params, "groups": params["groups"] * level.size})
    return out.reshape((level.size, out.shape[0] // level.size, *out.shape[1:]))
