"""minigrad.quantize: int8 layers against their formulas, the models they stand in, files, and what it costs."""

import copy
import os

import numpy as np
import pytest

import minigrad
from minigrad import nn
from minigrad.compress import QuantizedConv2d, QuantizedEmbedding, QuantizedLinear, load_quantized, report
from minigrad.data import DataLoader, digits
from minigrad.demo import accuracy, network
from minigrad.errors import DtypeError, GradError
from minigrad.kernels import use_kernels
from minigrad.ops.quantized import linear_dynamic, linear_int8, linear_w8

COMPILED = os.environ.get("NUMBA_DISABLE_JIT") != "1"  # interpreted, a kernel takes a thousand times as long as the text
BOTH = pytest.mark.parametrize("activations", ["dynamic", "float"])


@pytest.fixture(autouse=True)
def _seeded():
    minigrad.manual_seed(0)


def on_grid(x):
    """x as the layers round it: a whole number of steps, 127 of them for the largest of each first-dimension row."""
    flat = x.reshape(len(x), -1)
    step = np.abs(flat).max(1, keepdims=True) / 127
    step[step == 0] = 1
    return (np.rint(flat / step) * step).reshape(x.shape)


def close(a, b, tolerance=1e-5):
    np.testing.assert_allclose(
        a.detach().numpy(), b.detach().numpy() if hasattr(b, "detach") else b, rtol=tolerance, atol=tolerance
    )


# ------------------------------------------------------------------------------------------------------------------ weights
@pytest.mark.parametrize("layer", [nn.Linear(7, 5), nn.Conv2d(3, 5, 2), nn.Embedding(5, 7)], ids=lambda m: type(m).__name__)
def test_weights_are_rounded_to_the_nearest_step(layer):
    with minigrad.no_grad():
        layer.weight[2] = 0.0
    small = minigrad.quantize(layer)
    w, q, scale = layer.weight.detach().numpy(), small.weight.numpy(), small.scale.numpy()
    assert q.dtype == np.int8 and scale.dtype == np.float32 and scale.shape == (5,) and q.shape == w.shape
    rows = np.abs(w.reshape(5, -1)).max(1)
    np.testing.assert_allclose(np.delete(scale, 2), np.delete(rows, 2) / 127, rtol=1e-6)
    assert (np.abs(q.reshape(5, -1)).max(1) == [127, 127, 0, 127, 127]).all()
    each = scale.reshape(5, *[1] * (w.ndim - 1))
    assert (np.abs(q * each - w) <= each * 0.5001).all()
    close(small.dequantized(), q * each)
    if getattr(layer, "bias", None) is not None:
        assert small.bias.equal(layer.bias.detach()) and small.bias.array is not layer.bias.array


# ------------------------------------------------------------------------------------------------------------------- Linear
@pytest.mark.parametrize("shape", [(6,), (1, 6), (4, 6), (2, 3, 6), (0, 6), (2, 0, 6)])
@pytest.mark.parametrize("bias", [True, False])
@BOTH
def test_linear(shape, bias, activations):
    layer = nn.Linear(6, 3, bias=bias)
    small = minigrad.quantize(layer, activations=activations)
    x = minigrad.randn(*shape)
    y = small(x)
    assert type(small) is QuantizedLinear and y.shape == (*shape[:-1], 3) and y.dtype is minigrad.float32
    rows = x.numpy().reshape(-1, 6)
    rows = on_grid(rows) if activations == "dynamic" and len(rows) else rows
    expected = rows @ small.dequantized().numpy().T + (small.bias.numpy() if bias else 0)
    close(y, expected.reshape(y.shape))
    if x.numel():
        assert (y - layer(x)).abs().max() < 0.03


