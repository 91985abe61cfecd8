"""Numbers of 16 bits in compiled code, and casts between them and float32, against NumPy's float16 and ml_dtypes' bfloat16.

Casts are tested a second time with compilation switched off.
"""

import os
import subprocess
import sys
import warnings

import ml_dtypes
import numpy as np
import pytest

pytest.importorskip("numba")
import numba

import minigrad as mg
from minigrad.kernels import table, use_kernels
from minigrad.kernels.cpu import casts, sixteen
from minigrad.kernels.cpu.accepts import casts as accepts

JIT = os.environ.get("NUMBA_DISABLE_JIT", "0") in ("", "0")
machine_code = pytest.mark.skipif(not JIT, reason="what is tested is machine code")
on_cpu = pytest.mark.skipif("config.getoption('--xp') != 'numpy'", reason="kernels for the CPU")
HALF, BRAIN, SINGLE = np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16), np.dtype(np.float32)
DTYPES = [HALF, BRAIN]
ALL = np.arange(2**16, dtype=np.uint16)
PAIRS = list(accepts.LEAST)


def floats(dtype):
    """float32 numbers around everything that rounding to ``dtype`` may get wrong, and many others."""
    r = np.random.default_rng(0)
    near = ALL.view(dtype).astype(np.float32)  # every value, and what lies half-way to the next, and beside that
    near = near[np.isfinite(near)]
    with np.errstate(over="ignore"):
        half_way = (np.sort(near)[1:].astype(np.float64) + np.sort(near)[:-1]) / 2
    ties = half_way.astype(np.float32)
    beside = [np.nextafter(x, np.float32(side)) for x in (near, ties) for side in (np.inf, -np.inf)]
    edges = np.array([0.0, -0.0, np.nan, -np.nan, np.inf, -np.inf, 65504, 65519.996, 65520, -65520, 3.4e38, -3.4028235e38,
                      3.3961775e38, 6e-8, 2.9802322e-8, 2.98e-8, -2.9802326e-8, 1e-45, -1e-45], np.float32)  # fmt: skip
    loud = np.array([0x7F800001, 0xFF800001, 0x7FBFFFFF, 0x7F80FFFF], np.uint32).view(np.float32)  # NaN of all kinds
    drawn = r.integers(0, 2**32, 2**18, np.uint32).view(np.float32)
    return np.concatenate([near, ties, *beside, edges, loud, drawn])


def same_bits(found, expected):
    """Equal bits, but NaN of any kind is NaN."""
    assert found.dtype == expected.dtype and found.shape == expected.shape
    kind = np.dtype(f"u{found.itemsize}")
    with np.errstate(invalid="ignore"):
        wrong = (found.view(kind) != expected.view(kind)) & ~(np.isnan(found) & np.isnan(expected))
    assert not wrong.any(), (found[wrong][:5], expected[wrong][:5])


def cast(x, dtype):
    with np.errstate(all="ignore"):
        return x.astype(dtype)


def mapped(function, x, kind):
    @numba.njit
    def run(x, y):
        for i in range(x.size):
            y[i] = function(x[i])

    y = np.empty(x.shape, kind)
    run(x, y)
    return y


def named(dtype, what):
    return getattr(sixteen, f"{'half' if dtype == HALF else 'brain'}_{what}")


# ------------------------------------------------------------------------------------------------- inside compiled code
@machine_code
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_value_and_its_bits(dtype):
    values = mapped(named(dtype, "value"), ALL, np.float32)
    same_bits(values, cast(ALL.view(dtype), np.float32))
    same_bits(mapped(named(dtype, "bits"), values, np.uint16).view(dtype), ALL.view(dtype))
    same_bits(mapped(named(dtype, "rounded"), values, np.float32), values)


@machine_code
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_rounding_to_nearest(dtype):
    x = floats(dtype)
    expected = cast(x, dtype)
    same_bits(mapped(named(dtype, "bits"), x, np.uint16).view(dtype), expected)
    same_bits(mapped(named(dtype, "rounded"), x, np.float32), cast(expected, np.float32))
    signs = np.array([np.nan, -np.nan], np.float32)
    assert (mapped(named(dtype, "bits"), signs, np.uint16) >> 15).tolist() == [0, 1]


# ------------------------------------------------------------------------------------------------------- the word astype
def example(source, target, size):
    x = floats(target) if source == SINGLE else np.tile(ALL.view(source), 8)
    return np.resize(x, size)


@pytest.mark.parametrize("source, target", PAIRS, ids=str)
def test_casts_have_the_bits_of_numpy(source, target):
    x = example(source, target, 2**19)
    with warnings.catch_warnings(), np.errstate(all="warn" if JIT else "ignore"):
        warnings.simplefilter("error")
        found = casts.astype(x, dtype=target)
    same_bits(found, cast(x, target))


