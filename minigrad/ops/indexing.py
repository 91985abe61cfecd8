"""Reading and writing parts of a tensor: ``x[key]`` and ``x[key] = value``.

Ints, slices, None and ``...`` make a view. Where index tensors come with them, as in PyTorch, the view is taken first and
the index tensors then read from it. Each reader comes with its adjoint, so gradients of any order need nothing more.
"""

import numpy as np

from .. import backends, quick
from ..backends.words import index_key
from ..dispatch import apply, make_view
from ..errors import BoundsError, DimError, ShapeError, describe
from ..graph import Node, recording, serial, tracer, writes
from ..op import S, op, registry
from ..tensor import Tensor, new, wrap
from ..views import overlaps, root_of, write
from .samples import normal
from .shape import _target, sum_to

FULL = ("slice", None, None, None)


def _keys(r):
    return [
        S(normal(r, 4, 5), key=(("slice", 1, None, 2), 3)),
        S(normal(r, 4, 5), key=(None, ..., 0)),
        S(normal(r, 4, 5), np.array([0, 2, 2, 0]), key=("?",)),
        S(normal(r, 4, 5), np.array([1, 1]), np.array([0, 0]), key=("?", "?")),
        S(normal(r, 4, 5, 2), np.array([[1], [-1]]), key=(FULL, "?", 1)),
        S(normal(r, 4, 5), r.random((4, 5)) > 0.5, key=("?",)),
    ]


def _put_parameters(params, shape):
    return {"key": params["key"]}


@op(
    kind="view",
    names="",
    vjp=(lambda xp, g, x_shape, key: xp.ungetitem(g, key=key, shape=tuple(x_shape)),),
    put=("slice_put", _put_parameters),
    formula=r"y = x[k]",
    derivative=r"\bar x[k] = \bar y",
    onnx="Slice",
    samples=lambda r: _keys(r)[:2],
)
def slice_(xp, x, *, key):
    """``x[key]`` for a key of ints, slices, None and ``...``: a view."""
    return xp.getitem(x, key=key)


@op(
    names="",
    vjp=(
        lambda xp, g, v_shape, key: xp.slice_put(g, xp.full(g, shape=tuple(v_shape)), key=key),
        lambda xp, g, v_shape, key: sum_to(xp, xp.getitem(g, key=key), v_shape),
    ),
    formula=r"y = x, \quad y[k] = v",
    derivative=r"\bar v = \bar y[k]",
    samples=lambda r: [
        S(normal(r, 4, 5), normal(r, 2), key=(("slice", 1, None, 2), 3)),
        S(normal(r, 4, 5), normal(r), key=(..., 3)),
    ],
)
def slice_put(xp, x, v, *, key):
    """A copy of ``x`` with ``v`` written at a key of ints and slices."""
    return xp.index_put(x, v, key=key)


@op(
    names="",
    vjp=(lambda xp, g, indices, x_shape, key: xp.ungetitem(g, *indices, key=key, shape=tuple(x_shape)), None),
    formula=r"y = x[i]",
    derivative=r"\bar x[i] \mathrel{+}= \bar y",
    onnx="GatherND",
    samples=_keys,
)
def getitem(xp, x, *indices, key):
    """``x[key]`` with index arrays; a new tensor."""
    return xp.getitem(x, *indices, key=key)


@op(
    names="",
    vjp=(lambda xp, g, indices, key: xp.getitem(g, *indices, key=key), None),
    formula=r"y[i] \mathrel{+}= v",
    derivative=r"\bar v = \bar y[i]",
    samples=lambda r: [
        S(normal(r, 4, 5), np.array([0, 2, 2, 0]), key=("?",), shape=(3, 5)),
        S(normal(r, 3), np.array([[True, False], [True, True]]), key=("?",), shape=(2, 2)),
        S(normal(r, 2), key=(("slice", 1, None, 2), 3), shape=(4, 5)),
    ],
)
def ungetitem(xp, v, *indices, key, shape):
    """zeros(shape) with ``v`` added at ``key``; repeated indices add up. The adjoint of getitem."""
    return xp.ungetitem(v, *indices, key=key, shape=shape)