@pytest.mark.parametrize("rows", [1, 3, 50])
@pytest.mark.parametrize("bias", [True, False])
def test_kernels_compute_what_the_texts_say(rows, bias):
    """Above the kernels' threshold of 2**14 weights, and in few and in many rows."""
    r = np.random.default_rng(rows)
    x, weight = (
        minigrad.tensor(r.standard_normal((rows, 130)).astype("f")),
        minigrad.tensor(r.integers(-127, 128, (130, 130)), dtype=minigrad.int8),
    )
    scale, offset = minigrad.rand(130), minigrad.randn(130) if bias else None
    q = minigrad.tensor(r.integers(-127, 128, (rows, 130)), dtype=minigrad.int8)
    got = linear_int8(q, weight), linear_w8(x, weight, scale), linear_dynamic(x, weight, scale, offset)
    with use_kernels(False):
        expected = linear_int8(q, weight), linear_w8(x, weight, scale), linear_dynamic(x, weight, scale, offset)
    assert got[0].dtype is minigrad.int32 and got[0].equal(expected[0])
    for a, b in zip(got[1:], expected[1:]):
        assert a.dtype is b.dtype is minigrad.float32
        close(a, b.numpy(), 1e-3)


@pytest.mark.parametrize("kernels", [True, False])
def test_sums_are_exact(kernels):
    """2048 * 127 * 127 = 33,032,192 needs more than the 24 bits of a float32."""
    x = np.full((2, 2048), 127, np.int8)
    x[1, 0] = 126
    weight = np.full((8, 2048), -127, np.int8)
    with use_kernels(kernels):
        y = linear_int8(minigrad.tensor(x), minigrad.tensor(weight))
    assert y.dtype is minigrad.int32 and (y.numpy() == [[-33_032_192] * 8, [-33_032_065] * 8]).all()


@pytest.mark.parametrize("size", [6, 130])  # the text, the kernel
def test_linear_rows_are_independent(size):
    """A row of zeros gives the bias, tiny rows do not overflow, NaN and infinities stay in their row."""
    small = minigrad.quantize(nn.Linear(size, size))
    x = minigrad.randn(6, size)
    clean = small(x)
    x[1], x[2] = 0.0, 1e-42
    x[3, 0], x[4, 1] = float("nan"), float("-inf")
    y = small(x)
    assert y[1].equal(small.bias) and y[2].allclose(small.bias)
    assert y[3:5].isnan().all()
    assert y[0].equal(clean[0]) and y[5].equal(clean[5])


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16"])
@pytest.mark.parametrize("convert", [True, False], ids=["model too", "input only"])
@BOTH
def test_other_float_types(dtype, convert, activations):
    for layer, x in ((nn.Linear(6, 3), minigrad.randn(4, 6)), (nn.Conv2d(2, 3, 2), minigrad.randn(2, 2, 4, 4))):
        small = minigrad.quantize(layer, activations=activations)
        expected = small(x)
        if convert:
            small.to(getattr(minigrad, dtype))
            assert small.weight.dtype is minigrad.int8 and small.scale.dtype.name == dtype
        y = small(x.to(getattr(minigrad, dtype)))
        assert y.dtype.name == dtype
        close(y.float(), expected, 3e-2)


def test_half_precision_model():
    layer = nn.Linear(6, 3).to(minigrad.float16)
    small = minigrad.quantize(layer)
    assert small.scale.dtype is minigrad.float32 and small.bias.dtype is minigrad.float32
    assert small(minigrad.randn(2, 6).half()).dtype is minigrad.float16


# ------------------------------------------------------------------------------------------------------------------- Conv2d
CONVS = {
    "plain": dict(),
    "padding": dict(padding=1),
    "stride": dict(stride=(2, 1), padding=(1, 0)),
    "dilation": dict(dilation=(1, 2), padding=2),
    "groups": dict(groups=2),
    "depthwise": dict(groups=4, padding="same"),
    "same": dict(padding="same", dilation=2),
    "valid": dict(padding="valid", bias=False),
    "reflect": dict(padding=1, padding_mode="reflect"),
    "circular": dict(padding=(1, 2), padding_mode="circular", stride=2),
}


