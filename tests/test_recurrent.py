"""Recurrent layers and packed sequences.

The parity test draws many combinations of layers and inputs and compares values, gradients and second derivatives with PyTorch.
"""

import copy

import numpy as np
import pytest
from torch_parity import chance, compare, draw, tensor

import minigrad
from minigrad import nn
from minigrad.nn.utils import rnn as packing

rng = np.random.default_rng


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_a_layer_is_its_cell_step_by_step(kind):
    layer, cell = getattr(nn, kind)(3, 4).double(), getattr(nn, kind + "Cell")(3, 4).double()
    cell.load_state_dict({name.removesuffix("_l0"): p for name, p in layer.state_dict().items()})
    x = tensor(rng(0).standard_normal((5, 2, 3)))
    output, final = layer(x)
    state, outputs = None, []
    for step in x:
        state = cell(step, state)
        outputs.append(state[0] if kind == "LSTM" else state)
    np.testing.assert_allclose(output.detach().numpy(), minigrad.stack(outputs).detach().numpy())
    for a, b in zip(final if kind == "LSTM" else [final], state if kind == "LSTM" else [state]):
        np.testing.assert_allclose(a[0].detach().numpy(), b.detach().numpy())


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_packed_sequences_run_as_if_each_were_alone(kind):
    layer = getattr(nn, kind)(2, 3, num_layers=2, bidirectional=True).double()
    r = rng(0)
    sequences = [tensor(r.standard_normal((n, 2))) for n in (2, 4, 1)]
    packed, final = layer(packing.pack_sequence(sequences, enforce_sorted=False))
    outputs = packing.unpack_sequence(packed)
    for b, sequence in enumerate(sequences):
        output, alone = layer(sequence)
        np.testing.assert_allclose(outputs[b].detach().numpy(), output.detach().numpy())
        for whole, single in zip(final if kind == "LSTM" else [final], alone if kind == "LSTM" else [alone]):
            np.testing.assert_allclose(whole[:, b].detach().numpy(), single.detach().numpy())


def test_initial_states_of_a_packed_batch_are_in_the_original_order():
    layer = nn.LSTM(2, 3).double()
    r = rng(0)
    sequences = [tensor(r.standard_normal((n, 2))) for n in (1, 3)]
    h, c = tensor(r.standard_normal((1, 2, 3))), tensor(r.standard_normal((1, 2, 3)))
    _, (final, _) = layer(packing.pack_sequence(sequences, enforce_sorted=False), (h, c))
    for b, sequence in enumerate(sequences):
        _, (alone, _) = layer(sequence, (h[:, b], c[:, b]))
        np.testing.assert_allclose(final[:, b].detach().numpy(), alone.detach().numpy())


def test_dropout_works_between_layers_in_training_alone():
    layer = nn.GRU(2, 16, num_layers=2, dropout=0.5)
    x = minigrad.ones(3, 1, 2)
    minigrad.manual_seed(0)
    first = layer(x)[0]
    minigrad.manual_seed(0)
    assert minigrad.equal(layer(x)[0], first)
    assert not minigrad.equal(layer(x)[0], first)
    layer.eval()
    assert minigrad.equal(layer(x)[0], layer(x)[0])


def test_recurrent_layers_in_half_precision():
    for kind in ("RNN", "LSTM", "GRU"):
        layer = getattr(nn, kind)(3, 4)
        exact, _ = layer(minigrad.ones(2, 1, 3))
        rough, _ = copy.deepcopy(layer).half()(minigrad.ones(2, 1, 3).half())
        assert rough.dtype is minigrad.float16
        np.testing.assert_allclose(rough.detach().numpy(), exact.detach().numpy(), atol=5e-3)


def test_large_lstm_agrees_with_its_text():
    """The kernel takes over on large float arrays; the recorded rule, which second derivatives need, is always the text."""
    layer = nn.LSTM(5, 32, num_layers=2, bidirectional=True, batch_first=True)
    x = tensor(rng(0).standard_normal((16, 20, 5)).astype("f4"), True)
    found = []
    for flag, recorded in ((True, False), (True, True), (False, False)):
        with minigrad.kernels.use_kernels(flag):
            y, (h, c) = layer(x)
            loss = (y * y).sum() + (h * c).sum()
            found.append([y, *minigrad.autograd.grad(loss, [x, *layer.parameters()], create_graph=recorded)])
    for kernel, recorded, text in zip(*found):
        scale = np.abs(text.detach().numpy()).max()
        np.testing.assert_allclose(kernel.detach().numpy(), text.detach().numpy(), rtol=1e-4, atol=1e-5 * scale)
        np.testing.assert_allclose(recorded.detach().numpy(), text.detach().numpy(), rtol=1e-4, atol=1e-5 * scale)