@op(
    names="",
    vjp=(
        lambda xp, g, indices, key: xp.index_put(g, xp.full(g, shape=()), *indices, key=key),
        lambda xp, g, indices, v_shape, key: sum_to(xp, xp.getitem(g, *indices, key=key), v_shape),
        None,
    ),
    formula=r"y = x, \quad y[i] = v",
    derivative=r"\bar v = \bar y[i], \quad \bar x = \bar y \text{ but } \bar x[i] = 0",
    samples=lambda r: [
        S(normal(r, 4, 5), normal(r, 5), np.array([3, 1]), key=("?",)),
        S(normal(r, 4, 5), normal(r, 2, 5), np.array([3, 1]), key=("?",)),
        S(normal(r, 4, 5), normal(r), r.random((4, 5)) > 0.5, key=("?",)),
    ],
)
def index_put(xp, x, v, *indices, key):
    """A copy of ``x`` with ``v`` written at ``key``."""
    return xp.index_put(x, v, *indices, key=key)


_slice_op, _slice_view = registry["slice"], quick.view(registry["slice"])
_raw = _slice_op.table.get  # what is there was put there by `apply`: nothing while a trace runs


def part(t, key):
    """A view of ``t`` for a static key of ints and slices that is known to fit."""
    a = t.array
    if _raw(a.__class__) is None:
        return _slice_view(t, {"key": key})
    return _sliced(t, a[(*index_key(key, ()), ...)] if ... not in key else a[index_key(key, ())], key)


def _sliced(t, array, key):
    """The view ``array`` of the memory of ``t`` as a Tensor."""
    out = new(Tensor)
    out.array = array
    node = t.node
    params = {"key": key}
    if node is not None and recording():
        out.node = Node(_slice_op, (node,), (t.array.shape,), params, serial(), array.shape)
    else:
        out.node = None
    return make_view(out, t, _slice_op, params)


# ---------------------------------------------------------------------------------------------------------- reading a key
def _like(t, array):
    """A NumPy array as a Tensor where ``t`` lies."""
    return wrap(backends.of(t.array).upload(array))


def _as_tuple(key):
    """A list with a tensor, a sequence, a slice, None or ``...`` in it counts as a tuple, as in the old NumPy."""
    if key.__class__ is list and len(key) < 32:
        if any(k is None or k is ... or isinstance(k, Tensor | np.ndarray | list | tuple | range | slice) for k in key):
            return tuple(key)
    return key


def _static_slice(k):
    step = None if k.step is None else k.step.__index__()
    if step is not None and step <= 0:
        raise ValueError(f"step must be greater than zero, got {step}; write x.flip(dim) to reverse a dimension")
    return ("slice", None if k.start is None else k.start.__index__(), None if k.stop is None else k.stop.__index__(), step)


def _index_tensor(t, k):
    """An index tensor, list or array of a key as a Tensor beside ``t``."""
    if not isinstance(k, Tensor):
        if not isinstance(k, np.ndarray):
            k = np.array([v.tolist() if isinstance(v, Tensor | np.ndarray) else v for v in k])
            if k.size == 0 or k.dtype.kind == "f":  # PyTorch cuts the fractions off in a list
                k = k.astype(np.int64)
        k = _like(t, k)
    kind = k.array.dtype.kind
    if kind not in "bui" or k.array.dtype.char in "bhH":
        raise DimError(
            f"tensors used as indices must be long, int, byte or bool tensors, got {describe(k)}; convert with .long()"
        )
    if k.array.__class__ is not t.array.__class__:
        k = k.to(t.device)
    return k != 0 if kind == "u" else k  # PyTorch: a byte tensor is a mask


