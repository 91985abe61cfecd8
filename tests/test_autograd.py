"""What PyTorch promises about recording and backward passes."""

import gc
import threading
import weakref

import numpy as np
import pytest

import minigrad
from minigrad import autograd


def leaf(*values):
    return minigrad.tensor(values, dtype=minigrad.float64, requires_grad=True)


def test_gradients_accumulate_in_leaves():
    x = leaf(1.0, 2.0)
    (x * 3).sum().backward()
    (x * x).sum().backward()
    assert x.grad.tolist() == [5.0, 7.0]
    x.grad = None
    (x * 2).sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]


def test_accumulation_keeps_the_gradient_object():
    x = leaf(1.0)
    (x * 3).backward()
    first = x.grad
    (x * 3).backward()
    assert x.grad is first and first.tolist() == [6.0]


def test_no_two_gradients_share_memory():
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    upstream = minigrad.ones(2, dtype=minigrad.float64)
    (x + y).backward(upstream)
    assert not np.shares_memory(x.grad.numpy(), y.grad.numpy())
    assert not np.shares_memory(x.grad.numpy(), upstream.numpy())
    z = leaf(1.0, 2.0)
    z.reshape(2, 1).sum(1).backward(upstream)
    assert not np.shares_memory(z.grad.numpy(), upstream.numpy())


def test_diamond():
    x = leaf(3.0)
    b = x + x
    c = b + b
    (b * c).backward()
    assert x.grad.tolist() == [48.0]  # d(2x * 4x)/dx = 16x


@pytest.mark.parametrize(
    "made",
    [
        lambda x: x.double(),  # the inputs of a physics-informed network are converted once, before the loop
        lambda x: minigrad.cat([x, minigrad.ones(3)]),
        lambda x: x.unfold(0, 2, 1),
        lambda x: x.as_strided((2, 2), (1, 1)),
        lambda x: x.diag_embed(),
        lambda x: minigrad.block_diag(x),
        lambda x: x.sign(),
    ],
    ids="cast cat unfold as_strided diag_embed block_diag sign".split(),
)
def test_what_keeps_no_array_lasts_through_two_backward_passes(made):
    x = minigrad.tensor([1.0, -2.0, 3.0], requires_grad=True)
    y = made(x)
    y.sum().backward()
    once = x.grad.clone()
    y.sum().backward()
    assert x.grad.tolist() == (2 * once).tolist()


def test_backward_twice_needs_retain_graph():
    x = leaf(2.0)
    y = x * x
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [8.0]
    with pytest.raises(RuntimeError, match="second time"):
        y.backward()


def test_non_scalar_needs_a_gradient():
    x = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match="only for scalar outputs"):
        (x * 2).backward()
    with pytest.raises(RuntimeError, match="Mismatch in shape"):
        (x * 2).backward(minigrad.ones(3, dtype=minigrad.float64))


def test_no_history():
    with pytest.raises(RuntimeError, match="does not require grad"):
        minigrad.ones(1).backward()


def test_higher_orders():
    x = leaf(2.0)
    y = x**4
    (g1,) = autograd.grad(y, x, create_graph=True)
    (g2,) = autograd.grad(g1, x, create_graph=True)
    (g3,) = autograd.grad(g2, x, create_graph=True)
    assert [g1.item(), g2.item(), g3.item()] == [32.0, 48.0, 48.0]


def test_grad_unused_input():
    x, z = leaf(1.0), leaf(1.0)
    y = x * 2
    with pytest.raises(RuntimeError, match="not have been used"):
        autograd.grad(y, [x, z], retain_graph=True)
    assert autograd.grad(y, [x, z], allow_unused=True, retain_graph=True)[1] is None
    assert autograd.grad(y, [x, z], materialize_grads=True)[1].tolist() == [0.0]


def test_grad_of_inner_tensors_and_leaves_alone():
    x = leaf(2.0)
    h = x * 3
    y = h * h
    gh, gx = autograd.grad(y, [h, x])
    assert gh.item() == 12.0 and gx.item() == 36.0 and x.grad is None