LAYOUTS = {
    "rows": lambda x: x.reshape(64, -1),
    "a matrix turned": lambda x: x.reshape(64, -1).T,
    "channels last": lambda x: x.reshape(2, 32, 16, -1).transpose(0, 3, 1, 2),
    "one row": lambda x: x[None, :, None],
    "with gaps": lambda x: x.reshape(64, -1)[:, ::2],
    "with gaps, turned": lambda x: x.reshape(64, 32, -1)[:, ::3].transpose(2, 0, 1),
    "backwards": lambda x: x.reshape(64, -1)[::-1, ::-1],
    "stretched": lambda x: np.broadcast_to(x[:64, None, None], (64, 32, 40)),
    "stretched before": lambda x: np.broadcast_to(x[:640], (128, 640)),
    "one number": lambda x: np.broadcast_to(x[0], (300, 200)),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("source, target", PAIRS, ids=str)
def test_casts_of_every_layout(layout, source, target):
    x = LAYOUTS[layout](example(source, target, 2**17))
    found, expected = casts.astype(x, dtype=target), cast(x, target)
    same_bits(found, expected)
    assert found.strides == expected.strides and found.flags.writeable and not np.shares_memory(found, x)


@pytest.mark.parametrize("source, target", PAIRS, ids=str)
def test_who_takes_a_cast(source, target):
    least, kernel = accepts.LEAST[source, target], table("numpy")["astype"]
    x = example(source, target, least)
    assert kernel.takes(x, dtype=target) and kernel.takes(x, dtype=target.type) and not kernel.takes(x[1:], dtype=target)
    assert not any(kernel.takes(x, dtype=d) for d in (np.float64, np.int64, source))
    assert not kernel.takes(x.astype(np.float64), dtype=target)


def test_a_machine_without_float16_leaves_it_to_numpy(monkeypatch):
    monkeypatch.setattr(accepts, "has_half", lambda: False)
    x = np.zeros(2**16, np.float32)
    kernel = table("numpy")["astype"]
    assert [kernel.takes(x, dtype=d) for d in DTYPES] == [False, True] and not kernel.takes(x.astype(HALF), dtype=SINGLE)


# --------------------------------------------------------------------------------------------------------------- tensors
CALLS = {
    "to": lambda x: x.to(mg.float16),
    "half": lambda x: x.half(),
    "bfloat16": lambda x: x.bfloat16(),
    "float": lambda x: x.to(mg.float16).float(),
    "type_as": lambda x: x.type_as(mg.zeros(1, dtype=mg.float16)),
}


@on_cpu
@pytest.mark.parametrize("name", CALLS)
def test_tensors_and_their_gradients_are_cast_by_the_kernel(name, monkeypatch):
    kernel, taken = table("numpy")["astype"], []
    run = kernel.run
    monkeypatch.setattr(kernel, "run", lambda x, dtype: taken.append(np.dtype(dtype)) or run(x, dtype=dtype))
    array, found = np.random.default_rng(1).standard_normal((200, 300)).astype(np.float32), []
    for flag in (True, False):
        with use_kernels(flag):
            x = mg.tensor(array, requires_grad=True)
            y = CALLS[name](x)
            (y * y).sum().backward()
            found.append((y.detach().array, x.grad.array))
            kinds, taken[:] = set(taken), []
            assert bool(kinds) is flag and (not flag or SINGLE in kinds or name == "bfloat16")
    for a, b in zip(*found, strict=True):
        same_bits(a, b)


@on_cpu
@machine_code
@pytest.mark.parametrize("dtype", [mg.float16, mg.bfloat16], ids=str)
def test_a_step_in_16_bits_casts_no_large_array_by_numpy(dtype):
    drawn = np.random.default_rng(2).standard_normal((256, 256)).astype(np.float32)
    x, w = mg.tensor(drawn).to(dtype), mg.tensor(drawn.T.copy()).to(dtype).requires_grad_()
    small, found = mg.tensor(drawn[0]).to(dtype).requires_grad_(), []

    def watch(frame, event, called):
        if event == "c_call" and called.__name__ == "astype" and called.__self__.size >= 2**15:
            found.append(called.__self__.dtype)

    sys.setprofile(watch)
    try:
        ((x @ w).tanh() * small + w.T).sum().backward()
    finally:
        sys.setprofile(None)
    assert w.grad.dtype is dtype and small.grad.dtype is dtype
    assert set(found) <= ({BRAIN} if dtype is mg.bfloat16 else set()), found  # NumPy reads bfloat16 as fast


@on_cpu
def test_small_casts_do_not_load_numba():
    code = "import sys, minigrad as mg; mg.ones(4095).half().float().bfloat16().float(); sys.exit('numba' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.skipif(not JIT, reason="this is the second run")
def test_casts_hold_without_compilation():
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-n", "0", "-p", "no:cacheprovider", __file__]
    result = subprocess.run(command, env={**os.environ, "NUMBA_DISABLE_JIT": "1"}, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-2000:]
