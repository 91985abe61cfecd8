"""Complex numbers where programs need them: rotary embeddings, state-space models, phases.

The gradient of a real loss L with respect to z = a + b i is dL/da + i dL/db, twice the derivative with respect to conj(z)
(Kreutz-Delgado, "The complex gradient operator and the CR-calculus", 2009): the direction in which L rises. A function f that
is differentiable in the complex sense passes g on as g conj(f'(z)); the engine puts the conjugates around its rule, so
products, exponentials and the rest have one rule for real and complex numbers. What is not (absolute values, parts, angles)
has a rule of its own here.
"""

import math

import numpy as np

from .. import quick
from ..dispatch import complex_forms
from ..errors import DtypeError, ShapeError, describe
from ..op import E, S, function, op, registry
from ..tensor import Tensor
from .indexing import part
from .linalg import dot
from .samples import normal, positive

LINEAR = """add subtract negative sum mean concat stack copy contiguous reordered reshape permute_dims
matrix_transpose broadcast_to expand alias slice slice_put getitem ungetitem index_put take_along_axis
scatter_along_axis put_along_axis diagonal diagonal_put flip roll pad tril triu cumsum sliding unsliding sliding_put
strided restride strided_put where astype to_device full full_like zeros_like ones_like arange equal not_equal isnan
isinf isfinite any all logical_not logical_and logical_or logical_xor complex view_as_real view_as_complex real imag
conj modulus phase phasor on_circles complex_power""".split()
HOLOMORPHIC = """multiply divide reciprocal square exp exp2 expm1 log log1p log2 log10 sqrt rsqrt sin cos tan sinh cosh tanh
asin acos atan asinh acosh atanh sigmoid matmul linear prod prod_dx cumprod cumprod_dx inv solve""".split()
complex_forms.update(dict.fromkeys(LINEAR, "as it is"), **dict.fromkeys(HOLOMORPHIC, "holomorphic"))


def _pairs(r):
    return [S(normal(r, 3, 2)), S(normal(r, 2)), S(normal(r, 2, 3, 2))]


def _complex(a):
    return a[..., 0] + 1j * a[..., 1]


# --------------------------------------------------------------------------------------------------------- the inner operations
@op(
    kind="view",
    names="",
    vjp=(lambda xp, g: xp.view_as_real(g),),
    put=("view_as_real", lambda params, shape: {}),
    formula=r"z = x_{\dots 0} + i\,x_{\dots 1}",
    derivative=r"\bar x_{\dots 0} = \mathrm{Re}\,\bar z, \quad \bar x_{\dots 1} = \mathrm{Im}\,\bar z",
    samples=_pairs,
    reference=_complex,
    half=False,
)
def view_as_complex(xp, x):
    """The same memory with the pairs along the last axis as complex numbers."""
    return xp.view_as_complex(x)


@op(
    kind="view",
    names="",
    vjp=(lambda xp, g: xp.view_as_complex(g),),
    put=("view_as_complex", lambda params, shape: {}),
    formula=r"y_{\dots 0} = \mathrm{Re}\,z, \quad y_{\dots 1} = \mathrm{Im}\,z",
    derivative=r"\bar z = \bar y_{\dots 0} + i\,\bar y_{\dots 1}",
    samples=lambda r: [S(_complex(normal(r, 3, 2)))],
    reference=lambda z: np.stack([z.real, z.imag], -1),
)
def view_as_real(xp, x):
    """The same memory with the two parts of each number along a new last axis."""
    return xp.view_as_real(x)


@op(
    kind="elementwise",
    promote=False,
    names="",
    vjp=(lambda xp, g: xp.real(g), lambda xp, g: xp.imag(g)),
    formula="z = a + i b",
    derivative=r"\bar a = \mathrm{Re}\,\bar z, \quad \bar b = \mathrm{Im}\,\bar z",
    samples=lambda r: [S(normal(r, 3), normal(r, 3)), S(normal(r, 2, 1), normal(r, 3))],
    reference=lambda a, b: a + 1j * b,
    half=False,
)
def complex_(xp, a, b):
    """``a + b i``."""
    return xp.complex(a, b)


@op(
    names="",
    vjp=(lambda xp, g: xp.complex(g, xp.zeros_like(g)),),
    formula=r"y = \mathrm{Re}\,z",
    derivative=r"\bar z = \bar y",
    samples=lambda r: [S(_complex(normal(r, 3, 2)))],
    reference=np.real,
)
def real(xp, x):
    """The real part; a copy."""
    return xp.copy(xp.real(x))


@op(
    names="",
    vjp=(lambda xp, g: xp.complex(xp.zeros_like(g), g),),
    formula=r"y = \mathrm{Im}\,z",
    derivative=r"\bar z = i\,\bar y",
    samples=lambda r: [S(_complex(normal(r, 3, 2)))],
    reference=np.imag,
)
def imag(xp, x):
    """The imaginary part; a copy."""
    return xp.copy(xp.imag(x))


