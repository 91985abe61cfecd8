"""Special functions, numbers and their parts, legacy forms: against PyTorch where dtypes, edges and errors decide."""

import itertools
import warnings

import numpy as np
import pytest

import minigrad

pytestmark = pytest.mark.parity

SPECIAL_VALUES = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -0.5,
    2.0,
    -2.0,
    3.7,
    -3.7,
    20.0,
    -20.0,
    1e-3,
    float("inf"),
    -float("inf"),
    float("nan"),
]
UNARY = """abs sign sqrt rsqrt square reciprocal exp exp2 expm1 log log1p log2 log10 sigmoid erf erfc erfinv sin cos tan asin acos
    atan sinh cosh tanh asinh acosh atanh floor ceil round trunc frac i0 sinc logit special.i0e special.entr special.erfcx
    special.ndtr special.ndtri special.modified_bessel_i0 special.modified_bessel_k0 special.modified_bessel_k1
    special.scaled_modified_bessel_k0 special.scaled_modified_bessel_k1 special.spherical_bessel_j0""".split()
BINARY = """add sub mul div remainder fmod pow float_power atan2 hypot maximum minimum fmax fmin xlogy special.xlog1py heaviside
    nextafter logaddexp logaddexp2""".split()


@pytest.fixture(scope="module")
def torch():
    import torch

    return torch


def named(lib, name):
    for part in name.split("."):
        lib = getattr(lib, part)
    return lib


def value_and_gradients(lib, name, columns):
    inputs = [lib.tensor(c, dtype=lib.float64, requires_grad=True) for c in columns]
    y = named(lib, name)(*inputs)
    found = [np.array(y.tolist())]
    if y.requires_grad:
        try:
            found += [np.array(g.tolist()) for g in lib.autograd.grad(y.sum(), inputs)]
        except RuntimeError as error:
            assert "not implemented" in str(error)
    return found


@pytest.mark.parametrize("name", UNARY + BINARY)
def test_edges(name, torch):
    """Zeros of both signs, infinities and NaN: values and the conventions of first gradients."""
    columns = [SPECIAL_VALUES] if name in UNARY else list(zip(*itertools.product(SPECIAL_VALUES, SPECIAL_VALUES)))
    ours, theirs = (value_and_gradients(lib, name, columns) for lib in (minigrad, torch))
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs):
        np.testing.assert_allclose(a, b, 1e-9, 1e-9, err_msg=name)


CALLS = """
lib.tensor([1.0, 2.0]).add(2, lib.tensor([3.0, 4.0]))
lib.tensor([1.0, 2.0]).add_(2, lib.tensor([3.0, 4.0]))
lib.sub(lib.tensor([1.0, 2.0]), 2, lib.tensor([3.0, 4.0]))
lib.tensor([1.0, 2.0]).addcmul_(0.5, lib.tensor([1.0, 2.0]), lib.tensor([3.0, 4.0]))
lib.tensor([1.0, 2.0]).addcdiv_(-0.5, lib.tensor([1.0, 2.0]), lib.tensor([3.0, 4.0]))
lib.addcmul(lib.tensor([1, 2]), lib.tensor([1, 2]), lib.tensor([3, 4]), value=2.5)
lib.add(lib.tensor([True]), lib.tensor([True]), alpha=2)
lib.add(lib.tensor([1, 2]), lib.tensor([1, 1]), alpha=1.5)
lib.add(lib.tensor([1, 2]), lib.tensor([1, 1]), alpha=True)
lib.rsub(lib.tensor([1, 2]), 3, alpha=2)
lib.pow(lib.tensor([2, 1, -1, 0]), lib.tensor([-1, -2, -3, -1]))
lib.pow(2, lib.tensor([-1, 2]))
lib.div(lib.tensor([7.0, -7.0]), lib.tensor([0.0, 0.0]), rounding_mode="trunc")
lib.clamp(lib.tensor([1.0, 5.0]), min=lib.tensor([2.0]), max=3)
lib.lerp(lib.tensor([1, 2]), lib.tensor([3, 4]), 0.5)
lib.lerp(lib.tensor([1.0, 2.0]), lib.tensor([3, 4]), 0.5)
lib.hypot(lib.tensor([3]), lib.tensor([4]))
lib.logaddexp2(lib.tensor([3]), lib.tensor([4]))
lib.maximum(lib.tensor([3]), 4)
lib.logical_and(lib.tensor([3]), True)
lib.eq(2, lib.tensor([3]))
lib.heaviside(lib.tensor([0.0]), lib.tensor([1]))
lib.abs(lib.tensor([True]))
2 << lib.tensor([1, 2])
256 >> lib.tensor([1, 2])
lib.copysign(lib.tensor([1, -2]), -1)
lib.copysign(lib.tensor([True]), lib.tensor([1]))
lib.ldexp(lib.tensor([1, 3]), lib.tensor([2, 1]))
lib.ldexp(lib.tensor([1.0]).half(), lib.tensor([2]))
lib.float_power(lib.tensor([1, 2]).half(), 2)
lib.tensor([1.0]).float_power_(2)
lib.tensor([2.0], dtype=lib.float64).float_power_(2)
lib.gcd(lib.tensor([4], dtype=lib.int8), lib.tensor([6]))
lib.gcd(lib.tensor([4.0]), lib.tensor([6.0]))
lib.frexp(lib.tensor([1.5, -0.0, 1000.0]).bfloat16())
lib.frexp(lib.tensor([1]))
lib.nextafter(lib.tensor([1.0, 0.0, -2.0, 0.0, float("inf")]).half(), lib.tensor([2.0, -1.0, 5.0, 0.0, 0.0]).half())
lib.nextafter(lib.tensor([1.0, 0.0, -2.0]).bfloat16(), lib.tensor([2.0, -1.0, float("nan")]).bfloat16())
lib.signbit(lib.tensor([-1, 2], dtype=lib.int8))
lib.sinc(lib.tensor([True, False]))
lib.i0(lib.tensor([1, 2]))
lib.igamma(lib.tensor([1, 2]), lib.tensor([1.0, 2.0]))
lib.igamma(lib.tensor([1, 2]), lib.tensor([1, 2]))
lib.mvlgamma(lib.tensor([3, 4]), 2)
lib.special.zeta(2, lib.tensor([1, 2]))
lib.special.xlog1py(lib.tensor([1]), 2)
lib.special.chebyshev_polynomial_t(lib.tensor([1, 2]), 2.5)
lib.special.hermite_polynomial_he(0.5, lib.tensor([3, -1]))
lib.special.shifted_chebyshev_polynomial_u(lib.tensor([3], dtype=lib.uint8), 3)
lib.trapezoid(lib.tensor([1, 2, 3]), lib.tensor([1, 3, 4]))
lib.cumulative_trapezoid(lib.tensor([1, 2, 3]), dx=2)
lib.gradient(lib.tensor([1, 2, 4]))
lib.cov(lib.tensor([[1, 2], [3, 5]]))
lib.corrcoef(lib.tensor([1.0, 2.0]))
lib.histogram(lib.tensor([1.0, 2.0, 1.0, 3.0]), 3, weight=lib.tensor([1.0, 2.0, 3.0, 4.0]))
lib.histogramdd(lib.tensor([[0.0, 1.0], [1.0, 0.0]]), bins=[2, 3]).bin_edges
lib.unravel_index(lib.tensor([1, 5], dtype=lib.uint8), (2, 3))
lib.range(0, 2, 0.5)
lib.range(1, 4, dtype=lib.int64)
lib.hann_window(7)
lib.hann_window(7, False)
lib.kaiser_window(5, True, 4.0)
lib.hamming_window(5, True, 0.5, 0.4)
lib.blackman_window(6)
lib.sin_(lib.tensor([1.0]))
lib.sin_(lib.tensor([1]))
lib.clamp_(lib.tensor([1.0, 5.0]), 2, max=3)
lib.relu_(lib.tensor([-1.0, 5.0]))
lib.fill_(lib.tensor([1.0]), 3)
lib.zero_(lib.tensor([1.0]))
lib.tensor([1.0, 2.0]).polygamma_(1)
lib.tensor([1, 2]).i0_()
""".strip().splitlines()


