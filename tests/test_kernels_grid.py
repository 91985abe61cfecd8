"""The kernel of grid_sample against the operation's text: values and both gradients."""

import importlib
import itertools

import numpy as np
import pytest
from kernel_checks import FLOATS, normal

import minigrad
from minigrad.kernels import TABLES, table, use_kernels
from minigrad.nn import functional as F

pytest.importorskip("numba")

HOW = list(itertools.product(("bilinear", "nearest"), ("zeros", "border", "reflection"), (False, True)))
BLOCK = importlib.import_module("minigrad.kernels.cpu.grid").BLOCK


@pytest.fixture
def taken(monkeypatch):
    """How often the kernel ran, forth and back: a list of two counts."""
    kernel, counts = table("numpy")["grid_sample"], [0, 0]
    run, gradients = kernel.run, kernel.gradients

    def counted(place, function):
        def call(*args, **kwargs):
            counts[place] += 1
            return function(*args, **kwargs)

        return call

    monkeypatch.setattr(kernel, "run", counted(0, run))
    monkeypatch.setattr(kernel, "gradients", counted(1, gradients))
    return counts


def run(x, grid, how, flag, wanted=(True, True)):
    """y and the gradients that are wanted, of weights that differ between the outputs."""
    mode, padding_mode, align_corners = how
    with use_kernels(flag):
        leaves = [minigrad.tensor(a, requires_grad=w) for a, w in zip((x, grid), wanted, strict=True)]
        y = F.grid_sample(*leaves, mode, padding_mode, align_corners)
        y.backward(minigrad.tensor(normal(*y.shape, dtype=x.dtype, seed=1)))
    return [y.detach().numpy(), *[t.grad.numpy() for t, w in zip(leaves, wanted, strict=True) if w]]


def compare(x, grid, how, **more):
    for k, (a, b) in enumerate(zip(run(x, grid, how, True, **more), run(x, grid, how, False, **more), strict=True)):
        assert a.dtype == b.dtype == x.dtype and a.shape == b.shape
        scale = max(1.0, float(np.abs(b).max(initial=0)))
        tolerance = 1e-5 if x.dtype == np.float32 else 1e-12
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * scale, err_msg=f"result {k}")


def around(*shape, dtype, seed=0):
    """Coordinates, some of them far outside."""
    return (1.2 * normal(*shape, dtype=dtype, seed=seed)).astype(dtype)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("how", HOW)
