"""The hot operations, written once on PyTorch's API and run on PyTorch and on minigrad.

A row makes ``call`` and its inputs from a library and a NumPy generator. Work is counted as what must be done: bytes of
the arrays that have to be read and written once (forward; forward and backward), or floating-point operations.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

M4 = (2048, 2048)  # 4 M elements, 16 MiB


@dataclass
class Row:
    """One operation. ``work``: (forward, forward + backward) in bytes or operations; ``unit``: "GB/s", "GFLOP/s" or None."""

    name: str
    make: Callable  # (lib, rng) -> (call, inputs that want gradients)
    work: tuple = (0, 0)
    unit: str | None = None
    step: bool = False  # an optimizer's step: there is no forward to time alone
    small: bool = False  # 8 x 8: overhead alone, so recording is timed apart from the backward


ROWS: list[Row] = []


def floats(*shape):
    """Inputs drawn from a normal distribution."""
    return lambda rng: rng.standard_normal(shape).astype(np.float32)


def add(name, call, *inputs, **settings):
    """A row whose ``call(lib, *tensors)`` takes inputs drawn by ``inputs``; those of floats want gradients."""

    def make(lib, rng):
        tensors = [lib.tensor(draw(rng)) for draw in inputs]
        for t in tensors:
            if t.is_floating_point():
                t.requires_grad_()
        return (lambda: call(lib, *tensors)), [t for t in tensors if t.is_floating_point()]

    ROWS.append(Row(name, make, **settings))


def bytes_of(forward, both):
    """Work in bytes, from numbers of float32 elements."""
    return dict(work=(4 * forward, 4 * both), unit="GB/s")


def flops(forward, both=3):
    return dict(work=(forward, both * forward), unit="GFLOP/s")


N = 2048 * 2048
for name, call in {
    "add": lambda lib, x, y: x + y,
    "mul": lambda lib, x, y: x * y,
    "matmul": lambda lib, x, y: x @ y,
    "relu": lambda lib, x, y: x.relu(),
    "sum": lambda lib, x, y: x.sum(),
}.items():
    add(f"{name}_8x8", call, floats(8, 8), floats(8, 8), small=True)

# Elementwise operations and reductions. Backward of y = f(x): reads y (or x) and its gradient, writes x's gradient.
add("add_4M", lambda lib, x, y: x + y, floats(*M4), floats(*M4), **bytes_of(3 * N, 6 * N))
add("exp_4M", lambda lib, x: x.exp(), floats(*M4), **bytes_of(2 * N, 5 * N))
add("gelu_4M", lambda lib, x: lib.nn.functional.gelu(x), floats(*M4), **bytes_of(2 * N, 5 * N))
add("tanh_4M", lambda lib, x: x.tanh(), floats(*M4), **bytes_of(2 * N, 5 * N))
add("softmax_4096x1024", lambda lib, x: x.softmax(-1), floats(4096, 1024), **bytes_of(2 * N, 5 * N))
add("softmax_64Kx10", lambda lib, x: x.softmax(-1), floats(65536, 10), **bytes_of(2 * 655360, 5 * 655360))
add("sum_axis0_4M", lambda lib, x: x.sum(0), floats(*M4), **bytes_of(N, 2 * N))
add("sum_axis1_4M", lambda lib, x: x.sum(1), floats(*M4), **bytes_of(N, 2 * N))
add("sum_all_4M", lambda lib, x: x.sum(), floats(*M4), **bytes_of(N, 2 * N))

# Copies, pooling, norms and what looks up rows.
IMAGES = (32, 64, 32, 32)
P = int(np.prod(IMAGES))
add("transpose_copy_4M", lambda lib, x: x.t().contiguous(), floats(*M4), **bytes_of(2 * N, 4 * N))
add("permute_copy_nchw_nhwc", lambda lib, x: x.permute(0, 2, 3, 1).contiguous(), floats(*IMAGES), **bytes_of(2 * P, 4 * P))
add("max_pool2d", lambda lib, x: lib.nn.functional.max_pool2d(x, 2), floats(*IMAGES), **bytes_of(1.25 * P, 2.5 * P))
add("avg_pool2d", lambda lib, x: lib.nn.functional.avg_pool2d(x, 2), floats(*IMAGES), **bytes_of(1.25 * P, 2.5 * P))
add(
    "cross_entropy_8192x1000",
    lambda lib, x, y: lib.nn.functional.cross_entropy(x, y),
    floats(8192, 1000),
    lambda rng: rng.integers(0, 1000, 8192),
    **bytes_of(8192 * 1000, 3 * 8192 * 1000),
)
add(
    "layer_norm_8192x512",
    lambda lib, x, w, b: lib.nn.functional.layer_norm(x, (512,), w, b),
    *(floats(8192, 512), floats(512), floats(512)),
    **bytes_of(2 * N, 5 * N),
)
add(
    "batch_norm_32x64x32x32",
    lambda lib, x, w, b: lib.nn.functional.batch_norm(x, None, None, w, b, training=True),
    *(floats(*IMAGES), floats(64), floats(64)),
    **bytes_of(2 * P, 5 * P),
)
add(
    "embedding_64K_of_10Kx128",
    lambda lib, w, i: lib.nn.functional.embedding(i, w),
    *(floats(10_000, 128), lambda rng: rng.integers(0, 10_000, 65536)),
    **bytes_of(2 * 65536 * 128, 4 * 65536 * 128),
)


def places(rng):
    return rng.integers(0, 1024, (4096, 1024))


add("gather_4096x1024", lambda lib, x, i: x.gather(1, i), floats(4096, 1024), places, **bytes_of(4 * N, 9 * N))
add(
    "scatter_add_4096x1024",
    lambda lib, x, i, s: x.scatter_add(1, i, s),
    *(floats(4096, 1024), places, floats(4096, 1024)),
    **bytes_of(5 * N, 10 * N),
)
add(
    "where_4M",
    lambda lib, c, x, y: lib.where(c, x, y),
    *(lambda rng: rng.random(M4) < 0.5, floats(*M4), floats(*M4)),
    **bytes_of(3.25 * N, 6.5 * N),
)
add("bcast_add_8192x512", lambda lib, x, b: x + b, floats(8192, 512), floats(512), **bytes_of(2 * N, 4 * N))


def convolution(name, x_shape, w_shape, out_size, **settings):
    count = 2 * x_shape[0] * out_size * out_size * int(np.prod(w_shape))
    call = lambda lib, x, w, b: lib.nn.functional.conv2d(x, w, b, **settings)
    add(name, call, floats(*x_shape), floats(*w_shape), floats(w_shape[0]), **flops(count))


convolution("conv3x3_b64_1x28_32", (64, 1, 28, 28), (32, 1, 3, 3), 26)
convolution("conv3x3_b64_32x13_64", (64, 32, 13, 13), (64, 32, 3, 3), 11)
convolution("conv3x3_b32_64x32_64", (32, 64, 32, 32), (64, 64, 3, 3), 32, padding=1)
convolution("conv3x3s2_b32_64x32_128", (32, 64, 32, 32), (128, 64, 3, 3), 16, padding=1, stride=2)
convolution("conv1x1_b32_64x32_128", (32, 64, 32, 32), (128, 64, 1, 1), 32)
convolution("conv_dw3x3_b32_128x32", (32, 128, 32, 32), (128, 1, 3, 3), 32, padding=1, groups=128)

for m, k, n in ((64, 784, 128), (256, 256, 256), (1024, 1024, 1024), (768, 128, 512), (4096, 64, 64)):
    add(f"matmul_{m}x{k}x{n}", lambda lib, x, y: x @ y, floats(m, k), floats(k, n), **flops(2 * m * k * n))
add("bmm_64x128x64x64", lambda lib, x, y: x @ y, floats(64, 128, 64), floats(64, 64, 64), **flops(2 * 64 * 128 * 64 * 64))


def attention(name, shape, causal):
    b, h, t, d = shape
    call = lambda lib, q, k, v: lib.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=causal)
    add(name, call, *(floats(*shape),) * 3, **flops(4 * b * h * t * t * d / (2 if causal else 1), 3.5))


attention("sdpa_causal_12x4x64x32", (12, 4, 64, 32), True)
attention("sdpa_causal_4x8x512x64", (4, 8, 512, 64), True)
attention("sdpa_4x8x512x64", (4, 8, 512, 64), False)


def _lstm(lib, rng):
    """An input of 64 steps of 32 sequences, 64 features, through 128 cells."""
    layer = lib.nn.LSTM(64, 128)
    with lib.no_grad():
        for p in layer.parameters():
            p.copy_(lib.tensor(rng.uniform(-0.09, 0.09, tuple(p.shape)).astype(np.float32)))
    x = lib.tensor(floats(64, 32, 64)(rng)).requires_grad_()
    return (lambda: layer(x)[0]), [x, *layer.parameters()]


ROWS.append(Row("lstm_b32_s64_64_128", _lstm, **flops(2 * 32 * 64 * (64 + 128) * 512)))


def optimizer(name, build, count, shape, **settings):
    """One step with the same gradients again and again."""

    def make(lib, rng):
        parameters = [lib.nn.Parameter(lib.tensor(floats(*shape)(rng))) for _ in range(count)]
        for p in parameters:
            p.grad = lib.tensor(floats(*shape)(rng))
        return build(lib, parameters).step, parameters

    ROWS.append(Row(name, make, step=True, **settings))


optimizer("adam_1x4M", lambda lib, p: lib.optim.Adam(p, lr=1e-3), 1, M4, **bytes_of(0, 7 * N))
optimizer("adamw_100x1000", lambda lib, p: lib.optim.AdamW(p, lr=1e-3), 100, (1000,), **bytes_of(0, 7 * 100_000))
optimizer("sgdm_1x4M", lambda lib, p: lib.optim.SGD(p, lr=1e-3, momentum=0.9), 1, M4, **bytes_of(0, 5 * N))