@pytest.mark.parametrize("options", CONVS.values(), ids=CONVS.keys())
@BOTH
def test_conv2d(options, activations):
    layer = nn.Conv2d(4, 8, (2, 3), **options)
    small = minigrad.quantize(layer, activations=activations)
    x = minigrad.randn(3, 4, 6, 7)
    x[1] = 0.0
    twin = copy.deepcopy(layer)  # a float layer of the rounded weights, on rounded inputs
    with minigrad.no_grad():
        twin.weight.copy_(small.dequantized())
    rounded = minigrad.tensor(on_grid(x.numpy())) if activations == "dynamic" else x
    y = small(x)
    assert type(small) is QuantizedConv2d
    close(y, twin(rounded), 1e-4)
    assert (y - layer(x)).abs().max() < 0.06
    close(small(x[0]), y[0])  # without a batch dimension
    assert small(x[:0]).shape == (0, *y.shape[1:])


def test_conv2d_through_the_kernel():
    layer = nn.Conv2d(64, 32, 3, padding=1)
    small = minigrad.quantize(layer)
    x = minigrad.randn(2, 64, 5, 5)
    y = small(x)
    with use_kernels(False):
        close(y, small(x), 1e-5)
    assert (y - layer(x)).abs().max() < 0.06


@BOTH
def test_conv2d_errors(activations):
    small = minigrad.quantize(nn.Conv2d(3, 4, 3), activations=activations)
    with pytest.raises(RuntimeError, match=r"to have 3 channels, but got 2 channels"):
        small(minigrad.zeros(1, 2, 5, 5))
    with pytest.raises(RuntimeError, match="can't be greater than actual input size"):
        small(minigrad.zeros(1, 3, 2, 5))
    with pytest.raises(RuntimeError, match="Expected 3D"):
        small(minigrad.zeros(3, 5))
    with pytest.raises(ValueError, match="divisible by groups"):
        QuantizedConv2d(3, 4, 3, groups=2)


# ---------------------------------------------------------------------------------------------------------------- Embedding
@pytest.mark.parametrize("dtype", ["int64", "int32"])
def test_embedding(dtype):
    layer = nn.Embedding(10, 4, padding_idx=0)
    small = minigrad.quantize(layer)
    index = minigrad.tensor([[0, 3], [9, 3]], dtype=getattr(minigrad, dtype))
    y = small(index)
    assert type(small) is QuantizedEmbedding and y.shape == (2, 2, 4) and (y[0, 0] == 0).all()
    close(y, small.dequantized().numpy()[index.numpy()])
    close(y, layer(index), 0.02)
    for bad in (10, -1):
        with pytest.raises(IndexError, match="out of range"):
            small(minigrad.tensor([bad]))
    with pytest.raises(RuntimeError, match="Long, Int"):
        small(minigrad.tensor([1.0]))


def test_embedding_with_max_norm():
    layer = nn.Embedding(6, 4, max_norm=1.0)
    with minigrad.no_grad():
        layer.weight[0] = 0.1
    before = layer.weight.detach().clone()
    small = minigrad.quantize(layer)
    assert layer.weight.equal(before)  # the float layer itself scales down only what it looks up
    index = minigrad.arange(6)
    close(small(index), layer(index), 0.01)


