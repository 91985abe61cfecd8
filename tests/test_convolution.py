"""Convolution, pooling, interpolation and recurrent layers: what single samples cannot say.

The parity tests draw many parameter combinations and compare values, gradients and second derivatives with PyTorch.
"""

import copy
import warnings

import numpy as np
import pytest

import minigrad
from minigrad import nn
from minigrad.nn import functional as F
from minigrad.nn.utils import rnn as packing
from minigrad.testing import gradcheck

rng = np.random.default_rng


def tensor(array, grad=False):
    t = minigrad.tensor(array)
    return t.requires_grad_() if grad else t


# ------------------------------------------------------------------------------------------------------------- convolution
def test_integer_convolution_keeps_its_dtype():
    x, w = np.arange(16).reshape(1, 1, 4, 4), np.array([[[[1, -1], [2, 0]]]])
    y = F.conv2d(tensor(x), tensor(w))
    assert y.dtype is minigrad.int64
    np.testing.assert_array_equal(y.numpy(), F.conv2d(tensor(x * 1.0), tensor(w * 1.0)).numpy())


def test_no_channels_give_the_bias():
    y = F.conv2d(minigrad.zeros(2, 0, 3, 3), minigrad.zeros(2, 0, 2, 2), minigrad.tensor([1.0, 2.0]))
    assert y.shape == (2, 2, 2, 2)
    assert y[0, :, 0, 0].tolist() == [1.0, 2.0]


def test_same_padding_puts_the_odd_pixel_on_the_far_side():
    y = F.conv1d(minigrad.tensor([[1.0, 2.0, 3.0]]), minigrad.tensor([[[1.0, 10.0]]]), padding="same")
    assert y.tolist() == [[21.0, 32.0, 3.0]]


def test_numbers_of_any_sequence_are_sizes():
    x, w = minigrad.ones(1, 1, 4, 4), minigrad.ones(1, 1, 2, 2)
    expected = F.conv2d(x, w, stride=2)
    for stride in ([2, 2], (2,), np.int64(2), minigrad.Size((2, 2))):
        assert minigrad.equal(F.conv2d(x, w, stride=stride), expected)


def test_convolution_without_gradient_of_the_weight_or_of_the_image():
    x, w = rng(0).standard_normal((1, 2, 4, 4)), rng(1).standard_normal((3, 2, 2, 2))
    for moved in (0, 1):
        a, b = tensor(x, grad=moved == 0), tensor(w, grad=moved == 1)
        F.conv2d(a, b, stride=2).sum().backward()
        assert (a.grad is None, b.grad is None) == (moved == 1, moved == 0)


def test_third_derivative_of_a_convolution():
    def energy(x, w):
        y = F.conv2d(x, w, padding=1)
        (dx,) = minigrad.autograd.grad((y * y * y).sum(), x, create_graph=True)
        (dw,) = minigrad.autograd.grad((dx * dx).sum(), w, create_graph=True)
        return dw

    x, w = tensor(rng(0).standard_normal((1, 1, 3, 3)), True), tensor(rng(1).standard_normal((1, 1, 2, 2)), True)
    assert gradcheck(energy, (x, w))


def test_large_convolution_agrees_with_its_text():
    """The kernels take over on large float arrays: through the public functions, forward and backward."""
    r = rng(0)
    x, w = r.standard_normal((8, 4, 20, 20)).astype("f4"), r.standard_normal((8, 2, 3, 3)).astype("f4")
    found = []
    for flag in (True, False):
        with minigrad.kernels.use_kernels(flag):
            a, b = tensor(x, True), tensor(w, True)
            y = F.max_pool2d(F.conv2d(a, b, padding=1, groups=2), 2)
            z = F.avg_pool2d(y, 3, 2, 1, ceil_mode=True)
            (z * z).sum().backward()
            found.append([z.detach().numpy(), a.grad.numpy(), b.grad.numpy()])
    for kernel, text in zip(*found):
        np.testing.assert_allclose(kernel, text, rtol=2e-4, atol=2e-4 * np.abs(text).max())


