"""Every argument of PyTorch 2.13 has its name, its place and its default here, too."""

import pytest

pytestmark = pytest.mark.parity
# Qualified name -> why its signature may differ, and in what.
READ = {
    "nn.RMSNorm.forward": "every other layer calls it input",
    "nn.UninitializedParameter": "the class decides on requires_grad, as PyTorch's default does",
    "nn.UninitializedBuffer": "the class decides on requires_grad, as PyTorch's default does",
    "utils.data.random_split": "None stands for the default generator of the moment",
    "autograd.enable_grad": "PyTorch's orig_func is the decorated function, which Python passes by place",
    "random.fork_rng": "PyTorch's private arguments stand between; None and the CPU are the same here",
}
CALLED = {
    "nn.functional.elu_": "scale and input_scale are arguments of PyTorch's kernel, not documented",
    "special.airy_ai": "PyTorch's parser calls the documented argument input x",
    "special.scaled_modified_bessel_k0": "PyTorch's parser calls the documented argument input x",
    "special.scaled_modified_bessel_k1": "PyTorch's parser calls the documented argument input x",
    "special.spherical_bessel_j0": "PyTorch's parser calls the documented argument input x",
}


FORMS = """
t.ones(2, 3).sum(0, True)
t.ones(2, 3).sum((0, 1))
t.ones(2, 3).sum(axis=0)
t.sum(t.ones(2, 3), axis=0)
t.zeros(2, 3, out=None)
t.randn(size=(2, 3))
t.rand(size=[2, 3])
t.empty(size=t.Size([2]))
t.zeros(t.Size([2, 3]))
t.ones(size=(2,))
t.full(size=(2,), fill_value=1.0)
t.ones(2).expand(size=(3, 2))
t.ones(2, 3).flip(dims=(0,))
t.ones(2, 3).flip(0, 1)
t.ones(2, 3).permute(dims=(1, 0))
t.ones(4).roll(1, dims=())
t.ones(2, 3).roll(shifts=1, dims=0)
t.normal(t.zeros(2), t.ones(2), out=t.empty(2))
t.normal(0.0, 1.0, (2,))
t.tile(t.ones(2), dims=(2,))
t.ones(2).tile(2, 2)
t.ones(2, 2).view(t.Size([4]))
t.ones(2, 2).reshape(shape=(4,))
t.ones(2).repeat(2, 2)
t.ones(2).repeat(repeats=(2, 2))
t.ones(2, 2).unsqueeze(axis=0)
t.ones(1, 2).squeeze(axis=0)
t.cat((t.ones(2), t.ones(2)), axis=0)
t.stack([t.ones(2)], axis=0)
t.ones(2, 2).max(axis=1, keepdims=True)
t.ones(2, 2).softmax(axis=0)
t.topk(t.ones(3), 2, axis=0)
t.sort(t.ones(3), axis=0)
t.argsort(t.ones(3), axis=0)
t.gather(t.ones(2, 2), axis=1, index=t.tensor([[0]]))
t.ones(3).index_select(axis=0, index=t.tensor([0]))
t.dropout(t.ones(2), p=0.0, train=True)
t.linalg.norm(input=t.eye(2))
t.add(t.ones(2), 2, t.ones(2))
t.ones(2).addcmul_(2, t.ones(2), t.ones(2))
t.norm(t.ones(2), 2, None, False, None, t.float64)
t.tensordot(t.ones(2), t.ones(2), 1, t.empty(()))
t.nn.functional.gelu(t.ones(2), out=t.empty(2))
t.nn.functional.mse_loss(t.ones(2), t.zeros(2), size_average=False)
t.nn.functional.mse_loss(t.ones(2), t.zeros(2), None, False)
t.nn.MSELoss(size_average=False)(t.ones(2), t.zeros(2))
t.randint_like(t.ones(2), high=1)
t.randint(3, (2,), dtype=t.float32) * 0
t.tril_indices(2, 2, pin_memory=False)
t.arange(start=0, end=4, step=2)
t.hsplit(t.ones(4), sections=2)
t.tensor_split(t.ones(4), indices=(1, 2))
t.ones(3).sum(dtype=t.int32)
t.cumsum(t.ones(3), 0, dtype=t.uint8)
t.prod(t.ones(3), dtype=t.bool)
"""


def test_read():
    from parity.signatures import differences, readable

    found = {name: d for name, theirs, mine in readable() if name not in READ and (d := differences(theirs, mine))}
    assert not found, found


def test_exceptions_are_needed():
    from parity.signatures import differences, readable

    assert not {name for name, theirs, mine in readable() if name in READ and not differences(theirs, mine)}


def test_called():
    from parity.signatures import compiled, refused

    found = {}
    for name in compiled():
        wrong = {} if name in CALLED else refused(name)
        if wrong:
            found[name] = wrong
    assert not found, found


@pytest.mark.parametrize("text", FORMS.strip().splitlines())
def test_form(text):
    """Forms that programs use: old, positional, by keyword, with NumPy's names."""
    import warnings

    import torch
    from parity.convert import leaves, same

    import minigrad

    results = []
    for library in (minigrad, torch):
        library.manual_seed(0, **({"engine": "mt19937"} if library is minigrad else {}))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            results.append(eval(text, {"t": library}))
    for mine, theirs in zip(leaves(results[0]), leaves(results[1]), strict=True):
        if "empty(size" not in text:
            same(mine, theirs, text)


def test_gradient_arguments():
    """torch.autograd.grad by position: grad_outputs, retain_graph, create_graph, only_inputs, allow_unused."""
    import torch

    import minigrad

    for library in (torch, minigrad):
        x, unused = library.ones(2, requires_grad=True), library.ones(2, requires_grad=True)
        first, none = library.autograd.grad((x * x).sum(), (x, unused), None, True, True, True, True)
        assert none is None and first.requires_grad
