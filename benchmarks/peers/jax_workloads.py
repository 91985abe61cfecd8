"""The same seventeen workloads in JAX, as its users write them: one jitted function a step, its state donated.

Optimizers are written by hand, as optax does them. An inference holds its weights as constants, which is its fastest. The
cache of keys and values has a fixed size and an index, where PyTorch's grows: a jitted function compiles anew for every
shape, so this is how JAX programs keep one, and the fair way to compare.
``build(name, rng)`` draws the same numbers as ``workloads.build``.
"""

import itertools
import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from . import data


def build(name, rng, *, dropout=0.5, batch=None, length=data.LENGTH):
    """``step()`` of a workload."""
    p = {key: jnp.asarray(value) for key, value in data.weights(rng, SHAPES[name]).items()}
    second = data.weights(rng, GENERATOR) if name == "wgan_gp" else {}
    made = [tuple(jnp.asarray(a) for a in arrays) for arrays in data.batches(name, rng, batch, length)]
    batches = itertools.cycle(made)
    if name == "wgan_gp":
        return _wgan_gp(p, {key: jnp.asarray(value) for key, value in second.items()}, batches)
    if name in FORWARD:
        run = jax.jit(partial(FORWARD[name], p))
        return lambda: run(*next(batches))
    if name in GENERATE:
        return GENERATE[name](p, batches, length)
    loss, optimizer = TRAIN[name]
    extra = ()
    if name == "keras_mlp":
        loss, extra = partial(loss, dropout), jax.random.key(0)
    if name == "resnet_block":
        extra = [jnp.zeros(64), jnp.ones(64), jnp.zeros(64), jnp.ones(64)]
    return training(loss, optimizer, p, extra, batches)


def training(loss, optimizer, p, extra, batches):
    """``loss(p, extra, *batch) -> (loss, extra)``; ``extra`` is what a step carries on beside its weights."""
    start, update = optimizer
    state = start(p), extra

    @partial(jax.jit, donate_argnums=(0, 1))
    def train(p, state, *batch):
        slots, extra = state
        (value, extra), g = jax.value_and_grad(loss, has_aux=True)(p, extra, *batch)
        p, slots = update(p, g, slots)
        return value, p, (slots, extra)

    held = [p, state]

    def step():
        value, *held[:] = train(*held, *next(batches))
        return value

    return step


def plain(loss):
    """A loss that carries nothing on."""
    return lambda p, extra, *batch: (loss(p, *batch), extra)


# Optimizers: (state from weights, (weights, gradients, state) -> (weights, state)).


def tree(function, *trees):
    return jax.tree.map(function, *trees)


def sgd(lr, momentum=0.0):
    if not momentum:
        return lambda p: (), lambda p, g, slots: (tree(lambda p, g: p - lr * g, p, g), slots)

    def update(p, g, velocity):
        velocity = tree(lambda v, g: momentum * v + g, velocity, g)
        return tree(lambda p, v: p - lr * v, p, velocity), velocity

    return lambda p: tree(jnp.zeros_like, p), update


def adam(lr, b1=0.9, b2=0.999, decay=0.0, eps=1e-8):
    """Adam, and AdamW where there is decay."""

    def start(p):
        return jnp.zeros((), jnp.int32), tree(jnp.zeros_like, p), tree(jnp.zeros_like, p)

    def update(p, g, slots):
        t, m, v = slots
        t = t + 1
        m, v = tree(lambda m, g: b1 * m + (1 - b1) * g, m, g), tree(lambda v, g: b2 * v + (1 - b2) * g * g, v, g)
        c1, c2 = 1 - jnp.float32(b1) ** t, jnp.sqrt(1 - jnp.float32(b2) ** t)
        new = tree(lambda p, m, v: p * (1 - lr * decay) - lr / c1 * m / (jnp.sqrt(v) / c2 + eps), p, m, v)
        return new, (t, m, v)

    return start, update


# Layers.


def linear(p, name, x):
    return x @ p[f"{name}.weight"].T + p[f"{name}.bias"]


def cross_entropy(scores, y):
    return -jnp.take_along_axis(jax.nn.log_softmax(scores), y[..., None], -1).mean()


def conv(x, w, pad=0):
    return jax.lax.conv_general_dilated(x, w, (1, 1), [(pad, pad)] * 2, dimension_numbers=("NCHW", "OIHW", "NCHW"))


