"""autocast and GradScaler, beside PyTorch's where a test is marked parity."""

import math

import pytest

import minigrad
from minigrad import nn
from minigrad.nn import functional as F


def test_products_are_lowered_and_losses_are_not():
    a = minigrad.ones(2, 3, requires_grad=True)
    layer = nn.Linear(3, 2)
    with minigrad.autocast("cpu"):
        y = layer(a)
        assert y.dtype is minigrad.bfloat16 and (a + 1).dtype is minigrad.float32
        assert F.mse_loss(y, y.detach() + 1).dtype is minigrad.float32
        assert minigrad.cat([y, a[:, :2]]).dtype is minigrad.float32
        assert (a.double() @ a.double().T).dtype is minigrad.float64
        assert F.layer_norm(y, (2,), minigrad.ones(2)).dtype is minigrad.bfloat16
        out = minigrad.empty(2, 2)
        assert (
            minigrad.addmm(minigrad.ones(2), a, a.T).dtype is minigrad.bfloat16 and minigrad.mv(a, a[0]).dtype is minigrad.float32
        )
        assert minigrad.matmul(a.detach(), a.detach().T, out=out) is out
    assert layer(a).dtype is minigrad.float32
    y.sum().backward()
    assert a.grad.dtype is minigrad.float32 and layer.weight.grad.dtype is minigrad.float32


def test_it_nests_and_decorates():
    a = minigrad.ones(2, 2)
    with minigrad.autocast("cpu", dtype=minigrad.float16):
        assert (a @ a).dtype is minigrad.float16 and minigrad.is_autocast_enabled("cpu")
        with minigrad.autocast("cpu", enabled=False):
            assert (a @ a).dtype is minigrad.float32 and not minigrad.is_autocast_cpu_enabled()
        with minigrad.autocast("cpu"):
            assert (a @ a).dtype is minigrad.bfloat16
        assert (a @ a).dtype is minigrad.float16
    assert not minigrad.is_autocast_enabled("cpu") and (a @ a).dtype is minigrad.float32

    @minigrad.autocast("cpu")
    def product():
        return a @ a

    assert product().dtype is minigrad.bfloat16 and (a @ a).dtype is minigrad.float32


def test_it_costs_nothing_when_off():
    from minigrad import dispatch
    from minigrad.op import registry

    a = minigrad.ones(2, 2)
    with minigrad.autocast("cpu"):
        a @ a
        assert dispatch.special_modes[0] == 1 and not registry["matmul"].table
    a @ a
    assert dispatch.special_modes[0] == 0 and registry["matmul"].table


@pytest.mark.skipif(minigrad.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu():
    for make in (lambda: minigrad.autocast("cuda"), lambda: minigrad.cuda.amp.autocast()):
        with pytest.warns(UserWarning, match="not available. Disabling"), make():
            assert (minigrad.ones(1, 1) @ minigrad.ones(1, 1)).dtype is minigrad.float32
    for make in (minigrad.GradScaler, minigrad.cuda.amp.GradScaler):
        with pytest.warns(UserWarning, match="CUDA is not available.  Disabling"):
            assert not make().is_enabled()
    with pytest.warns(UserWarning, match="is not supported. Disabling"):
        minigrad.autocast("cpu", dtype=minigrad.float32)
    with pytest.raises(ValueError, match="Expected `device_type` of type `str`"):
        minigrad.autocast(1)
    with pytest.raises(RuntimeError, match="toaster"):
        minigrad.autocast("toaster")


def test_functions_with_their_own_precision():
    seen = []

    class Scale(minigrad.autograd.Function):
        @staticmethod
        @minigrad.amp.custom_fwd(device_type="cpu", cast_inputs=minigrad.float32)
        def forward(ctx, x):
            seen.append((x.dtype, minigrad.is_autocast_enabled("cpu")))
            return x @ x

        @staticmethod
        @minigrad.amp.custom_bwd(device_type="cpu")
        def backward(ctx, g):
            seen.append((g.dtype, minigrad.is_autocast_enabled("cpu")))
            return g

    x = minigrad.ones(2, 2, requires_grad=True)
    with minigrad.autocast("cpu"):
        y = Scale.apply(x.bfloat16())
    y.sum().backward()
    assert seen == [(minigrad.float32, False), (minigrad.float32, False)]


def scaled_steps(torch, device="cpu"):
    """Scale, gradient and weight through a run with one overflow."""
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1)
    scaler = torch.amp.GradScaler(device, init_scale=2.0**10, growth_interval=2)
    seen = []
    for k in range(6):
        optimizer.zero_grad()
        scaler.scale((w * (math.inf if k == 3 else k + 1.0)).sum()).backward()
        if k % 2:
            scaler.unscale_(optimizer)
        seen.append((scaler.get_scale(), w.grad.tolist()))
        scaler.step(optimizer)
        scaler.update()
        seen.append((scaler.state_dict(), w.tolist()))
    return seen


def test_the_scale_grows_and_backs_off():
    seen = scaled_steps(minigrad)
    assert [s[0] for s in seen[::2]] == [1024.0, 1024.0, 2048.0, 2048.0, 1024.0, 1024.0]
    assert seen[5][1] == seen[7][1]  # the step that overflowed was skipped