@op(
    kind="elementwise",
    names="",
    vjp=(lambda xp, g: xp.conj(g),),
    formula=r"y = \bar z",
    derivative=r"\text{the conjugate of the gradient}",
    samples=lambda r: [S(_complex(normal(r, 3, 2)))],
    reference=np.conj,
    inplace=False,
)
def conj(xp, x):
    """The conjugate."""
    return xp.conj(x)


def _nonzero(xp, y):
    return xp.where(xp.equal(y, 0), 1.0, y)


@op(
    kind="elementwise",
    names="",
    vjp=(lambda xp, g, y, x: g * x / _nonzero(xp, y),),
    formula="y = |z|",
    derivative=r"\bar z = \bar y\, z / |z|",
    samples=lambda r: [S(_complex(normal(r, 3, 2)))],
    reference=np.abs,
    inplace=False,
)
def modulus(xp, x):
    """The absolute value of complex numbers; its gradient at 0 is 0."""
    return xp.abs(x)


@op(
    kind="elementwise",
    names="",
    vjp=(lambda xp, g, y, x: (g - y * xp.real(xp.conj(y) * g)) / _nonzero(xp, xp.modulus(x)),),
    formula=r"y = z / |z|",
    derivative=r"\bar z = (\bar y - y\,\mathrm{Re}(y^* \bar y)) / |z|",
    samples=lambda r: [S(_complex(normal(r, 3, 2)))],
    reference=lambda z: z / np.abs(z),
    inplace=False,
)
def phasor(xp, x):
    """The number of absolute value 1 in the direction of each; 0 for 0."""
    return x / _nonzero(xp, xp.modulus(x))


@op(
    kind="elementwise",
    names="",
    vjp=(lambda xp, g, x: g * (1j * x) / _nonzero(xp, xp.square(xp.modulus(x))),),
    formula=r"y = \arg z",
    derivative=r"\bar z = \bar y\, i z / |z|^2",
    samples=lambda r: [S(_complex(normal(r, 3, 2)))],
    reference=np.angle,
    inplace=False,
)
def phase(xp, x):
    """The angle of complex numbers; its gradient at 0 is 0."""
    return xp.atan2(xp.imag(x), xp.real(x))


def _power_da(xp, g, a, b):
    """b a^(b-1), and 0 for b = 0 where a^(b-1) may be infinite."""
    if not hasattr(b, "dtype"):
        return xp.zeros_like(g) if b == 0 else g * xp.conj(b * xp.power(a, b - 1))
    zero = xp.equal(b, 0)
    return xp.where(zero, 0.0, g * xp.conj(b * xp.power(a, xp.where(zero, 1.0, b - 1))))


def _power_db(xp, g, y, a):
    """a^b ln a, and 0 for a = 0, where ln a is infinite."""
    base = a if hasattr(a, "dtype") else xp.full_like(y, value=a)
    return g * xp.conj(y * xp.log(_nonzero(xp, base)))


@op(
    kind="elementwise",
    names="",
    vjp=(_power_da, _power_db),
    formula="y = a^b",
    derivative=r"\bar a = \bar y\,(b\,a^{b-1})^*, \quad \bar b = \bar y\,(y \ln a)^*",
    samples=lambda r: [
        S(_complex(normal(r, 3, 2)), _complex(normal(r, 3, 2))),
        S(_complex(normal(r, 3, 2)), np.array([0, 1, 2j])),
        S(_complex(normal(r, 3, 2)), 3),
        S(_complex(normal(r, 3, 2)), 0),
        S(2.0, _complex(normal(r, 3, 2))),
    ],
    reference=lambda a, b: np.asarray(a) ** np.asarray(b),
    inplace=False,
)
def complex_power(xp, a, b):
    """``a`` to the power ``b`` of complex numbers."""
    return xp.power(a, b)


complex_forms["power"] = registry["complex_power"]
complex_forms.update(abs=registry["modulus"], sign=registry["phasor"])
_as_real, _as_complex = quick.view(registry["view_as_real"]), quick.view(registry["view_as_complex"])
_conj = registry["conj"].face


# ---------------------------------------------------------------------------------------------------------- public functions
def _parts(name, a, b):
    for t in (a, b):
        if not isinstance(t, Tensor):
            raise TypeError(f"{name}(): each argument must be Tensor, not {describe(t)}")
        if not t.is_floating_point():
            raise DtypeError(f"Expected both inputs to be Half, Float or Double tensors but got {a.dtype} and {b.dtype}")
    if a.array.dtype != b.array.dtype:
        raise DtypeError(f"Expected object of scalar type {a.dtype} but got scalar type {b.dtype} for second argument")


