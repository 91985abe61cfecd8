"""New tensors from a rule: constants, the identity, ranges, and tensors made like another one."""

import math

import numpy as np

from .. import backends
from ..dispatch import apply
from ..dtype import array_dtype, as_dtype, get_default_dtype
from ..errors import ShapeError
from ..mt19937 import visiting_order
from ..op import E, S, function, registry
from ..tensor import Tensor, memory_order
from .creation import finish, make, place, tensor
from .drawing import memory_of
from .samples import normal


def sizes(name, size):
    """Sizes given as ``f(2, 3)``, ``f((2, 3))`` or ``f([2, 3])`` as a tuple of ints, none of them negative."""
    if len(size) == 1 and not hasattr(size[0], "__index__"):
        size = size[0]
    try:
        shape = tuple([n if n.__class__ is int else n.__index__() for n in size])
    except (TypeError, AttributeError):
        raise TypeError(f"{name}(): argument 'size' must be tuple of ints, not {size!r}") from None
    if any(n < 0 for n in shape):
        raise ShapeError(f"{name}: Dimension size must be non-negative, got {shape}")
    return shape


_SHAPES = {
    "samples": lambda r: [
        S(2, 3, grad=False),
        S((2, 3), grad=False),
        S([0, 2], grad=False),
        S((), grad=False),
        S(2, dtype=np.dtype("int64"), grad=False),
    ],
    "errors": lambda r: [E(RuntimeError, "non-negative", -1), E(TypeError, "must be tuple of ints", 2.5)],
}


# PyTorch's signature also has layout, pin_memory and memory_format; here they are taken and have no effect.
@function(
    "zeros", spaces="torch", reference=lambda *size, dtype=None: np.zeros(size[0] if len(size) == 1 else size, dtype), **_SHAPES
)
def zeros(*shape, size=None, out=None, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False):
    """A tensor of zeros: ``zeros(2, 3)`` or ``zeros((2, 3))``, of the default float dtype unless ``dtype`` says otherwise.

    Args:
        shape: the shape, which may also be given as ``size``.
        out: a tensor to write into instead.
        dtype, device, requires_grad: of the new tensor.

    Raises:
        RuntimeError: for a negative size.

    >>> import minigrad
    >>> minigrad.zeros(2, 3)
    tensor([[0., 0., 0.],
            [0., 0., 0.]])
    """
    d = array_dtype(dtype or get_default_dtype())
    return make(
        "zeros", sizes("zeros", shape if size is None else (size,)), dtype=d, device=device, requires_grad=requires_grad, out=out
    )


@function(
    "ones", spaces="torch", reference=lambda *size, dtype=None: np.ones(size[0] if len(size) == 1 else size, dtype), **_SHAPES
)
def ones(*shape, size=None, out=None, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False):
    """A tensor of ones: ``ones(2, 3)`` or ``ones((2, 3))``. Arguments as :func:`minigrad.zeros`.

    >>> import minigrad
    >>> minigrad.ones(2)
    tensor([1., 1.])
    """
    d = array_dtype(dtype or get_default_dtype())
    return make(
        "ones", sizes("ones", shape if size is None else (size,)), dtype=d, device=device, requires_grad=requires_grad, out=out
    )


@function("empty", spaces="torch", samples=lambda r: [S(0), S((2, 0)), S(0, 3, dtype=np.dtype("int64"))],
          errors=_SHAPES["errors"],
          parity="its values are whatever lay in memory")  # fmt: skip
def empty(
    *shape, size=None, out=None, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False, memory_format=None
):
    """A tensor whose values are whatever lay in memory. Arguments as :func:`minigrad.zeros`.

    >>> import minigrad
    >>> minigrad.empty(2, 3).shape
    minigrad.Size([2, 3])
    """
    d = array_dtype(dtype or get_default_dtype())
    shape = sizes("empty", shape if size is None else (size,))
    order = memory_order(memory_format, len(shape)) or range(len(shape))
    t = make("empty", tuple([shape[a] for a in order]), dtype=d, device=device, requires_grad=False, out=out)
    if memory_format is not None:
        t.array = t.array.transpose([order.index(a) for a in range(len(shape))])
    return t.requires_grad_() if requires_grad else t