def test_what_a_scaler_refuses():
    w = minigrad.ones(1, requires_grad=True)
    optimizer = minigrad.optim.SGD([w], lr=0.1)
    scaler = minigrad.GradScaler("cpu")
    with pytest.raises(AssertionError, match="No inf checks were recorded prior to update"):
        scaler.update()
    scaler.scale(w.sum()).backward()
    scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match="already been called on this optimizer"):
        scaler.unscale_(optimizer)
    scaler.step(optimizer)
    with pytest.raises(RuntimeError, match="already been called since the last update"):
        scaler.step(optimizer)
    with pytest.raises(RuntimeError, match="being called after step"):
        scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match="Closure"):
        scaler.step(optimizer, closure=lambda: 1)
    scaler.update(new_scale=8.0)
    other = minigrad.GradScaler("cpu")
    other.load_state_dict(scaler.state_dict())
    assert other.get_scale() == 8.0 and [t.item() for t in other.scale([minigrad.ones(()), minigrad.ones(())])] == [8.0, 8.0]
    with pytest.raises(RuntimeError, match="source state dict is empty"):
        other.load_state_dict({})
    with pytest.raises(AssertionError, match="growth factor"):
        minigrad.GradScaler("cpu", growth_factor=1.0)


def test_a_disabled_scaler_does_nothing():
    w = minigrad.ones(1, requires_grad=True)
    scaler = minigrad.cuda.amp.GradScaler(enabled=False)
    loss = (w * 2).sum()
    assert scaler.scale(loss) is loss and scaler.state_dict() == {} and scaler.get_scale() == 1.0
    loss.backward()
    optimizer = minigrad.optim.SGD([w], lr=0.25)
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()
    assert w.item() == 0.5


@pytest.mark.parity
def test_scalers_agree():
    import torch

    for (what, numbers), (expected, weights) in zip(scaled_steps(minigrad), scaled_steps(torch)):
        assert what == expected and numbers == pytest.approx(weights, rel=1e-6)


def precisions(torch):
    """The dtype that each call gives under autocast, from float32 (r) and bfloat16 (b)."""
    from types import SimpleNamespace

    nn, F, r = torch.nn, torch.nn.functional, torch.randn

    def b(*shape):
        return torch.randn(*shape).bfloat16()

    labels = torch.tensor([0, 1])
    calls = dict(
        mv=lambda: torch.mv(r(3, 3), r(3)), addmm=lambda: torch.addmm(r(3), r(3, 3), r(3, 3)),
        mm=lambda: torch.mm(r(3, 3), r(3, 3)),
        baddbmm=lambda: torch.baddbmm(r(2, 3, 3), r(2, 3, 3), r(2, 3, 3)),
        einsum=lambda: torch.einsum("ij,jk->ik", r(3, 3), r(3, 3)),
        conv2d=lambda: F.conv2d(r(1, 1, 3, 3), r(1, 1, 2, 2), r(1)), linear=lambda: F.linear(r(2, 3), r(4, 3), r(4)),
        conv_transpose=lambda: F.conv_transpose1d(r(1, 1, 3), r(1, 1, 2)), prelu=lambda: F.prelu(r(3), r(1)),
        sdpa=lambda: F.scaled_dot_product_attention(r(2, 3, 4), r(2, 3, 4), r(2, 3, 4)), softmax=lambda: b(3, 3).softmax(-1),
        layer_norm=lambda: F.layer_norm(b(2, 3), (3,), r(3), r(3)), group_norm=lambda: F.group_norm(b(2, 4, 3), 2, r(4), r(4)),
        batch_norm=lambda: nn.BatchNorm1d(3)(b(4, 3)),
        cross_entropy=lambda: F.cross_entropy(b(2, 3), labels), nll=lambda: F.nll_loss(b(2, 3), labels),
        mse=lambda: F.mse_loss(b(3), b(3)), l1=lambda: F.l1_loss(b(3), b(3)), kl=lambda: F.kl_div(b(3), b(3), reduction="sum"),
        logits=lambda: F.binary_cross_entropy_with_logits(b(3), b(3)), huber=lambda: F.huber_loss(b(3), b(3)),
        prod=lambda: b(3).prod(), sum=lambda: b(3).sum(), exp=lambda: b(3).exp(), cdist=lambda: torch.cdist(b(3, 3), b(3, 3)),
        cat=lambda: torch.cat([b(3), r(3)]), stack=lambda: torch.stack([b(3), r(3)]), add=lambda: b(3) + r(3),
        double=lambda: torch.mm(r(3, 3).double(), r(3, 3).double()), trace=lambda: torch.trace(b(3, 3)),
        lstm=lambda: nn.LSTM(3, 3)(r(2, 1, 3))[0], gru=lambda: nn.GRU(3, 3)(r(2, 1, 3))[0],
        rnn=lambda: nn.RNN(3, 3)(r(2, 1, 3))[0],
        attention=lambda: nn.MultiheadAttention(4, 2)(r(3, 1, 4), r(3, 1, 4), r(3, 1, 4))[0],
        pool=lambda: F.avg_pool2d(b(1, 4, 4), 2),
        index_copy=lambda: torch.index_copy(r(3), 0, torch.tensor([0]), b(1)), embedding=lambda: F.embedding(labels, r(3, 3)),
    )  # fmt: skip
    with torch.autocast("cpu"):
        return SimpleNamespace(**{name: str(call().dtype).partition(".")[2] for name, call in calls.items()})


@pytest.mark.parity
def test_precisions_agree():
    import torch

    assert precisions(minigrad) == precisions(torch)


def test_half_precision_gradients_have_their_inputs_dtype():
    for f in (F.gelu, lambda x: x.softmax(-1), lambda x: x @ x.T, lambda x: F.layer_norm(x, (3,), minigrad.ones(3))):
        x = minigrad.randn(2, 3).bfloat16().requires_grad_()
        seen = []
        x.register_hook(lambda g, seen=seen: seen.append(g.dtype))
        f(x).float().sum().backward()
        assert seen == [minigrad.bfloat16] and x.grad.dtype is minigrad.bfloat16
