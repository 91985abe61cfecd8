"""Training steps written once on the PyTorch API and run on PyTorch and on minigrad.

Each function takes the library (``torch`` or ``minigrad``) and a NumPy generator, and returns ``step()``, which runs one
training step on the next of four batches and returns the loss. Weights are drawn with NumPy and copied in.
"""

import itertools

import numpy as np


def _load(lib, model, rng):
    """Weights from NumPy, so that both libraries start from the same numbers."""
    with lib.no_grad():
        for p in model.parameters():
            bound = 1 / np.sqrt(p[0].numel() if p.dim() > 1 else p.numel())
            p.copy_(lib.tensor(rng.uniform(-bound, bound, tuple(p.shape)).astype(np.float32)))
    return model


def _batches(lib, rng, x_shape, y):
    made = [(rng.standard_normal(x_shape).astype(np.float32), y(rng)) for _ in range(4)]
    return itertools.cycle([(lib.tensor(a), lib.tensor(b)) for a, b in made])


def _stepper(model, batches, loss_function, optimizer):
    def step():
        x, y = next(batches)
        loss = loss_function(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return step


def tiny_mlp(lib, rng):
    nn = lib.nn
    model = _load(lib, nn.Sequential(nn.Linear(10, 20), nn.ReLU(), nn.Linear(20, 1)), rng)
    batches = _batches(lib, rng, (100, 10), lambda r: r.standard_normal((100, 1)).astype(np.float32))
    return _stepper(model, batches, nn.functional.mse_loss, lib.optim.Adam(model.parameters(), lr=1e-3))


def mnist_mlp(lib, rng):
    nn = lib.nn
    model = _load(lib, nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10)), rng)
    batches = _batches(lib, rng, (64, 784), lambda r: r.integers(0, 10, 64))
    return _stepper(model, batches, nn.functional.cross_entropy, lib.optim.SGD(model.parameters(), lr=0.05))


def cnn(lib, rng):
    nn = lib.nn
    layers = [nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2)]
    model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(1600, 128), nn.ReLU(), nn.Linear(128, 10))
    batches = _batches(lib, rng, (64, 1, 28, 28), lambda r: r.integers(0, 10, 64))
    return _stepper(_load(lib, model, rng), batches, nn.functional.cross_entropy, lib.optim.Adam(model.parameters(), lr=1e-3))
