"""Every layer, from the table in nn_cases.py: repr and state dict as PyTorch's, forward, backward, and parity."""

import copy
import inspect
import json
import pathlib
import pickle
import warnings

import numpy as np
import pytest
from nn_cases import CASES, Makes

import minigrad
from minigrad import nn

EXPECTED = json.loads((pathlib.Path(__file__).parent / "data" / "nn_expected.json").read_text())  # from PyTorch 2.13
CALLED = [case for case in CASES if case[1] is not None]


def name_of(case):
    return f"{case[0]} <- {case[1]}"


def options_of(case):
    return case[2].split() if len(case) > 2 else ()


def outputs_of(result):
    return [t for t in (result if isinstance(result, tuple) else (result,)) if t is not None]


def objective(torch, outputs, seed=1):
    """A number that depends on every float in ``outputs``, the same for both libraries."""
    rng = np.random.default_rng(seed)
    total = 0.0
    for t in outputs:
        if t.is_floating_point():
            total = total + (t * torch.tensor(rng.standard_normal(tuple(t.shape)), dtype=t.dtype, device=t.device)).sum()
    return total


def called(torch, case, state=None, dtype="float64", device="cpu"):
    """The layer of a case after one forward and backward pass: (layer, inputs, outputs)."""
    makes = Makes(torch, dtype=dtype, constant="keep" in options_of(case), device=device)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        layer = makes.layer(case[0]).to(getattr(torch, dtype))
        if state is not None:
            layer.load_state_dict({k: torch.tensor(v) for k, v in state.items()})
        if "eval" in options_of(case):
            layer.eval()
        outputs = outputs_of(layer(*makes.arguments(case[1])))
        loss = objective(torch, outputs)
        if isinstance(loss, torch.Tensor) and loss.requires_grad:
            loss.backward()
    return layer, makes.inputs, outputs


def arrays(layer):
    return {k: v.detach().cpu().numpy().copy() for k, v in layer.state_dict().items()}


def assert_same(ours, theirs, **tolerance):
    """Two results of ``called`` agree: outputs, gradients of inputs and parameters, and what the call left in the buffers."""
    for a, b in zip(ours[2], theirs[2], strict=True):
        assert str(a.dtype).partition(".")[2] == str(b.dtype).partition(".")[2]
        np.testing.assert_allclose(a.detach().cpu().numpy(), b.detach().numpy(), **tolerance)
    pairs = [("input", a, b) for a, b in zip(ours[1], theirs[1], strict=True)]
    pairs += [(n, a, b) for (n, a), b in zip(ours[0].named_parameters(), theirs[0].parameters(), strict=True)]
    for name, a, b in pairs:
        assert (a.grad is None) == (b.grad is None), name
        if a.grad is not None:
            np.testing.assert_allclose(a.grad.cpu().numpy(), b.grad.numpy(), err_msg=name, **tolerance)
    after, theirs_after = arrays(ours[0]), arrays(theirs[0])  # running statistics, rows that max_norm scaled
    for name in after:
        np.testing.assert_allclose(after[name], theirs_after[name], err_msg=name, **tolerance)


@pytest.mark.parametrize("text", list(EXPECTED))
def test_repr_and_state_dict_are_pytorchs(text):
    layer = Makes(minigrad, dtype="float32").layer(text)
    assert repr(layer) == EXPECTED[text]["repr"].replace("torch.", "minigrad.")
    assert {k: list(v.shape) for k, v in layer.state_dict().items()} == EXPECTED[text]["state"]
    assert list(layer.state_dict()) == list(EXPECTED[text]["state"])  # in this order


def test_the_table_and_the_expectations_agree():
    assert {case[0] for case in CASES} == set(EXPECTED)


@pytest.mark.parametrize("case", CALLED, ids=name_of)
def test_forward_and_backward(case, device):
    layer, inputs, outputs = called(minigrad, case, dtype="float32", device=device)
    assert outputs and all(t.array.dtype.kind in "fi" and t.device.type == device for t in outputs)
    assert all(t.dtype is minigrad.float32 for t in outputs if t.is_floating_point())
    for t in inputs + list(layer.parameters()):
        if any(o.requires_grad for o in outputs):
            assert t.grad is None or t.grad.shape == t.shape
    if not case[0].startswith(("Embedding", "AdaptiveLog", "MultiheadAttention(4, 2, kdim")):
        assert all(p.grad is not None for p in layer.parameters())


