"""The quick ways of a call give what the general way gives: numbers in front, rows of a large array, kernels with a backward."""

import numpy as np
import pytest

import minigrad
from minigrad import kernels
from minigrad.compile.ir import is_word
from minigrad.nn import functional as F
from minigrad.testing import gradcheck, gradgradcheck


def floats(*shape, seed=0, dtype=np.float32):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


FRONT = {
    "1 - x": lambda x: 1 - x, "1.5 + x": lambda x: 1.5 + x, "2 * x": lambda x: 2 * x, "2 / x": lambda x: 2 / x,
    "2 ** x": lambda x: 2**x, "7 % x": lambda x: 7 % x, "7 // x": lambda x: 7 // x,
}  # fmt: skip


@pytest.mark.parametrize("name", FRONT)
@pytest.mark.parametrize("shape", [(), (3,), (5, 4), (0, 2)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "float16"])
def test_a_number_in_front(name, shape, dtype):
    a = np.asarray(np.abs(floats(*shape)) * 3 + 1, dtype)
    f = FRONT[name]
    x = minigrad.tensor(a)
    for _ in range(2):  # the first call finds the implementation, the second is quick
        y = f(x)
        assert y.shape == shape and isinstance(y.array, np.ndarray)
        np.testing.assert_allclose(y.numpy().astype(float), f(a.astype(float)), rtol=2e-3 if dtype == "float16" else 1e-5)
    assert y.dtype == (minigrad.float32 if dtype == "int64" and name in ("2 / x", "1.5 + x") else x.dtype)


def test_gradients_of_a_number_in_front():
    x = minigrad.tensor([1.0, 2.0, 4.0], requires_grad=True)
    (1 - x + 2 * x + 8 / x).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [1 - 8, 1 - 2, 1 - 0.5])


