"""The words that all back ends share, run on NumPy, give what NumPy's own back end gives by faster ways."""

import numpy as np
import pytest

from minigrad import backends
from minigrad.backends.words import Words

SHARED, OWN = Words(np), backends.numpy
X = np.array([[3.0, -1.5, 2.0], [0.25, 4.0, -2.0]])
POSITIVE, WHOLE, TRUTH = np.abs(X), np.array([[3, -1, 2], [0, 4, -2]]), X > 0
BYTES = np.array([0, 3, 255], np.uint8)


@pytest.mark.parametrize(
    ("word", "args", "params"),
    [
        ("divide", (WHOLE, 2), {}),
        ("reciprocal", (X,), {}),
        *[("power", (POSITIVE, y), {}) for y in (1, 2, 3, 0.5, -0.5, 1.5)],
        ("where", (TRUTH, X, -X), {}),
        *[("square", (x,), {}) for x in (X, WHOLE, TRUTH)],
        *[("sign", (x,), {}) for x in (X, WHOLE, TRUTH)],
        ("remainder", (X, np.array(-1.25)), {}),
        ("remainder", (WHOLE, np.array(-3)), {}),
        ("floor_divide", (X, 0.75), {}),
        ("floor_divide", (WHOLE, np.array(-3)), {}),
        ("fmod", (X, 0.75), {}),
        *[(word, (x,), {}) for word in ("floor", "ceil", "trunc", "round") for x in (X, WHOLE)],
        ("full_like", (WHOLE,), {"value": 3.0}),
        ("full", (X,), {"shape": (2, 2), "value": 1.5}),
        ("arange", (X,), {"n": 4}),
        *[(word, (x,), {"axis": 1}) for word in ("sum", "prod", "max", "min", "any", "all") for x in (X, WHOLE)],
        *[(word, (X,), {"axis": 0, "keepdims": True}) for word in ("argmax", "argmin")],
        ("any", (BYTES,), {}),
        *[(word, (x,), {"axis": 1}) for word in ("cumsum", "cumprod", "cummax", "cummin", "logcumsumexp") for x in (X,)],
        *[("argsort", (X,), {"axis": 1, "descending": down}) for down in (False, True)],
        *[("argsort", (np.array(3.0),), {})],
        ("flip", (X,), {"axis": (0, 1)}),
        ("roll", (X,), {"shifts": (1,), "axis": (1,)}),
        ("pad", (X,), {"widths": ((1, 0), (0, 2)), "value": 9.0}),
        ("tril", (X,), {"k": 0}),
        ("triu", (X,), {"k": 1}),
        ("take_along_axis", (X, np.array([[0, 2], [1, 1]])), {"axis": 1}),
        ("scatter_along_axis", (X, np.array([[0, 0, 1], [1, 1, 1]])), {"axis": 1, "shape": (2, 2)}),
        ("put_along_axis", (X, np.array([[0], [1]]), np.array([[9.0], [8.0]])), {"axis": 1}),
        ("add_rows", (X, np.array([2, 2])), {"rows": 3}),
        ("nonzero", (X > 1,), {}),
        ("bincount", (np.array([1, 1, 3]),), {"length": 6}),
        ("top_places", (X,), {"k": 2, "axis": 1, "largest": True}),
        ("searchsorted", (np.array([1.0, 2.0, 2.0]), X), {"side": "right"}),
        ("windows", (X,), {"kernel": (2,), "stride": (1,), "dilation": (1,)}),
        ("sliding", (X,), {"axis": 1, "size": 2, "step": 1}),
        ("unsliding", (np.ones((2, 2, 2)),), {"axis": 1, "size": 2, "step": 1, "n": 3}),
    ],
)
def test_word(word, args, params):
    with np.errstate(all="ignore"):
        got, expected = getattr(SHARED, word)(*args, **params), getattr(OWN, word)(*args, **params)
    assert np.asarray(got).dtype == np.asarray(expected).dtype
    np.testing.assert_allclose(np.asarray(got), np.asarray(expected), rtol=1e-12)


def test_scans_by_doubling_are_the_running_values():
    x = np.random.default_rng(0).standard_normal((3, 11))
    np.testing.assert_array_equal(Words.cummax(SHARED, x, axis=1), np.maximum.accumulate(x, 1))
    np.testing.assert_array_equal(Words.cummin(SHARED, x, axis=0), np.minimum.accumulate(x, 0))
    np.testing.assert_allclose(Words.logcumsumexp(SHARED, x, axis=1), np.log(np.cumsum(np.exp(x), 1)), rtol=1e-12)
    assert SHARED.cummax(np.array(2.0), axis=0) == 2.0 and SHARED.cumsum(np.array(True), axis=0).dtype == np.int64


def test_back_ends_of_values():
    assert backends.of(np.zeros(1)) is OWN is backends.of(3.0) is backends.on("cpu")
    with pytest.raises(TypeError, match=r"no backend for builtins.list"):
        backends.of([1.0])
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        backends.nothing
    with pytest.raises(AttributeError, match="no such word"):
        OWN.nothing