@pytest.mark.parametrize("case", CALLED, ids=name_of)
def test_every_device_computes_the_same(case, device):
    state = arrays(Makes(minigrad).layer(case[0]).double())
    there, here = called(minigrad, case, state, device=device), called(minigrad, case, state)
    assert_same(there, here, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("case", CALLED, ids=name_of)
def test_copies_and_reloads_compute_the_same(case):
    makes = Makes(minigrad, constant=True)
    layer = makes.layer(case[0]).double().eval()
    arguments = makes.arguments(case[1])
    again = pickle.loads(pickle.dumps(layer)) if "distance_function" not in case[0] else layer
    for other in (copy.deepcopy(layer), again):
        for a, b in zip(outputs_of(layer(*copied(arguments))), outputs_of(other(*copied(arguments))), strict=True):
            np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())


def copied(arguments):
    return [a.clone() if isinstance(a, minigrad.Tensor) else a for a in arguments]


def layers():
    """(name, class) of everything in ``nn`` that is a layer of this table; the recurrent ones have tests of their own."""
    other = {"Module", "Parameter", "Buffer", "UninitializedParameter", "UninitializedBuffer", "LinearCrossEntropyOptions"}
    for name, kind in vars(nn).items():
        if inspect.isclass(kind) and name not in other and kind.__module__ != "minigrad.nn.rnn":
            yield name, kind


def test_every_public_layer_is_in_the_table():
    texts = " ".join(EXPECTED)
    assert not [name for name, _ in layers() if f"{name}(" not in texts and not name.startswith(("Lazy", "NLLLoss2d"))]


def test_docstrings_are_complete():
    """An example and the shapes; the arguments where the constructor takes some."""
    for name, kind in layers():
        doc = inspect.getdoc(kind)
        assert ">>> " in doc, name
        if kind.__module__ != "minigrad.nn.containers" and not name.startswith(("Lazy", "Identity")):
            assert "Shape:" in doc, name
            assert "Args:" in doc or not set(inspect.signature(kind).parameters) - {"size_average", "reduce", "args", "kwargs"}, (
                name
            )


LAZY = {
    "LazyLinear(3)": (2, 5), "LazyConv1d(4, 3)": (1, 2, 5), "LazyConv2d(4, 3, groups=2, bias=False)": (1, 2, 5, 5),
    "LazyConv3d(4, 2)": (2, 3, 3, 3), "LazyConvTranspose1d(4, 3)": (1, 2, 5), "LazyConvTranspose2d(4, 3)": (1, 2, 5, 5),
    "LazyConvTranspose3d(4, 3)": (1, 2, 2, 2, 2), "LazyBatchNorm1d()": (4, 3), "LazyBatchNorm2d(affine=False)": (2, 3, 2, 2),
    "LazyBatchNorm3d(track_running_stats=False)": (2, 3, 2, 2, 2), "LazyInstanceNorm1d()": (2, 3, 4),
    "LazyInstanceNorm2d(bias=False)": (2, 3, 4, 4), "LazyInstanceNorm3d()": (2, 3, 2, 2, 2),
}  # fmt: skip


@pytest.mark.parametrize("text", LAZY)
def test_lazy_layers_become_ordinary_ones(text):
    layer = eval(text, vars(nn).copy())
    waiting = copy.deepcopy(layer)
    assert layer.has_uninitialized_params() or "track_running_stats" in text
    assert all(isinstance(p, nn.UninitializedParameter) for p in pickle.loads(pickle.dumps(layer)).parameters())
    y = layer(minigrad.randn(*LAZY[text]))
    assert type(layer).__name__ == text.partition("(")[0].removeprefix("Lazy")
    assert all(type(p) is nn.Parameter and p.requires_grad for p in layer.parameters())
    for p in waiting.parameters():
        with pytest.raises(ValueError, match="uninitialized parameter"):
            p + 1
    waiting.load_state_dict(layer.state_dict())  # the shapes come from the file
    np.testing.assert_array_equal(arrays(layer).keys(), arrays(waiting).keys())
    assert layer.train(False)(minigrad.randn(*LAZY[text])).shape == y.shape


