"""The convolution kernels, algorithm by algorithm, against the operations' own texts in float64."""

import numpy as np
import pytest

numba = pytest.importorskip("numba")

import minigrad  # noqa: E402
from minigrad.kernels import table, use_kernels  # noqa: E402
from minigrad.kernels.cpu import convolution, direct, planes, simd, winograd  # noqa: E402
from minigrad.nn import functional as F  # noqa: E402

TOLERANCE = {"winograd": 2e-5, "direct": 3e-6, "channels": 3e-6, "depthwise": 3e-6}  # of the largest result, in float32

CASES = [  # algorithms of conv2d, conv2d_dx and conv2d_dw; N, C, size, O, kernel, stride, padding, dilation, groups
    ("winograd winograd winograd", 2, 16, (24, 24), 18, (3, 3), (1, 1), (1, 1), (1, 1), 1),
    ("winograd winograd winograd", 8, 32, (13, 13), 64, (3, 3), (1, 1), (0, 0), (1, 1), 1),
    ("winograd winograd winograd", 9, 17, (9, 11), 33, (3, 3), (1, 1), (2, 1), (1, 1), 1),
    ("winograd winograd winograd", 70, 16, (3, 6), 16, (3, 3), (1, 1), (1, 0), (1, 1), 1),
    ("channels direct direct", 3, 1, (20, 18), 32, (3, 3), (1, 1), (0, 0), (1, 1), 1),
    ("channels channels direct", 2, 32, (17, 16), 32, (5, 4), (1, 1), (2, 1), (1, 1), 1),
    ("channels channels direct", 2, 128, (9, 16), 128, (1, 1), (1, 1), (0, 0), (1, 1), 2),
    ("channels channels direct", 2, 32, (21, 20), 64, (3, 3), (2, 2), (1, 1), (1, 1), 1),
    ("direct direct direct", 2, 3, (40, 37), 10, (7, 5), (2, 3), (3, 2), (1, 1), 1),
    ("direct direct direct", 2, 24, (15, 14), 12, (3, 3), (1, 1), (2, 2), (2, 3), 3),
    ("direct direct direct", 2, 20, (19,), 9, (4,), (3,), (2,), (2,), 1),
    ("direct direct direct", 1, 5, (9, 8, 11), 7, (3, 2, 3), (1, 1, 1), (1, 0, 1), (1, 1, 1), 1),
    ("channels direct direct", 2, 4, (7, 9, 10), 64, (3, 3, 2), (2, 1, 1), (1, 1, 0), (1, 2, 1), 2),
    ("depthwise depthwise depthwise", 2, 12, (17, 19), 12, (3, 3), (1, 1), (1, 1), (1, 1), 12),
    ("depthwise depthwise depthwise", 2, 6, (18, 17), 18, (5, 2), (2, 1), (2, 1), (1, 2), 6),
    ("depthwise depthwise depthwise", 2, 5, (7, 6, 9), 5, (3, 1, 3), (1, 2, 1), (1, 0, 2), (2, 1, 1), 5),
    ("direct channels direct", 2, 128, (7, 9, 10), 4, (3, 3, 2), (2, 3, 1), (1, 1, 0), (1, 2, 1), 2),
]
CALLS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