# ------------------------------------------------------------------------------------------------------------------- models
class Tied(nn.Module):
    """One layer used twice and listed elsewhere, and a head that shares the table's weight."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(20, 8)
        self.mix = nn.Linear(8, 8)
        self.again = self.mix
        self.listed = [self.mix]
        self.norm = nn.LayerNorm(8)
        self.head = nn.Linear(8, 20, bias=False)
        self.head.weight = self.table.weight

    def forward(self, index):
        x = self.table(index)
        return self.head(self.norm(self.listed[0](self.again(self.mix(x)))))


@pytest.mark.parametrize("inplace", [True, False])
@BOTH
def test_quantize_replaces_layers(inplace, activations):
    model = Tied().train()
    index = minigrad.tensor([[1, 2, 3]])
    expected = model(index)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    kinds = [type(m) for m in model.modules()]
    random = minigrad.get_rng_state()
    small = minigrad.quantize(model, activations=activations, inplace=inplace)
    assert minigrad.get_rng_state().equal(random)
    assert (small is model) == inplace and not any(m.training for m in small.modules())
    assert type(small.table) is QuantizedEmbedding and type(small.mix) is QuantizedLinear and type(small.norm) is nn.LayerNorm
    assert small.again is small.mix and small.mix.activations == activations
    assert small.head.weight is small.table.weight and small.head.scale is small.table.scale
    assert [n for n, _ in small.named_parameters()] == ["norm.weight", "norm.bias"]
    if not inplace:
        assert small.listed[0] is small.mix
        assert [type(m) for m in model.modules()] == kinds and all(m.training for m in model.modules())
        assert all(v.equal(before[k]) for k, v in model.state_dict().items())
        assert (small(index) - expected).abs().max() < 0.25
        assert small.norm.weight.array is not model.norm.weight.array


def test_quantize_a_single_layer():
    layer = nn.Linear(3, 2)
    assert type(minigrad.quantize(layer, inplace=True)) is QuantizedLinear and type(layer) is nn.Linear


def test_what_stays_float():
    class Mine(nn.Linear):
        """Uses its weight in a way of its own."""

        def forward(self, x):
            return x @ self.weight.exp().T

    model = nn.ModuleDict({
        "attention": nn.MultiheadAttention(8, 2), "mine": Mine(8, 8), "recurrent": nn.LSTM(8, 8), "one_d": nn.Conv1d(2, 2, 3),
        "empty": nn.Embedding(3, 0), "plain": nn.Linear(8, 2),
    })  # fmt: skip
    small = minigrad.quantize(model)
    changed = [name for name, m in model.named_modules() if type(small.get_submodule(name)) is not type(m)]
    assert changed == ["plain"]
    x = minigrad.randn(5, 1, 8)
    close(small["attention"](x, x, x)[0], model["attention"].eval()(x, x, x)[0])


def test_a_transformer_layer():
    layer = nn.TransformerEncoderLayer(16, 4, 32, dropout=0.0, batch_first=True).eval()
    small = minigrad.quantize(layer)
    assert type(small.linear1) is type(small.linear2) is QuantizedLinear
    x = minigrad.randn(2, 5, 16)
    assert (small(x) - layer(x)).abs().max() < 0.1


def test_forward_hooks_are_kept():
    layer, calls = nn.Linear(3, 2), []
    layer.register_forward_hook(lambda module, inputs, output: calls.append(type(module)))
    layer.register_forward_pre_hook(lambda module, inputs: calls.append("before"))
    minigrad.quantize(nn.Sequential(layer))(minigrad.zeros(1, 3))
    assert calls == ["before", QuantizedLinear]


def test_quantizing_again_changes_nothing():
    small = minigrad.quantize(nn.Sequential(nn.Linear(3, 2)))
    again = minigrad.quantize(small)
    assert again is not small and again[0].weight.equal(small[0].weight) and again[0].weight.array is not small[0].weight.array


def test_quantize_errors():
    with pytest.raises(TypeError, match="must be a Module, got Tensor"):
        minigrad.quantize(minigrad.zeros(3))
    with pytest.raises(ValueError, match="no Linear, Conv2d or Embedding"):
        minigrad.quantize(nn.Sequential(nn.ReLU()))
    with pytest.raises(ValueError, match=r"'dynamic'.*'float'.*got 'int4'"):
        minigrad.quantize(nn.Linear(2, 2), activations="int4")
    with pytest.raises(ValueError, match=r"1 .LazyLinear. has no weights yet"):
        minigrad.quantize(nn.Sequential(nn.ReLU(), nn.LazyLinear(3)))
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    with minigrad.no_grad():
        model[1].weight[0, 1] = float("inf")
    with pytest.raises(ValueError, match=r"shape \(2, 2\) has NaN or infinite values.*layer '1'"):
        minigrad.quantize(model)


@BOTH
def test_wrong_inputs(activations):
    small = minigrad.quantize(nn.Linear(4, 2), activations=activations)
    for shape in ((3, 5), (5,), (1, 2, 5), ()):
        with pytest.raises(RuntimeError, match="in_features=4"):
            small(minigrad.zeros(*shape))
    with pytest.raises(DtypeError, match=r"expected a floating point Tensor.*int64.*\.float\(\)"):
        small(minigrad.zeros(1, 4, dtype=minigrad.int64))
    with pytest.raises(DtypeError, match="floating point Tensor, got ndarray"):
        small(np.zeros((1, 4), np.float32))


def test_reprs():
    conv = nn.Conv2d(4, 8, 3, stride=2, padding=1, groups=2, bias=False)
    model = nn.Sequential(nn.Linear(4, 2), conv, nn.Embedding(5, 3, padding_idx=1), nn.ReLU())
    assert repr(minigrad.quantize(model, activations="float")) == (
        "Sequential(\n"
        "  (0): QuantizedLinear(in_features=4, out_features=2, bias=True, activations='float')\n"
        "  (1): QuantizedConv2d(4, 8, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), groups=2, bias=False, "
        "activations='float')\n"
        "  (2): QuantizedEmbedding(5, 3, padding_idx=1)\n"
        "  (3): ReLU()\n"
        ")"
    )


# ----------------------------------------------------------------------------------------------------------------- training
@BOTH
def test_int8_layers_are_not_trained(activations):
    model = minigrad.quantize(nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2)), activations=activations)
    assert not list(model.parameters())
    x = minigrad.randn(3, 4)
    assert not model(x).requires_grad
    with pytest.raises(ValueError, match="empty parameter list"):
        minigrad.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(GradError, match=r"QuantizedLinear is in training mode.*quantize it afterwards.*eval"):
        model.train()(x)
    table = minigrad.quantize(nn.Embedding(3, 2)).train()
    with pytest.raises(GradError, match="QuantizedEmbedding is in training mode"):
        table(minigrad.tensor([1]))
    with minigrad.no_grad():
        model(x), table(minigrad.tensor([1]))


@pytest.mark.parametrize("layer, shape", [(nn.Linear(4, 2), (3, 4)), (nn.Conv2d(2, 3, 2), (1, 2, 3, 3))], ids=["linear", "conv"])
def test_gradients_do_not_pass_dynamic_activations(layer, shape):
    y = minigrad.quantize(layer)(minigrad.randn(*shape, requires_grad=True))
    assert y.requires_grad
    with pytest.raises(GradError, match=r"passes no gradient back.*activations='float'"):
        y.sum().backward()


@pytest.mark.parametrize("layer, shape", [(nn.Linear(4, 2), (3, 4)), (nn.Conv2d(2, 3, 2), (1, 2, 3, 3))], ids=["linear", "conv"])
def test_gradients_pass_float_activations(layer, shape):
    small = minigrad.quantize(layer, activations="float")
    with minigrad.no_grad():
        layer.weight.copy_(small.dequantized())
    x = minigrad.randn(*shape)
    grads = []
    for module in (small, layer):
        z = x.clone().requires_grad_()
        (module(z) ** 2).sum().backward()
        grads.append(z.grad)
    close(*grads, 1e-4)


# -------------------------------------------------------------------------------------------------------------------- files
def build():
    return nn.Sequential(nn.Embedding(30, 8), nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4, bias=False))


@BOTH
def test_save_and_load(tmp_path, activations):
    path, index = tmp_path / "small.safetensors", minigrad.tensor([1, 5, 29])
    small = minigrad.quantize(build(), activations=activations)
    minigrad.save(small.state_dict(), path)
    saved = minigrad.load(path)
    assert list(saved) == ["0.weight", "0.scale", "1.weight", "1.scale", "1.bias", "3.weight", "3.scale"]
    assert {t.dtype.name for k, t in saved.items() if k.endswith("weight")} == {"int8"}
    assert path.stat().st_size < 900 + sum(t.nbytes for t in saved.values())
    other = minigrad.quantize(build(), activations=activations)
    assert not other(index).equal(small(index))
    assert str(other.load_state_dict(saved)) == "<All keys matched successfully>"
    assert other(index).equal(small(index))
    assert load_quantized(path, build, activations=activations)(index).equal(small(index))
    third = minigrad.quantize(build(), activations=activations)
    third.load_state_dict(saved, assign=True)
    assert third(index).equal(small(index))


def test_an_int8_layer_needs_no_float_layer():
    small = minigrad.quantize(nn.Linear(6, 3))
    direct = QuantizedLinear(6, 3)
    assert (direct(minigrad.ones(1, 6)) == 0).all()
    direct.load_state_dict(small.state_dict())
    x = minigrad.randn(2, 6)
    assert direct(x).equal(small(x))


def test_float_and_int8_files_are_not_mixed_up():
    model = nn.Sequential(nn.Linear(4, 2))
    small = minigrad.quantize(model)
    kept = small[0].weight.clone()
    for strict in (True, False):
        with pytest.raises(
            RuntimeError, match=r"0.weight is minigrad.float32 in state_dict, but QuantizedLinear holds int8: load float"
        ):
            small.load_state_dict(model.state_dict(), strict=strict)
    assert small[0].weight.equal(kept)
    with pytest.raises(RuntimeError, match=r'Unexpected key.*"0.scale"'):
        model.load_state_dict(small.state_dict())


# ------------------------------------------------------------------------------------------------------------------ figures
@pytest.fixture(scope="module")
def network_of_three_epochs():
    minigrad.manual_seed(0)
    train, test = digits()
    model = network()
    optimizer = minigrad.optim.Adam(model.parameters(), lr=2e-3)
    with use_kernels(COMPILED):
        for images, labels in [*DataLoader(train, batch_size=32, shuffle=True)] * 3:
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(images), labels).backward()
            optimizer.step()
    return model, *(minigrad.cat(both) for both in zip(train.tensors, test.tensors))


@pytest.fixture
def trained(network_of_three_epochs):
    """The demo's network, and all images: one of them is less than 0.06 points."""
    with use_kernels(COMPILED):
        yield network_of_three_epochs