def test_lazy_layers_take_dtype_and_say_what_is_wrong():
    layer = nn.LazyConv2d(4, 3, groups=2).double()
    with pytest.raises(RuntimeError, match=r"Expected 3D \(unbatched\) or 4D \(batched\) input to LazyConv2d"):
        layer(minigrad.zeros(1, 2, 3, 4, 5))
    with pytest.raises(ValueError, match="in_channels must be divisible by groups"):
        layer(minigrad.zeros(1, 3, 5, 5, dtype=minigrad.float64))
    layer = nn.LazyLinear(2).double().requires_grad_(False)
    layer.load_state_dict(nn.LazyLinear(2).state_dict())  # neither has a shape yet
    assert not layer.weight.requires_grad and layer.weight.is_leaf and repr(layer.weight) == "<UninitializedParameter>"
    assert layer(minigrad.zeros(1, 3, dtype=minigrad.float64)).dtype is minigrad.float64


ERRORS = [
    ("Conv2d(3, 4, 3, groups=2)", ValueError, "in_channels must be divisible by groups"),
    ("Conv2d(4, 3, 3, groups=2)", ValueError, "out_channels must be divisible by groups"),
    ("Conv2d(4, 4, 3, groups=0)", ValueError, "groups must be a positive integer"),
    ("Conv2d(4, 4, 3, padding='full')", ValueError, "Invalid padding string 'full'"),
    ("Conv2d(4, 4, 3, stride=2, padding='same')", ValueError, "padding='same' is not supported for strided"),
    ("Conv2d(4, 4, 3, padding_mode='mirror')", ValueError, "padding_mode must be one of"),
    (
        "ConvTranspose2d(4, 4, 3, padding_mode='reflect')",
        ValueError,
        'Only "zeros" padding mode is supported',
    ),
    ("Bilinear(0, 2, 3)", ValueError, "in1_features must be > 0"),
    ("Dropout(1.5)", ValueError, "dropout probability has to be between 0 and 1, but got 1.5"),
    ("Embedding(3, 2, padding_idx=3)", AssertionError, "Padding_idx must be within num_embeddings"),
    ("Embedding(3, 2, _weight=zeros(2, 3))", AssertionError, "Shape of weight does not match"),
    ("Embedding.from_pretrained(zeros(3))", AssertionError, "expected to be 2-dimensional"),
    ("GroupNorm(4, 6)", ValueError, r"num_channels \(6\) must be divisible by num_groups \(4\)"),
    ("BatchNorm2d(3)(zeros(2, 3))", ValueError, r"expected 4D input \(got 2D input\)"),
    ("BatchNorm1d(3)(zeros(2))", ValueError, r"expected 2D or 3D input \(got 1D input\)"),
    ("InstanceNorm2d(3, affine=True)(zeros(1, 2, 4, 4))", ValueError, "to match num_features"),
    ("Hardtanh(1.0, 1.0)", AssertionError, "must be greater than min_val"),
    ("ReLU(1, 2)", TypeError, "ReLU"),
    ("Softmax2d()(zeros(2, 3))", ValueError, "expected input to be 3D or 4D, got 2D instead"),
    ("HuberLoss(delta='1')", TypeError, "delta must be a float or int"),
    ("MultiMarginLoss(p=3)", ValueError, "only p == 1 and p == 2 supported"),
    ("MultiMarginLoss(weight=zeros(2, 2))", ValueError, "1D tensor, got 2D instead"),
    ("TripletMarginLoss(margin=0)", ValueError, "expected margin to be greater than 0, got 0"),
    ("Unflatten(1, 4)", TypeError, "unflattened_size must be a tuple of ints"),
    ("Unflatten(1, (2, '2'))", TypeError, "found element of type str at pos 1"),
    ("CircularPad2d(1)(zeros(2, 2))", ValueError, r"expected 3D or 4D input \(got 2D input\)"),
    ("MultiheadAttention(0, 2)", ValueError, "embed_dim and num_heads must be greater than 0"),
    ("MultiheadAttention(5, 2)", AssertionError, "embed_dim must be divisible by num_heads"),
    ("TransformerEncoderLayer(4, 2, activation='tanh')", RuntimeError, "activation should be relu/gelu, not tanh"),
    ("Transformer(4, 2, 1, 1, 8)(zeros(3, 2, 4), zeros(3, 1, 4))", RuntimeError, "the batch number of src and tgt must be equal"),
    ("Transformer(4, 2, 1, 1, 8)(zeros(3, 2, 4), zeros(3, 2, 6))", RuntimeError, "the feature number of src and tgt"),
    ("ConvTranspose2d(2, 2, 3, stride=2)(zeros(1, 2, 3, 3), (99, 7))", ValueError, "requested an output size of"),
    ("ConvTranspose2d(2, 2, 3, stride=2)(zeros(1, 2, 3, 3), (7,))", ValueError, "output_size must have 2 or 4 elements"),
]