def arrays(case, dtype):
    """x, weight, g and the settings of a case."""
    _, samples, channels, size, outputs, kernel, stride, padding, dilation, groups = case
    r = np.random.default_rng([channels, outputs])
    x, weight = r.normal(size=(samples, channels, *size)), r.normal(size=(outputs, channels // groups, *kernel))
    settings = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    out = convolution.out_size(size, kernel, stride, padding, dilation)
    g = r.normal(size=(samples, outputs, *out))
    return *(a.astype(dtype) for a in (x, weight, g)), settings


def exact(x, weight, g, settings):
    """y, dx and dw of the text, in float64."""
    x, weight = (minigrad.tensor(a.astype(np.float64), requires_grad=True) for a in (x, weight))
    with use_kernels(False):
        y = CALLS[x.ndim - 2](x, weight, **settings)
        y.backward(minigrad.tensor(g.astype(np.float64)))
    return [t.detach().numpy() for t in (y, x.grad, weight.grad)]


def ours(x, weight, g, settings):
    return [
        convolution.conv2d(x, weight, **settings),
        convolution.conv2d_dx(g, weight, size=x.shape[2:], **settings),
        convolution.conv2d_dw(g, x, kernel=weight.shape[2:], **settings),
    ]


def close(found, expected, tolerance):
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * np.abs(expected).max())


def chosen(x, weight, g, settings):
    names = ("conv2d", "conv2d_dx", "conv2d_dw")
    return [convolution.choose(n, x.shape[2:], weight.shape, g.shape[2:], len(x), x.dtype, **settings) for n in names]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", CASES)
def test_every_algorithm_equals_the_text(case, dtype):
    given = arrays(case, dtype)
    algorithms = chosen(*given)
    if dtype == np.float32:
        assert algorithms == case[0].split()
    for algorithm, found, expected in zip(algorithms, ours(*given), exact(*given), strict=True):
        assert found.dtype == dtype
        close(found, expected, TOLERANCE[algorithm] if dtype == np.float32 else 1e-13)


@pytest.mark.parametrize("case", [CASES[0], CASES[5], CASES[8], CASES[13]])
def test_bias_and_relu_behind_the_sum(case):
    x, weight, g, settings = arrays(case, np.float32)
    bias = np.random.default_rng(3).normal(size=len(weight)).astype(np.float32) * 5
    y = exact(x, weight, g, settings)[0] + bias.reshape(-1, *[1] * (x.ndim - 2))
    order = [settings[k] for k in ("stride", "padding", "dilation", "groups")]
    close(convolution.forward(x, weight, bias, False, *order), y, 2e-5)
    clipped = convolution.forward(x, weight, bias, True, *order)
    close(clipped, np.maximum(y, 0), 2e-5)
    assert (clipped >= 0).all()
    x[0] = np.nan
    assert np.isnan(convolution.forward(x, weight, bias, True, *order)[0]).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", CASES)
def test_the_kernel_adds_the_bias_as_a_sum_of_its_own_would(case, dtype):
    x, weight, g, settings = arrays(case, dtype)
    x, weight = minigrad.tensor(x), minigrad.tensor(weight)
    bias = minigrad.tensor(np.random.default_rng(3).normal(size=len(weight)).astype(dtype), requires_grad=True)
    y = CALLS[x.ndim - 2](x, weight, bias, **settings)
    column = bias.detach().reshape(-1, *[1] * (x.ndim - 2))
    np.testing.assert_array_equal(y.detach().numpy(), (CALLS[x.ndim - 2](x, weight, **settings) + column).numpy())
    y.backward(minigrad.tensor(g))
    close(bias.grad.numpy(), g.sum(axis=(0, *range(2, g.ndim)), dtype=np.float64), 1e-5 if dtype == np.float32 else 1e-13)


def test_second_derivatives_by_and_beside_the_bias():
    x, weight, _, settings = arrays(CASES[0], np.float64)
    bias = np.linspace(-1, 1, len(weight))

    def seconds():
        inputs = [minigrad.tensor(a, requires_grad=True) for a in (x, weight, bias)]
        y = F.conv2d(*inputs, **settings)
        first = minigrad.autograd.grad((y**3).mean(), inputs, create_graph=True)
        return [t.numpy() for t in minigrad.autograd.grad(sum((d**2).sum() for d in first), inputs)]

    with use_kernels(False):
        expected = seconds()
    for found, wanted in zip(seconds(), expected, strict=True):
        close(found, wanted, 1e-12)


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("pixels", [1, 7, 8, 15, 16, 17, 40])
def test_the_end_of_a_convolution(pixels, dtype, relu):
    """Three channels of four at an offset, fewer or more pixels than vectors have lanes; what lies around them stays."""
    r, first = np.random.default_rng(pixels), np.int64(1)
    values, bias = r.normal(size=(5, pixels)).astype(dtype), r.normal(size=4).astype(dtype)
    values[3, -1], bias[3] = -0.0, -0.0
    expected = values.copy()
    expected[1:4] += bias[1:, None]
    if relu:
        expected[1:4] = np.where(expected[1:4] <= 0, 0, expected[1:4])
    y = values.copy()
    assert np.isfinite(planes.finish(y.reshape(-1), np.int64(pixels), pixels, bias, first, 3, relu))
    np.testing.assert_array_equal(y, expected)
    assert not (relu and np.signbit(y[1:4]).any())
    for bad in (np.nan, np.inf, -np.inf):
        for place in (0, pixels // 2, pixels - 1):
            y = values.copy()
            y[2, place] = bad
            assert not np.isfinite(planes.finish(y.reshape(-1), np.int64(pixels), pixels, bias, first, 3, relu))
            cut = 0 if relu and bad == -np.inf else bad
            np.testing.assert_array_equal(y[2, place], dtype(cut))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 3e38])