@pytest.mark.parametrize("f", [np.add, np.subtract, np.multiply, np.divide, np.greater, np.less_equal, np.maximum])
@pytest.mark.parametrize("width", [1, 3, 512, 640, 9000])
def test_rows_of_a_large_array(f, width):
    a, b = np.round(floats(max(1, 37_500 // width) * 16, width)), np.round(floats(width, seed=1))
    y = getattr(minigrad, f.__name__)(minigrad.tensor(a), minigrad.tensor(b))
    with np.errstate(all="ignore"):
        expected = f(a, b)
    assert y.array.dtype == expected.dtype and y.array.base is None
    np.testing.assert_array_equal(y.numpy(), expected)


def test_rows_of_a_large_array_that_is_not_contiguous():
    a, b = floats(512, 1024), floats(512, seed=1)
    np.testing.assert_array_equal((minigrad.tensor(a).t() + minigrad.tensor(b)).numpy(), a.T + b)


PAIRS = {
    "layer_norm": (lambda x, w, b: F.layer_norm(x, (64,), w, b), (floats(8, 64), floats(64, seed=1), floats(64, seed=2))),
    "batch_norm": (
        lambda x, w, b: F.batch_norm(x, None, None, w, b, True),
        (floats(8, 4, 9), floats(4, seed=1), floats(4, seed=2)),
    ),
    "cross_entropy": (lambda x: F.cross_entropy(x, minigrad.arange(16) % 20), (floats(16, 20),)),
    "attention": (F.scaled_dot_product_attention, tuple(floats(2, 4, 8, 6, seed=i) for i in range(3))),
    "self_attention": (lambda x: F.scaled_dot_product_attention(x, x, x, is_causal=True), (floats(2, 4, 8, 6),)),
}


def run(name, **backward):
    f, arrays = PAIRS[name]
    inputs = [minigrad.tensor(a, requires_grad=True) for a in arrays]
    y = f(*inputs)
    y.backward(minigrad.tensor(floats(*y.shape, seed=9)), **backward)
    return y, inputs


@pytest.mark.parametrize("name", PAIRS)
def test_a_kernel_with_a_backward(name):
    """Called quickly, in the general way (anomaly detection is on), and as text."""
    run(name)
    quick, inputs = run(name)
    with minigrad.autograd.detect_anomaly():
        general, others = run(name)
    with kernels.use_kernels(False):
        text, plain = run(name)
    np.testing.assert_array_equal(quick.detach().numpy(), general.detach().numpy())
    np.testing.assert_allclose(quick.detach().numpy(), text.detach().numpy(), atol=1e-5)
    for a, b, c in zip(inputs, others, plain):
        np.testing.assert_array_equal(a.grad.numpy(), b.grad.numpy())
        np.testing.assert_allclose(a.grad.numpy(), c.grad.numpy(), atol=2e-5)


@pytest.mark.parametrize("name", PAIRS)
def test_what_the_graph_of_a_kernel_promises(name):
    f, arrays = PAIRS[name]
    run(name)
    y, inputs = run(name, retain_graph=True)
    first = [t.grad.clone() for t in inputs]
    y.backward(minigrad.tensor(floats(*y.shape, seed=9)))
    for t, g in zip(inputs, first):
        np.testing.assert_allclose(t.grad.numpy(), 2 * g.numpy(), rtol=1e-6)
    with pytest.raises(RuntimeError, match="second time"):
        y.backward(minigrad.tensor(floats(*y.shape, seed=9)))
    inputs = [minigrad.tensor(a, requires_grad=True) for a in arrays]
    y = f(*inputs)
    with minigrad.no_grad():
        inputs[0].mul_(2.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


@pytest.mark.parametrize("name", PAIRS)
def test_second_derivatives_behind_a_kernel(name):
    f, arrays = PAIRS[name]
    found = []
    for on in (True, True, False):
        with kernels.use_kernels(on):
            inputs = [minigrad.tensor(a.astype(np.float64), requires_grad=True) for a in arrays]
            (g,) = minigrad.autograd.grad(f(*inputs).square().sum(), inputs[0], create_graph=True)
            found.append(minigrad.autograd.grad(g.square().sum(), inputs[0])[0].numpy())
    np.testing.assert_allclose(found[1], found[2], rtol=1e-8, atol=1e-10)


def test_hooks_around_a_kernel():
    run("layer_norm")
    f, arrays = PAIRS["layer_norm"]
    inputs = [minigrad.tensor(a, requires_grad=True) for a in arrays]
    y = f(*inputs)
    seen = []
    y.register_hook(lambda g: g * 2)
    y.grad_fn.register_hook(lambda into, given: seen.append(len(into)))
    y.sum().backward()
    plain = [minigrad.tensor(a, requires_grad=True) for a in arrays]
    f(*plain).sum().backward()
    assert seen
    for a, b in zip(inputs, plain):
        np.testing.assert_allclose(a.grad.numpy(), 2 * b.grad.numpy(), atol=1e-5)


def test_halves_beside_floats_in_a_kernel():
    x, w = minigrad.tensor(floats(8, 64), requires_grad=True), minigrad.tensor(floats(64), requires_grad=True)
    h = w.detach().half().requires_grad_()
    expected = F.layer_norm(x, (64,), h.float())
    for _ in range(2):
        y = F.layer_norm(x, (64,), h)
        assert np.abs((y - expected).detach().numpy()).max() < 1e-2
    y.sum().backward()
    assert h.grad.dtype == minigrad.float16


@pytest.mark.parametrize("slope", [0.0, 0.2, 1.0, 1.5, -0.5])
def test_leaky_relu_of_what_is_no_ordinary_number(slope):
    a = np.array([np.inf, -np.inf, np.nan, 0.0, -0.0, 1e-45, -1e-45, 3.0, -3.0], np.float32)
    with np.errstate(all="ignore"):
        expected = np.where(a > 0, a, a * np.float32(slope))
    np.testing.assert_array_equal(F.leaky_relu(minigrad.tensor(a), slope).numpy(), expected)


@pytest.mark.parametrize("size", [7, 1000, 20_000])
def test_relu_of_what_is_no_ordinary_number(size):
    a = np.resize(np.array([np.inf, -np.inf, np.nan, 0.0, -0.0, 1e-45, 3.0, -3.0], np.float32), size)
    np.testing.assert_array_equal(F.relu(minigrad.tensor(a)).numpy(), np.maximum(a, 0))


@pytest.mark.parametrize("shape", [(2, 3, 4), (1, 1, 4), (5, 1, 4), (0, 3, 4), (4,)])
def test_a_matrix_behind_many_rows(shape):
    a, b = floats(*shape), floats(4, 6, seed=1)
    for x, y in ((a, b), (a.swapaxes(0, -1).copy().swapaxes(0, -1), b.T.copy().T)):
        np.testing.assert_allclose((minigrad.tensor(x) @ minigrad.tensor(y)).numpy(), x @ y, rtol=1e-5, atol=1e-6)
    with pytest.raises(RuntimeError):
        minigrad.tensor(a) @ minigrad.tensor(floats(5, 6))


@pytest.mark.parametrize("k", [-200, -70, -64, -1, 0, 1, 5, 64, 130, 300])
@pytest.mark.parametrize("shape", [(130, 130), (2, 65, 200), (200, 64), (129, 1), (3, 0, 70), (70, 0), (2, 2, 64, 9)])
def test_triangles_band_by_band(shape, k):
    x = floats(*shape)
    x[..., ::7] = np.nan
    for name in ("triu", "tril"):
        y = getattr(minigrad.tensor(x), name)(k)
        np.testing.assert_array_equal(y.numpy(), getattr(np, name)(x, k))
        assert y.numpy().flags.c_contiguous and not np.shares_memory(y.numpy(), x)


@pytest.mark.parametrize("dtype", ["float64", "float16", "int64", "bool", "complex64", "bfloat16"])
def test_triangles_of_other_dtypes_and_layouts(dtype):
    x = minigrad.tensor(np.arange(100.0 * 90).reshape(90, 100) % 7).to(getattr(minigrad, dtype))
    expected = np.arange(100.0 * 90).reshape(90, 100) % 7
    expected = expected != 0 if dtype == "bool" else expected
    for view, of in ((x.T, expected.T), (x[:, ::2], expected[:, ::2])):
        assert view.triu(3).dtype is x.dtype
        np.testing.assert_array_equal(view.triu(3).to(minigrad.complex128).numpy(), np.triu(of, 3))
        np.testing.assert_array_equal(view.tril(-2).to(minigrad.complex128).numpy(), np.tril(of, -2))


def test_one_hot_rows():
    index = np.random.default_rng(0).integers(0, 9, (30, 40))
    for i in (index, index.T, index[:, ::3], index[:0], index[0, 0]):
        y = F.one_hot(minigrad.tensor(i), 9)
        assert y.dtype is minigrad.int64
        np.testing.assert_array_equal(y.numpy(), np.eye(9, dtype="int64")[i])
    assert F.one_hot(minigrad.zeros(0, dtype=minigrad.int64), 0).shape == (0, 0)
    for bad in (-1, 9):
        with pytest.raises(RuntimeError, match="Class values must be non-negative"):
            F.one_hot(minigrad.tensor([0, bad]), 9)


@pytest.mark.parametrize("bad", [-1, -100, 7, -(2**63)])
def test_a_target_that_is_no_class(bad):
    x, target = minigrad.tensor(floats(5, 7)), minigrad.tensor([0, 6, bad, 3, 1])
    if bad == -100:  # ignored
        kept = [0, 1, 3, 4]
        expected = -np.mean([x.numpy()[i, target.numpy()[i]] for i in kept])
        np.testing.assert_allclose(F.nll_loss(x, target).item(), expected, rtol=1e-6)
        return
    with pytest.raises(IndexError, match=f"Target {bad} is out of bounds: there are 7 classes"):
        F.nll_loss(x, target)


def test_rows_chosen_by_a_number_and_by_a_vector():
    x = minigrad.tensor(floats(6, 4))
    for index in (2, [2], [5, 0, 5], []):
        y = x.index_select(0, minigrad.tensor(index, dtype=minigrad.int64))
        np.testing.assert_array_equal(y.numpy(), x.numpy()[np.atleast_1d(np.array(index, int))])
        z = x.index_select(1, minigrad.tensor(index, dtype=minigrad.int32) % 4)
        np.testing.assert_array_equal(z.numpy(), x.numpy()[:, np.atleast_1d(np.array(index, int)) % 4])


def test_the_compiler_opens_the_text_of_one_hot():
    step = minigrad.compile(lambda i: F.one_hot(i, 9) * 2)
    index = minigrad.tensor([3, 0, 8])
    np.testing.assert_array_equal(step(index).numpy(), np.eye(9, dtype="int64")[index.numpy()] * 2)
    assert not is_word("one_hot")


@pytest.mark.parametrize("call", [lambda x: x.prod(1), lambda x: x.prod(), lambda x: x.cumprod(1), lambda x: x.cumprod(0)])
@pytest.mark.parametrize("kind", ["float64", "complex128"])
def test_second_derivatives_of_products_with_zeros(call, kind):
    x = floats(3, 4, dtype=np.float64).astype(kind)
    if kind == "complex128":
        x += 1j * floats(3, 4, seed=1, dtype=np.float64)
    x[0, 1] = x[2, 0] = x[2, 3] = 0
    assert gradcheck(call, (minigrad.tensor(x, requires_grad=True),))
    assert gradgradcheck(call, (minigrad.tensor(x, requires_grad=True),))


@pytest.mark.parametrize("dtype", ["int64", "int32"])
def test_many_elements_named_by_two_index_tensors_add_up_in_order(dtype):
    r = np.random.default_rng(0)
    i, j = r.integers(-20, 20, (70, 1)).astype(dtype), r.integers(-30, 30, (1, 90)).astype(dtype)
    for low in (-20, 0):  # counted from the end, and not
        places = np.where(i < low, i + 20, i), np.where(j < low, j + 30, j)
        g, expected = r.standard_normal((70, 90)).astype("float32"), np.zeros((20, 30), "float32")
        np.add.at(expected, places, g)
        kept = [k.copy() for k in places]
        for flag in (True, False):
            with minigrad.kernels.use_kernels(flag):
                x = minigrad.zeros(20, 30, requires_grad=True)
                (d,) = minigrad.autograd.grad(x[tuple(minigrad.from_numpy(k) for k in places)], x, minigrad.tensor(g))
                np.testing.assert_array_equal(d.numpy(), expected)
        assert all((k == old).all() for k, old in zip(places, kept))
    numpy = minigrad.backends.numpy
    for bad, size in (((20, 0), 20), ((-21, 0), 20), ((0, 30), 30), ((0, -31), 30)):
        with pytest.raises(IndexError, match=f"index {sum(bad)} is out of bounds for axis 1 with size {size}"):
            numpy.ungetitem(np.ones(1), *[np.array([k], dtype) for k in bad], key=("?", "?"), shape=(20, 30))