@function("full", spaces="torch",
          samples=lambda r: [S((2, 3), 1.5, grad=False), S((2,), 7, grad=False),
                             S((2,), True, grad=False)],
          errors=lambda r: [E(RuntimeError, "non-negative", (-1,), 1.0)],
          reference=lambda size, fill_value: np.full(size, fill_value))  # fmt: skip
def full(size, fill_value, *, out=None, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False):
    """A tensor of shape ``size`` filled with ``fill_value``; its dtype is the number's unless ``dtype`` says otherwise.

    >>> import minigrad
    >>> minigrad.full((2,), 7)
    tensor([7, 7])
    """
    if isinstance(fill_value, Tensor):
        fill_value = fill_value.item()
    inferred = get_default_dtype() if isinstance(fill_value, float) else as_dtype(type(fill_value))
    d = array_dtype(dtype or inferred)
    return make("full", sizes("full", (size,)), fill_value, dtype=d, device=device, requires_grad=requires_grad, out=out)


@function("eye", spaces="torch", samples=lambda r: [S(3, grad=False), S(2, 3, grad=False), S(0, grad=False)],
          errors=lambda r: [E(RuntimeError, "greater or equal to 0", -1)], reference=lambda n, m=None: np.eye(n, m))  # fmt: skip
def eye(n, m=None, *, out=None, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False):
    """Ones on the diagonal of an (n, m) matrix of zeros; square without ``m``.

    >>> import minigrad
    >>> minigrad.eye(2)
    tensor([[1., 0.],
            [0., 1.]])
    """
    if n < 0 or (m is not None and m < 0):
        raise ShapeError(f"eye: n must be greater or equal to 0, got {n if n < 0 else m}")
    d = array_dtype(dtype or get_default_dtype())
    return make("eye", n, m, dtype=d, device=device, requires_grad=requires_grad, out=out)


# -------------------------------------------------------------------------------------------------------------------- ranges
def _number(v):
    return v.item() if isinstance(v, Tensor | np.generic) else v


@function("arange", spaces="torch",
          samples=lambda r: [S(5, grad=False), S(1, 7, 2, grad=False), S(0, 1, 0.25, grad=False), S(3, 0, -1, grad=False),
                             S(2, 2, grad=False),
                             S(end=4, grad=False), S(1, end=3, dtype=np.dtype("float64"), grad=False)],
          errors=lambda r: [E(RuntimeError, "step must be nonzero", 0, 1, 0),
                            E(RuntimeError, "inconsistent with step sign", 1, 5, -1)],
          reference=lambda start=0, end=None, step=1, dtype=None: np.arange(*((0, start) if end is None else (start, end)), step,
              dtype=dtype))  # fmt: skip
