"""New tensors from data: Python lists, NumPy arrays, other tensors, buffers, and PyTorch's typed constructors."""

import numpy as np

from .. import backends, house
from ..device import default as default_place
from ..device import device as Device
from ..dtype import ALL, DType, array_dtype, as_dtype, category, complex_of, element, get_default_dtype
from ..errors import DtypeError, GradError, describe
from ..op import E, S, function, op
from ..output import put
from ..tensor import Size, Tensor, wrap
from .samples import Raw, normal

INT64, _FLOAT64 = np.dtype("int64"), np.dtype("float64")
_KNOWN = frozenset(d.dtype for d in ALL)


# ------------------------------------------------------------------------- words that rules need: constants like an array
@op(names="", samples=lambda r: [S(normal(r, 3), shape=(2, 2), value=1.5), S(normal(r, 3), shape=(), dtype=np.dtype("int64"))])
def full(xp, like, *, shape, value=0, dtype=None):
    """A new array of ``shape`` filled with ``value``, on the device and (unless given) with the dtype of ``like``."""
    return xp.full(like, shape=shape, value=value, dtype=dtype)


@op(names="", samples=lambda r: [S(normal(r, 3, 2)), S(normal(r))])
def zeros_like(xp, x):
    """Zeros of the shape and dtype of ``x``."""
    return xp.zeros_like(x)


@op(names="", samples=lambda r: [S(normal(r, 3, 2)), S(normal(r))])
def ones_like(xp, x):
    """Ones of the shape and dtype of ``x``."""
    return xp.ones_like(x)


@op(names="", samples=lambda r: [S(normal(r, 3), n=4), S(normal(r, 3), n=2, dtype=np.dtype("float32"))])
def arange(xp, like, *, n, dtype=INT64):
    """0, 1 ... n - 1 on the device of ``like``."""
    return xp.arange(like, n=n, dtype=dtype)


# --------------------------------------------------------------------------------------------------------- placing new arrays
def place(device):
    """The backend and the device number where a new tensor is to lie."""
    if device is None and (device := default_place["device"]) is None:
        return backends.numpy, None
    d = Device(device)
    return backends.on(d.type), d.index


def make(word, *args, dtype, device, requires_grad, out=None):
    """A tensor made by the array library itself (``zeros``, ``full``, ``eye`` ...), where it is to lie."""
    if word == "full":
        args = (args[0], element(np.dtype(dtype), args[1]))
    if device is None and default_place["device"] is None:
        array = getattr(np, word)(*args, dtype=dtype)
    else:
        backend, index = place(device)
        array = backend.make(word, *args, dtype=dtype, device_index=index)
    return finish(array, requires_grad, out)


def finish(array, requires_grad=False, out=None):
    """An array as a new tensor; with ``out`` it is written there."""
    t = wrap(array)
    if out is not None:
        return put(out, t if out.array.dtype == array.dtype else wrap(array.astype(out.array.dtype)), "a creation function")
    return t.requires_grad_() if requires_grad else t


def placed(array, dtype, device, requires_grad=False):
    """A NumPy array as a tensor of the wanted dtype, on the wanted device."""
    if dtype is not None:
        array = array.astype(array_dtype(dtype), copy=False)
    backend, index = place(device)
    return finish(backend.upload(array, index), requires_grad)


# ------------------------------------------------------------------------------------------------------------------ from data
def supported(name, array):
    """The array, if minigrad has its dtype; else an error that says what to do."""
    if array.dtype in _KNOWN:
        return array
    if not array.dtype.isnative:
        raise ValueError(
            f"{name}: given numpy array has byte order different from the native byte order ({array.dtype.str}); "
            f"write array.astype(array.dtype.newbyteorder('='))"
        )
    if array.dtype.kind in "uc":
        raise DtypeError(f"{name}: minigrad has no dtype {array.dtype}; convert the array, for instance with .astype('int64')")
    raise TypeError(f"{name}: can't convert np.ndarray of type {array.dtype.name}; give numbers or bools")