# ----------------------------------------------------------------------------------------------------------------- pooling
def test_pooling_windows_of_nothing_but_padding():
    values, indices = F.max_pool2d(minigrad.ones(1, 1, 1, 3), 2, padding=(1, 0), dilation=2, return_indices=True)
    assert values.item() == -np.inf
    assert 0 <= indices.item() < 3


def test_infinities_stay_in_their_windows():
    x = minigrad.tensor([[[1.0, 2.0, np.inf, 4.0, 5.0]]])
    assert F.adaptive_avg_pool1d(x, 3).tolist() == [[[1.5, np.inf, 4.5]]]
    assert F.avg_pool1d(x, 2).tolist() == [[[1.5, np.inf]]]
    assert F.interpolate(x, 2, mode="area").isinf().tolist() == [[[True, True]]]


def test_unpooling_overwrites_where_pooling_adds():
    x = tensor(np.array([[[1.0, 5.0, 2.0]]]), grad=True)
    y, indices = F.max_pool1d(x, 2, 1, return_indices=True)
    assert F.max_unpool1d(y, indices, 2, 1).tolist() == [[[0.0, 5.0, 0.0]]]
    y.sum().backward()
    assert x.grad.tolist() == [[[0.0, 2.0, 0.0]]]


def test_fold_of_unfold_counts_the_windows():
    x = tensor(rng(0).standard_normal((2, 3, 5, 6)))
    once = F.fold(F.unfold(x, 3, padding=1), (5, 6), 3, padding=1)
    count = F.fold(F.unfold(minigrad.ones_like(x), 3, padding=1), (5, 6), 3, padding=1)
    np.testing.assert_allclose((once / count).numpy(), x.numpy())


def test_pixels_come_back():
    x = tensor(rng(0).standard_normal((2, 8, 3, 2)))
    assert minigrad.equal(F.pixel_unshuffle(F.pixel_shuffle(x, 2), 2), x)
    assert minigrad.equal(F.channel_shuffle(F.channel_shuffle(x, 2), 4), x)


def test_antialias_of_a_shrunk_image_is_a_mean_of_all_its_pixels():
    x = tensor(rng(0).standard_normal((1, 1, 8, 8)))
    for mode in ("bilinear", "bicubic"):
        x.requires_grad_()
        y = F.interpolate(x, (2, 2), mode=mode, antialias=True)
        (g,) = minigrad.autograd.grad(y.sum(), x)
        assert (g != 0).all()
        np.testing.assert_allclose(g.sum().item(), 4.0)


def test_identity_grid_reads_the_image():
    x = tensor(rng(0).standard_normal((2, 3, 4, 5)))
    theta = minigrad.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]], dtype=minigrad.float64).repeat(2, 1, 1)
    for align_corners in (False, True):
        grid = F.affine_grid(theta, x.shape, align_corners=align_corners)
        for mode in ("bilinear", "nearest", "bicubic"):
            np.testing.assert_allclose(F.grid_sample(x, grid, mode, align_corners=align_corners).numpy(), x.numpy(), atol=1e-12)


# -------------------------------------------------------------------------------------------------------------- recurrent layers
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
def draw(r, low, high, n=None):
    """An int in [low, high), or a tuple of n."""
    return int(r.integers(low, high)) if n is None else tuple(int(v) for v in r.integers(low, high, n))


def chance(r, p):
    return r.random() < p


def with_batch(r, channels, size):
    lead = (draw(r, 1, 3), channels) if chance(r, 0.8) else (channels,)
    return r.standard_normal((*lead, *size))