def test_kernel_equals_text(how, dtype, taken):
    cases = [((2, 7, 5, 6), (9, 4)), ((1, 3, 64, 33), (BLOCK // 20, 23)), ((3, 4, 3, 17), (2, 30)), ((1, 64, 1, 9), (5, 5)),
             ((2, 32, 4, 1), (3, 3)), ((1, 64, 1, 1), (2, 2)), ((1, 2, 30, 30), (40, 40)), ((1, 5, 2, 2), (6, 6))]  # fmt: skip
    for size, out in cases:
        compare(normal(*size, dtype=dtype), around(size[0], *out, 2, dtype=dtype), how)
    assert taken == [len(cases)] * 2


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("how", HOW)
def test_positions_on_the_pixels_are_rounded_as_in_the_text(how, dtype, taken):
    """There a neighbour begins to count, or the nearest pixel changes: the last bit of a position decides."""
    for m, n in ((5, 7), (12, 10), (33, 49)):
        for shift in (0.0, 0.5):
            k = np.arange(-m, 2 * m) + shift
            down = (2 * k / (m - 1) - 1 if how[2] else (2 * k + 1) / m - 1).astype(dtype)
            k = np.arange(-n, 2 * n) + shift
            across = (2 * k / (n - 1) - 1 if how[2] else (2 * k + 1) / n - 1).astype(dtype)
            grid = np.stack(np.meshgrid(across, down), -1)[None]
            compare(normal(1, 2, m, n, dtype=dtype), grid, how)
    assert taken == [6, 6]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("how", HOW)
def test_coordinates_that_are_no_places(how, dtype, taken):
    """Huge, infinite and not a number: no pixel for zeros, else a pixel of the image, and never an address outside."""
    bad = [np.nan, np.inf, -np.inf, 1e30, -1e30, 3e9, -3e9, 2.0**31, 2.0**63, -(2.0**63), float(np.finfo(dtype).max), 1e-40, 7e4]
    pairs = np.array(list(itertools.product([*bad, 0.3, -0.9], repeat=2)), dtype)
    x = normal(1, 3, 4, 5, dtype=dtype)
    compare(x, pairs.reshape(1, 15, 15, 2), how)
    assert taken == [1, 1]
    y = run(x, pairs.reshape(1, 15, 15, 2), how, True)[0].reshape(3, 15, 15)
    assert np.isfinite(y).all()
    if how[1] == "zeros":
        assert not y[:, :11].any() and not y[:, :, :11].any()
    if how[:2] == ("nearest", "border"):
        np.testing.assert_array_equal(y[:, 0, 0], x[0, :, 0, 0])  # of NaN the first pixel
        np.testing.assert_array_equal(y[:, 1, 1], x[0, :, -1, -1])


@pytest.mark.parametrize("flag", [True, False])
@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
def test_an_infinite_pixel_counts_only_where_it_is_read(mode, flag):
    x = normal(1, 4, 4, 4)
    x[:, :, 0], x[:, :, 3, 3] = np.inf, np.nan
    grid = np.full((1, 8, 8, 2), 5.0, np.float32)
    grid[0, 0, 0] = 0.1, 0.3
    y, dx, dgrid = run(x, grid, (mode, "zeros", False), flag)
    assert np.isfinite(y).all() and np.isfinite(dx).all() and np.isfinite(dgrid).all()
    assert y[..., 0, 0].all() and not y[..., 1:, :].any()


@pytest.mark.parametrize("flag", [True, False])
@pytest.mark.parametrize("padding_mode", ["border", "reflection"])
def test_the_borders_have_no_slope(padding_mode, flag):
    """As in PyTorch: what lies on the border of the image counts as outside."""
    sides = np.array([-1.0, -0.5, 1.0], np.float32)
    grid = np.stack(np.meshgrid(sides, sides), -1)[None]
    dgrid = run(normal(1, 16, 6, 6), grid, ("bilinear", padding_mode, True), flag)[2][0]
    np.testing.assert_array_equal(dgrid[..., 0] != 0, [[False, True, False]] * 3)
    np.testing.assert_array_equal(dgrid[..., 1] != 0, np.transpose([[False, True, False]] * 3))


@pytest.mark.parametrize("wanted", [(True, False), (False, True)])
@pytest.mark.parametrize("how", [("bilinear", "zeros", False), ("nearest", "border", True)])
def test_gradient_of_one_input(how, wanted, taken):
    compare(normal(2, 5, 6, 7), around(2, 5, 5, 2, dtype=np.float32), how, wanted=wanted)
    assert taken == [1, 1]


@pytest.mark.parametrize("how", [("bilinear", "zeros", False), ("nearest", "reflection", True)])
def test_memory_of_any_order(how, taken):
    x, grid, g = normal(2, 5, 6, 7), around(2, 8, 9, 2, dtype=np.float32), normal(2, 5, 8, 9)
    odd = [  # the same numbers with other strides
        (np.asfortranarray(x), np.asfortranarray(grid), np.asfortranarray(g)),
        (x.repeat(2, 3)[..., ::2], grid[:, ::-1][:, ::-1], g[..., ::-1].copy()[..., ::-1]),
    ]
    same = [np.broadcast_to(a[:1], a.shape) for a in (x, grid, g)]  # one sample, again and again, with stride 0
    for arrays, plain in [*((a, (x, grid, g)) for a in odd), (same, [a.copy() for a in same])]:
        results = []
        for a, b, c in (arrays, plain):
            leaves = [minigrad.from_numpy(np.zeros(1, np.float32)) for _ in range(2)]
            for leaf, v in zip(leaves, (a, b), strict=True):
                leaf.array = v
                leaf.requires_grad_()
            y = F.grid_sample(*leaves, *how)
            upstream = minigrad.from_numpy(np.zeros(1, np.float32))
            upstream.array = c
            y.backward(upstream)
            results.append([y.detach().numpy(), *[t.grad.numpy() for t in leaves]])
        for p, q in zip(*results, strict=True):
            np.testing.assert_array_equal(p, q)
    assert taken == [6, 6]


@pytest.mark.parametrize(
    "shape, out", [((0, 3, 4, 4), (9, 9)), ((2, 0, 4, 4), (9, 9)), ((2, 3, 4, 4), (0, 9)), ((2, 3, 4, 4), (9, 0))]
)
def test_empty_tensors(shape, out):
    for how in HOW:
        y, dx, dgrid = run(normal(*shape), normal(shape[0], *out, 2), how, True)
        assert y.shape == (*shape[:2], *out) and dx.shape == shape and dgrid.shape == (shape[0], *out, 2)
        assert not dx.any() and not dgrid.any()


@pytest.mark.parametrize("how", [("bilinear", "zeros", False), ("bilinear", "reflection", True), ("nearest", "border", False)])
def test_the_same_numbers_with_any_number_of_threads(how, monkeypatch):
    monkeypatch.setattr(importlib.import_module("minigrad.kernels.cpu.threads"), "SMALLEST", 2**10)
    cases = [
        (normal(3, 13, 9, 11), around(3, 40, 41, 2, dtype=np.float32)),
        (normal(1, 7, 9, 11), around(1, 40, 41, 2, dtype=np.float32)),
    ]
    threads = minigrad.get_num_threads()
    try:
        for x, grid in cases:
            minigrad.set_num_threads(1)
            alone = run(x, grid, how, True)
            for n in (2, 3, 5):
                minigrad.set_num_threads(n)
                for a, b in zip(alone, run(x, grid, how, True), strict=True):
                    np.testing.assert_array_equal(a, b)
    finally:
        minigrad.set_num_threads(threads)


@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
def test_second_derivatives_with_kernels_on(padding_mode):
    found = []
    for flag in (True, False):
        with use_kernels(flag):
            x, grid = (minigrad.tensor(a, requires_grad=True) for a in (normal(1, 4, 5, 6), around(1, 6, 6, 2, dtype=np.float32)))
            y = F.grid_sample(x, grid, padding_mode=padding_mode, align_corners=False)
            first = minigrad.autograd.grad(y.square().sum(), (x, grid), create_graph=True)
            second = minigrad.autograd.grad(sum(g.sin().sum() for g in first), (x, grid))
            found.append([g.detach().numpy() for g in (*first, *second)])
    for a, b in zip(*found, strict=True):
        assert np.abs(b).max() > 0.1
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4 * np.abs(b).max())


def test_which_calls_stay_with_the_text():
    accepts = TABLES["numpy"]["grid_sample"].accepts
    settings = {"mode": "bilinear", "padding_mode": "zeros", "align_corners": False}
    x, grid = normal(1, 4, 5, 6), normal(1, 6, 6, 2)
    assert accepts(x, grid, **settings)
    assert not accepts(x, grid, **{**settings, "mode": "bicubic"})
    assert not accepts(x[None], normal(1, 6, 6, 6, 3), **settings)
    assert not accepts(x.astype(np.float16), grid.astype(np.float16), **settings)
    assert not accepts(x, grid[:, :2, :2], **settings)  # small
    flat = np.broadcast_to(np.float32(0), (1, 1, 2**16, 2**15))  # pixels that 32 bits do not count
    assert not accepts(flat, grid.repeat(9, 1), **settings)


@pytest.mark.parametrize("how", [("bilinear", "reflection", False), ("nearest", "zeros", True), ("bicubic", "border", False)])
def test_a_compiled_program_gives_the_same(how):
    x, grid = minigrad.tensor(normal(2, 5, 6, 7), requires_grad=True), minigrad.tensor(around(2, 8, 8, 2, dtype=np.float32))
    grid.requires_grad_()

    def step():
        x.grad = grid.grad = None
        y = F.grid_sample(x, grid, *how)
        y.square().sum().backward()
        return y.detach()

    eager = [step().numpy(), x.grad.numpy().copy(), grid.grad.numpy().copy()]
    compiled = minigrad.compile(step)
    for _ in range(3):
        results = [compiled().numpy(), x.grad.numpy(), grid.grad.numpy()]
    for a, b in zip(results, eager, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4 * max(1.0, float(np.abs(b).max())))
