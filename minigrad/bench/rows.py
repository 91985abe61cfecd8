"""The hot operations: what is called, at which sizes, and the work that no version can avoid.

Bytes are those of the arrays that must be read and written once, in float32. Operations are additions, multiplications and
comparisons; the value of a function such as exp counts as one. ``both`` says what forward and backward together need, as
multiples of the forward's bytes and operations.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import minigrad

SIZES = ("tiny", "small", "medium", "large")


@dataclass(frozen=True)
class Operation:
    """One operation. ``build(draw, *shape)`` makes a Case, ``work(*shape)`` counts (bytes, operations)."""

    name: str
    about: str
    build: Callable
    work: Callable
    shapes: dict
    both: tuple = (2.5, 3)
    footprint: float = 1.0  # of the bytes: an array that is read and written lies in memory once


@dataclass
class Case:
    """``function(*arguments)`` is what is timed. ``wanted``: tensors whose gradients the backward computes, arguments first; None
    for a step that writes into tensors, and then ``written`` are those."""

    function: Callable
    arguments: list
    wanted: list | None = None
    written: list | None = None


class Draw:
    """Random inputs on a device; every version of an operation gets the same ones."""

    def __init__(self, device="cpu", seed=0):
        self.device, self.rng = device, np.random.default_rng(seed)

    def normal(self, *shape):
        return minigrad.tensor(self.rng.standard_normal(shape, np.float32), device=self.device)

    def below(self, high, *shape):
        return minigrad.tensor(self.rng.integers(0, high, shape), device=self.device)

    def mask(self, *shape):
        return minigrad.tensor(self.rng.random(shape) < 0.5, device=self.device)


TABLE: list[Operation] = []


def operation(name, about, call, inputs, work, shapes, **more):
    """An operation whose ``call(*inputs(draw, *shape))`` gives its result."""

    def build(draw, *shape):
        arguments = list(inputs(draw, *shape))
        return Case(call, arguments, [t for t in arguments if t.is_floating_point()])

    TABLE.append(Operation(name, about, build, work, dict(zip(SIZES, shapes, strict=True)), **more))


def functional():
    return minigrad.nn.functional


# ----------------------------------------------------------------------------------- elementwise operations and reductions
MATRICES = ((16, 16), (128, 128), (512, 512), (2048, 2048))
one = lambda draw, r, c: (draw.normal(r, c),)
two = lambda draw, r, c: (draw.normal(r, c), draw.normal(r, c))

operation("add", "x + y", lambda x, y: x + y, two, lambda r, c: (12 * r * c, r * c), MATRICES, both=(1, 1))
operation("exp", "e to the power of x", lambda x: x.exp(), one, lambda r, c: (8 * r * c, r * c), MATRICES)
operation("tanh", "the hyperbolic tangent", lambda x: x.tanh(), one, lambda r, c: (8 * r * c, r * c), MATRICES)
operation("gelu", "x times the normal distribution at x", lambda x: functional().gelu(x), one,
          lambda r, c: (8 * r * c, 4 * r * c), MATRICES)  # fmt: skip
operation("gelu_chain", "gelu(x * y + x), which a compiler makes one loop", lambda x, y: functional().gelu(x * y + x), two,
          lambda r, c: (12 * r * c, 6 * r * c), MATRICES, both=(2, 3))  # fmt: skip
operation("where", "x or y, by a mask", lambda m, x, y: minigrad.where(m, x, y),
          lambda draw, r, c: (draw.mask(r, c), draw.normal(r, c), draw.normal(r, c)),
          lambda r, c: (13 * r * c, r * c), MATRICES, both=(2, 3))  # fmt: skip
operation("bias_add", "a row added to every row", lambda x, b: x + b, lambda draw, r, c: (draw.normal(r, c), draw.normal(c)),
          lambda r, c: (8 * r * c, r * c), MATRICES, both=(1.5, 2))  # fmt: skip
operation("sum_all", "the sum of all elements", lambda x: x.sum(), one, lambda r, c: (4 * r * c, r * c), MATRICES, both=(2, 1))
operation("sum_rows", "the sum of each row", lambda x: x.sum(1), one, lambda r, c: (4 * r * c, r * c), MATRICES, both=(2, 1))
operation(
    "sum_columns", "the sum of each column", lambda x: x.sum(0), one, lambda r, c: (4 * r * c, r * c), MATRICES, both=(2, 1)
)
operation("transpose", "a transposed copy", lambda x: x.t().contiguous(), one, lambda r, c: (8 * r * c, 0), MATRICES, both=(2, 1))

# --------------------------------------------------------------------------------------- rows, norms, and what looks up rows
ROWS = ((16, 16), (64, 256), (512, 512), (4096, 1024))
operation("softmax", "softmax of each row", lambda x: x.softmax(-1), one, lambda r, c: (8 * r * c, 5 * r * c), ROWS)
operation("cross_entropy", "the mean loss of rows of scores", lambda x, y: functional().cross_entropy(x, y),
          lambda draw, r, c: (draw.normal(r, c), draw.below(c, r)),
          lambda r, c: (4 * r * c, 4 * r * c), ROWS, both=(3, 2))  # fmt: skip
operation("layer_norm", "each row with mean 0 and variance 1, scaled", lambda x, w, b: functional().layer_norm(x, w.shape, w, b),
          lambda draw, r, c: (draw.normal(r, c), draw.normal(c), draw.normal(c)),
          lambda r, c: (8 * r * c, 7 * r * c), ROWS)  # fmt: skip
operation("gather", "elements of each row by index", lambda x, i: x.gather(1, i),
          lambda draw, r, c: (draw.normal(r, c), draw.below(c, r, c)),
          lambda r, c: (16 * r * c, 0), ROWS, both=(2.25, 1))  # fmt: skip
operation("scatter_add", "added to elements of each row by index", lambda x, i, s: x.scatter_add(1, i, s),
          lambda draw, r, c: (draw.normal(r, c), draw.below(c, r, c), draw.normal(r, c)),
          lambda r, c: (20 * r * c, r * c), ROWS, both=(2, 1))  # fmt: skip
operation("embedding", "rows of a table by number", lambda w, i: functional().embedding(i, w),
          lambda draw, n, r, c: (draw.normal(r, c), draw.below(r, n)), lambda n, r, c: (8 * n * (c + 1), 0),
          ((16, 64, 16), (256, 1000, 64), (4096, 4000, 64), (65536, 10000, 128)), both=(2, 1))  # fmt: skip

# ------------------------------------------------------------------------------------------------------------------- images
IMAGES = ((1, 8, 8, 8), (4, 16, 16, 16), (16, 32, 32, 32), (32, 64, 32, 32))
image = lambda draw, *shape: (draw.normal(*shape),)
operation("batch_norm", "each channel with mean 0 and variance 1, scaled",
          lambda x, w, b: functional().batch_norm(x, None, None, w, b, training=True),
          lambda draw, n, c, h, w: (draw.normal(n, c, h, w), draw.normal(c), draw.normal(c)),
          lambda *s: (8 * math.prod(s), 7 * math.prod(s)), IMAGES)  # fmt: skip
operation("max_pool2d", "the largest of each 2 by 2 square", lambda x: functional().max_pool2d(x, 2), image,
          lambda *s: (5 * math.prod(s), math.prod(s)), IMAGES, both=(2, 1))  # fmt: skip
operation("avg_pool2d", "the mean of each 2 by 2 square", lambda x: functional().avg_pool2d(x, 2), image,
          lambda *s: (5 * math.prod(s), math.prod(s)), IMAGES, both=(2, 2))  # fmt: skip
operation("channels_last", "a copy with the channels last", lambda x: x.permute(0, 2, 3, 1).contiguous(), image,
          lambda *s: (8 * math.prod(s), 0), IMAGES, both=(2, 1))  # fmt: skip


def convolution(name, about, kernel, multiply=1, depthwise=False, **settings):
    """Images of c channels to multiply * c channels."""
    stride, padding = settings.get("stride", 1), settings.get("padding", 0)
    side = lambda n: (n + 2 * padding - kernel) // stride + 1

    def inputs(draw, n, c, h, w):
        return (
            draw.normal(n, c, h, w),
            draw.normal(multiply * c, 1 if depthwise else c, kernel, kernel),
            draw.normal(multiply * c),
        )

    def call(x, weight, bias):
        return functional().conv2d(x, weight, bias, groups=x.shape[1] if depthwise else 1, **settings)

    def work(n, c, h, w):
        result, weights = n * multiply * c * side(h) * side(w), (1 if depthwise else c) * kernel**2
        return 4 * (n * c * h * w + result + multiply * c * weights), 2 * result * weights

    operation(name, about, call, inputs, work, IMAGES, both=(2.5, 3))


convolution("conv3x3", "windows of 3 by 3", 3, padding=1)
convolution("conv3x3_stride2", "every second window of 3 by 3, twice the channels", 3, 2, padding=1, stride=2)
convolution("conv1x1", "a matrix for every pixel, twice the channels", 1, 2)
convolution("conv_depthwise", "windows of 3 by 3, each channel by itself", 3, depthwise=True, padding=1)

# -------------------------------------------------------------------------------------------- products, attention, recurrence
operation("matmul", "the product of square matrices", lambda x, y: x @ y, lambda draw, n: (draw.normal(n, n), draw.normal(n, n)),
          lambda n: (12 * n * n, 2 * n**3), ((16,), (64,), (256,), (1024,)), both=(3, 3))  # fmt: skip
operation("linear", "x W' + b with 64 rows", lambda x, w, b: functional().linear(x, w, b),
          lambda draw, r, k, n: (draw.normal(r, k), draw.normal(n, k), draw.normal(n)),
          lambda r, k, n: (4 * (r * k + k * n + r * n), 2 * r * k * n),
          ((64, 10, 20), (64, 64, 64), (64, 784, 128), (64, 1024, 1024)), both=(3, 3))  # fmt: skip
operation("bmm", "products of batches of matrices", lambda x, y: x @ y,
          lambda draw, b, n: (draw.normal(b, n, n), draw.normal(b, n, n)),
          lambda b, n: (12 * b * n * n, 2 * b * n**3), ((4, 8), (16, 32), (64, 64), (64, 128)), both=(3, 3))  # fmt: skip


def attention(name, about, causal):
    def work(b, h, t, d):
        return 16 * b * h * t * d, 4 * b * h * t * t * d // (2 if causal else 1)

    call = lambda q, k, v: functional().scaled_dot_product_attention(q, k, v, is_causal=causal)
    inputs = lambda draw, *shape: [draw.normal(*shape) for _ in range(3)]
    shapes = ((1, 2, 16, 16), (2, 4, 32, 32), (12, 4, 64, 32), (4, 8, 512, 64))
    operation(name, about, call, inputs, work, shapes, both=(2, 3.5))


attention("attention", "every position looks at every other", False)
attention("attention_causal", "every position looks at those before it", True)


def _lstm(draw, n, steps, features, cells):
    with minigrad.random.fork_rng():
        minigrad.manual_seed(0)
        layer = minigrad.nn.LSTM(features, cells).to(draw.device)
    x = draw.normal(steps, n, features)
    return Case(lambda x: layer(x)[0], [x], [x, *layer.parameters()])


def _lstm_work(n, steps, features, cells):
    weights = 4 * cells * (features + cells)
    return 4 * (weights + n * steps * (features + cells)), 2 * n * steps * weights


TABLE.append(Operation("lstm", "a recurrent layer over a sequence", _lstm, _lstm_work, dict(zip(SIZES, (
    (4, 8, 8, 8), (16, 16, 32, 32), (32, 64, 64, 128), (64, 64, 256, 256)))), (3, 3)))  # fmt: skip


# --------------------------------------------------------------------------------------------------------------- optimizers
def optimizer(name, about, make, arrays, moved, flops):
    """One step with ``arrays`` of the parameters' size, ``moved`` being read or written; the same gradients every time."""

    def build(draw, count, size):
        parameters = [minigrad.nn.Parameter(draw.normal(size)) for _ in range(count)]
        for p in parameters:
            p.grad = draw.normal(size)
        step = make(parameters).step
        return Case(lambda: step(), [], None, parameters)

    shapes = ((4, 250), (10, 1000), (10, 25_000), (10, 400_000))
    work = lambda count, size: (4 * moved * count * size, flops * count * size)
    TABLE.append(Operation(name, about, build, work, dict(zip(SIZES, shapes)), (1, 1), arrays / moved))


optimizer("adam", "one step of Adam", lambda p: minigrad.optim.Adam(p, lr=1e-3), 4, 7, 12)
optimizer("sgd_momentum", "one step with momentum", lambda p: minigrad.optim.SGD(p, lr=1e-3, momentum=0.9), 3, 5, 4)

OPERATIONS = {o.name: o for o in TABLE}
QUICK = "add gelu gelu_chain sum_rows transpose softmax layer_norm max_pool2d matmul adam".split()
