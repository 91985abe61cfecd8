"""What the small samples of the operations cannot show: large arrays, float16 sums, defaults that depend on the dtype."""

import warnings

import ml_dtypes
import numpy as np
import pytest

import minigrad
from minigrad.backends import numpy as words

inf, nan = float("inf"), float("nan")


def _large(r, dtype, specials=True):
    x = (r.standard_normal(20_000) * 3).astype(dtype)
    if specials:
        x[:6] = [nan, inf, -inf, 0.0, -0.0, 1.0]
    return x


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_words_take_other_ways_on_large_arrays(dtype):
    r = np.random.default_rng(0)
    x, y, c = _large(r, dtype), _large(r, dtype), r.random(20_000) > 0.5
    cases = {
        "where of two": (words.where(c, x, y), np.where(c, x, y)),
        "where or 0": (words.where(c, x, 0.0), np.where(c, x, 0.0)),
        "where of numbers": (words.where(c, 1.5, x), np.where(c, 1.5, x)),
        "where, broadcast": (
            words.where(c[None], x[:, None][:50], y[:50, None]),
            np.where(c[None], x[:, None][:50], y[:50, None]),
        ),
        "relu": (words.relu(x), np.maximum(x, 0)),
        "clamp": (words.clamp(x, -1.0, 2), np.minimum(np.maximum(x, -1), 2)),
        "clamp below": (words.clamp(x, 0.5), np.maximum(x, 0.5)),
        "clamp above": (words.clamp(x, None, 0.5), np.minimum(x, 0.5)),
        "clamp, bounds crossed": (words.clamp(x, 2.0, 1.0), np.minimum(np.maximum(x, 2), 1)),
        "sign": (words.sign(x), np.where(np.isnan(x), 0, np.sign(x)).astype(dtype)),
    }
    with np.errstate(all="ignore"):
        for b in (y, 2.5, -2.5, 0.0, 3, inf):
            cases[f"remainder by {b}"] = words.remainder(x, b), np.remainder(x, b)
            cases[f"floor_divide by {b}"] = words.floor_divide(x, b), np.floor_divide(x, b)
        cases["remainder of a number"] = words.remainder(7.5, y), np.remainder(7.5, y)
    for name, (ours, expected) in cases.items():
        assert ours.dtype == expected.dtype, name
        np.testing.assert_array_equal(ours, expected, err_msg=name)


def test_where_on_views_of_large_arrays():
    r = np.random.default_rng(1)
    x, y, c = r.standard_normal((200, 100)), r.standard_normal((100, 200)).T, r.random((200, 100)) > 0.5
    np.testing.assert_array_equal(words.where(c, y, x[:, ::-1]), np.where(c, y, x[:, ::-1]))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_halves_add_up_in_float32(dtype):
    ones = minigrad.ones(70_000, dtype=getattr(minigrad, dtype))
    assert ones.mean().item() == 1.0
    assert ones.var().item() == 0.0
    assert ones.cumsum(0)[4095].item() == 4096.0  # in float16 steps of 1 stop at 2048, in bfloat16 at 256
    assert ones.cumprod(0)[-1].item() == 1.0
    assert ones[:4096].norm(1).item() == 4096.0
    assert ones.sum().item() == (inf if dtype == "float16" else 70144.0)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_the_first_call_gives_the_same_numbers_as_later_ones(dtype):
    """Once an implementation is known, calls take a quicker way: it must not compute in another precision."""
    x = minigrad.tensor(np.random.default_rng(0).standard_normal(2000)).to(getattr(minigrad, dtype)).abs() + 0.1
    for name in ("sigmoid", "rsqrt", "logsumexp", "mean", "exp"):
        op = minigrad.op.registry[name]
        op.table.clear()
        arguments = (0,) if name == "logsumexp" else ()
        first, second = (getattr(x, name)(*arguments) for _ in range(2))
        assert minigrad.equal(first, second), name
        assert first.dtype is x.dtype


def test_nan_to_num_takes_its_bounds_from_the_dtype():
    for dtype in (minigrad.float16, minigrad.bfloat16, minigrad.float32, minigrad.float64):
        x = minigrad.tensor([nan, inf, -inf, 1.0]).to(dtype)
        zero, high, low, one = minigrad.nan_to_num(x).tolist()
        assert (zero, one) == (0.0, 1.0)
        largest = ml_dtypes.finfo(dtype.dtype).max
        assert (high, low) == (float(largest), -float(largest))


def test_integers_divided_by_zero():
    a, zero = minigrad.tensor([1, 2]), minigrad.tensor([1, 0])
    for call in (minigrad.floor_divide, minigrad.remainder, minigrad.fmod):
        with pytest.raises(RuntimeError, match="ZeroDivisionError"):
            call(a, zero)
        with pytest.raises(RuntimeError, match="ZeroDivisionError"):
            call(a, 0)


def test_python_operators():
    a, b = minigrad.tensor([7, -7]), minigrad.tensor([2, 3])
    expected = {
        "a // b": [3, -3],
        "a % b": [1, 2],
        "9 // b": [4, 3],
        "9 % b": [1, 0],
        "a & b": [2, 1],
        "a | b": [7, -5],
        "a ^ b": [5, -6],
        "3 & b": [2, 3],
        "~a": [-8, 6],
        "a << b": [28, -56],
        "a >> b": [1, -1],
        "-a": [-7, 7],
        "+a": [7, -7],
        "abs(a)": [7, 7],
        "round(a)": [7, -7],
        "divmod(a, b)[1]": [1, 2],
    }
    for text, values in expected.items():
        assert eval(text, {"a": a, "b": b}).tolist() == values, text
    x = minigrad.tensor([7, -7])
    x //= 2
    x %= 3
    x &= 6
    x |= 1
    x ^= 3
    assert x.tolist() == [2, 0]
    assert round(minigrad.tensor([1.25, 2.75]), 1).tolist() == pytest.approx([1.2, 2.8])


def test_silence():
    """log(0), 0/0 and overflows are values, as in PyTorch, and no warnings."""
    x = minigrad.tensor([0.0, -1.0, 1e30, nan, inf])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"minigrad\.")
        for name in (
            "log",
            "sqrt",
            "exp",
            "reciprocal",
            "rsqrt",
            "sigmoid",
            "asin",
            "acosh",
            "erfinv",
            "lgamma",
            "sum",
            "prod",
            "std",
            "amin",
            "cumsum",
        ):
            getattr(x, name)(*((0,) if name == "cumsum" else ()))
        x / 0.0, x // 0.0, x % 0.0, x**3, x - inf