def test_backward_inputs():
    x, w = leaf(2.0), leaf(5.0)
    h = x * w
    (h * h).backward(inputs=[w])
    assert x.grad is None and w.grad.tolist() == [40.0]


def test_hooks_on_leaves_and_inner_tensors():
    x = leaf(1.0, 1.0)
    h = x * 2
    seen = []
    handle = h.register_hook(lambda g: g * 10)
    h.register_hook(lambda g: seen.append(g.tolist()))
    x.register_hook(lambda g: g + 1)
    h.sum().backward()
    assert seen == [[10.0, 10.0]] and x.grad.tolist() == [21.0, 21.0]
    handle.remove()
    x.grad = None
    (x * 2).sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]


def test_post_accumulate_hook():
    x = leaf(1.0)
    x.register_post_accumulate_grad_hook(lambda t: setattr(t, "seen", t.grad.item()))
    (x * 7).backward()
    assert x.seen == 7.0


def test_retain_grad():
    x = leaf(1.0)
    h = x * 2
    h.retain_grad()
    (h * 3).backward()
    assert h.grad.tolist() == [3.0] and h.retains_grad and not x.retains_grad


def test_modes():
    x = leaf(1.0)
    with minigrad.no_grad():
        assert not (x * 2).requires_grad
        with minigrad.enable_grad():
            assert (x * 2).requires_grad

    @minigrad.no_grad()
    def decorated():
        return x * 2

    @minigrad.inference_mode
    def inferred():
        return (x * 2).requires_grad, minigrad.is_inference_mode_enabled()

    assert not decorated().requires_grad
    assert inferred() == (False, True)
    with minigrad.set_grad_enabled(False):
        assert not minigrad.is_grad_enabled()
    assert minigrad.is_grad_enabled()


def test_modes_are_per_thread():
    seen = []
    with minigrad.no_grad():
        t = threading.Thread(target=lambda: seen.append(minigrad.is_grad_enabled()))
        t.start()
        t.join()
    assert seen == [True]


def test_threads_can_run_backward_at_once():
    x = leaf(*range(8))

    def work(results, i):
        y = leaf(*range(8))
        for _ in range(50):
            y.grad = None
            ((y * x.detach()).sum() * i).backward()
        results[i] = y.grad.tolist()

    results = {}
    threads = [threading.Thread(target=work, args=(results, i)) for i in range(4)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert all(results[i] == [i * v for v in range(8)] for i in range(4))


def test_only_floats_can_require_gradients():
    with pytest.raises(RuntimeError, match="floating point"):
        minigrad.tensor([1, 2], requires_grad=True)


def test_requires_grad_of_an_inner_tensor():
    h = leaf(1.0) * 2
    with pytest.raises(RuntimeError, match="leaf variables"):
        h.requires_grad_(False)
    assert not h.detach().requires_grad


# -------------------------------------------------------------------------------------------------------------- writes in place
def test_write_on_a_leaf_raises():
    x = leaf(1.0)
    with pytest.raises(RuntimeError, match="leaf Variable"):
        x += 1
    with minigrad.no_grad():
        x += 1
    assert x.tolist() == [2.0]


def test_write_to_a_needed_value_raises():
    x = leaf(1.0, 2.0)
    h = x * 2
    y = h * h
    h += 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_write_through_detach_and_data_is_seen():
    for write in (lambda h: h.detach().add_(1), lambda h: h.data.mul_(2), lambda h: h[0:1].detach().zero_()):
        x = leaf(1.0, 2.0)
        h = x * 2
        y = h * h
        write(h)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            y.sum().backward()


def test_write_to_an_unneeded_value_is_legal():
    x = leaf(1.0, 2.0)
    h = x * 2
    y = h + 3
    h.zero_()
    y.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]


def test_recurrence_in_place():
    x = leaf(1.0)
    h = minigrad.zeros(4, dtype=minigrad.float64)
    h[0] = x[0]
    for i in range(1, 4):
        h[i] = h[i - 1] * 2
    h.sum().backward()
    assert x.grad.tolist() == [15.0]


def test_version_counter():
    x = minigrad.zeros(2)
    assert x._version == 0
    x.add_(1)
    x[0] = 5
    assert x._version == 2 and x.view(2)._version == 2