def test_state_dict_names_and_printing():
    layer = nn.LSTM(2, 3, num_layers=2, bias=False, bidirectional=True, proj_size=1)
    names = ["weight_ih_l0", "weight_hh_l0", "weight_hr_l0"]
    expected = [n.replace("l0", f"l{k}") + end for k in (0, 1) for end in ("", "_reverse") for n in names]
    assert list(layer.state_dict()) == expected
    assert [len(w) for w in layer.all_weights] == [3] * 4
    assert repr(layer) == "LSTM(2, 3, proj_size=1, num_layers=2, bias=False, bidirectional=True)"
    assert repr(nn.RNNCell(2, 3, bias=False, nonlinearity="relu")) == "RNNCell(2, 3, bias=False, nonlinearity=relu)"
    layer.flatten_parameters()


sequence, state, pair = minigrad.ones(5, 1, 2), minigrad.ones(1, 1, 3), minigrad.ones(1, 2, 3)


@pytest.mark.parametrize(
    ("error", "match", "make"),
    [
        (ValueError, "Unknown nonlinearity 'sigmoid'", lambda: nn.RNN(2, 3, nonlinearity="sigmoid")),
        (ValueError, "dropout should be a number in range", lambda: nn.GRU(2, 3, dropout=1.5)),
        (ValueError, "hidden_size must be greater than zero", lambda: nn.GRU(2, 0)),
        (ValueError, "num_layers must be greater than zero", lambda: nn.GRU(2, 1, num_layers=0)),
        (ValueError, "has to be smaller than hidden_size", lambda: nn.LSTM(2, 3, proj_size=3)),
        (ValueError, "should be a positive integer or zero", lambda: nn.LSTM(2, 3, proj_size=-1)),
        (TypeError, "input_size should be of type int", lambda: nn.LSTM(2.0, 3)),
        (TypeError, "bias should be of type bool", lambda: nn.LSTM(2, 3, 1, 1)),
        (ValueError, "Expected input to be 2D or 3D, got 1D", lambda: nn.LSTM(2, 3)(minigrad.ones(2))),
        (RuntimeError, "Expected 2, got 4", lambda: nn.LSTM(2, 3)(minigrad.ones(5, 1, 4))),
        (RuntimeError, "sequence length to be larger than 0", lambda: nn.LSTM(2, 3)(minigrad.ones(0, 1, 2))),
        (ValueError, "does not match weight dtype", lambda: nn.LSTM(2, 3)(minigrad.ones(5, 1, 2).double())),
        (RuntimeError, "also be 3-D", lambda: nn.GRU(2, 3)(minigrad.ones(5, 1, 2), minigrad.ones(1, 3))),
        (RuntimeError, "also be 2-D", lambda: nn.GRU(2, 3)(minigrad.ones(5, 2), minigrad.ones(1, 1, 3))),
        (RuntimeError, r"Expected hidden size \(1, 1, 3\), got \[1, 2, 3\]", lambda: nn.GRU(2, 3)(sequence, pair)),
        (RuntimeError, r"Expected hidden\[1\] size", lambda: nn.LSTM(2, 3)(sequence, (state, sequence[:1]))),
        (RuntimeError, "to be a pair", lambda: nn.LSTM(2, 3)(minigrad.ones(5, 1, 2), (minigrad.ones(1, 1, 3),))),
        (ValueError, "RNNCell: Expected input to be 1D or 2D", lambda: nn.RNNCell(2, 3)(minigrad.ones(1, 1, 2))),
        (ValueError, r"Expected hx\[0\] to be 1D or 2D", lambda: nn.LSTMCell(2, 3)(sequence[0], (sequence, sequence[0]))),
        (RuntimeError, "Unknown nonlinearity", lambda: nn.RNNCell(2, 3, nonlinearity="sin")(minigrad.ones(1, 2))),
        (RuntimeError, "input must have 2 dimensions", lambda: nn.GRU(2, 3)(packing.pack_sequence([minigrad.ones(2)]))),
    ],
)  # fmt: skip
def test_recurrent_mistakes(error, match, make):
    with pytest.raises(error, match=match):
        make()


def test_dropout_of_a_single_layer_warns():
    with pytest.warns(UserWarning, match="num_layers greater than 1"):
        nn.GRU(2, 3, dropout=0.5)


# ------------------------------------------------------------------------------------------------------- packed sequences
def test_packing_and_back():
    batch = minigrad.tensor([[1.0, 2.0, 0.0], [3.0, 0.0, 0.0], [4.0, 5.0, 6.0]], requires_grad=True)
    packed = packing.pack_padded_sequence(batch, minigrad.tensor([2, 1, 3]), batch_first=True, enforce_sorted=False)
    assert packed.data.tolist() == [4.0, 1.0, 3.0, 5.0, 2.0, 6.0]
    assert packed.batch_sizes.tolist() == [3, 2, 1]
    assert packed.sorted_indices.tolist() == [2, 0, 1]
    back, lengths = packing.pad_packed_sequence(packed, batch_first=True, padding_value=-1.0, total_length=4)
    assert back.tolist() == [[1.0, 2.0, -1.0, -1.0], [3.0, -1.0, -1.0, -1.0], [4.0, 5.0, 6.0, -1.0]]
    assert lengths.tolist() == [2, 1, 3]
    (back * minigrad.arange(4.0)).sum().backward()
    assert batch.grad.tolist() == [[0.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.0, 1.0, 2.0]]


