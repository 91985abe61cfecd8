"""Comparing functions of minigrad with PyTorch's: values, gradients and second derivatives."""

import numpy as np

import minigrad


def tensor(array, grad=False):
    t = minigrad.tensor(array)
    return t.requires_grad_() if grad else t


def draw(r, low, high, n=None):
    """An int in [low, high), or a tuple of n."""
    return int(r.integers(low, high)) if n is None else tuple(int(v) for v in r.integers(low, high, n))


def chance(r, p):
    return r.random() < p


def flat(outputs):
    if isinstance(outputs, tuple | list):
        return [leaf for o in outputs for leaf in flat(o)]
    return [outputs]


def compare(theirs, ours, inputs, what, parameters=((), ())):
    """Values, gradients and second derivatives of two functions of ``inputs``, PyTorch's tensors, and of their parameters."""
    import torch

    r = np.random.default_rng(0)
    mine = [tensor(x.detach().numpy(), x.requires_grad) for x in inputs]
    expected, found = flat(theirs(*inputs)), flat(ours(*mine))
    for e, f in zip(expected, found, strict=True):
        assert str(e.dtype).removeprefix("torch.") == f.dtype.name, what
        np.testing.assert_allclose(f.detach().numpy(), e.detach().numpy(), rtol=1e-9, atol=1e-10, err_msg=what)
    floats = [i for i, e in enumerate(expected) if e.is_floating_point()]
    weights = [r.standard_normal(e.shape) for e in expected]
    leaves, own = (
        [*(x for x in inputs if x.requires_grad), *parameters[0]],
        [*(x for x in mine if x.requires_grad), *parameters[1]],
    )
    loss = sum((expected[i] * torch.tensor(weights[i])).sum() for i in floats)
    grads = torch.autograd.grad(loss, leaves, create_graph=True, allow_unused=True, materialize_grads=True)
    my_loss = sum((found[i] * tensor(weights[i])).sum() for i in floats)
    raw = minigrad.autograd.grad(my_loss, own, retain_graph=True, allow_unused=True, materialize_grads=True)
    recorded = minigrad.autograd.grad(my_loss, own, create_graph=True, allow_unused=True, materialize_grads=True)
    for e, a, b in zip(grads, raw, recorded, strict=True):
        np.testing.assert_allclose(a.numpy(), e.detach().numpy(), rtol=1e-7, atol=1e-9, err_msg=f"gradient of {what}")
        np.testing.assert_allclose(b.detach().numpy(), a.numpy(), rtol=1e-8, atol=1e-10, err_msg=f"recorded gradient of {what}")
    weights = [r.standard_normal(g.shape) for g in grads]
    second = sum((g * torch.tensor(w)).sum() for g, w in zip(grads, weights))
    my_second = sum((g * tensor(w)).sum() for g, w in zip(recorded, weights))
    if not my_second.requires_grad:
        return  # linear in its inputs
    expected = torch.autograd.grad(second, leaves, allow_unused=True, materialize_grads=True) if second.requires_grad else None
    found = minigrad.autograd.grad(my_second, own, allow_unused=True, materialize_grads=True)
    for i, f in enumerate(found):
        e = expected[i].numpy() if expected else 0.0
        np.testing.assert_allclose(f.numpy(), e, rtol=1e-6, atol=1e-8, err_msg=f"second derivative of {what}")