def max_pool(x):
    """By slices: forward it is as fast as lax.reduce_window, whose gradient makes a step of the cnn 2.5 times as long."""
    h, w = (n // 2 * 2 for n in x.shape[2:])
    rows = jnp.maximum(x[:, :, 0:h:2], x[:, :, 1:h:2])
    return jnp.maximum(rows[..., 0:w:2], rows[..., 1:w:2])


def layer_norm(p, name, x):
    x = x - x.mean(-1, keepdims=True)
    return x * jax.lax.rsqrt((x * x).mean(-1, keepdims=True) + 1e-5) * p[f"{name}.weight"] + p[f"{name}.bias"]


def batch_norm(p, name, x, mean, variance):
    """The normalized images, and the running mean and variance moved by a tenth."""
    n = x.size // x.shape[1]
    mu, var = x.mean((0, 2, 3)), x.var((0, 2, 3))
    kept = 0.9 * mean + 0.1 * mu, 0.9 * variance + 0.1 * var * (n / (n - 1))
    wide = lambda a: a[:, None, None]
    y = (x - wide(mu)) * wide(jax.lax.rsqrt(var + 1e-5) * p[f"{name}.weight"]) + wide(p[f"{name}.bias"])
    return y, kept


def linears(*pairs):
    """Shapes of linear layers by name: (name, inputs, outputs)."""
    return {k: v for name, i, o in pairs for k, v in ((f"{name}.weight", (o, i)), (f"{name}.bias", (o,)))}


# Models.


def mlp(*names):
    def forward(p, x):
        for name in names[:-1]:
            x = jax.nn.relu(linear(p, name, x))
        return linear(p, names[-1], x)

    return forward


def keras_mlp(rate, p, key, x, y):
    key, *drops = jax.random.split(key, 3)
    for name, drop in zip(("0", "3"), drops):
        x = jax.nn.relu(linear(p, name, x))
        if rate:
            x = jnp.where(jax.random.bernoulli(drop, 1 - rate, x.shape), x / (1 - rate), 0)
    return cross_entropy(linear(p, "6", x), y), key


def cnn(p, x):
    for name in ("0", "3"):
        x = max_pool(jax.nn.relu(conv(x, p[f"{name}.weight"]) + p[f"{name}.bias"][:, None, None]))
    return linear(p, "9", jax.nn.relu(linear(p, "7", x.reshape(len(x), -1))))


def resnet_block(p, running, x, y):
    h, kept1 = batch_norm(p, "norm1", conv(x, p["conv1.weight"], 1), *running[:2])
    h, kept2 = batch_norm(p, "norm2", conv(jax.nn.relu(h), p["conv2.weight"], 1), *running[2:])
    scores = linear(p, "head", jax.nn.relu(h + x).mean((2, 3)))
    return cross_entropy(scores, y), [*kept1, *kept2]


def lstm_char(p, x, y):
    gates = p["embed.weight"][x] @ p["lstm.weight_ih_l0"].T + (p["lstm.bias_ih_l0"] + p["lstm.bias_hh_l0"])  # (B, T, 4 H)

    def cell(state, gate):
        h, c = state
        i, f, g, o = jnp.split(gate + h @ p["lstm.weight_hh_l0"].T, 4, -1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    zeros = jnp.zeros((len(x), 128))
    _, h = jax.lax.scan(cell, (zeros, zeros), gates.swapaxes(0, 1))
    return cross_entropy(linear(p, "head", h.swapaxes(0, 1)), y)


def attention(q, k, v, mask):
    scores = q @ k.swapaxes(-1, -2) / math.sqrt(q.shape[-1])
    return jax.nn.softmax(jnp.where(mask, scores, -jnp.inf)) @ v


def block(p, i, x, mask, cache=None, place=None):
    """One block of GPT; with a cache, ``place`` is where this letter's keys and values are written into it."""
    at = f"blocks.{i}"
    b, t, c = x.shape
    qkv = jnp.split(linear(p, f"{at}.qkv", layer_norm(p, f"{at}.norm1", x)), 3, -1)
    q, k, v = (h.reshape(b, t, 4, 32).swapaxes(1, 2) for h in qkv)
    if cache is not None:
        k, v = (jax.lax.dynamic_update_slice(old, new, (0, 0, place, 0)) for old, new in zip(cache, (k, v)))
    x = x + linear(p, f"{at}.projection", attention(q, k, v, mask).swapaxes(1, 2).reshape(b, t, c))
    h = jax.nn.gelu(linear(p, f"{at}.up", layer_norm(p, f"{at}.norm2", x)), approximate=False)
    return x + linear(p, f"{at}.down", h), (k, v)


def gpt(p, x):
    t = x.shape[1]
    h, mask = p["tokens.weight"][x] + p["positions.weight"][:t], jnp.tril(jnp.ones((t, t), bool))
    for i in range(4):
        h, _ = block(p, i, h, mask)
    return layer_norm(p, "norm", h) @ p["head.weight"].T


def vae(p, x, eps):
    h = jax.nn.relu(linear(p, "encode", x))
    mu, logvar = linear(p, "mu", h), linear(p, "logvar", h)
    z = mu + eps * jnp.exp(0.5 * logvar)
    made = jax.nn.sigmoid(linear(p, "out", jax.nn.relu(linear(p, "decode", z))))
    log = lambda a: jnp.maximum(jnp.log(a), -100)  # as PyTorch's binary_cross_entropy bounds it
    likeness = -(x * log(made) + (1 - x) * log(1 - made)).sum()
    return (likeness - 0.5 * (1 + logvar - mu**2 - jnp.exp(logvar)).sum()) / len(x)


def micrograd(p, x, y):
    score = mlp("0", "2", "4")(p, x)
    return jax.nn.relu(1 - y * score).mean() + 1e-4 * sum((w * w).sum() for w in p.values())


def _wgan_gp(critic, generator, batches):
    def judge(p, x):
        return linear(p, "4", jnp.tanh(linear(p, "2", jnp.tanh(linear(p, "0", x)))))

    def make(p, z):
        return linear(p, "2", jax.nn.leaky_relu(linear(p, "0", z), 0.2))

    def critic_loss(p, q, real, z, mix):
        made = make(q, z)
        slope = jax.grad(lambda x: judge(p, x).sum())(mix * real + (1 - mix) * made)
        penalty = ((jnp.sqrt((slope**2).sum(1)) - 1) ** 2).mean()
        return judge(p, made).mean() - judge(p, real).mean() + 10 * penalty

    start, update = adam(1e-3, 0.5, 0.9)

    @partial(jax.jit, donate_argnums=(0, 1, 2, 3))
    def train(p, q, p_slots, q_slots, real, z, mix, z2):
        first, g = jax.value_and_grad(critic_loss)(p, q, real, z, mix)
        p, p_slots = update(p, g, p_slots)
        second, g = jax.value_and_grad(lambda q: -judge(p, make(q, z2)).mean())(q)
        q, q_slots = update(q, g, q_slots)
        return (first, second), p, q, p_slots, q_slots

    held = [critic, generator, start(critic), start(generator)]

    def step():
        losses, *held[:] = train(*held, *next(batches))
        return losses

    return step


def _window(p, batches, length):
    @jax.jit
    def next_window(window):
        scores = gpt(p, window)[:, -1]
        return jnp.concatenate([window[:, 1:], scores.argmax(-1, keepdims=True).astype(window.dtype)], 1), scores

    def step():
        (window,) = next(batches)
        for _ in range(length):
            window, scores = next_window(window)
        return scores

    return step


def _kv(p, batches, length):
    @partial(jax.jit, donate_argnums=2)
    def next_letter(letter, place, cache):
        h, mask = p["tokens.weight"][letter] + p["positions.weight"][place], jnp.arange(data.LENGTH) <= place
        grown = []
        for i in range(4):
            h, pair = block(p, i, h, mask, cache[i], place)
            grown.append(pair)
        scores = (layer_norm(p, "norm", h) @ p["head.weight"].T)[:, -1]
        return scores.argmax(-1, keepdims=True).astype(letter.dtype), scores, grown

    places = [jnp.asarray(i, jnp.int32) for i in range(length)]
    empty = np.zeros((1, 4, data.LENGTH, 32), np.float32)

    def step():
        (letter,) = next(batches)
        cache = [(jnp.array(empty), jnp.array(empty)) for _ in range(4)]
        for place in places:
            letter, scores, cache = next_letter(letter, place, cache)
        return scores

    return step


# Shapes in the order of PyTorch's parameters, and what runs.

_MLP = linears(("0", 784, 128), ("2", 128, 10))
_CNN = {"0.weight": (32, 1, 3, 3), "0.bias": (32,), "3.weight": (64, 32, 3, 3), "3.bias": (64,)}
_CNN |= linears(("7", 1600, 128), ("9", 128, 10))
_RESNET = {}
for _i in "12":
    _RESNET |= {f"conv{_i}.weight": (64, 64, 3, 3), f"norm{_i}.weight": (64,), f"norm{_i}.bias": (64,)}
_LSTM = {"embed.weight": (data.LETTERS, 64), "lstm.weight_ih_l0": (512, 64), "lstm.weight_hh_l0": (512, 128)}
_LSTM |= {"lstm.bias_ih_l0": (512,), "lstm.bias_hh_l0": (512,)} | linears(("head", 128, data.LETTERS))
_GPT = {"tokens.weight": (data.LETTERS, 128), "positions.weight": (data.LENGTH, 128)}
for _i in range(4):
    _at = f"blocks.{_i}"
    _GPT |= {f"{_at}.norm1.weight": (128,), f"{_at}.norm1.bias": (128,)}
    _GPT |= linears((f"{_at}.qkv", 128, 384), (f"{_at}.projection", 128, 128))
    _GPT |= {f"{_at}.norm2.weight": (128,), f"{_at}.norm2.bias": (128,)}
    _GPT |= linears((f"{_at}.up", 128, 512), (f"{_at}.down", 512, 128))
_GPT |= {"norm.weight": (128,), "norm.bias": (128,), "head.weight": (data.LETTERS, 128)}
GENERATOR = linears(("0", 8, 64), ("2", 64, 2))

SHAPES = {
    "tiny_mlp": linears(("0", 10, 20), ("2", 20, 1)),
    "mnist_mlp": _MLP,
    "keras_mlp": linears(("0", 784, 256), ("3", 256, 128), ("6", 128, 10)),
    "cnn": _CNN,
    "resnet_block": _RESNET | linears(("head", 64, 10)),
    "lstm_char": _LSTM,
    "gpt_char": _GPT,
    "vae": linears(("encode", 784, 400), ("mu", 400, 20), ("logvar", 400, 20), ("decode", 20, 400), ("out", 400, 784)),
    "logreg": {"weight": (10, 64), "bias": (10,)},
    "micrograd": linears(("0", 2, 16), ("2", 16, 16), ("4", 16, 1)),
    "wgan_gp": linears(("0", 2, 64), ("2", 64, 64), ("4", 64, 1)),
    **dict.fromkeys(("infer_mlp_b1", "infer_mlp_b256"), _MLP),
    **dict.fromkeys(("infer_cnn_b1", "infer_cnn_b64"), _CNN),
    **dict.fromkeys(("gpt_gen64_window", "gpt_gen64_kv"), _GPT),
}
_mlp = mlp("0", "2")
FORWARD = dict(infer_mlp_b1=_mlp, infer_mlp_b256=_mlp, infer_cnn_b1=cnn, infer_cnn_b64=cnn)
GENERATE = dict(gpt_gen64_window=_window, gpt_gen64_kv=_kv)
TRAIN = {
    "tiny_mlp": (plain(lambda p, x, y: ((_mlp(p, x) - y) ** 2).mean()), adam(1e-3)),
    "mnist_mlp": (plain(lambda p, x, y: cross_entropy(_mlp(p, x), y)), sgd(0.05)),
    "keras_mlp": (keras_mlp, adam(1e-3)),
    "cnn": (plain(lambda p, x, y: cross_entropy(cnn(p, x), y)), adam(1e-3)),
    "resnet_block": (resnet_block, sgd(0.05, 0.9)),
    "lstm_char": (plain(lstm_char), adam(1e-3)),
    "gpt_char": (plain(lambda p, x, y: cross_entropy(gpt(p, x), y)), adam(1e-3, decay=0.01)),
    "vae": (plain(vae), adam(1e-3)),
    "logreg": (plain(lambda p, x, y: cross_entropy(x @ p["weight"].T + p["bias"], y)), sgd(0.1)),
    "micrograd": (plain(micrograd), sgd(0.1)),
}
