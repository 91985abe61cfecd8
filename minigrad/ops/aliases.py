"""Second names of what stands elsewhere: those of ``torch.special``, and in-place functions such as ``torch.sin_(x)``."""

from ..op import SPACES, Face, S, _publish, faces, function
from ..tensor import Tensor
from . import (  # noqa: F401  what gets a second name must be there
    activation,
    bessel,
    bounds,
    complex,
    conversion,
    elementwise,
    exponential,
    gamma,
    indexing,
    masking,
    numeric,
    probability,
    rounding,
    selecting,
    softmax,
    strided,
    trigonometric,
)

_SPECIAL = {
    "digamma": "digamma", "psi": "digamma", "gammaln": "lgamma", "multigammaln": "mvlgamma", "gammainc": "igamma",
    "gammaincc": "igammac", "softmax": "softmax", "log_softmax": "log_softmax",
}  # fmt: skip
_IN_PLACE = """abs acos acosh arccos arccosh arcsin arcsinh arctan arctanh asin asinh atan atanh ceil clamp clamp_max clamp_min
    clip cos cosh deg2rad erf erfc exp exp2 expm1 fix floor frac gcd i0 lcm ldexp log log10 log1p log2 logit nan_to_num neg
    negative rad2deg reciprocal relu round rsqrt sigmoid sin sinc sinh sqrt square tan tanh trunc xlogy conj_physical
    index_put""".split()
_METHODS = "fill_ zero_ resize_as_".split()


def second_name(name, space, first):
    """``name`` in ``space`` is the function ``first`` itself."""
    face = next(faces[SPACES[s] + first] for s in ("torch", "functional", "Tensor") if SPACES[s] + first in faces)
    same = ("samples", "errors", "reference", "formula", "derivative", "op", "parity", "half")
    _publish(Face(name, (name,), (space,), face.call, **{key: getattr(face, key) for key in same}), False)


def in_place_function(name):
    """``torch.name_(x, ...)``: what the method ``x.name_(...)`` does."""
    method, face = getattr(Tensor, name + "_"), faces[name] if name in faces else faces["nn.functional." + name]

    def call(input, *args, **kwargs):
        return method(input, *args, **kwargs)

    call.__doc__ = f"""In-place version of :func:`{name}`: the result is written into ``input``, which is returned.

    >>> import minigrad
    >>> x = minigrad.tensor([2.0])
    >>> minigrad.abs_(x) is x
    True
    """

    def samples(r):
        """Those of the function whose result has the shape and the dtype of the first argument."""
        return [S(*s.args, **{**s.kwargs, "grad": False, "parity": s.parity}) for s in face.samples(r) if _fits(face, s)]

    function(name + "_", spaces="torch", formula=face.formula, derivative=face.derivative, samples=samples,
             reference=face.reference)(call)  # fmt: skip


def _fits(face, sample):
    first = sample.args[0]
    if not hasattr(first, "dtype") or (
        first.dtype.kind != "f" and face.reference(*sample.args, **sample.kwargs).dtype.kind == "f"
    ):
        return False
    return all(getattr(a, "ndim", 0) <= first.ndim for a in sample.args) and (
        face.reference(*sample.args, **sample.kwargs).shape == first.shape
    )


for _name, _first in _SPECIAL.items():
    second_name(_name, "special", _first)
for _name in _METHODS:
    second_name(_name, "torch", _name)
for _name in _IN_PLACE:
    in_place_function(_name)