def split_key(t, key):
    """Python's index as a static key (see ``backends.words.index_key``), its index tensors, and their places in it.

    The places count in the dimensions that the view has before the index tensors are applied.
    """
    template, tensors, places = [], [], []
    ndim, shape = t.array.ndim, t.array.shape
    key = _as_tuple(key)
    keys = key if key.__class__ is tuple else (key,)
    while len(keys) > 1 and keys[-1] is ... and any(k is ... for k in keys[:-1]):  # PyTorch lets several stand at the end
        keys = keys[:-1]
    used = sum(_consumed(k) for k in keys)
    if used > ndim:
        raise DimError(
            "invalid index of a 0-dim tensor. Use `tensor.item()` to convert a 0-dim tensor to a number"
            if not ndim and used == 1
            else f"too many indices for tensor of dimension {ndim} (got {used})"
        )
    d = out = 0  # the dimension of t that comes next, and of the view
    for k in keys:
        if k is None:
            template.append(None)
            out += 1
        elif k is ...:
            if ... in template:
                raise DimError("an index can only have a single ellipsis ('...')")
            template.append(...)
            d, out = d + ndim - used, out + ndim - used
        elif isinstance(k, slice):
            template.append(_static_slice(k))
            d, out = d + 1, out + 1
        elif isinstance(k, bool | np.bool_):
            template.append(None)
            tensors.append(_like(t, np.full(1, bool(k))))
            places.append(out)
            out += 1
        elif isinstance(k, int | np.integer) or _is_scalar_index(k):
            template.append(_checked_int(k, d, shape[d]))
            d += 1
        elif isinstance(k, Tensor | list | tuple | range | np.ndarray):
            tensors.append(_index_tensor(t, k))
            places.append(out)
            n = _consumed(tensors[-1])
            if n:
                template.extend((FULL,) * n)
            else:
                template.append(None)
                tensors[-1] = tensors[-1].reshape(1)
            _check_mask(tensors[-1], n, d, shape)
            d, out = d + n, out + (n or 1)
        elif isinstance(k, str):
            raise TypeError(f"new(): invalid data type 'str': a tensor cannot be indexed with {k!r}")
        else:
            raise DimError(
                f"only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices (got "
                f"{describe(k)})"
            )
    return tuple(template), tensors, places


def _consumed(k):
    """How many dimensions one entry of a key uses up."""
    if k is None or k is ... or isinstance(k, bool | np.bool_):
        return 0
    dtype = getattr(k, "array", k).dtype if hasattr(k, "dtype") else None
    if dtype is not None and (dtype in (np.bool_, np.uint8)):
        return k.ndim
    if isinstance(k, list | tuple) and k and isinstance(k[0], bool | list):
        mask = np.array(k)
        return mask.ndim if mask.dtype == np.bool_ else 1
    return 1


def _is_scalar_index(k):
    """A 0-d integer tensor counts as a number, as in PyTorch; under a trace it stays an array."""
    if isinstance(k, Tensor):
        plain = tracer.get() is None and k.array.__class__ not in backends.wrappers
        return k.array.ndim == 0 and k.array.dtype.kind == "i" and plain
    return isinstance(k, np.ndarray) and k.ndim == 0 and k.dtype.kind in "iu"


def _checked_int(k, d, size):
    k = int(k)
    if not -size <= k < size:
        raise BoundsError(f"index {k} is out of bounds for dimension {d} with size {size}")
    return k


def _check_mask(index, n, d, shape):
    if index.array.dtype == np.bool_ and n and index.array.shape != shape[d : d + n]:
        raise DimError(
            f"The shape of the mask {list(index.array.shape)} at index {d} does not match the shape of the indexed tensor "
            f"{list(shape)} at index {d}"
        )


def _advanced(t, key):
    """(the view that the basic part of a key makes, the index tensors, the static key that applies them to it)."""
    if isinstance(key, Tensor) and _is_plain_index(t, key):
        return t, (key,), ("?",)
    template, tensors, places = split_key(t, key)
    if all(k == FULL or k is ... for k in template):
        view = t
    else:
        view = part(t, template)
    if not tensors:
        return view, (), ()
    found, at = [], 0
    for place, index in zip(places, tensors):
        found.extend((FULL,) * (place - at) + ("?",))
        at = place + (index.array.ndim if index.array.dtype == np.bool_ else 1)
    return view, tuple(tensors), tuple(found)