def arange(start=0, end=None, step=1, *, out=None, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False):
    """``start``, ``start + step`` ... up to but without ``end``; ``arange(end)`` starts at 0.

    int64 where all three are integers, else the default float dtype.

    Raises:
        RuntimeError: where ``step`` is 0, or leads away from ``end``.

    >>> import minigrad
    >>> minigrad.arange(3)
    tensor([0, 1, 2])
    >>> minigrad.arange(0, 1, 0.25)
    tensor([0.0000, 0.2500, 0.5000, 0.7500])
    """
    if end is None:
        start, end = 0, start
    start, end, step = _number(start), _number(end), _number(step)
    if dtype is not None and array_dtype(dtype).kind in "iu":
        d = array_dtype(dtype)
        if (
            d.itemsize < 8
            and float in (type(start), type(end), type(step))
            and step
            and (n := math.ceil((end - start) / step)) > 0
        ):
            steps = int(start) + int(step) * np.arange(n)  # as in PyTorch, the count is that of the floats
            return _upload(steps.astype(d), device, requires_grad, out)
        start, end, step = int(start), int(end), int(step)
    if step == 0:
        raise ShapeError("arange: step must be nonzero")
    if (end - start) * step < 0:
        raise ShapeError(f"arange: upper bound and lower bound inconsistent with step sign (from {start} to {end} by {step})")
    integral = not any(isinstance(v, float) for v in (start, end, step))
    d = array_dtype(dtype or ("int64" if integral else get_default_dtype()))
    if integral and d.kind in "iu":
        if d.kind == "u" and start < 0:  # they wrap around
            return _upload(np.arange(start, end, step).astype(d), device, requires_grad, out)
        return make("arange", start, end, step, dtype=d, device=device, requires_grad=requires_grad, out=out)
    n = math.ceil((end - start) / step)
    steps = np.arange(n, dtype=np.float64) * step + start  # NumPy's own float range adds up rounding errors
    return _upload(steps.astype(d), device, requires_grad, out)


def _upload(array, device, requires_grad, out):
    backend, index = place(device)
    return finish(backend.upload(array, index), requires_grad, out)


_WIDER = {np.float32: np.float64, np.float64: np.longdouble, np.complex64: np.complex128, np.complex128: np.clongdouble}


