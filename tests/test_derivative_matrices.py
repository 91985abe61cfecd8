"""``autograd.functional`` and ``gradcheck``: values known by hand, and what mistakes say."""

import pytest

import minigrad
from minigrad import testing
from minigrad.autograd import functional as F


def _t(*values, **kwargs):
    return minigrad.tensor(values, dtype=minigrad.float64, **kwargs)


def _cube(x):
    return (x**3).sum()


def _pair(x, y):
    return x * y, (x + 2 * y).sum()


X, Y = (1.0, 2.0), (3.0, 4.0)


@pytest.mark.parametrize(("vectorize", "strategy"), [(False, "reverse-mode"), (True, "reverse-mode"), (True, "forward-mode")])
def test_jacobians(vectorize, strategy):
    how = {"vectorize": vectorize, "strategy": strategy}
    assert F.jacobian(lambda x: x**2, _t(*X), **how).tolist() == [[2.0, 0.0], [0.0, 4.0]]
    (xx, xy), (sx, sy) = F.jacobian(_pair, (_t(*X), _t(*Y)), **how)
    assert xx.tolist() == [[3.0, 0.0], [0.0, 4.0]] and xy.tolist() == [[1.0, 0.0], [0.0, 2.0]]
    assert sx.tolist() == [1.0, 1.0] and sy.tolist() == [2.0, 2.0]
    found = F.jacobian(lambda x, y: x * 3, (_t(*X), _t(*Y)), **how)
    assert found[0].tolist() == [[3.0, 0.0], [0.0, 3.0]] and found[1].tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_a_jacobian_of_what_depends_on_nothing():
    assert F.jacobian(lambda x: minigrad.ones(3), _t(*X)).tolist() == [[0.0, 0.0]] * 3
    assert F.jacobian(lambda x: x[:0], _t(*X)).shape == (0, 2)


@pytest.mark.parametrize(("vectorize", "strategy"), [(False, "reverse-mode"), (True, "reverse-mode"), (True, "forward-mode")])
def test_hessians(vectorize, strategy):
    how = {"vectorize": vectorize, "outer_jacobian_strategy": strategy}
    assert F.hessian(_cube, _t(*X), **how).tolist() == [[6.0, 0.0], [0.0, 12.0]]
    (xx, xy), (yx, yy) = F.hessian(lambda x, y: (x * x * y).sum(), (_t(*X), _t(*Y)), **how)
    assert xx.tolist() == [[6.0, 0.0], [0.0, 8.0]] and xy.tolist() == yx.tolist() == [[2.0, 0.0], [0.0, 4.0]]
    assert yy.tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_products():
    x, v = _t(*X), _t(10.0, 1.0)
    assert [t.tolist() for t in F.vjp(lambda x: x**2, x, v)] == [[1.0, 4.0], [20.0, 4.0]]
    assert [t.tolist() for t in F.jvp(lambda x: x**2, x, v)] == [[1.0, 4.0], [20.0, 4.0]]
    assert [t.tolist() for t in F.vhp(_cube, x, v)] == [9.0, [60.0, 12.0]] == [t.tolist() for t in F.hvp(_cube, x, v)]
    assert F.vjp(_cube, x)[1].tolist() == [3.0, 12.0]  # one value needs no v
    assert F.jvp(lambda x: x * minigrad.ones(3), _t(2.0))[1].tolist() == [1.0, 1.0, 1.0]
    assert F.vhp(lambda x: x.sum() ** 3, _t(2.0))[1].tolist() == [12.0]
    value, (gx, gy) = F.vjp(lambda x, y: (x * 2).sum(), (x, _t(*Y)))
    assert value.item() == 6.0 and gx.tolist() == [2.0, 2.0] and gy.tolist() == [0.0, 0.0]
    assert F.jvp(lambda x: (x * 2, minigrad.ones(1)), x, v)[1][1].tolist() == [0.0]
    assert F.vjp(lambda x: minigrad.ones(2), x, v)[1].tolist() == [0.0, 0.0]