def _leaf_types(data, found):
    """The types of the leaves of nested lists; for arrays and tensors their dtypes."""
    kinds = set(map(type, data))
    for kind in kinds:
        if kind is list or kind is tuple:
            for v in data:
                if type(v) is kind:
                    _leaf_types(v, found)
        elif issubclass(kind, Tensor | np.ndarray | np.generic):
            found.add(Tensor if issubclass(kind, Tensor) else np.ndarray)
            found.update(v.dtype for v in data if type(v) is kind)
        else:
            found.add(kind)
    return found


def _without_tensors(data):
    """Nested lists with every tensor replaced by its NumPy array."""
    if isinstance(data, Tensor):
        return backends.of(data.array).host(data.array)
    return [_without_tensors(v) for v in data] if isinstance(data, list | tuple) else data


def _uneven(data, dim=0, sizes=()):
    """Where the lengths of nested lists begin to differ."""
    if dim < len(sizes) and hasattr(data, "__len__") and len(data) != sizes[dim]:
        return f"expected sequence of length {sizes[dim]} at dim {dim} (got {len(data)})"
    if not sizes:
        inner = data
        while isinstance(inner, list | tuple) and inner:
            sizes, inner = (*sizes, len(inner)), inner[0]
    parts = [_uneven(v, dim + 1, sizes) for v in data] if isinstance(data, list | tuple) else []
    return next(filter(None, parts), "" if dim else "expected a sequence of numbers at every place")


def array_of(data, name="tensor", dtype=None):
    """A new NumPy array of what ``tensor(data)`` takes, with the dtype that PyTorch infers; all digits before a cast."""
    if isinstance(data, Tensor):
        return np.array(backends.of(data.array).host(data.array))
    if isinstance(data, np.ndarray | np.generic):
        return supported(name, np.array(data))
    if not isinstance(data, bool | int | float | complex | list | tuple | range) and not hasattr(data, "__array__"):
        if data is None or isinstance(data, str | dict | set):
            raise DtypeError(
                f"{name}: could not infer dtype of {type(data).__name__} ({describe(data)}); give numbers or nested lists of "
                "numbers"
            )
        if hasattr(data, "__len__"):
            data = list(data)
    found = _leaf_types(data, set()) if isinstance(data, list | tuple) else set()
    if Tensor in found:
        data = _without_tensors(data)
    try:
        array = np.array(data)
    except ValueError as error:
        raise ValueError(f"{name}: {_uneven(data)}; nested lists need equal lengths: {error}") from None
    if array.dtype.kind in "Ou" and (found or {type(data)}) <= {bool, int, float}:  # integers beyond int64, as floats
        if float in found or (dtype is not None and category(np.dtype(dtype)) == 2):
            array = array.astype(_FLOAT64)
    if dtype is None and array.dtype == _FLOAT64 and _FLOAT64 not in found and (found or isinstance(data, float | list | tuple)):
        array = array.astype(get_default_dtype().dtype)  # Python floats; NumPy's own float64 stays
    if dtype is not None and array.dtype == np.int64 and (target := np.dtype(dtype)).kind in "iu" and array.size:
        low, high = np.iinfo(target).min, np.iinfo(target).max
        if target.kind == "u" and -high <= array.min() < 0:
            array = np.where(array < 0, array + high + 1, array)  # as in PyTorch, -1 becomes 255
        if array.min() < low or array.max() > high:
            raise RuntimeError(
                f"{name}: value cannot be converted to type {target} without overflow: it holds {low} to {high}, "
                f"got {describe(data)}"
            )
    if dtype is None and array.dtype == np.complex128 and array.dtype not in found and not hasattr(data, "dtype"):
        array = array.astype(complex_of(get_default_dtype().dtype))
    if array.dtype not in _KNOWN:
        if array.dtype.kind == "U":
            raise ValueError(f"{name}: too many dimensions 'str': could not make a tensor of {describe(data)}")
        if array.dtype.kind == "O" and not any(isinstance(v, int) for v in array.reshape(-1)[:1]):
            raise DtypeError(f"{name}: Could not infer dtype of {describe(data)}; give numbers or nested lists of numbers")
        kind = "too large an integer" if array.dtype.kind in "Ou" else f"NumPy dtype {array.dtype}"
        raise TypeError(f"{name}: could not make a tensor of {describe(data)} ({kind}); give numbers or nested lists of numbers")
    return array


