"""`_foreach_*`: one operation on every tensor of a list, as optimizers published for PyTorch write their steps.

Each is the operation of the same name without `_foreach_`, tensor by tensor; the names that end in `_` write into the
first list and return it.

>>> import minigrad
>>> weights, moves = [minigrad.ones(2), minigrad.zeros(3)], [minigrad.ones(2), minigrad.ones(3)]
>>> minigrad._foreach_add_(weights, moves, alpha=-0.5)
[tensor([0.5000, 0.5000]), tensor([-0.5000, -0.5000, -0.5000])]
>>> minigrad._foreach_norm(moves, 1)
(tensor(2.), tensor(3.))
"""

from . import linalg
from .tensor import Tensor

_UNARY = """abs acos asin atan ceil cos cosh erf erfc exp expm1 floor frac lgamma log log10 log1p log2 neg reciprocal round rsqrt
sigmoid sign sin sinh sqrt tan tanh trunc""".split()
_BINARY = "add clamp_max clamp_min div maximum minimum mul pow sub".split()
_METHODS = {"maximum": "clamp_min", "minimum": "clamp_max"}  # these take numbers too, and have twins in place
_TERNARY = "addcdiv addcmul".split()
_PLAIN = "clone max mm norm powsum".split()  # without a twin in place
_ONLY_IN_PLACE = "copy_ zero_".split()

NAMES = frozenset(f"_foreach_{name}{tail}" for name in (*_UNARY, *_BINARY, *_TERNARY, "lerp") for tail in ("", "_"))
NAMES = NAMES | {f"_foreach_{name}" for name in (*_PLAIN, *_ONLY_IN_PLACE)}


def __getattr__(name):
    if name not in NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = made = _make(name.removeprefix("_foreach_"))
    made.__name__ = made.__qualname__ = name
    return made


def _make(name):
    """The function ``_foreach_<name>``."""
    stem, in_place = name.removesuffix("_"), name.endswith("_")
    spread = _binary if stem in _BINARY else _ternary if stem in _TERNARY else _lerp if stem == "lerp" else _each

    def foreach(self, *args, **kwargs):
        if stem == "pow" and not isinstance(self, list | tuple):
            return tuple(self**exponent for exponent in args[0])
        _check_list(name, self)
        made = [_one(stem, name)(*row, **extra) for row, extra in spread(stem, self, *args, **kwargs)]
        return self if in_place else tuple(made)

    return foreach


def _one(stem, name):
    """The operation for one tensor."""
    if stem in ("norm", "powsum"):
        return {"norm": linalg.vector_norm, "powsum": _power_sum}[stem]

    method = name.replace(stem, _METHODS.get(stem, stem))
    return lambda x, *args, **kwargs: getattr(x, method)(*args, **kwargs)


def _power_sum(x, ord=2, dtype=None):
    return x.abs().pow(ord).sum(dtype=dtype)


def _check_list(name, values):
    if not isinstance(values, list | tuple):
        raise TypeError(f"_foreach_{name}() received an invalid combination of arguments - got {type(values).__name__}")
    if not values:
        raise RuntimeError("Tensor list must have at least one tensor.")


def _as_long(tensors, others):
    """``others``, which has one entry for each of ``tensors``."""
    if len(others) != len(tensors):
        if isinstance(others[0] if others else None, Tensor):
            raise RuntimeError(f"Tensor lists must have the same number of tensors, got {len(tensors)} and {len(others)}")
        raise RuntimeError("Tensor list must have same number of elements as scalar list.")
    return others


def _each(stem, tensors, *args, **kwargs):
    """Rows for operations of one tensor, and of pairs of tensors (copy_, mm)."""
    pairs = bool(args) and isinstance(args[0], list | tuple)
    others = _as_long(tensors, args[0]) if pairs else [()] * len(tensors)
    return [((x, other, *args[1:]) if pairs else (x, *args), kwargs) for x, other in zip(tensors, others, strict=True)]


def _binary(stem, tensors, other=None, *, scalar=None, scalars=None, exponent=None, **kwargs):
    """Rows for a list with a list of tensors or numbers, a number, or a 0-d tensor."""
    other = next(v for v in (other, scalar, scalars, exponent) if v is not None)
    if isinstance(other, list | tuple):
        return [((x, y), kwargs) for x, y in zip(tensors, _as_long(tensors, other), strict=True)]
    if isinstance(other, Tensor) and other.ndim:
        raise RuntimeError(f"scalar tensor expected to be 0 dim but it has {other.ndim} dimensions and {other.numel()} elements.")
    return [((x, other), kwargs) for x in tensors]


def _ternary(stem, tensors, tensor1, tensor2, value=1, *, scalars=None):
    """Rows of addcmul and addcdiv: the factor is one number, or one for each tensor."""
    value = value if scalars is None else scalars
    if isinstance(value, Tensor):
        value = value.tolist()
    values = _as_long(tensors, value) if isinstance(value, list | tuple) else [value] * len(tensors)
    firsts, seconds = _as_long(tensors, tensor1), _as_long(tensors, tensor2)
    return [((x, a, b), {"value": v}) for x, a, b, v in zip(tensors, firsts, seconds, values, strict=True)]


def _lerp(stem, tensors, tensors1, weight=None, *, weights=None):
    """Rows of lerp: the weight is a number, or a number or a tensor for each tensor."""
    weight = weight if weights is None else weights
    each = _as_long(tensors, weight) if isinstance(weight, list | tuple) else [weight] * len(tensors)
    return [((x, end, w), {}) for x, end, w in zip(tensors, _as_long(tensors, tensors1), each, strict=True)]