def _is_plain_index(t, index):
    """The common cases of one int tensor, and of one mask that fits, need no closer look."""
    a, b = t.array, index.array
    if a.__class__ is not b.__class__ or not b.ndim or not a.ndim:
        return False
    return b.dtype.char in "liq" or (b.dtype.kind == "b" and b.shape == a.shape[: b.ndim])


def _refuse_mask(indices):
    """How many elements a mask picks depends on its values, which a trace does not know."""
    trace = tracer.get()
    if trace is not None and any(i.array.dtype == np.bool_ for i in indices):
        trace.refuse_mask()


def _translated(error):
    """NumPy's IndexError in PyTorch's words."""
    text = str(error.args[0]).replace("for axis", "for dimension").replace("indexing arrays", "indexing tensors")
    return DimError(text)


def read(t, key):
    """``t[key]`` for any key."""
    view, indices, template = _advanced(t, key)
    if not indices:
        return part(t, (...,)) if view is t else view
    _refuse_mask(indices)
    try:
        return apply(registry["getitem"], (view, *indices), {"key": template})
    except IndexError as error:
        raise _translated(error) from error.__cause__


def _quick_key(key):
    """The static key of ints, slices, None and ``...`` with plain numbers; None where something else is in it."""
    template = []
    for k in key if key.__class__ is tuple else (key,):
        kind = k.__class__
        if kind is int or k is None or k is ...:
            template.append(k)
        elif kind is slice:
            a, b, step = k.start, k.stop, k.step
            if (a is not None and a.__class__ is not int) or (b is not None and b.__class__ is not int):
                return None
            if step is not None and (step.__class__ is not int or step <= 0):
                return None
            template.append(("slice", a, b, step))
        else:
            return None
    return tuple(template)


def _getitem(self, key):
    """``x[key]``: a view for ints, slices, None and ``...``; a copy for int and bool tensors, lists and arrays.

    >>> import minigrad
    >>> x = minigrad.tensor([[1, 2, 3], [4, 5, 6]])
    >>> x[1, :2]
    tensor([4, 5])
    >>> x[x > 2]
    tensor([3, 4, 5, 6])
    """
    a = self.array
    template = (key,) if key.__class__ is int else _quick_key(key)
    if template is None or _raw(a.__class__) is None:
        return read(self, key)
    try:
        out = a[key] if ... in template else a[(*key, ...) if key.__class__ is tuple else (key, ...)]
    except IndexError:
        return read(self, key)  # which says what is wrong
    return _sliced(self, out, template)


# ---------------------------------------------------------------------------------------------------------- x[key] = value
def _value_for(t, value):
    """What is assigned as a Tensor of the dtype and on the device of ``t``; a number becomes 0-d."""
    if isinstance(value, Tensor):
        fits = value.array.dtype == t.array.dtype and value.array.__class__ is t.array.__class__
        return value if fits else value.to(t.device, t.dtype)
    if isinstance(value, np.ndarray | list | tuple):
        return _like(t, np.asarray(value).astype(t.array.dtype))
    if not isinstance(value, bool | int | float | complex | np.generic):
        raise TypeError(
            f"x[key] = value: can't assign {describe(value)} to a {t.dtype} tensor; give a number, a Tensor or an array"
        )
    return t.new_full((), value)


def _fitting(value, shape, basic=False):
    """``value`` without the leading dimensions of size 1 that the place of ``shape`` does not have."""
    sizes = value.array.shape
    surplus = len(sizes) - len(shape)
    if surplus > 0 and all(n == 1 for n in sizes[:surplus]):
        value, sizes = value.reshape(sizes[surplus:]), sizes[surplus:]
    if len(sizes) > len(shape) or any(n != m and n != 1 for n, m in zip(sizes[::-1], shape[::-1])):
        if basic:
            _target("x[key] = value", sizes, shape)  # raises as expand does
        raise ShapeError(
            f"shape mismatch: value tensor of shape {list(sizes)} cannot be broadcast to indexing result of shape {list(shape)}"
        )
    return value