# ----------------------------------------------------------------------------------------------------------------- own functions
class Scale(autograd.Function):
    @staticmethod
    def forward(ctx, x, factor, name=None):
        ctx.factor, ctx.name = factor, name
        ctx.save_for_backward(x)
        return x * factor

    @staticmethod
    def backward(ctx, g):
        assert ctx.needs_input_grad == (True, False, False)
        return g * ctx.factor, None, None


def test_function():
    x = leaf(1.0, 2.0)
    Scale.apply(x, 3.0, "three").sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]


def test_function_is_differentiable_twice():
    class Cube(autograd.Function):
        @staticmethod
        def forward(ctx, x):
            y = x**3
            ctx.save_for_backward(x, y)
            return y

        @staticmethod
        def backward(ctx, g):
            x, y = ctx.saved_tensors
            return g * 3 * y / x

    x = leaf(2.0)
    assert minigrad.testing.gradcheck(Cube.apply, (x,)) and minigrad.testing.gradgradcheck(Cube.apply, (x,))


def test_function_with_setup_context_and_several_outputs():
    class Split(autograd.Function):
        @staticmethod
        def forward(x):
            return x * 2, x * 3, 7

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.set_materialize_grads(False)

        @staticmethod
        def backward(ctx, a, b, _=None):
            assert b is None
            return a * 2

    x = leaf(1.0)
    first, second, number = Split.apply(x)
    assert number == 7 and second.requires_grad
    first.backward()
    assert x.grad.tolist() == [2.0]