_DATA = {
    "samples": lambda r: [
        S([[1.0, 2.0], [3.0, 4.0]], grad=False),
        S([1, 2], grad=False),
        S(2.5, grad=False),
        S([True, False], grad=False),
        S([0.1, 1e6 + 0.1], dtype=np.dtype("float64"), grad=False),
    ],
    "errors": lambda r: [
        E(ValueError, "equal lengths", [[1, 2], [3]]),
        E(TypeError, "tensor of|infer dtype", "text"),
        E(TypeError, "infer dtype", None),
        E(RuntimeError, "without overflow", [300, -1], dtype=np.dtype("uint8")),
    ],
    "reference": lambda data, dtype=None: np.array(data, dtype),
}


@function("tensor", spaces="torch", **_DATA)
def tensor(data, *, dtype=None, device=None, requires_grad=False, pin_memory=False):
    """A new tensor that copies ``data``: a number, nested lists, a NumPy array or a Tensor.

    Python floats become the default float dtype and ints int64; NumPy's arrays and numbers keep their dtype.

    Args:
        data: numbers, nested lists of one depth, an array, or a Tensor.
        dtype: the dtype of the result.
        device: where it lies; without it the CPU, or where ``data`` lies if that is a Tensor.
        requires_grad: whether it is a leaf that gets a gradient.
        pin_memory: accepted and without effect.

    Raises:
        ValueError: for nested lists of unequal lengths.
        TypeError: for what holds no numbers.

    >>> import minigrad
    >>> minigrad.tensor([[1, 2], [3, 4]])
    tensor([[1, 2],
            [3, 4]])
    """
    if isinstance(data, Tensor):
        return data.detach().clone().to(device or data.device, dtype or data.dtype).requires_grad_(requires_grad)
    return placed(array_of(data, dtype=dtype), dtype, device, requires_grad)


@function("as_tensor", spaces="torch", **_DATA)
def as_tensor(data, dtype=None, device=None):
    """``data`` as a tensor, sharing its memory where dtype and device allow it (NumPy arrays and Tensors).

    >>> import minigrad, numpy
    >>> a = numpy.zeros(2)
    >>> minigrad.as_tensor(a)[0] = 1.0
    >>> a
    array([1., 0.])
    """
    if isinstance(data, Tensor):
        return data.to(device or data.device, dtype or data.dtype)
    array = supported("as_tensor", data) if isinstance(data, np.ndarray) else array_of(data, "as_tensor", dtype)
    return placed(array, dtype, device)


@function("asarray", spaces="torch", **_DATA)
def asarray(obj, *, dtype=None, device=None, copy=None, requires_grad=None):
    """``obj`` as a tensor; ``copy=True`` always copies, ``copy=False`` never does (ValueError where it would have to).

    >>> import minigrad
    >>> minigrad.asarray([1, 2])
    tensor([1, 2])
    """
    if copy:
        return tensor(obj, dtype=dtype, device=device, requires_grad=requires_grad)
    t = as_tensor(obj, dtype, device)
    if copy is False:
        source = obj.array if isinstance(obj, Tensor) else obj
        if source.__class__ is not t.array.__class__ or t.array.dtype != source.dtype:
            raise ValueError(
                f"asarray: can't alias {describe(obj)} as {t.dtype} on {t.device} without a copy; leave copy=False out"
            )
    if requires_grad is None or requires_grad == t.requires_grad:
        return t
    return (t.detach() if t is obj or t.node is not None else t).requires_grad_(requires_grad)


@function("from_numpy", spaces="torch", samples=lambda r: [S(Raw(normal(r, 2, 3))), S(Raw(np.arange(4)[::-2]))], parity=False,
          errors=lambda r: [E(TypeError, "expected np.ndarray", [1.0]), E(TypeError, "can't convert", Raw(np.array(["a"]))),
                            E(ValueError, "byte order", Raw(np.zeros(2, ">f4"))),
                            E(TypeError, "no dtype uint16", Raw(np.zeros(2, "uint16")))],
          reference=lambda raw: raw.array)  # fmt: skip