def _setitem(self, key, value):
    """``x[key] = value``, recorded as the pure operation it stands for; ``value`` is cast and broadcast.

    >>> import minigrad
    >>> x = minigrad.zeros(2, 3)
    >>> x[:, 1] = 5.0
    >>> x
    tensor([[0., 5., 0.],
            [0., 5., 0.]])
    """
    if _set_at_once(self, key, value):
        return
    if isinstance(value, Tensor) and value._base is not None and value._base[0] is self and value._base[1] is _slice_op:
        if split_key(self, key)[:2] == (value._base[2]["key"], []):
            return  # x[k] += v: the view has been written already
    view, indices, template = _advanced(self, key)
    value = _value_for(self, value)
    if not indices:
        write(view, _fitting(value, view.array.shape, basic=True))
        return
    if _put_at_once(view, value, indices, template):
        return
    if len(indices) == 1 and indices[0].array.dtype == np.bool_ and not value.array.ndim and template == ("?",):
        since = serial()
        write(view, view.masked_fill(_over(indices[0], view), value), since)  # no position has to be found
        return
    _refuse_mask(indices)
    value = _fitting(value, _result_shape(view.array.shape, indices, template))
    since = serial()
    try:
        write(view, apply(registry["index_put"], (view, value, *indices), {"key": template}), since)
    except IndexError as error:
        raise _translated(error) from error.__cause__


def _set_at_once(t, key, value):
    """Write numbers and tensors without history straight into a part of ``t``, where no history and no trace asks for more."""
    a = t.array
    if t.node is not None or t._base is not None or _raw(a.__class__) is None or 0 in a.strides:
        return False
    if isinstance(key, Tensor) and _is_plain_index(t, key):
        key = key.array
    elif _quick_key(key) is None:
        return False
    if isinstance(value, Tensor):
        if value.node is not None or value.array.dtype != a.dtype or value.array.__class__ is not a.__class__:
            return False
        value = value.array
    elif (value.__class__ is not float and value.__class__ is not int) or a.dtype.kind != "f":
        return False
    try:
        a[key] = value
    except (IndexError, ValueError):
        return False  # what does not fit is explained elsewhere
    writes.stamp(a)
    return True


def _put_at_once(view, value, indices, template):
    """Write straight into the memory where neither a history nor a trace asks for more."""
    if tracer.get() is not None or overlaps(view.array):
        return False
    if recording() and (value.node is not None or root_of(view).node is not None):
        return False
    try:
        view.array[index_key(template, [i.array for i in indices])] = value.array
    except IndexError as error:
        raise _translated(error) from None
    except ValueError:
        return False  # what does not fit is explained elsewhere
    writes.stamp(view.array)
    return True


def spread_out(t, key, value):
    """Zeros like ``t`` with ``value`` added at ``t[key]``, for index tensors: repeated indices add up."""
    view, indices, template = _advanced(t, key)
    value = _fitting(_value_for(t, value), shape := _result_shape(view.array.shape, indices, template))
    value = apply(registry["broadcast_to"], (value,), {"shape": shape})
    try:
        return apply(registry["ungetitem"], (value, *indices), {"key": template, "shape": view.array.shape})
    except IndexError as error:
        raise _translated(error) from error.__cause__


def _over(mask, view):
    """A mask of the leading dimensions, ready to broadcast over all of them."""
    return mask.reshape(mask.array.shape + (1,) * (view.array.ndim - mask.array.ndim))


def _result_shape(shape, indices, template):
    """The shape of ``view[indices]``; a mask's place has to be counted."""
    arrays = [i.numpy(force=True) if i.array.dtype == np.bool_ else np.broadcast_to(np.int64(0), i.array.shape) for i in indices]
    spot = np.broadcast_to(np.int8(0), shape)
    keys = iter(arrays)
    return spot[tuple(next(keys) if k == "?" else slice(None) for k in template)].shape


Tensor.__getitem__, Tensor.__setitem__ = _getitem, _setitem