def test_products_can_be_differentiated():
    x = _t(*X, requires_grad=True)
    for call in (F.vjp, F.jvp):
        _, found = call(lambda x: x**3, x, _t(1.0, 1.0), create_graph=True)
        assert minigrad.autograd.grad(found.sum(), x)[0].tolist() == [6.0, 12.0]
        assert not call(lambda x: x**3, x, _t(1.0, 1.0))[1].requires_grad
    assert minigrad.autograd.grad(F.jacobian(_cube, x, create_graph=True).sum(), x)[0].tolist() == [6.0, 12.0]
    assert minigrad.autograd.grad(F.hessian(_cube, x, create_graph=True).sum(), x)[0].tolist() == [6.0, 6.0]
    assert F.jacobian(_cube, x, strict=True, create_graph=True).tolist() == [3.0, 12.0]


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: F.vjp(_cube, [1.0]), TypeError, "inputs given to vjp must be either a Tensor"),
        (lambda: F.jvp(_cube, (_t(1.0), 2.0)), TypeError, "value at index 1"),
        (lambda: F.jacobian(lambda x: 3.0, _t(1.0)), TypeError, "outputs of the user-provided function given to jacobian"),
        (lambda: F.vjp(lambda x: x, _t(*X)), RuntimeError, "v can only be None"),
        (lambda: F.jvp(lambda x: x, _t(*X)), RuntimeError, "v can only be None"),
        (lambda: F.vjp(lambda x: x, _t(*X), (_t(*X), _t(*X))), RuntimeError, "should be 1 but got 2"),
        (lambda: F.vjp(lambda x: x, _t(*X), _t(1.0)), RuntimeError, r"should be \[2\] but got \[1\]"),
        (lambda: F.vhp(lambda x: x, _t(*X), _t(*X)), RuntimeError, "a Tensor with a single element"),
        (lambda: F.hessian(lambda x: (x.sum(), x.sum()), _t(*X)), RuntimeError, "a single Tensor"),
        (lambda: F.hessian(_cube, _t(*X), outer_jacobian_strategy="sideways"), AssertionError, "Expected strategy to be either"),
        (lambda: F.jacobian(_cube, _t(*X), strategy="sideways"), AssertionError, "Expected strategy"),
        (lambda: F.jacobian(_cube, _t(*X), strategy="forward-mode"), NotImplementedError, "vectorize=True"),
        (lambda: F.jacobian(_cube, _t(*X), vectorize=True, strict=True), RuntimeError, "not supported together"),
        (lambda: F.jacobian(lambda x: minigrad.ones(2), _t(*X), strict=True), RuntimeError, "does not require gradients"),
        (lambda: F.vjp(lambda x, y: x.sum(), (_t(*X), _t(*X)), strict=True), RuntimeError, "independent of input 1"),
        (lambda: F.jacobian(lambda x: x * 2, _t(*X), create_graph=True, strict=True), RuntimeError, "independent of the input"),
    ],
)
def test_mistakes(call, error, text):
    with pytest.raises(error, match=text):
        call()


# -------------------------------------------------------------------------------------------------------------- gradcheck
class Wrong(minigrad.autograd.Function):
    """The square, with a gradient that is not its own, and tangents that are not either."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, g):
        return g * 3 * ctx.saved_tensors[0]


class WrongTangent(Wrong):
    @staticmethod
    def backward(ctx, g):
        return g * 2 * ctx.saved_tensors[0]

    @staticmethod
    def jvp(ctx, t):
        return t * 5


def test_gradcheck_finds_what_is_wrong():
    x = _t(0.5, 2.0, requires_grad=True)
    with pytest.raises(AssertionError, match="Jacobian mismatch: along a random direction"):
        testing.gradcheck(Wrong.apply, x)
    assert testing.gradcheck(Wrong.apply, x, raise_exception=False) is False
    assert testing.gradcheck(WrongTangent.apply, x) is True
    with pytest.raises(RuntimeError, match="mismatch in forward mode"):
        testing.gradcheck(WrongTangent.apply, x, check_forward_ad=True)
    with pytest.raises(ValueError, match="none has"):
        testing.gradcheck(_cube, _t(1.0))
    with pytest.raises(AssertionError, match="none of the outputs requires a gradient"):
        testing.gradcheck(lambda x: x.detach(), x)


def test_gradcheck_of_what_is_right():
    x = _t(0.5, 2.0, requires_grad=True)
    assert testing.gradcheck(lambda x: (x.exp(), x * 2, minigrad.ones(1)), x, check_forward_ad=True)
    assert testing.gradcheck(lambda x: x.masked_fill(x > 1, float("-inf")), x)
    z = minigrad.tensor([1.0 + 2.0j, 0.5j], dtype=minigrad.complex128, requires_grad=True)
    assert testing.gradcheck(lambda z: z * z, z)
    assert testing.gradgradcheck(lambda x: x.exp(), x, _t(1.0, 2.0)) and testing.gradgradcheck(lambda x: x**3, x)
    assert testing.gradgradcheck(_linear, x)


def _linear(x):
    return x.sum() * 2


def test_assert_close():
    a, b = _t(1.0, 2.0), _t(1.0, 2.0 + 1e-3)
    testing.assert_close([a, a], (a, a))
    testing.assert_close(a, b, rtol=1e-2, atol=0.0)
    testing.assert_close(1.0, 1.0 + 1e-9)
    testing.assert_close(_t(float("nan")), _t(float("nan")), equal_nan=True)
    testing.assert_close(a, a.float(), check_dtype=False)
    testing.assert_close(minigrad.tensor([1 + 1j]), minigrad.tensor([1 + 1j]))
    for wrong in ((a, b), (a, a.float()), (a, _t(1.0)), ([a, a], [a, b]), (1.0, 1.1), (_t(float("nan")), _t(float("nan")))):
        with pytest.raises(AssertionError):
            testing.assert_close(*wrong)
    with pytest.raises(AssertionError, match=r"^kind$"):
        testing.assert_close(a, a.float(), msg="kind")
    with pytest.raises(AssertionError, match=r"^so: the tensors differ"):
        testing.assert_close(a, a.float(), msg=lambda text: f"so: {text}")
    with pytest.raises(AssertionError, match="differ in kind"):
        testing.assert_close(minigrad.ones(2, 3).t(), minigrad.ones(3, 2), check_stride=True)
