"""float16 and bfloat16: where results are rounded, and how often."""

import pytest

import minigrad


@pytest.mark.parametrize("dtype", [minigrad.bfloat16, minigrad.float16])
def test_half_precision_rounds_a_scaled_sum_once(dtype):
    """As an optimizer's steps in PyTorch: float32 inside, one rounding; the factor of add has the dtype, addcmul's has not."""
    minigrad.manual_seed(0)
    a, b, c = (minigrad.randn(400) for _ in range(3))
    x, y, z = (t.to(dtype) for t in (a, b, c))
    X, Y, Z = (t.float() for t in (x, y, z))
    near = minigrad.tensor(0.3, dtype=dtype).item()
    assert near != 0.3

    def same(got, wanted):
        assert got.dtype is dtype
        assert minigrad.equal(got, wanted.to(dtype))

    same(x.add(y, alpha=0.3), X + near * Y)
    same(x.sub(y, alpha=0.3), X - near * Y)
    same(minigrad.rsub(x, y, alpha=0.3), Y - near * X)
    same(x.clone().add_(y, alpha=0.3), X + near * Y)
    same(x + 0.3, X + near)
    same(0.3 - x, near - X)
    same(x * 0.3, X * 0.3)
    same(minigrad.addcmul(x, y, z, value=0.3), X + Y * Z * 0.3)
    same(x.clone().addcdiv_(y, z.abs() + 1, value=0.3), X + Y * 0.3 / (z.abs() + 1).float())
    moved = a.clone().add_(y, alpha=-0.3)
    assert moved.dtype is minigrad.float32 and minigrad.equal(moved, a - 0.3 * Y)
    same(minigrad.nn.functional.rms_norm(x[:8] * 1e-3, (8,)), minigrad.nn.functional.rms_norm((x[:8] * 1e-3).float(), (8,)))


@pytest.mark.parametrize("dtype", [minigrad.bfloat16, minigrad.float16])
def test_half_precision_rounds_a_convolution_with_its_bias_once(dtype):
    minigrad.manual_seed(0)
    x, weight, bias = (minigrad.randn(*shape).to(dtype) for shape in ((2, 3, 9, 9), (4, 3, 3, 3), (4,)))
    y = minigrad.nn.functional.conv2d(x, weight, bias)
    assert y.dtype is dtype
    assert minigrad.equal(y, minigrad.nn.functional.conv2d(x.float(), weight.float(), bias.float()).to(dtype))