def from_numpy(ndarray):
    """A tensor that shares the memory of a NumPy array: a write through either shows in both.

    Raises:
        TypeError: for anything but an array of numbers.

    >>> import minigrad, numpy
    >>> a = numpy.arange(3)
    >>> minigrad.from_numpy(a).mul_(10)
    tensor([ 0, 10, 20])
    >>> a
    array([ 0, 10, 20])
    """
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(ndarray).__name__}); for lists write minigrad.tensor(...)")
    return wrap(supported("from_numpy", np.asarray(ndarray)))


@function("scalar_tensor", spaces="torch", samples=lambda r: [S(2.5, grad=False)], reference=np.array)
def scalar_tensor(s, *, dtype=None, device=None, requires_grad=False):
    """A 0-d tensor of a number, of the default float dtype unless ``dtype`` says otherwise.

    >>> import minigrad
    >>> minigrad.scalar_tensor(2)
    tensor(2.)
    """
    return placed(np.array(s), dtype or get_default_dtype(), device, requires_grad)


@function("frombuffer", spaces="torch", parity=False,
          samples=lambda r: [S(bytearray(b"\x01\x00\x02\x00"), dtype=np.dtype("int16"), grad=False),
                             S(bytearray(b"\x01\x00\x02\x00"), dtype=np.dtype("int16"), count=1, offset=2, grad=False)],
          errors=lambda r: [E(ValueError, "buffer", bytearray(b"\x01"), dtype=np.dtype("int32"))],
          reference=lambda buffer, dtype, count=-1, offset=0: np.frombuffer(buffer, dtype, count, offset))  # fmt: skip
def frombuffer(buffer, *, dtype, count=-1, offset=0, requires_grad=False):
    """A 1-D tensor that shares the memory of a Python buffer (bytearray, memoryview, array).

    Args:
        buffer: any object with the buffer interface.
        dtype: how to read its bytes.
        count: how many elements; -1 for all that are there.
        offset: how many bytes to pass over first.

    >>> import minigrad
    >>> minigrad.frombuffer(bytearray([1, 0, 2, 0]), dtype=minigrad.int16)
    tensor([1, 2], dtype=minigrad.int16)
    """
    return finish(np.frombuffer(buffer, array_dtype(dtype), count, offset), requires_grad)


@function("from_dlpack", spaces="torch", samples=lambda r: [S(normal(r, 3), grad=False)], parity=False, reference=lambda x: x)
def from_dlpack(ext_tensor):
    """A tensor that shares the memory of another library's array through DLPack.

    >>> import minigrad, numpy
    >>> minigrad.from_dlpack(numpy.ones(2, "float32"))
    tensor([1., 1.])
    """
    if isinstance(ext_tensor, Tensor):
        return ext_tensor.detach()
    on_cpu = not hasattr(ext_tensor, "__dlpack_device__") or ext_tensor.__dlpack_device__()[0] in (1, 3, 11)
    backend = backends.on("cpu" if on_cpu else "cuda")
    return wrap(supported("from_dlpack", backend.np.from_dlpack(ext_tensor)))


def view_dtype(self, dtype):
    """The same bytes read as another dtype."""
    d = array_dtype(dtype)
    if self.node is not None and d != self.array.dtype:
        raise GradError(
            f"view({dtype}): the bytes of a tensor that requires a gradient cannot be read as another dtype; .detach() it, or "
            "use .to(dtype)"
        )
    a = self.array
    if not a.ndim and d.itemsize != a.itemsize:
        raise DtypeError(f"self.dim() cannot be 0 to view {self.dtype} as {dtype} (different element sizes)")
    try:
        return wrap(a.view(d))
    except ValueError as error:
        times = d.itemsize // a.itemsize or 1
        if a.shape[-1] % times:
            raise DtypeError(
                f"self.size(-1) must be divisible by {times} to view {self.dtype} as {dtype} (different element sizes), but got "
                f"{a.shape[-1]}"
            ) from None
        raise DtypeError(
            f"self.stride(-1) must be 1 to view {self.dtype} as {dtype} (different element sizes), shape {tuple(self.shape)}: "
            f"{error}"
        ) from None


