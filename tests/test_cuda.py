"""``device="cuda"``: what it says where there is no GPU, and what it does where there is one (or its stand-in)."""

import numpy as np
import pytest

import minigrad


def test_without_a_gpu(device):
    if device == "cuda":
        pytest.skip("a GPU, or its stand-in, is there")
    assert minigrad.cuda.is_available() is False and minigrad.cuda.device_count() == 0
    reason = minigrad.cuda.why_not()
    assert "pip install -e" in reason or "finds no CUDA GPU" in reason
    for attempt in (
        lambda: minigrad.ones(2, device="cuda"),
        lambda: minigrad.ones(2).cuda(),
        minigrad.cuda.synchronize,
        minigrad.cuda.current_device,
    ):
        with pytest.raises(RuntimeError, match=r"CUDA|cuda"):
            attempt()
    minigrad.cuda.empty_cache()
    minigrad.cuda.manual_seed_all(0)


def test_unknown_devices():
    for name in ("tpu", "cuda:x", ""):
        with pytest.raises(RuntimeError, match="names no device"):
            minigrad.device(name)
    assert minigrad.device("cuda:1") == "cuda:1" and minigrad.device(1).index == 1


def test_transfer_and_mixing(device):
    x = minigrad.arange(6.0, requires_grad=True)
    y = (x.to(device) * 2).to("cpu")
    y.sum().backward()
    assert x.grad.tolist() == [2.0] * 6 and x.grad.device == "cpu"
    if device == "cuda":
        with pytest.raises(RuntimeError, match="same device"):
            minigrad.ones(6, device="cuda") + minigrad.ones(6)
        with pytest.raises(TypeError, match=r"Tensor\.cpu\(\)"):
            minigrad.ones(2, device="cuda").numpy()
        assert minigrad.ones(2, device="cuda").device.type == "cuda" and minigrad.cuda.device_count() >= 1
        minigrad.cuda.synchronize()


def test_the_same_random_bits_everywhere(device):
    drawn = []
    for where in ("cpu", device):
        minigrad.manual_seed(3)
        drawn.append(
            (
                minigrad.rand(100, device=where).cpu().numpy(),
                minigrad.nn.functional.dropout(minigrad.ones(100, device=where)).cpu().numpy(),
            )
        )
    np.testing.assert_array_equal(drawn[0][0], drawn[1][0])
    np.testing.assert_array_equal(drawn[0][1], drawn[1][1])


def test_a_training_run_agrees_with_the_cpu(device):
    losses = []
    for where in ("cpu", device):
        minigrad.manual_seed(0)
        nn = minigrad.nn
        model = nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(0.2), nn.Linear(36, 3)
        ).to(where)
        optimizer = minigrad.optim.AdamW(model.parameters(), lr=0.01)
        x, target = minigrad.randn(8, 1, 8, 8).to(where), minigrad.arange(8).remainder(3).to(where)
        run = []
        for _ in range(5):
            loss = nn.functional.cross_entropy(model(x), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.append(loss.item())
        losses.append(run)
    np.testing.assert_allclose(losses[0], losses[1], rtol=2e-4)
    assert losses[0][-1] < losses[0][0]
