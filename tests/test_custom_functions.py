"""A user's own Function: what its context keeps, what its mistakes say, and its rules for jvp and vmap."""

import pytest

import minigrad
from minigrad.autograd import Function


class Square(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 2 * g * x


class Split(Function):
    """Two outputs and a number; a gradient that did not arrive is None."""

    @staticmethod
    def forward(ctx, x):
        ctx.set_materialize_grads(False)
        return x * 2, x * 3, 7

    @staticmethod
    def backward(ctx, a, b, number):
        assert number is None
        return (0 if a is None else a * 2) + (0 if b is None else b * 3)


class Apart(Function):
    """Forward and context apart, and a rule for tangents."""

    @staticmethod
    def forward(x, n):
        return x**n

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.n = inputs[1]
        ctx.save_for_backward(inputs[0])
        ctx.save_for_forward(output)

    @staticmethod
    def vjp(ctx, g):
        (x,) = ctx.saved_tensors
        return g * ctx.n * x ** (ctx.n - 1), None

    @staticmethod
    def jvp(ctx, t, _):
        (x,) = ctx.saved_tensors
        return t * ctx.n * x ** (ctx.n - 1)


def _x(*values):
    return minigrad.tensor(values, requires_grad=True)


def test_gradients_of_first_and_second_order():
    x = _x(1.0, 3.0)
    (g,) = minigrad.autograd.grad(Square.apply(x).sum(), x, create_graph=True)
    assert g.tolist() == [2.0, 6.0]
    (h,) = minigrad.autograd.grad(g.sum(), x)
    assert h.tolist() == [2.0, 2.0]


def test_outputs_that_are_not_used_and_no_tensors():
    x = _x(1.0, 3.0)
    a, b, number = Split.apply(x)
    assert number == 7
    b.sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]
    x = _x(1.0)
    a, b, _ = Split.apply(x)
    (a + b).backward()
    assert x.grad.tolist() == [5.0]


def test_forward_apart_from_its_context():
    x = _x(2.0)
    Apart.apply(x, 3).backward()
    assert x.grad.tolist() == [12.0]
    value, tangent = minigrad.func.jvp(lambda x: Apart.apply(x, 3), (minigrad.tensor(2.0),), (minigrad.tensor(10.0),))
    assert (value.item(), tangent.item()) == (8.0, 120.0)
    with pytest.raises(TypeError, match="no keyword arguments where setup_context"):
        Apart.apply(x, n=3)