# ------------------------------------------------------------------------------------------------- PyTorch's typed constructors
class _Typed(type):
    """A class whose instances are the tensors of one dtype on one kind of device."""

    def __instancecheck__(cls, t):
        return isinstance(t, Tensor) and t.array.dtype == cls.dtype.dtype and t.device.type == cls.device_type

    def __call__(cls, *data, device=None):
        device = cls.device_type if device is None else device
        if len(data) == 1 and not isinstance(data[0], int | np.integer | Size):
            if not isinstance(data[0], Tensor) and not hasattr(data[0], "__len__"):
                raise TypeError(
                    f"{cls.__name__}(): data must be a sequence (got {type(data[0]).__name__}); for one number write tensor(...)"
                )
            return placed(array_of(data[0], cls.__name__, cls.dtype), cls.dtype, device)
        shape = data[0] if data and isinstance(data[0], Size) else data or (0,)
        return make("empty", tuple(int(n) for n in shape), dtype=cls.dtype.dtype, device=device, requires_grad=False)

    def __repr__(cls):
        return f"<class 'minigrad.{cls.__qualname__}'>"


LEGACY = {"FloatTensor": "float32", "DoubleTensor": "float64", "HalfTensor": "float16", "BFloat16Tensor": "bfloat16",
          "LongTensor": "int64",
          "IntTensor": "int32", "ShortTensor": "int16", "CharTensor": "int8", "ByteTensor": "uint8",
          "BoolTensor": "bool", "ComplexFloatTensor": "complex64", "ComplexDoubleTensor": "complex128"}  # fmt: skip


def typed(name, device_type="cpu"):
    """The class ``FloatTensor``, ``LongTensor`` ... for a kind of device; ``minigrad.cuda`` has its own."""
    d = as_dtype(LEGACY[name])
    doc = f"""``{name}(2, 3)`` is an uninitialised {d.name} tensor, ``{name}([1, 2])`` one of these values.

    It serves ``isinstance``, too.

    PyTorch's old way; :func:`minigrad.tensor` with a dtype is the usual one.

    >>> import minigrad
    >>> isinstance(minigrad.{name}([1]), minigrad.{name})
    True
    """
    space = {"dtype": d, "device_type": device_type, "__doc__": doc, "__module__": "minigrad", "__slots__": ()}
    made = _Typed(name, (), space)
    made.__qualname__ = name if device_type == "cpu" else f"{device_type}.{name}"
    return made


def _values(*data):
    return np.array(data[0]) if isinstance(data[0], list) else np.zeros(data)


TYPED = {}
for _name in LEGACY:
    _tests = {"samples": lambda r: [S([1, 0, 1]), S(0), S(2, 0)], "reference": _values}
    TYPED[_name] = function(_name, spaces="torch", parity=False, **_tests)(typed(_name))


def type_name(t):
    """``"minigrad.FloatTensor"``, or with its device ``"minigrad.cuda.FloatTensor"``."""
    where = "" if t.device.type == "cpu" else f"{t.device.type}."
    return f"{house.name}.{where}" + next(k for k, v in LEGACY.items() if v == t.dtype.name)


def type_of(kind):
    """dtype and device type of what ``x.type(kind)`` takes: a dtype, a typed constructor, or its name."""
    if isinstance(kind, _Typed):
        return kind.dtype, kind.device_type
    if isinstance(kind, str) and kind.endswith("Tensor"):
        *place_, name = kind.removeprefix("torch.").removeprefix("minigrad.").split(".")
        if name in LEGACY and place_ in ([], ["cuda"]):
            return as_dtype(LEGACY[name]), place_[0] if place_ else "cpu"
        raise ValueError(f"type(): invalid type: {kind!r}; use a dtype such as minigrad.float32")
    return kind if isinstance(kind, DType) else as_dtype(kind), None
