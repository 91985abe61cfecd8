"""Element types under PyTorch's names, and PyTorch's rules for mixing them."""

import ml_dtypes
import numpy as np

from . import house
from .errors import DtypeError, ShapeError


class DType:
    """An element type, such as ``minigrad.float32``. There is one object per type, so ``is`` compares them.

    It equals the NumPy dtype that stores it, and NumPy accepts it wherever it accepts a dtype.

    >>> import minigrad
    >>> minigrad.float32
    minigrad.float32
    >>> minigrad.float32.itemsize, minigrad.float32.is_floating_point
    (4, True)
    """

    __slots__ = ("name", "dtype", "itemsize", "is_floating_point", "is_complex", "is_signed", "category")

    def __init__(self, name, numpy_dtype, category):
        self.name = name
        self.dtype = np.dtype(numpy_dtype)  # NumPy reads this attribute in np.dtype(minigrad.float32)
        self.itemsize = self.dtype.itemsize
        self.category = category  # 0 bool, 1 integer, 2 float, 3 complex
        self.is_floating_point = category == 2
        self.is_complex = category == 3
        self.is_signed = self.dtype.kind not in "bu"

    def to_real(self):
        """The dtype of the parts of a complex dtype; itself for any other."""
        return of_numpy[np.dtype(f"f{self.itemsize // 2}")] if self.is_complex else self

    def to_complex(self):
        """The complex dtype whose parts are of this float dtype (float16's and bfloat16's is complex64); itself if complex."""
        return of_numpy[complex_of(self.dtype)]

    def __repr__(self):
        return f"{house.name}.{self.name}"

    def __eq__(self, other):
        if isinstance(other, DType):
            return self is other
        return isinstance(other, (np.dtype, type)) and self.dtype == other

    def __hash__(self):
        return hash(self.dtype)

    def __reduce__(self):
        return _by_name, (self.name,)


bool_ = DType("bool", np.bool_, 0)
uint8 = DType("uint8", np.uint8, 1)
int8 = DType("int8", np.int8, 1)
int16 = DType("int16", np.int16, 1)
int32 = DType("int32", np.int32, 1)
int64 = DType("int64", np.int64, 1)
float16 = DType("float16", np.float16, 2)
bfloat16 = DType("bfloat16", ml_dtypes.bfloat16, 2)
float32 = DType("float32", np.float32, 2)
float64 = DType("float64", np.float64, 2)
complex64 = DType("complex64", np.complex64, 3)
complex128 = DType("complex128", np.complex128, 3)

ALL = (bool_, uint8, int8, int16, int32, int64, float16, bfloat16, float32, float64, complex64, complex128)
ALIASES = {"half": float16, "float": float32, "double": float64, "short": int16, "int": int32, "long": int64,
           "cfloat": complex64, "cdouble": complex128}  # fmt: skip

uint32 = DType("uint32", np.uint32, 1)  # random bits; no other operation knows it

of_numpy = {d.dtype: d for d in (*ALL, uint32)}  # np.dtype -> DType
_names = {**{d.name: d for d in ALL}, **ALIASES}
_python = {bool: bool_, int: int64, float: float32, complex: complex64}
_default = {"float": float32}


def _by_name(name):
    return _names[name]


def get_default_dtype():
    """The dtype of new float tensors: float32 unless :func:`set_default_dtype` changed it.

    >>> import minigrad
    >>> minigrad.get_default_dtype()
    minigrad.float32
    """
    return _default["float"]


def set_default_dtype(d):
    """Make ``d``, a float dtype, the dtype of new float tensors.

    >>> import minigrad
    >>> minigrad.set_default_dtype(minigrad.float64)
    >>> minigrad.tensor(1.5).dtype
    minigrad.float64
    >>> minigrad.set_default_dtype(minigrad.float32)
    """
    d = as_dtype(d)
    if not d.is_floating_point:
        raise TypeError(f"set_default_dtype: only float dtypes can be the default, got {d}; pass minigrad.float32 or float64")
    _default["float"] = d