@pytest.mark.parametrize("case", [CASES[1], CASES[5], CASES[9], CASES[13]])
def test_what_is_not_finite_stays_where_it_belongs(case, bad):
    """In x and in g: also where an algorithm adds neighbours that the window does not see."""
    x, weight, g, settings = arrays(case, np.float32)
    weight[...] = np.abs(weight) + 0.1
    x[0, 1, 2, 3] = bad
    if bad != 3e38:  # infinity minus infinity in float32 otherwise, and any number in float64
        g[-1, 0, 1, 2] = bad
    with np.errstate(all="ignore"):
        for found, expected in zip(ours(x, weight, g, settings), exact(x, weight, g, settings), strict=True):
            expected = expected.astype(np.float32)
            unclear = np.abs(expected) > 1e38 if bad == 3e38 else np.zeros(expected.shape, bool)  # finite, or rounded to infinity
            for kind in (np.isnan, np.isposinf, np.isneginf):
                np.testing.assert_array_equal(kind(found)[~unclear], kind(expected)[~unclear])


@pytest.mark.parametrize("case", [CASES[1], CASES[4], CASES[8], CASES[13]])
def test_samples_are_independent(case):
    """Bits do not depend on how the samples are cut into calls, if the algorithm is the same."""
    x, weight, g, settings = arrays((case[0], 8, *case[2:]), np.float32)
    whole, inputs = convolution.conv2d(x, weight, **settings), convolution.conv2d_dx(g, weight, size=x.shape[2:], **settings)
    for lo, hi in ((0, 6), (6, 8)) if case[0][0] != "w" else ((0, 8), (0, 8)):
        np.testing.assert_array_equal(convolution.conv2d(x[lo:hi], weight, **settings), whole[lo:hi])
        part = convolution.conv2d_dx(g[lo:hi], weight, size=x.shape[2:], **settings)
        np.testing.assert_array_equal(part, inputs[lo:hi])


def test_tiles_of_some_samples_are_a_part_of_the_work():
    x, weight, g, settings = arrays(CASES[1], np.float32)
    tables, size = winograd.slide_tables(32, 64, x.shape[2:], g.shape[2:], settings["padding"], False, len(x))
    flat, filters, y = x.reshape(-1), weight.reshape(-1), np.empty(g.size, np.float32)
    for lo, hi in ((0, 1), (1, 4), (4, 8)):
        assert winograd.slide(flat, filters, np.empty(0, np.float32), False, *tables, y, np.empty(size, np.float32), lo, hi)
    np.testing.assert_array_equal(y.reshape(g.shape), convolution.conv2d(x, weight, **settings))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_layouts_and_read_only_arrays(dtype):
    x, weight, g, settings = arrays(CASES[9], dtype)
    expected = ours(x, weight, g, settings)
    turned = [np.asfortranarray(a) for a in (x, weight, g)]
    for a in (x, weight, g):
        a.flags.writeable = False
    for given in (turned, (x, weight, g)):
        for found, wanted in zip(ours(*given, settings), expected, strict=True):
            np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rows, columns", [(1, 1), (9, 40), (16, 16), (33, 18), (50, 7)])