@BOTH
def test_accuracy_and_size_of_the_digits_network(trained, activations):
    model, images, labels = trained
    small = minigrad.quantize(model, activations=activations)
    r = report(model, small, images, labels)
    assert model.training and r.accuracy == (accuracy(model, images, labels), accuracy(small, images, labels))
    assert r.accuracy[0] > 0.9 and abs(r.accuracy[1] - r.accuracy[0]) <= 0.005 and r.agreement > 0.99
    assert r.memory == (4 * 38_282, 38_160 + 8 * 122)
    assert r.memory[1] <= 0.3 * r.memory[0] and r.file[1] <= 0.3 * r.file[0]
    assert r.worst_layer in {"0", "2", "7", "9"} and 0 < r.worst_error < 0.02
    assert not any(m._forward_hooks for m in model.modules())


def test_report_text(trained):
    model, images, labels = trained
    text = str(report(model, minigrad.quantize(model), images, labels))
    for part in (
        "bytes in memory        153,128       39,136   0.26 of it",
        "accuracy",
        "points",
        "same class on",
        "worst layer: ",
    ):
        assert part in text
    assert text == repr(report(model, minigrad.quantize(model), images, labels))


def test_report_of_the_same_model_shows_no_difference():
    model = nn.Linear(4, 3)
    x = minigrad.randn(300, 4)
    r = report(model, model, x, model(x).argmax(1))
    assert r.accuracy == (1.0, 1.0) and r.agreement == 1.0 and r.worst_error == 0.0 and r.memory[0] == r.memory[1]