def outcome(lib, text):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations
        try:
            out = eval(text, {"lib": lib})
        except Exception as error:
            return type(error)
    return [
        (str(t.dtype).split(".")[1], np.array(t.double().tolist())) for t in (out if isinstance(out, tuple | list) else [out])
    ]


@pytest.mark.parametrize("text", CALLS)
def test_calls(text, torch):
    """Dtypes, old argument orders and refusals."""
    ours, theirs = outcome(minigrad, text), outcome(torch, text)
    if isinstance(theirs, type):
        assert isinstance(ours, type), f"no error; PyTorch raises {theirs}"
        assert issubclass(ours, theirs) or issubclass(ours, RuntimeError), (ours, theirs)
        return
    assert [dtype for dtype, _ in ours] == [dtype for dtype, _ in theirs]
    for (_, a), (dtype, b) in zip(ours, theirs):
        tolerance = 1e-9 if dtype == "float64" else 2e-6 if dtype == "float32" else 0
        np.testing.assert_allclose(a, b, tolerance, tolerance)


def test_the_slope_of_sinc_near_0(torch):
    """Where the terms of the formula cancel, a series is taken; at 0 the second derivative is right, and PyTorch's is NaN."""
    points = [0.0199, -0.015, 0.01, 1e-3, 0.0201]
    slopes = []
    for lib in (minigrad, torch):
        x = lib.tensor(points, dtype=lib.float64, requires_grad=True)
        lib.sinc(x).sum().backward()
        slopes.append(np.array(x.grad.tolist()))
    np.testing.assert_allclose(*slopes, 1e-9)
    x = minigrad.tensor([0.0], requires_grad=True)
    (slope,) = minigrad.autograd.grad(minigrad.sinc(x).sum(), x, create_graph=True)
    (second,) = minigrad.autograd.grad(slope.sum(), x)
    np.testing.assert_allclose(second.tolist(), [-(np.pi**2) / 3], 1e-6)


def test_in_place_functions_write_and_record(torch):
    for lib in (minigrad, torch):
        w = lib.tensor([0.5, 1.0], requires_grad=True)
        x = w * 1
        y = lib.exp_(x)
        assert y is x
        y.sum().backward()
        np.testing.assert_allclose(np.array(w.grad.tolist()), np.exp([0.5, 1.0]), 1e-6)


@pytest.mark.parametrize("name", ["igamma", "igammac", "special.zeta"])
def test_a_missing_derivative_is_refused(name, torch):
    """Rather than left out without a word."""
    for lib in (minigrad, torch):
        a, b = (lib.tensor([2.0, 3.0], requires_grad=True) for _ in range(2))
        y = named(lib, name)(a, b).sum()
        with pytest.raises(RuntimeError, match="not implemented"):
            y.backward()


def test_range_warns(torch):
    for lib in (minigrad, torch):
        with pytest.warns(UserWarning, match="torch.range is deprecated"):
            lib.range(1, 2)