@pytest.mark.parametrize(("text", "error", "message"), ERRORS, ids=[e[0] for e in ERRORS])
def test_errors(text, error, message):
    with pytest.raises(error, match=message):
        eval(text, {**vars(nn), "zeros": minigrad.zeros})


ATTENTION_ERRORS = [
    ((2, 3, 4), (5, 4), {}, "expected `key` and `value` to be 3-D but found 2-D"),
    ((4,), (4,), {}, "unbatched 2D or batched 3D tensor but received 1-D"),
    ((3, 2, 4), (5, 2, 4), {"key_padding_mask": (5,)}, "`key_padding_mask` to be `None` or 2-D but found 1-D"),
    ((3, 2, 4), (5, 2, 4), {"key_padding_mask": (2, 4)}, r"key_padded_mask.shape\[1\] to be 5, but got 4"),
    ((3, 2, 4), (5, 2, 4), {"attn_mask": (5,)}, "`attn_mask` to be `None`, 2-D or 3-D but found 1-D"),
    ((3, 2, 4), (5, 2, 4), {"attn_mask": (5, 3)}, r"The shape of the 2D attn_mask is .* but should be \(3, 5\)"),
    ((3, 2, 4), (5, 2, 4), {"attn_mask": (2, 3, 5)}, r"should be \(4, 3, 5\)"),
    ((3, 4), (5, 4), {"attn_mask": (1, 3, 5)}, r"Expected `attn_mask` shape to be \(2, 3, 5\)"),
    ((3, 2, 6), (5, 2, 4), {}, "was expecting embedding dimension of 4, but got 6"),
]


@pytest.mark.parametrize(("query", "key", "masks", "message"), ATTENTION_ERRORS, ids=[e[3] for e in ATTENTION_ERRORS])
def test_attention_errors(query, key, masks, message):
    layer = nn.MultiheadAttention(4, 2)
    q, k = minigrad.zeros(*query), minigrad.zeros(*key)
    with pytest.raises((AssertionError, RuntimeError), match=message):
        layer(q, k, k, **{name: minigrad.zeros(*shape) for name, shape in masks.items()})


def test_attention_wants_a_value_for_each_key():
    q, k, v = minigrad.zeros(3, 2, 4), minigrad.zeros(5, 2, 4), minigrad.zeros(6, 2, 4)
    with pytest.raises(AssertionError, match=r"key shape .* does not match value shape"):
        nn.MultiheadAttention(4, 2)(q, k, v)
    with pytest.raises(AssertionError, match=r"key's sequence and batch dims .* do not match value's"):
        nn.MultiheadAttention(4, 2, kdim=4, vdim=3)(q, k, v[..., :3])


