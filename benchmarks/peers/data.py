"""The seventeen workloads' weights and batches, drawn by NumPy alone, so that every library starts from the same numbers."""

import math

import numpy as np

BATCH = dict(tiny_mlp=100, mnist_mlp=64, keras_mlp=32, cnn=64, resnet_block=32, lstm_char=32, gpt_char=12, vae=128)
BATCH |= dict(logreg=1797, micrograd=100, wgan_gp=64, infer_mlp_b1=1, infer_mlp_b256=256, infer_cnn_b1=1, infer_cnn_b64=64)
BATCH |= dict(gpt_gen64_window=1, gpt_gen64_kv=1)
NAMES = tuple(BATCH)
LETTERS = 65
LENGTH = 64  # of a sequence, of GPT's window, and letters that a generation writes


def weights(rng, shapes):
    """Arrays for ``{name: shape}``: uniform in +-1/sqrt(fan in); a weight of one axis is a norm's gain and starts at one."""

    def draw(name, shape):
        if len(shape) == 1 and name.endswith("weight"):
            return np.ones(shape, np.float32)
        bound = 1 / math.sqrt(math.prod(shape[1:]) if len(shape) > 1 else shape[0])
        return rng.uniform(-bound, bound, shape).astype(np.float32)

    return {name: draw(name, tuple(shape)) for name, shape in shapes.items()}


def batches(name, rng, batch=None, length=LENGTH):
    """Four batches of a workload, each a tuple of arrays."""
    return [DRAW[name](rng, batch or BATCH[name], length) for _ in range(4)]


def _normal(rng, *shape):
    return rng.standard_normal(shape).astype(np.float32)


def _classes(*shape):
    return lambda rng, n, length: (_normal(rng, n, *shape), rng.integers(0, 10, n))


def _images(*shape):
    return lambda rng, n, length: (_normal(rng, n, *shape),)


def _letters(rng, n, length):
    text = rng.integers(0, LETTERS, (n, length + 1))
    return text[:, :-1].copy(), text[:, 1:].copy()


def _wgan(rng, n, length):
    """Real points, noise for the critic's step, where between real and made the slope is taken, noise for the generator's."""
    return _normal(rng, n, 2), _normal(rng, n, 8), rng.random((n, 1)).astype(np.float32), _normal(rng, n, 8)


DRAW = {
    "tiny_mlp": lambda rng, n, length: (_normal(rng, n, 10), _normal(rng, n, 1)),
    "mnist_mlp": _classes(784),
    "keras_mlp": _classes(784),
    "cnn": _classes(1, 28, 28),
    "resnet_block": _classes(64, 16, 16),
    "lstm_char": _letters,
    "gpt_char": _letters,
    "vae": lambda rng, n, length: (rng.random((n, 784)).astype(np.float32), _normal(rng, n, 20)),
    "logreg": _classes(64),
    "micrograd": lambda rng, n, length: (_normal(rng, n, 2), rng.choice([-1.0, 1.0], (n, 1)).astype(np.float32)),
    "wgan_gp": _wgan,
    "infer_mlp_b1": _images(784),
    "infer_mlp_b256": _images(784),
    "infer_cnn_b1": _images(1, 28, 28),
    "infer_cnn_b64": _images(1, 28, 28),
    "gpt_gen64_window": lambda rng, n, length: (rng.integers(0, LETTERS, (n, LENGTH)),),
    "gpt_gen64_kv": lambda rng, n, length: (rng.integers(0, LETTERS, (n, 1)),),
}
