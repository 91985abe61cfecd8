"""Which rules and hooks one backward pass runs, and in which order: as in PyTorch."""

import minigrad as mg


def test_a_sweep_for_chosen_inputs_runs_no_other_rule():
    seen = []
    x, w = mg.tensor([1.0, 2.0], requires_grad=True), mg.tensor([3.0, 4.0], requires_grad=True)
    w.register_hook(lambda g: seen.append("w"))
    kept = x.detach().clone()
    other = (kept * w).sum()
    kept.mul_(2)  # the rule of kept * w can no longer run, and has not to
    (g,) = mg.autograd.grad((x * 3).sum() + other, [x])
    assert g.tolist() == [3.0, 3.0] and not seen


def test_backward_into_an_inner_tensor_retains_its_gradient():
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    row = x.unbind(0)[1]
    y = row * x
    y.sum().backward(inputs=[row], retain_graph=True)
    assert row.retains_grad and row.grad.item() == 3.0 and x.grad is None
    y.sum().backward()
    assert row.grad.item() == 6.0


def test_the_hook_of_a_leaf_runs_as_soon_as_its_gradient_is_complete():
    seen = []
    x, b = mg.tensor([1.0, 2.0], requires_grad=True), mg.tensor(2.0, requires_grad=True)
    x.register_hook(lambda g: seen.append("x"))
    t = b * 2
    t.register_hook(lambda g: seen.append("t"))
    b.register_hook(lambda g: seen.append("b"))
    b.register_post_accumulate_grad_hook(lambda p: seen.append("b.grad"))
    (t * x).sum().backward()
    assert seen == ["x", "t", "b", "b.grad"]


def test_hooks_on_a_node_come_after_those_on_its_tensor():
    x = mg.tensor([1.0], requires_grad=True)
    y = x * 2
    y.grad_fn.register_prehook(lambda grads: tuple(g * 10 for g in grads))
    (got,) = mg.autograd.grad((y * 3).sum(), [y], retain_graph=True)
    y.retain_grad()
    (y * 3).sum().backward()
    assert got.tolist() == y.grad.tolist() == [3.0] and x.grad.tolist() == [60.0]


def test_a_hook_on_the_node_of_a_function_sees_its_tensors_only():
    class Scale(mg.autograd.Function):
        @staticmethod
        def forward(ctx, factor, x):
            ctx.factor = factor
            return x * factor

        @staticmethod
        def backward(ctx, g):
            return None, g * ctx.factor

    x, seen = mg.tensor([1.0], requires_grad=True), []
    y = Scale.apply(3.0, x)
    y.grad_fn.register_hook(lambda inputs, outputs: seen.append(len(inputs)) or (inputs[0] * 2,))
    y.sum().backward()
    assert seen == [1] and x.grad.tolist() == [6.0]


def test_gradients_made_up_of_zeros_can_be_differentiated():
    x, w = mg.tensor([1.0], requires_grad=True), mg.tensor([2.0], requires_grad=True)
    found = mg.autograd.grad((x * x).sum(), [x, w], create_graph=True, materialize_grads=True)
    assert all(g.requires_grad for g in found) and found[1].tolist() == [0.0]