def test_packed_sequences_move_and_cast():
    packed = packing.pack_sequence([minigrad.tensor([1.0, 2.0]), minigrad.tensor([3.0])])
    assert packed.to(minigrad.float32) is packed
    casts = {"double": minigrad.float64, "half": minigrad.float16, "float": minigrad.float32, "long": minigrad.int64}
    for name, dtype in casts.items():
        assert getattr(packed, name)().data.dtype is dtype
    assert packed.cpu() is packed and not packed.is_cuda
    assert packing.PackedSequence((packed.data, packed.batch_sizes)).batch_sizes is packed.batch_sizes


def test_padding_on_the_left():
    a, b = minigrad.tensor([[1, 1], [2, 2]]), minigrad.tensor([[3, 3]])
    padded = packing.pad_sequence([a, b], batch_first=True, padding_value=-1, padding_side="left")
    assert padded.tolist() == [[[1, 1], [2, 2]], [[-1, -1], [3, 3]]]
    right = packing.pad_sequence([a, b])
    assert right.shape == (2, 2, 2)
    for one, other in zip(packing.unpad_sequence(right, minigrad.tensor([2, 1])), [a, b]):
        assert minigrad.equal(one, other)


@pytest.mark.parametrize(
    ("error", "match", "make"),
    [
        (RuntimeError, "must be sorted in decreasing order", lambda: packing.pack_padded_sequence(minigrad.ones(3, 2), [1, 3])),
        (RuntimeError, "has to be greater than 0", lambda: packing.pack_padded_sequence(minigrad.ones(3, 2), [3, 0])),
        (RuntimeError, "to be equal to batch_size", lambda: packing.pack_padded_sequence(minigrad.ones(3, 2), [3])),
        (RuntimeError, "does not fit", lambda: packing.pack_padded_sequence(minigrad.ones(3, 2), [4, 1])),
        (RuntimeError, "no sequence", lambda: packing.pack_padded_sequence(minigrad.ones(3, 0), [])),
        (RuntimeError, "Expected iterable", lambda: packing.pad_sequence(3)),
        (RuntimeError, "empty list", lambda: packing.pad_sequence([])),
        (RuntimeError, "left or right", lambda: packing.pad_sequence([minigrad.ones(1)], padding_side="top")),
        (
            ValueError,
            "total_length",
            lambda: packing.pad_packed_sequence(packing.pack_sequence([minigrad.ones(3)]), total_length=2),
        ),
    ],
)
def test_packing_mistakes(error, match, make):
    with pytest.raises(error, match=match):
        make()


# ------------------------------------------------------------------------------------------------------ parity with PyTorch
@pytest.mark.parity
@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_parity_of_recurrent_layers(kind):
    import torch
    from torch.nn.utils import rnn as their_packing

    r = rng(0)
    for _ in range(25):
        kwargs = dict(input_size=draw(r, 1, 4), hidden_size=draw(r, 2, 4), num_layers=draw(r, 1, 4))
        kwargs.update(bias=chance(r, 0.5), batch_first=chance(r, 0.5), bidirectional=chance(r, 0.5))
        if kind == "LSTM" and chance(r, 0.4):
            kwargs["proj_size"] = 1
        if kind == "RNN":
            kwargs["nonlinearity"] = ("tanh", "relu")[draw(r, 0, 2)]
        theirs, ours = getattr(torch.nn, kind)(**kwargs).double(), getattr(nn, kind)(**kwargs).double()
        assert repr(ours) == repr(theirs)
        assert list(ours.state_dict()) == list(theirs.state_dict())
        ours.load_state_dict({k: tensor(v.numpy()) for k, v in theirs.state_dict().items()})

        steps, batch, form = draw(r, 1, 5), draw(r, 1, 4), ("batch", "single", "packed")[draw(r, 0, 3)]
        rows = kwargs["num_layers"] * (1 + kwargs["bidirectional"])
        lead = () if form == "single" else (batch,)
        order = (steps,) if form == "single" else (batch, steps) if kwargs["batch_first"] else (steps, batch)
        inputs = [r.standard_normal((*order, kwargs["input_size"]))]
        lengths = [draw(r, 1, steps + 1) for _ in range(batch)]
        if chance(r, 0.6):
            inputs.append(r.standard_normal((rows, *lead, kwargs.get("proj_size", kwargs["hidden_size"]))))
            if kind == "LSTM":
                inputs.append(r.standard_normal((rows, *lead, kwargs["hidden_size"])))

        def run(layer, tools, x, *states, form=form, lengths=lengths, first=kwargs["batch_first"], steps=steps):
            hx = None if not states else states if kind == "LSTM" else states[0]
            if form != "packed":
                return layer(x, hx)
            y, final = layer(tools.pack_padded_sequence(x, lengths, first, enforce_sorted=False), hx)
            return tools.pad_packed_sequence(y, first, total_length=steps)[0], final

        compare(
            lambda *x: run(theirs, their_packing, *x),  # noqa: B023
            lambda *x: run(ours, packing, *x),  # noqa: B023
            [torch.tensor(a, requires_grad=True) for a in inputs],
            f"{kind}({kwargs}), {form}",
            (list(theirs.parameters()), list(ours.parameters())),
        )