def test_transpose(rows, columns, dtype):
    source = np.random.default_rng(0).normal(size=(rows, columns + 3)).astype(dtype)
    target = np.zeros((columns, rows + 2), dtype)
    simd.transpose(source.reshape(-1), simd.START, columns + 3, rows, columns, target.reshape(-1), simd.START, rows + 2)
    np.testing.assert_array_equal(target[:, :rows], source[:, :columns].T)
    assert not target[:, rows:].any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rows, terms, width", [(1, 0, 32), (7, 3, 64), (8, 70, 32), (21, simd.TERMS + 5, 96)])
def test_multiply_with_tables(rows, terms, width, dtype):
    r = np.random.default_rng(rows)
    a, b = r.normal(size=(rows, terms)).astype(dtype), r.normal(size=(terms, width)).astype(dtype)
    c, before, zero = np.ones((rows, width), dtype), np.zeros(5, dtype), simd.START
    order = np.concatenate([[-9, -9], r.permutation(terms)])  # the order of the terms is free
    starts = np.concatenate([[-9], planes.row_table(rows, terms)])
    flat = np.concatenate([before, a.reshape(-1)]), np.concatenate([before, b.reshape(-1)])
    for accumulate, expected in ((np.int64(1), 1 + a @ b), (np.int64(0), a @ b)):
        left = flat[0], zero + 5, starts, zero + 1, rows, order, zero + 2, terms
        right = flat[1], zero + 5, order * width, c.reshape(-1), planes.row_table(rows, width), zero
        simd.multiply(*left, *right, width, accumulate)
        np.testing.assert_allclose(c, expected, rtol=1e-3 if dtype == np.float32 else 1e-10, atol=1e-4)


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_the_public_functions_take_the_kernels(dimensions, monkeypatch):
    taken = set()
    for name in ("conv2d", "conv2d_dx", "conv2d_dw"):
        kernel = table("numpy")[name]
        original = kernel.run
        monkeypatch.setattr(kernel, "run", lambda *a, n=name, f=original, **k: taken.add((n, len(a))) or f(*a, **k))
    x = minigrad.randn(2, 16, *[48 if dimensions == 1 else 16] * dimensions, requires_grad=True)
    weight = minigrad.randn(64, 16, *[5] * dimensions, requires_grad=True)
    CALLS[dimensions](x, weight, minigrad.randn(64)).sum().backward()
    assert taken == {("conv2d", 3), ("conv2d_dx", 2), ("conv2d_dw", 2)}  # the bias is the kernel's


def test_sizes_that_do_not_belong_together_are_left_to_the_text():
    x, weight, g, settings = arrays(CASES[1], np.float32)
    dx, dw = (table("numpy")[name].accepts for name in ("conv2d_dx", "conv2d_dw"))
    assert dx(g, weight, size=(13, 13), **settings) and dw(g, x, kernel=(3, 3), **settings)
    assert not dx(g, weight, size=(14, 13), **settings) and not dx(g, weight, size=(2, 13), **settings)
    assert not dw(g, x, kernel=(3, 4), **settings) and not dw(g[:, :, 1:], x, kernel=(3, 3), **settings)
    assert not dw(g[1:], x, kernel=(3, 3), **settings)


def test_blocks_of_positions_are_whole_blocks_of_rows_on_every_processor():
    """Rows that fill up a block would be read from the next one's table, and from behind the last one's."""
    assert direct.POSITIONS % 6 == direct.POSITIONS % 8 == 0 == direct.POSITIONS % simd.ROWS