def evenly(name, start, end, steps, d):
    """PyTorch's linspace, to the bit: the second half is counted from ``end``, so that it is met exactly.

    The step is rounded to the dtype ``d``. For float32 and float64 a multiple of it is added with one rounding, as a fused
    multiply-add does, which the next wider type gives; in half precision both product and sum are rounded.
    """
    if not hasattr(steps, "__index__"):
        raise TypeError(f"{name}(): argument 'steps' must be int, not {type(steps).__name__}")
    if steps < 0:
        raise ShapeError(f"{name}: number of steps must be non-negative, got {steps}")
    start, end, steps = _number(start), _number(end), steps.__index__()
    narrow = d.type
    if d.kind in "iub":
        start, end, narrow = int(start), int(end), np.float64
    wide = _WIDER.get(narrow, np.float32)
    start, end = narrow(start), narrow(end)
    step = narrow((end - start) / narrow(steps - 1)) if steps > 1 else narrow(0)

    def multiple(i):
        product = i.astype(wide) * wide(step)
        return product if wide is not np.float32 else product.astype(narrow).astype(wide)

    i = np.arange(steps)
    from_start, from_end = wide(start) + multiple(i), wide(end) - multiple(steps - 1 - i)
    return np.where(i < max(steps // 2, steps == 1), from_start, from_end).astype(narrow)


@function("linspace", spaces="torch",
          samples=lambda r: [S(0, 1, 5, grad=False), S(3.0, -1.0, 4, dtype=np.dtype("float64")),
                             S(2, 5, 1, grad=False), S(0, 1, steps=0, grad=False)],
          errors=lambda r: [E(RuntimeError, "steps must be non-negative", 0, 1, -1)],
          reference=lambda start, end, steps, dtype=None: np.linspace(start, end, steps))  # fmt: skip
def linspace(start, end, steps, *, out=None, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False):
    """``steps`` evenly spaced numbers from ``start`` to ``end``, both included.

    >>> import minigrad
    >>> minigrad.linspace(0, 1, 5)
    tensor([0.0000, 0.2500, 0.5000, 0.7500, 1.0000])
    """
    d = array_dtype(dtype or get_default_dtype())
    return _upload(evenly("linspace", start, end, steps, d).astype(d), device, requires_grad, out)


@function("logspace", spaces="torch", samples=lambda r: [S(0, 2, 3, grad=False), S(-1, 1, 4, 2.0, dtype=np.dtype("float64"))],
          errors=lambda r: [E(RuntimeError, "steps must be non-negative", 0, 1, -1)],
          reference=lambda start, end, steps, base=10.0, dtype=None: np.logspace(start, end, steps, base=base))  # fmt: skip
def logspace(
    start, end, steps, base=10.0, *, out=None, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False
):
    """``base`` to the power of ``steps`` evenly spaced exponents from ``start`` to ``end``.

    >>> import minigrad
    >>> minigrad.logspace(0, 2, 3)
    tensor([  1.,  10., 100.])
    """
    d = array_dtype(dtype or get_default_dtype())
    return _upload(np.power(float(base), evenly("logspace", start, end, steps, d)).astype(d), device, requires_grad, out)


# -------------------------------------------------------------------------------------------------------------- like another
def _like(word, input, fill, dtype, device, requires_grad, memory_format=None):
    """A new tensor like ``input``, also in the order of its dimensions in memory where ``memory_format`` names no other."""
    d = input.array.dtype if dtype is None else array_dtype(dtype)
    where = input.device if device is None else device
    shape, array = input.array.shape, memory_of(input)
    if memory_format is None and array.flags.c_contiguous:
        return make(word, shape, *fill, dtype=d, device=where, requires_grad=requires_grad)
    order = memory_order(memory_format, len(shape)) or visiting_order(array) or tuple(range(len(shape)))
    order = (*(a for a in range(len(shape)) if a not in order), *order)  # axes of one element lie anywhere
    t = make(word, tuple([shape[a] for a in order]), *fill, dtype=d, device=where, requires_grad=False)
    t.array = t.array.transpose([order.index(a) for a in range(len(shape))])
    return t.requires_grad_() if requires_grad else t


_LIKE = {
    "samples": lambda r: [
        S(normal(r, 2, 3), grad=False),
        S(normal(r, 2), dtype=np.dtype("int64"), grad=False),
        S(normal(r), grad=False),
    ]
}


@function("zeros_like", spaces="torch", reference=lambda x, dtype=None: np.zeros_like(x, dtype), **_LIKE)
def zeros_like(input, *, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False, memory_format=None):
    """Zeros with the shape, dtype and device of ``input``, where the arguments do not say otherwise.

    >>> import minigrad
    >>> minigrad.zeros_like(minigrad.tensor([1, 2]))
    tensor([0, 0])
    """
    return _like("zeros", input, (), dtype, device, requires_grad, memory_format)


@function("ones_like", spaces="torch", reference=lambda x, dtype=None: np.ones_like(x, dtype), **_LIKE)
def ones_like(input, *, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False, memory_format=None):
    """Ones with the shape, dtype and device of ``input``, where the arguments do not say otherwise.

    >>> import minigrad
    >>> minigrad.ones_like(minigrad.tensor([3.0, 4.0]))
    tensor([1., 1.])
    """
    return _like("ones", input, (), dtype, device, requires_grad, memory_format)


@function("empty_like", spaces="torch", samples=lambda r: [S(normal(r, 2, 0))], parity="its values are whatever lay in memory")
def empty_like(input, *, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False, memory_format=None):
    """An uninitialised tensor with the shape, dtype and device of ``input``, where the arguments do not say otherwise.

    >>> import minigrad
    >>> minigrad.empty_like(minigrad.zeros(2, 3)).shape
    minigrad.Size([2, 3])
    """
    return _like("empty", input, (), dtype, device, requires_grad, memory_format)


@function("full_like", spaces="torch",
          samples=lambda r: [S(normal(r, 2, 3), 2.5, grad=False),
                             S(normal(r, 2), 2, dtype=np.dtype("int64"), grad=False)],
          reference=lambda x, v, dtype=None: np.full_like(x, v, dtype))  # fmt: skip
def full_like(
    input, fill_value, *, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False, memory_format=None
):
    """``fill_value`` everywhere, with the shape, dtype and device of ``input``, where the arguments do not say otherwise.

    >>> import minigrad
    >>> minigrad.full_like(minigrad.zeros(2), 5)
    tensor([5., 5.])
    """
    return _like("full", input, (_number(fill_value),), dtype, device, requires_grad, memory_format)


def _new(word, self, size, fill, dtype, device, requires_grad):
    d = self.array.dtype if dtype is None else array_dtype(dtype)
    if self.array.__class__ in backends.wrappers:  # inside vmap: one for each sample, so that each can be written
        value = fill[0] if fill else int(word == "ones")
        t = apply(registry["full"], (self.detach(),), {"shape": sizes(f"new_{word}", size), "value": value, "dtype": d})
        return t.requires_grad_(requires_grad)
    return make(word, sizes(f"new_{word}", size), *fill, dtype=d, device=device or self.device, requires_grad=requires_grad)


def _new_shapes(*fill):
    return lambda r: [
        S(normal(r, 3), (2, 3), *fill, grad=False),
        S(normal(r, 3), (2,), *fill, dtype=np.dtype("int64"), grad=False),
    ]


@function(
    "new_zeros", spaces="Tensor", samples=_new_shapes(), reference=lambda x, size, dtype=None: np.zeros(size, dtype or x.dtype)
)
def new_zeros(self, *shape, size=None, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False):
    """Zeros of shape ``size`` with this tensor's dtype and device.

    >>> import minigrad
    >>> minigrad.tensor([1, 2]).new_zeros(3)
    tensor([0, 0, 0])
    """
    return _new("zeros", self, shape if size is None else (size,), (), dtype, device, requires_grad)


@function(
    "new_ones", spaces="Tensor", samples=_new_shapes(), reference=lambda x, size, dtype=None: np.ones(size, dtype or x.dtype)
)
def new_ones(self, *shape, size=None, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False):
    """Ones of shape ``size`` with this tensor's dtype and device.

    >>> import minigrad
    >>> minigrad.tensor([1.0]).new_ones(2)
    tensor([1., 1.])
    """
    return _new("ones", self, shape if size is None else (size,), (), dtype, device, requires_grad)


@function(
    "new_empty", spaces="Tensor", samples=lambda r: [S(normal(r, 3), (0, 2))], parity="its values are whatever lay in memory"
)
def new_empty(self, *shape, size=None, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False):
    """An uninitialised tensor of shape ``size`` with this tensor's dtype and device.

    >>> import minigrad
    >>> minigrad.tensor([1.0]).new_empty(2, 3).shape
    minigrad.Size([2, 3])
    """
    return _new("empty", self, shape if size is None else (size,), (), dtype, device, requires_grad)


@function(
    "new_full",
    spaces="Tensor",
    samples=_new_shapes(2.0),
    reference=lambda x, size, v, dtype=None: np.full(size, v, dtype or x.dtype),
)
def new_full(self, size, fill_value, *, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False):
    """A tensor of shape ``size`` filled with ``fill_value``, with this tensor's dtype and device.

    >>> import minigrad
    >>> minigrad.tensor([1.0]).new_full((2,), 7)
    tensor([7., 7.])
    """
    return _new("full", self, (size,), (_number(fill_value),), dtype, device, requires_grad)


@function(
    "new_tensor",
    spaces="Tensor",
    samples=lambda r: [S(normal(r, 3), [1, 2], grad=False)],
    reference=lambda x, data: np.array(data, x.dtype),
)
def new_tensor(self, data, *, dtype=None, device=None, requires_grad=False, pin_memory=False):
    """:func:`minigrad.tensor` of ``data`` with this tensor's dtype and device.

    >>> import minigrad
    >>> minigrad.tensor([0.5]).new_tensor([1, 2])
    tensor([1., 2.])
    """
    return tensor(data, dtype=dtype or self.dtype, device=device or self.device, requires_grad=requires_grad)