def a_convolution(r, n):
    groups = draw(r, 1, 4)
    inputs, outputs = groups * draw(r, 1, 3), groups * draw(r, 1, 3)
    arrays = [with_batch(r, inputs, draw(r, 2, 8 - n, n)), r.standard_normal((outputs, inputs // groups, *draw(r, 1, 4, n)))]
    if chance(r, 0.5):
        arrays.append(r.standard_normal(outputs))
    kwargs = dict(stride=draw(r, 1, 4, n), padding=draw(r, 0, 3, n), dilation=draw(r, 1, 3, n), groups=groups)
    if chance(r, 0.3):
        kwargs.update(stride=1, padding=("same", "valid")[draw(r, 0, 2)])
    return f"conv{n}d", arrays, kwargs


def a_transposed_convolution(r, n):
    groups, outputs = draw(r, 1, 3), draw(r, 1, 3)
    inputs = groups * draw(r, 1, 3)
    arrays = [with_batch(r, inputs, draw(r, 1, 6 - n, n)), r.standard_normal((inputs, outputs, *draw(r, 1, 4, n)))]
    if chance(r, 0.5):
        arrays.append(r.standard_normal(outputs * groups))
    kwargs = dict(stride=draw(r, 1, 4, n), padding=draw(r, 0, 3, n), dilation=draw(r, 1, 3, n), groups=groups)
    return f"conv_transpose{n}d", arrays, dict(kwargs, output_padding=draw(r, 0, 2, n))


def a_max_pooling(r, n):
    x = with_batch(r, 2, draw(r, 3, 9 - n, n))
    if chance(r, 0.2):
        x = np.round(x)  # ties
    kwargs = dict(kernel_size=draw(r, 1, 4, n), stride=draw(r, 1, 4, n), padding=draw(r, 0, 2, n), dilation=draw(r, 1, 3, n))
    if chance(r, 0.3):
        kwargs["stride"] = None
    return f"max_pool{n}d", [x], dict(kwargs, ceil_mode=chance(r, 0.5), return_indices=True)


def an_average_pooling(r, n):
    x = with_batch(r, 2, draw(r, 3, 9 - n, n))
    kwargs = dict(kernel_size=draw(r, 1, 4, n), stride=draw(r, 1, 4, n), padding=draw(r, 0, 2, n))
    if n > 1 and chance(r, 0.3):
        kwargs["divisor_override"] = draw(r, 1, 5)
    return f"avg_pool{n}d", [x], dict(kwargs, ceil_mode=chance(r, 0.5), count_include_pad=chance(r, 0.5))


def an_adaptive_pooling(r, n):
    out = draw(r, 1, 8, n)
    what = "avg" if chance(r, 0.5) else "max"
    more = {} if what == "avg" else {"return_indices": True}
    return f"adaptive_{what}_pool{n}d", [with_batch(r, 2, draw(r, 1, 8, n))], dict(output_size=out if n > 1 else out[0], **more)


def a_norm_pooling(r, n):
    x = np.abs(r.standard_normal((2, 2, *draw(r, 2, 7, n)))) + 0.1
    kernel = draw(r, 1, 3, n) if n > 1 else draw(r, 1, 3)
    return f"lp_pool{n}d", [x], dict(norm_type=float(draw(r, 1, 4)), kernel_size=kernel, ceil_mode=chance(r, 0.5))


def an_unfolding(r, _):
    kwargs = dict(kernel_size=draw(r, 1, 4, 2), stride=draw(r, 1, 4, 2), dilation=draw(r, 1, 3, 2), padding=draw(r, 0, 3, 2))
    return "unfold", [with_batch(r, 2, draw(r, 2, 6, 2))], kwargs


def an_interpolation(r, n):
    mode = ("nearest", "nearest-exact", "area", ("linear", "bilinear", "trilinear")[n - 1], "bicubic")[draw(r, 0, 4 + (n == 2))]
    kwargs = {"mode": mode}
    if mode.endswith("linear") or mode == "bicubic":
        kwargs["align_corners"] = (None, True, False)[draw(r, 0, 3)]
    if chance(r, 0.5):
        kwargs["size"] = draw(r, 2, 12, n)
    else:
        kwargs["scale_factor"] = tuple(float(np.round(0.5 + 2 * r.random(), 2)) for _ in range(n))
        kwargs["recompute_scale_factor"] = True if chance(r, 0.3) else None
    if mode in ("bilinear", "bicubic") and chance(r, 0.3):
        kwargs["antialias"] = True
    return "interpolate", [r.standard_normal((2, 2, *draw(r, 2, 9, n)))], kwargs


def a_sampling(r, n):
    n = max(n, 2)
    modes = ("bilinear", "nearest", "bicubic")[: 4 - n + 1]
    mode, padding = modes[draw(r, 0, len(modes))], ("zeros", "border", "reflection")[draw(r, 0, 3)]
    arrays = [r.standard_normal((2, 2, *draw(r, 1, 5, n))), 1.5 * r.standard_normal((2, *draw(r, 1, 4, n), n))]
    return "grid_sample", arrays, dict(mode=mode, padding_mode=padding, align_corners=chance(r, 0.5))


CASES = [
    a_convolution,
    a_transposed_convolution,
    a_max_pooling,
    an_average_pooling,
    an_adaptive_pooling,
    a_norm_pooling,
    an_unfolding,
    an_interpolation,
    a_sampling,
]


@pytest.mark.parity
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("case", CASES, ids=lambda c: c.__name__)
def test_parity_of_functions(case, n):
    import torch

    r = rng(n)
    for _ in range(40):
        name, arrays, kwargs = case(r, n)
        try:
            expected = getattr(torch.nn.functional, name)(*(torch.tensor(a, requires_grad=True) for a in arrays), **kwargs)
        except RuntimeError as error:
            if "smaller than kernel size" in str(error):  # avg_pool3d forgets its padding here, the others do not
                continue
            with pytest.raises(RuntimeError):
                getattr(F, name)(*(tensor(a) for a in arrays), **kwargs)
            continue
        if name == "interpolate" and pytorch_is_wrong(arrays[0].shape, tuple(expected.shape), **kwargs):
            continue
        inputs = [torch.tensor(a, requires_grad=True) for a in arrays]
        compare(
            lambda *x: getattr(torch.nn.functional, name)(*x, **kwargs),  # noqa: B023  called before the next round
            lambda *x: getattr(F, name)(*x, **kwargs),  # noqa: B023
            inputs,
            f"{name}({[a.shape for a in arrays]}, {kwargs})",
        )


def pytorch_is_wrong(shape, out, mode, antialias=False, scale_factor=None, **_):
    """It repeats the first row of an antialiased image of width 1. Where a scale factor other than 1 keeps a size, its gradient
    is not that of its output: nearest and the antialiased modes skip that dimension in one of the two."""
    same = scale_factor is not None and any(m == o for m, o in zip(shape[2:], out[2:]))
    return (antialias and out[-1] == 1) or (same and (antialias or mode == "nearest"))


def flat(outputs):
    if isinstance(outputs, tuple | list):
        return [leaf for o in outputs for leaf in flat(o)]
    return [outputs]


def compare(theirs, ours, inputs, what, parameters=((), ())):
    """Values, gradients and second derivatives of two functions of ``inputs``, PyTorch's tensors, and of their parameters."""
    import torch

    r = rng(0)
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


@pytest.mark.parity
def test_parity_of_nearest_in_float32():
    """Where a pixel's centre falls between two, rounding decides: in single precision, as in PyTorch."""
    import torch

    r = rng(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(300):
            m, o = draw(r, 1, 40), draw(r, 1, 80)
            x = np.arange(m, dtype="f4").reshape(1, 1, m)
            how = {"size": o} if chance(r, 0.5) else {"scale_factor": float(np.round(0.1 + 3 * r.random(), 2))}
            mode = "nearest" if chance(r, 0.5) else "nearest-exact"
            try:
                expected = torch.nn.functional.interpolate(torch.tensor(x), mode=mode, **how)
            except RuntimeError:
                continue
            np.testing.assert_array_equal(
                F.interpolate(tensor(x), mode=mode, **how).numpy(), expected.numpy(), err_msg=f"{m} {how} {mode}"
            )