def test_attention_hints_and_masks():
    layer = nn.MultiheadAttention(4, 2, batch_first=True).eval()
    x = minigrad.randn(2, 3, 4)
    with pytest.raises(RuntimeError, match="Need attn_mask if specifying the is_causal hint"):
        layer(x, x, x, is_causal=True)
    with pytest.raises(AssertionError, match="only bool and floating types of attn_mask are supported"):
        layer(x, x, x, attn_mask=minigrad.zeros(3, 3, dtype=minigrad.int64))
    with pytest.warns(UserWarning, match="Support for mismatched key_padding_mask and attn_mask is deprecated"):
        layer(x, x, x, key_padding_mask=minigrad.zeros(2, 3), attn_mask=minigrad.zeros(3, 3) > 1)
    causal = nn.Transformer.generate_square_subsequent_mask(3)
    full, weights = layer(x, x, x, attn_mask=causal, average_attn_weights=False)
    hinted, nothing = layer(x, x, x, attn_mask=causal, is_causal=True, need_weights=False)
    assert nothing is None and weights.shape == (2, 2, 3, 3)
    assert float(weights.detach().triu(1).abs().max()) == 0.0
    np.testing.assert_allclose(full.detach().numpy(), hinted.detach().numpy(), atol=1e-6)


def test_dropout_in_attention_acts_while_training_alone():
    layer = nn.MultiheadAttention(4, 2, dropout=0.9, batch_first=True)
    x = minigrad.randn(2, 8, 4)
    weights = layer(x, x, x, average_attn_weights=False)[1]
    assert float((weights == 0).float().mean()) > 0.5
    layer.eval()
    np.testing.assert_allclose(layer(x, x, x)[1].detach().sum(-1).numpy(), 1.0, atol=1e-6)


def test_dropout_zeroes_and_scales():
    x = minigrad.ones(100, 100)
    y = nn.Dropout(0.25)(x)
    kept = (y != 0).float().mean().item()
    assert abs(kept - 0.75) < 0.03 and abs(y.max().item() - 1 / 0.75) < 1e-6
    channels = nn.Dropout2d(0.5)(minigrad.ones(20, 10, 3, 3)).sum((2, 3))
    assert set(channels.flatten().tolist()) == {0.0, 18.0}
    assert nn.Dropout(0.25).eval()(x) is not None and (nn.Dropout(0.25).eval()(x) == x).all()


def test_batch_norm_statistics():
    x = minigrad.randn(4, 3, 5)
    layer = nn.BatchNorm1d(3, momentum=None)
    for _ in range(3):
        layer(x)
    assert layer.num_batches_tracked.item() == 3
    np.testing.assert_allclose(layer.running_mean.numpy(), x.mean((0, 2)).numpy(), atol=1e-6)  # the mean over equal batches
    layer.reset_running_stats()
    assert layer.num_batches_tracked.item() == 0 and layer.running_var.tolist() == [1.0] * 3
    assert layer(x).requires_grad and not layer.running_mean.requires_grad
    old = dict(layer.state_dict())
    del old["num_batches_tracked"]  # a file from before PyTorch 0.4.1
    assert not layer.load_state_dict(old).missing_keys
    without = nn.BatchNorm1d(3, track_running_stats=False).eval()
    assert abs(without(x).mean().item()) < 1e-6  # the batch's own statistics, in eval() too
    layer.train(False)
    before = layer.running_mean.tolist()
    layer(x)
    assert layer.running_mean.tolist() == before


def test_instance_norm_warns_where_the_channels_do_not_match():
    with pytest.warns(UserWarning, match="does not match num_features"):
        nn.InstanceNorm1d(4)(minigrad.zeros(2, 3, 5))


def test_losses_know_the_older_names_of_reduction():
    for size_average, reduce, reduction in [
        (False, None, "sum"),
        (None, False, "none"),
        (True, True, "mean"),
        (False, False, "none"),
    ]:
        with pytest.warns(UserWarning, match=f"please use reduction='{reduction}' instead"):
            assert nn.MSELoss(size_average, reduce).reduction == reduction


def test_class_weights_are_state():
    loss = nn.CrossEntropyLoss(weight=minigrad.ones(3))
    assert list(loss.state_dict()) == ["weight"] and not list(loss.parameters())
    assert loss.double().weight.dtype is minigrad.float64