def test_tangents_of_several_outputs():
    class Both(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2, "text", x * 3

        @staticmethod
        def backward(ctx, a, _, b):
            return a * 2 + b * 3

        @staticmethod
        def jvp(ctx, t):
            return t * 2, None, t * 3

    def f(x):
        a, _, b = Both.apply(x)
        return a, b

    _, (a, b) = minigrad.func.jvp(f, (minigrad.tensor(1.0),), (minigrad.tensor(5.0),))
    assert (a.item(), b.item()) == (10.0, 15.0)


def test_tangents_by_the_transpose_of_the_backward():
    _, tangent = minigrad.func.jvp(Square.apply, (minigrad.tensor([1.0, 3.0]),), (minigrad.tensor([1.0, 10.0]),))
    assert tangent.tolist() == [2.0, 60.0]


def test_outputs_without_a_gradient():
    class Sorted(Function):
        @staticmethod
        def forward(ctx, x):
            values, order = x.sort()
            copy = x.clone()
            ctx.mark_non_differentiable(copy)
            ctx.order = order
            return values, order, copy

        @staticmethod
        def backward(ctx, g, *_):
            return minigrad.zeros_like(g).index_put((ctx.order,), g)

    x = _x(3.0, 1.0)
    values, order, copy = Sorted.apply(x)
    assert values.requires_grad and not order.requires_grad and not copy.requires_grad
    (values * minigrad.tensor([10.0, 20.0])).sum().backward()
    assert x.grad.tolist() == [20.0, 10.0]


def test_writing_into_an_input():
    class Double(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.mark_dirty(x)
            return x.mul_(2)

        @staticmethod
        def backward(ctx, g):
            return g * 2

    x = _x(1.0, 2.0)
    y = x * 1
    assert Double.apply(y) is y
    y.sum().backward()
    assert y.tolist() == [2.0, 4.0] and x.grad.tolist() == [2.0, 2.0]
    with pytest.raises(RuntimeError, match="leaf Variable"):
        Double.apply(_x(1.0))
    base = _x(1.0, 2.0) * 1
    row = base[:1]
    Double.apply(row)
    assert base.tolist() == [2.0, 2.0] and base.grad_fn is not None


def test_an_input_handed_back():
    class Same(Function):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 4

    x = _x(1.0)
    y = Same.apply(x)
    assert y is not x
    y.backward()
    assert x.grad.tolist() == [4.0]


def _with_backward(result, shape=(2,)):
    class Broken(Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            return result(g)

    x = minigrad.ones(shape, requires_grad=True)
    Broken.apply(x).sum().backward()
    return x.grad


@pytest.mark.parametrize(
    ("result", "error", "text"),
    [
        (lambda g: (g, g), RuntimeError, "incorrect number of gradients"),
        (lambda g: (), RuntimeError, "incorrect number of gradients"),
        (lambda g: 3.0, TypeError, r"expected Variable or None \(got float\)"),
        (lambda g: minigrad.ones(3), RuntimeError, "invalid gradient at index 0"),
    ],
)
def test_mistakes_in_a_backward(result, error, text):
    with pytest.raises(error, match=text):
        _with_backward(result)


def test_what_a_backward_may_return():
    assert _with_backward(lambda g: None) is None
    assert _with_backward(lambda g: (g * 2, None)).tolist() == [2.0, 2.0]
    assert _with_backward(lambda g: minigrad.ones(5, 2) * 1.0).tolist() == [5.0, 5.0]  # added up to the input's shape


def test_mistakes_of_a_class():
    class Empty(Function):
        pass

    class Forward(Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

    class Saves(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x, 3)

    x = _x(1.0)
    with pytest.raises(NotImplementedError, match="implement the forward"):
        Empty.apply(x)
    with pytest.raises(NotImplementedError, match="backward or vjp"):
        Forward.apply(x).backward()
    with pytest.raises(TypeError, match="save_for_backward can only save"):
        Saves.apply(x)
    with pytest.raises(RuntimeError, match="Legacy autograd function"):
        Square()(x)
    for name, args in (("setup_context", 3), ("backward", 2), ("jvp", 2), ("vmap", 3)):
        with pytest.raises(NotImplementedError):
            getattr(Function, name)(*[None] * args)


def test_saved_tensors_are_freed_and_guarded():
    x = _x(1.0)
    y = Square.apply(x)
    y.backward()
    with pytest.raises(RuntimeError, match="second time"):
        y.backward()
    base = _x(1.0) * 1
    y = Square.apply(base)
    base.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()


def test_saved_outputs_and_none():
    class Exp(Function):
        @staticmethod
        def forward(ctx, x):
            out = x.exp()
            ctx.save_for_backward(out, None)
            return out

        @staticmethod
        def backward(ctx, g):
            out, nothing = ctx.saved_tensors
            assert nothing is None
            return g * out

    x = minigrad.tensor([0.5, 1.0], dtype=minigrad.float64, requires_grad=True)
    assert minigrad.testing.gradcheck(Exp.apply, (x,)) and minigrad.testing.gradgradcheck(Exp.apply, (x,))


def test_saved_tensors_pass_through_hooks():
    packed = []

    def pack(t):
        packed.append(t.tolist())
        return t.numpy()

    x = _x(1.0, 3.0)
    with minigrad.autograd.graph.saved_tensors_hooks(pack, lambda a: minigrad.from_numpy(a) * 10):
        y = Square.apply(x)
    y.sum().backward()
    assert packed == [[1.0, 3.0]] and x.grad.tolist() == [20.0, 60.0]


# -------------------------------------------------------------------------------------------------------------- under vmap
class Scaled(Function):
    """``x * w``, which counts how many samples came at once, and says where its batch stands: at the end."""

    seen = []

    @staticmethod
    def forward(x, w):
        return x * w

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, g):
        x, w = ctx.saved_tensors
        return g * w, g * x

    @staticmethod
    def vmap(info, in_dims, x, w):
        Scaled.seen.append((info.batch_size, info.randomness, in_dims))
        return Scaled.apply(x, w if in_dims[1] is None else w.movedim(in_dims[1], 0)).movedim(0, -1), -1


def test_a_rule_for_vmap():
    Scaled.seen.clear()
    x, w = minigrad.arange(6.0).view(3, 2), minigrad.tensor([1.0, 10.0])
    out = minigrad.vmap(Scaled.apply, in_dims=(0, None))(x, w)
    assert out.tolist() == [[0.0, 10.0], [2.0, 30.0], [4.0, 50.0]] and Scaled.seen == [(3, "error", (0, None))]
    assert minigrad.vmap(lambda x: Scaled.apply(w, w) + x)(x)[0].tolist() == [1.0, 102.0 - 1.0]
    assert len(Scaled.seen) == 1  # nothing differed from sample to sample


def test_mistakes_of_a_rule_for_vmap():
    class Twice(Scaled):
        generate_vmap_rule = True

    class Alone(Scaled):
        @staticmethod
        def vmap(info, in_dims, x, w):
            return x * w

    x = minigrad.ones(3, 2)
    with pytest.raises(RuntimeError, match="generate_vmap_rule=True and a vmap"):
        minigrad.vmap(Twice.apply)(x, x)
    with pytest.raises(RuntimeError, match=r"expected a tuple \(output, out_dims\)"):
        minigrad.vmap(Alone.apply)(x, x)