_PARTS = {
    "samples": lambda r: [S(normal(r, 3), normal(r, 3)), S(normal(r, 2, 1), normal(r, 3)), S(normal(r), normal(r))],
    "errors": lambda r: [
        E(RuntimeError, "Half, Float or Double", np.array([1]), np.array([2])),
        E(RuntimeError, "must match", normal(r, 2), normal(r, 3)),
        E(TypeError, "must be Tensor", normal(r, 2), 1.0),
    ],
    "half": False,
}


@function("complex", spaces="torch", **_PARTS, reference=lambda a, b: a + 1j * b, formula="z = a + i b",
          derivative=r"\bar a = \mathrm{Re}\,\bar z, \quad \bar b = \mathrm{Im}\,\bar z")  # fmt: skip
def _complex_of(real, imag):
    """Complex numbers of two float tensors: ``real + imag * 1j``.

    >>> import minigrad
    >>> minigrad.complex(minigrad.tensor([1.0]), minigrad.tensor([-2.0]))
    tensor([1.-2.j])
    """
    _parts("complex", real, imag)
    return complex_(real, imag)


def _circles(r):
    return [S(positive(r, 3), normal(r, 3)), S(positive(r, 2, 1), normal(r, 3))]


@op(
    kind="elementwise",
    promote=False,
    names="",
    vjp=(
        lambda xp, g, y: xp.real(xp.conj(g) * xp.phasor(y)),
        lambda xp, g, y: xp.real(xp.conj(g) * (1j * y)),
    ),
    formula=r"z = r e^{i \varphi}",
    derivative=r"\bar r = \mathrm{Re}(\bar z^* z / |z|), \quad \bar\varphi = \mathrm{Re}(\bar z^*\, i z)",
    samples=_circles,
    reference=lambda a, b: a * np.exp(1j * b),
    half=False,
)
def on_circles(xp, a, b):
    """The complex numbers of absolute value ``a`` (positive) and angle ``b``."""
    return xp.complex(a * xp.cos(b), a * xp.sin(b))


@function(
    "polar",
    spaces="torch",
    errors=_PARTS["errors"],
    half=False,
    samples=_circles,
    reference=lambda a, b: a * np.exp(1j * b),
    formula=r"z = r e^{i \varphi}",
)
def polar(abs, angle):
    """Complex numbers of absolute values and angles, both float tensors.

    >>> import minigrad
    >>> minigrad.polar(minigrad.tensor([2.0]), minigrad.tensor([0.0]))
    tensor([2.+0.j])
    """
    _parts("polar", abs, angle)
    return on_circles(abs, angle)


@function("view_as_complex", spaces="torch", samples=_pairs, reference=_complex, half=False,
          errors=lambda r: [E(RuntimeError, "last dimension of size 2", normal(r, 3)),
                            E(RuntimeError, "one or more dimensions", normal(r)),
                            E(RuntimeError, "only supported for half, float and double", np.array([1, 2]))])  # fmt: skip
def _view_as_complex(input):
    """A view of a float tensor (..., 2) as complex numbers.

    Raises:
        RuntimeError: where the last dimension is not of size 2, or the pairs do not lie side by side.

    >>> import minigrad
    >>> minigrad.view_as_complex(minigrad.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor([1.+2.j, 3.+4.j])
    """
    if input.array.dtype.char not in "fd":
        raise DtypeError(
            f"view_as_complex is only supported for half, float and double tensors, but got a tensor of scalar type: "
            f"{input.dtype}"
        )
    if not input.array.ndim:
        raise ShapeError("Input tensor must have one or more dimensions")
    if input.array.shape[-1] != 2:
        raise ShapeError(f"Tensor must have a last dimension of size 2, got shape {tuple(input.array.shape)}")
    *steps, last = input.stride()
    if input.array.size and (last != 1 or any(s % 2 for s in steps)):
        raise ShapeError(
            f"Tensor must have a last dimension with stride 1 and a stride divisible by 2 for all but last dimension, got "
            f"{input.stride()}; write x.contiguous()"
        )
    return _as_complex(input, {})


@function("view_as_real", spaces="torch", samples=lambda r: [S(_complex(normal(r, 3, 2)))],
          errors=lambda r: [E(RuntimeError, "only supported for complex tensors", normal(r, 3))],
          reference=lambda z: np.stack([z.real, z.imag], -1))  # fmt: skip
def _view_as_real(input):
    """A view of a complex tensor as floats (..., 2): the real and the imaginary parts.

    >>> import minigrad
    >>> minigrad.view_as_real(minigrad.tensor([1.0 + 2.0j]))
    tensor([[1., 2.]])
    """
    if not input.is_complex():
        raise DtypeError(f"view_as_real is only supported for complex tensors, got {input.dtype}")
    return _as_real(input, {})