def test_once_differentiable():
    class Once(autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @autograd.once_differentiable
        def backward(ctx, g):
            return g * 2 * ctx.saved_tensors[0]

    x = leaf(3.0)
    (g,) = autograd.grad(Once.apply(x), x, create_graph=True)
    assert g.item() == 6.0 and not g.requires_grad  # the upstream gradient is a constant
    (g,) = autograd.grad(Once.apply(x) ** 2, x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        g.backward()


def test_function_wrong_number_of_gradients():
    class Wrong(autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            return x + y

        @staticmethod
        def backward(ctx, g):
            return g

    with pytest.raises(RuntimeError, match="incorrect number of gradients"):
        Wrong.apply(leaf(1.0), leaf(1.0)).backward()


# ----------------------------------------------------------------------------------------------------------------------- anomaly
def test_detect_anomaly_names_the_forward_line():
    x = leaf(0.0)
    with pytest.raises(RuntimeError, match="nan values") as caught, autograd.detect_anomaly():
        y = x.sqrt() * 0  # the line to find
        y.sum().backward()
    assert "the line to find" in str(caught.value)
    assert not autograd.is_anomaly_enabled()
    (x.sqrt() * 0).sum().backward()  # off again


# ---------------------------------------------------------------------------------------------------------------- size and memory
def test_deep_graph_needs_no_recursion():
    x = leaf(1.0)
    y = x
    for _ in range(100_000):
        y = y + 1e-9
    y.backward()
    assert x.grad.tolist() == [1.0]
    del y
    gc.collect()


def test_saved_arrays_are_freed_by_backward():
    x = leaf(*range(10))
    h = x * 2
    kept = weakref.ref(h.array)
    y = (h * h).sum()
    del h
    assert kept() is not None
    y.backward()
    assert kept() is None


def test_training_does_not_grow():
    """100,000 steps in the long run of the benchmarks; here enough to see a leak of one object a step."""
    x = leaf(1.0, 2.0)

    def step():
        x.grad = None
        ((x * 2).tanh() ** 2).sum().backward()
        with minigrad.no_grad():
            x.sub_(x.grad, alpha=1e-3)

    for _ in range(50):
        step()
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(500):
        step()
    gc.collect()
    assert len(gc.get_objects()) - before < 50


def test_grad_fn():
    x = leaf(1.0)
    y = x * 2
    assert y.grad_fn.name() == "MulBackward0" and x.grad_fn is None
    assert y.grad_fn.next_functions[0][0].name() == "torch::autograd::AccumulateGrad"
    assert x.is_leaf and not y.is_leaf


# ------------------------------------------------------------------------------------------------------ floating-point warnings
def test_numpy_warnings_never_stop_a_computation():
    """log(0), inf - inf, overflow: computed on, as in PyTorch, whatever the caller's warnings and NumPy settings say."""
    import warnings

    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        x = minigrad.tensor([0.0, 3e38, -1.0], requires_grad=True)
        assert x.log()[0].item() == float("-inf") and (x * 10)[1].item() == float("inf")
        assert minigrad.isnan(x / 0 - x / 0).all() and minigrad.tensor([3e38, 3e38]).sum().item() == float("inf")
        (
            minigrad.tensor([3e38, 3e38]).cumsum(0),
            minigrad.tensor([-1000.0, 1000.0]).sigmoid(),
            minigrad.tensor([0.0, -200.0]).softmax(0),
        )
        (x.sqrt() * x / x + (x**2).exp()).sum().backward()
        assert x.grad.shape == (3,)


# ------------------------------------------------------------------------------------------------------------- hooks on the graph
def test_saved_tensors_hooks_take_and_give_back():
    taken = []
    x = leaf(1.0, 2.0)
    with autograd.graph.saved_tensors_hooks(lambda t: taken.append(t.tolist()) or t, lambda t: t * 10):
        y = (x * x).sum()
    y.backward()
    assert taken == [[1.0, 2.0], [1.0, 2.0]] and x.grad.tolist() == [20.0, 40.0]
    with autograd.graph.disable_saved_tensors_hooks("not now"), pytest.raises(RuntimeError, match="not now"):
        with autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t):
            pass


def test_hooks_of_a_node_replace_what_it_receives_and_sends():
    x = leaf(1.0, 2.0)
    y = x * 2
    y.grad_fn.register_prehook(lambda outputs: (outputs[0] * 3,))
    handle = y.grad_fn.register_hook(lambda inputs, outputs: (inputs[0] + outputs[0], None))
    y.sum().backward()
    assert x.grad.tolist() == [9.0, 9.0]
    handle.remove()
    x.grad = None
    h = x * 2
    h.grad_fn.metadata["note"] = 1
    assert h.grad_fn.metadata == {"note": 1} and type(h.grad_fn).__name__ == "MulBackward0"


def test_multi_grad_hook():
    a, b, seen = leaf(1.0), leaf(2.0), []
    handle = autograd.graph.register_multi_grad_hook([a, b], lambda gs: seen.append([g if g is None else g.item() for g in gs]))
    (a * 2 + b * 3).backward()
    (a * 2).backward()
    handle.remove()
    (a * b).backward()
    assert seen == [[2.0, 3.0], [2.0, None]]


def test_a_second_backward_where_nothing_was_saved():
    x = leaf(1.0, 2.0)
    y = (x + 1).view(2, 1).sum()
    y.backward()
    y.backward()
    assert x.grad.tolist() == [2.0, 2.0]


def test_gradient_edges():
    x = leaf(1.0, 2.0)
    h = x * 2
    edge = autograd.graph.get_gradient_edge(h)
    assert autograd.grad((h * h).sum(), edge)[0].tolist() == [4.0, 8.0] and edge.output_nr == 0


def test_rows_of_gradients_at_once():
    x = leaf(1.0, 2.0)
    (rows,) = autograd.grad(x**3, x, minigrad.eye(2, dtype=minigrad.float64), is_grads_batched=True)
    assert rows.tolist() == [[3.0, 0.0], [0.0, 12.0]]


@pytest.mark.parametrize("use_reentrant", [True, False])
def test_checkpoint_computes_again(use_reentrant):
    from minigrad.utils.checkpoint import checkpoint

    runs = []

    def f(x):
        runs.append(1)
        return minigrad.nn.functional.dropout(x.exp(), 0.5)

    x = leaf(*[0.5] * 50)
    minigrad.manual_seed(3)
    y = checkpoint(f, x, use_reentrant=use_reentrant)
    y.sum().backward()
    assert len(runs) == 2 and minigrad.allclose(x.grad, y.detach())


def test_checkpoint_within_a_backward_refuses_chosen_inputs():
    from minigrad.utils.checkpoint import checkpoint

    x = leaf(1.0, 2.0)
    y = checkpoint(minigrad.sin, x, use_reentrant=True).sum()
    with pytest.raises(RuntimeError, match="incompatible"):
        autograd.grad(y, x)
    with pytest.warns(UserWarning, match="use_reentrant"):
        checkpoint(minigrad.sin, x)


def test_modes_decorate_generators():
    @minigrad.no_grad()
    def steps():
        received = yield minigrad.is_grad_enabled()
        yield received, minigrad.is_grad_enabled()

    generator = steps()
    assert next(generator) is False and minigrad.is_grad_enabled()
    assert generator.send(7) == (7, False)


def test_dual_numbers():
    from minigrad.autograd import forward_ad

    with forward_ad.dual_level():
        x = forward_ad.make_dual(minigrad.tensor(2.0), minigrad.tensor(5.0))
        value, tangent = forward_ad.unpack_dual(x**3)
    assert value.item() == 8.0 and tangent.item() == 60.0 and not tangent.requires_grad


# --------------------------------------------------------------------------------------------------------- functions of functions
def test_gradients_of_each_sample():
    model = minigrad.nn.Linear(3, 2).double()
    params = dict(model.named_parameters())
    x, y = minigrad.randn(4, 3, dtype=minigrad.float64), minigrad.tensor([0, 1, 1, 0])

    def loss(params, x, y):
        out = minigrad.func.functional_call(model, params, (x[None],))
        return minigrad.nn.functional.cross_entropy(out, y[None])

    rows = minigrad.func.vmap(minigrad.func.grad(loss), in_dims=(None, 0, 0))(params, x, y)
    for i in range(4):
        expected = autograd.grad(loss(params, x[i], y[i]), list(params.values()))
        for got, e in zip(rows.values(), expected):
            minigrad.testing.assert_close(got[i], e)


def test_transforms_nest():
    f = lambda x: (x.sin() * x.roll(1)).sum() * x.prod()
    x = minigrad.tensor([0.3, 0.8, 1.2], dtype=minigrad.float64)
    first = minigrad.func.hessian(f)(x)
    for outer in (minigrad.func.jacfwd, minigrad.func.jacrev):
        for inner in (minigrad.func.jacfwd, minigrad.func.jacrev):
            minigrad.testing.assert_close(outer(inner(f))(x), first)
    minigrad.testing.assert_close(autograd.functional.hessian(f, x), first)
    assert minigrad.func.grad(lambda x: x * minigrad.func.grad(lambda y: x * y)(x * 2))(minigrad.tensor(3.0)).item() == 6.0


def test_a_gradient_through_vmap_is_summed_over_the_samples():
    w, x = leaf(2.0, 3.0), minigrad.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=minigrad.float64)
    minigrad.vmap(lambda row: (row * w).sin().sum())(x).sum().backward()
    minigrad.testing.assert_close(w.grad, (x * (x * w.detach()).cos()).sum(0))


def test_vmap_refuses_values_and_hidden_randomness():
    x = minigrad.ones(3, 2)
    with pytest.raises(RuntimeError, match=r"calling \.item"):
        minigrad.vmap(lambda row: row.sum().item())(x)
    with pytest.raises(RuntimeError, match="control flow"):
        minigrad.vmap(lambda row: row if row.sum() > 0 else -row)(x)
    with pytest.raises(RuntimeError, match="randomness"):
        minigrad.vmap(lambda row: row + minigrad.rand(2))(x)
    same = minigrad.vmap(lambda row: row + minigrad.rand(2), randomness="same")(x)
    other = minigrad.vmap(lambda row: row + minigrad.rand(2), randomness="different")(x)
    assert bool((same[0] == same[1]).all()) and not bool((other[0] == other[1]).all())


def test_the_second_derivative_of_relu_is_zero_and_not_absent():
    x = leaf(2.0, -1.0)
    (g,) = autograd.grad(x.relu().sum(), x, create_graph=True)
    assert autograd.grad(g.sum(), x)[0].tolist() == [0.0, 0.0]