def as_dtype(d):
    """A DType from a DType, a NumPy dtype, a Python type or a name; TypeError for what minigrad does not have."""
    if d.__class__ is DType:
        return d
    if d is float:
        return float64  # as a dtype, Python's float is float64; as a number beside a tensor it is the default dtype
    if d in _python:
        return _python[d]
    try:
        numpy_dtype = np.dtype(d)
    except TypeError:
        numpy_dtype = None
    known = of_numpy.get(numpy_dtype)
    if known is None:
        raise DtypeError(f"minigrad has no dtype {d!r}; it has {', '.join(x.name for x in ALL)}")
    return known


def array_dtype(d):
    """The NumPy dtype behind anything :func:`as_dtype` takes."""
    return d if d.__class__ is np.dtype else as_dtype(d).dtype


def category(numpy_dtype):
    """0 bool, 1 integer, 2 float, 3 complex: the order in which PyTorch lets one operand raise another."""
    return of_numpy[numpy_dtype].category


def common_dtype(with_axes, without_axes, scalars):
    """PyTorch's promotion. Three groups decide in turn: tensors with axes, 0-d tensors, Python numbers. A later group only
    changes the result when its category (bool < integer < float < complex) is higher.

    Arguments are NumPy dtypes for the first two groups and Python types for the third; the result is a NumPy dtype.
    """
    result, level = None, -1
    default = _default["float"].dtype
    python_dtypes = [default if t is float else complex_of(default) if t is complex else _python[t].dtype for t in scalars]
    for group in (with_axes, without_axes, python_dtypes):
        if not group:
            continue
        merged = group[0]
        for d in group[1:]:
            merged = promote_types(merged, d)
        if category(merged) > level:
            as_complex = level == 2 and category(merged) == 3  # it keeps the precision of the floats before it
            result, level = complex_of(result) if as_complex else merged, category(merged)
    return result


def complex_of(real):
    """The complex dtype with parts of a float dtype (NumPy dtypes); float16's and bfloat16's is complex64."""
    return (complex128 if real in (float64.dtype, complex128.dtype) else complex64).dtype


def promote_types(a, b):
    """The dtype of a sum of two arrays of dtypes ``a`` and ``b`` (NumPy dtypes), by PyTorch's table.

    It is NumPy's table but for integers beside floats (the float wins, whatever its size) and float16 beside bfloat16.
    """
    if a is b or a == b:
        return a
    if category(a) != category(b):
        high, low = (a, b) if category(a) > category(b) else (b, a)
        return promote_types(high, complex_of(low)) if category(high) == 3 and category(low) == 2 else high
    if category(a) == 2 and a.itemsize == b.itemsize:  # float16 and bfloat16
        return float32.dtype
    return np.promote_types(a, b)


def element(dtype, value):
    """A Python number as one that an array of the NumPy dtype ``dtype`` can hold: fractions are cut off for integers, and
    negative numbers wrap around in unsigned ones. ShapeError (a RuntimeError) where it is too large.
    """
    kind = dtype.kind
    if kind == "b":
        return bool(value)
    if kind in "iu":
        high = 2 ** (8 * dtype.itemsize - (kind == "i"))
        low = -high if kind == "i" else 1 - high  # PyTorch lets -1 become 255
        try:
            whole = int(value)
        except (ValueError, OverflowError):
            whole = high
        if not low <= whole < high:
            raise ShapeError(f"value cannot be converted to type {of_numpy[dtype]} without overflow: {value}")
        return whole if kind == "i" else whole % high
    value = value.item() if isinstance(value, np.generic) else value
    if kind != "c" and isinstance(value, complex):
        if value.imag:
            raise ShapeError(f"value cannot be converted to type {of_numpy[dtype]} without overflow: {value}")
        value = value.real
    return value


def wrapped(number, dtype):
    """A Python integer beside integers of ``dtype``: its lowest bits, as in C."""
    if not -(2**63) <= number < 2**64:
        raise OverflowError("int too big to convert")
    bits = 8 * dtype.itemsize
    low = number & ((1 << bits) - 1)
    return low - (1 << bits) if dtype.kind == "i" and low >> (bits - 1) else low