def _real(input):
    """The real parts as a view; a real tensor itself.

    >>> import minigrad
    >>> minigrad.real(minigrad.tensor([1.0 + 2.0j]))
    tensor([1.])
    """
    return part(_as_real(input, {}), (..., 0)) if input.is_complex() else input


def _imag(input):
    """The imaginary parts as a view.

    Raises:
        RuntimeError: for a tensor that is not complex.

    >>> import minigrad
    >>> minigrad.imag(minigrad.tensor([1.0 + 2.0j]))
    tensor([2.])
    """
    if not input.is_complex():
        raise DtypeError("imag is not implemented for tensors with non-complex dtypes.")
    return part(_as_real(input, {}), (..., 1))


def _both(r):
    return [S(_complex(normal(r, 3, 2))), S(normal(r, 3))]


function("real", spaces="torch", samples=_both, reference=np.real)(_real)
function("imag", spaces="torch", samples=lambda r: _both(r)[:1], reference=np.imag,
         errors=lambda r: [E(RuntimeError, "non-complex", normal(r, 2))])(_imag)  # fmt: skip


def _write_real(self, value):
    _real(self).copy_(value)


def _write_imag(self, value):
    _imag(self).copy_(value)


Tensor.real, Tensor.imag = property(_real, _write_real), property(_imag, _write_imag)


@function("conj", samples=_both, reference=np.conj)
def _conjugate(input):
    """The conjugates of complex numbers; a real tensor itself.

    >>> import minigrad
    >>> minigrad.conj(minigrad.tensor([1.0 + 2.0j]))
    tensor([1.-2.j])
    """
    return _conj(input) if input.is_complex() else input


@function("conj_physical", samples=_both, reference=np.conj, inplace=True)
def conj_physical(input):
    """The conjugates; of a real tensor itself.

    >>> import minigrad
    >>> minigrad.conj_physical(minigrad.tensor([1.0 + 2.0j]))
    tensor([1.-2.j])
    """
    return _conjugate(input)


@op(
    kind="elementwise",
    names="angle",
    promote="float",
    vjp=(lambda xp, g: xp.zeros_like(g),),
    formula=r"y = \arg x",
    derivative=r"\bar x = 0",
    samples=lambda r: [*_both(r), S(np.array([1, 0, 2])), S(np.array([-1.0, np.nan]), grad=False)],
    reference=np.angle,
    inplace=False,
)
def angle(xp, x):
    """The angle of complex numbers in radians; of real ones pi where they are negative.

    >>> import minigrad
    >>> minigrad.angle(minigrad.tensor([1.0j, -1.0, 2.0]))
    tensor([1.5708, 3.1416, 0.0000])
    """
    return xp.where(xp.isnan(x), x, xp.astype(xp.less(x, 0), dtype=x.dtype) * math.pi)


complex_forms["angle"] = registry["phase"]


@function("vdot", samples=lambda r: [S(normal(r, 3), normal(r, 3)), S(_complex(normal(r, 3, 2)), _complex(normal(r, 3, 2)))],
          errors=lambda r: [E(RuntimeError, "inconsistent tensor size|same number of elements", normal(r, 2), normal(r, 3))],
          reference=np.vdot, formula=r"y = \sum_i a_i^* b_i")  # fmt: skip
def vdot(input, other):
    """The product of two vectors, of which the first is conjugated.

    >>> import minigrad
    >>> minigrad.vdot(minigrad.tensor([1.0j]), minigrad.tensor([1.0j]))
    tensor(1.+0.j)
    """
    return dot(_conjugate(input), other)


@function("isreal", samples=lambda r: [S(np.array([1 + 0j, 1j])), S(normal(r, 2))], reference=np.isreal)
def isreal(input):
    """Whether each number has no imaginary part.

    >>> import minigrad
    >>> minigrad.isreal(minigrad.tensor([1.0 + 0.0j, 1.0j]))
    tensor([ True, False])
    """
    return _imag(input) == 0 if input.is_complex() else input.new_ones(input.array.shape, dtype="bool")


def _is_lazy(doc):
    def call(input):
        return False

    call.__doc__ = doc
    return call


def _itself(doc):
    def call(input):
        return input

    call.__doc__ = doc
    return call


for _name in ("conj", "neg"):
    function(f"is_{_name}", samples=_both, reference=lambda x: False)(
        _is_lazy(f"""Whether the tensor is a lazy ``{_name}`` view: never, values are computed at once.

    >>> import minigrad
    >>> minigrad.is_{_name}(minigrad.tensor([1.0]))
    False
    """)
    )
    function(f"resolve_{_name}", samples=_both, reference=lambda x: x)(
        _itself(f"""The tensor itself: there are no lazy ``{_name}`` views to resolve.

    >>> import minigrad
    >>> minigrad.resolve_{_name}(minigrad.tensor([1.0]))
    tensor([1.])
    """)
    )