def test_embeddings():
    table = nn.Embedding(5, 2, padding_idx=-1)
    assert table.padding_idx == 4 and table.weight[4].tolist() == [0.0, 0.0]
    table(minigrad.tensor([4, 1, 1])).sum().backward()
    assert table.weight.grad.tolist() == [[0, 0], [2, 2], [0, 0], [0, 0], [0, 0]]
    given = nn.Embedding.from_pretrained(minigrad.arange(4.0).reshape(2, 2), freeze=False)
    assert given.weight.requires_grad and given(minigrad.tensor(1)).tolist() == [2.0, 3.0]
    assert not nn.Embedding.from_pretrained(given.weight.detach()).weight.requires_grad


def test_activations_keep_their_arguments():
    layer = nn.ELU(0.5, True)
    assert (layer.alpha, layer.inplace) == (0.5, True)
    layer.inplace = False  # read at each call
    x = minigrad.tensor([-1.0])
    layer(x)
    assert x.item() == -1.0
    assert list(inspect.signature(nn.ELU).parameters) == ["alpha", "inplace"]
    assert isinstance(nn.ReLU6(), nn.Hardtanh) and issubclass(nn.ZeroPad2d, nn.ConstantPad2d)


def test_softmax_without_a_dim_warns_as_pytorch():
    with pytest.warns(UserWarning, match="Implicit dimension choice for softmax has been deprecated"):
        nn.Softmax()(minigrad.zeros(2, 3))


def test_layers_are_made_in_any_dtype():
    texts = ["Linear(2, 3, ", "Conv2d(2, 3, 3, ", "LayerNorm(4, ", "BatchNorm2d(3, ", "Embedding(3, 2, ", "PReLU("]
    texts += ["MultiheadAttention(4, 2, ", "Transformer(4, 2, 1, 1, 8, ", "ConvTranspose1d(2, 2, 2, ", "Bilinear(2, 2, 2, "]
    for text in texts:
        layer = eval(text + "dtype=dtype, device='cpu')", {**vars(nn), "dtype": minigrad.float64})
        assert all(p.dtype is minigrad.float64 for p in layer.parameters()), text


def test_default_values_have_pytorchs_distributions():
    minigrad.manual_seed(0)
    for layer, fan_in in (
        (nn.Linear(100, 200), 100),
        (nn.Conv2d(4, 100, 5), 100),
        (nn.ConvTranspose2d(50, 10, 5, groups=2), 125),
    ):
        bound = fan_in**-0.5
        for p in layer.parameters():
            assert p.abs().max().item() <= bound
        weights = layer.weight.detach().numpy().ravel()
        assert abs(weights.std() / (bound / 3**0.5) - 1) < 0.05 and abs(weights).max() > 0.98 * bound
    assert abs(nn.Embedding(100, 100).weight.detach().numpy().std() - 1) < 0.05
    attention = nn.MultiheadAttention(64, 4)
    assert abs(attention.in_proj_weight.abs().max().item() / (6 / (4 * 64)) ** 0.5 - 1) < 0.02
    assert not attention.in_proj_bias.any() and not attention.out_proj.bias.any()
    model = nn.Transformer(32, 2, 1, 1, 64)
    assert abs(model.encoder.layers[0].linear1.weight.abs().max().item() / (6 / 96) ** 0.5 - 1) < 0.02


# ---------------------------------------------------------------------------------------------------------------- parity
@pytest.mark.parity
@pytest.mark.parametrize("case", CALLED, ids=name_of)
def test_outputs_and_gradients_are_pytorchs(case):
    import torch

    state = arrays(Makes(minigrad).layer(case[0]).double())
    assert_same(called(minigrad, case, state), called(torch, case, state), rtol=1e-7, atol=1e-10)


@pytest.mark.parity
def test_signatures_are_pytorchs():
    import torch

    more = {"Module", "UninitializedParameter", "UninitializedBuffer"}  # made through other arguments
    for name, kind in vars(nn).items():
        theirs = getattr(torch.nn, name, None)
        if inspect.isclass(kind) and name not in more and "args" not in inspect.signature(theirs).parameters:
            ours = list(inspect.signature(kind).parameters.values())
            for p, q in zip(inspect.signature(theirs).parameters.values(), ours, strict=False):
                if p.name in ("min_value", "max_value"):
                    continue
                assert (p.name, p.kind) == (q.name, q.kind), name
                assert p.default == q.default or callable(p.default), f"{name}({p.name})"
