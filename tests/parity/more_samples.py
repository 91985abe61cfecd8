"""Samples for names that neither the registry nor PyTorch's database has any for. ``t(*shape)`` draws a tensor."""

import math

import numpy as np
import torch


def constant(*args):
    """The same call five times: a question about the library's state."""
    return lambda t: [(args, {})] * 5


def each(*calls):
    """Calls with positional arguments that need no tensor."""
    return lambda t: [(args if isinstance(args, tuple) else (args,), {}) for args in calls]


def squares(t):
    return [((t(n, n),), {}) for n in (1, 2, 3)] + [((t(2, 2, 2),), {}), ((t(1, 4, 4),), {})]


QUESTIONS = """are_deterministic_algorithms_enabled get_default_device get_default_dtype get_deterministic_debug_mode
get_float32_matmul_precision is_deterministic_algorithms_warn_only_enabled is_grad_enabled is_inference_mode_enabled
is_warn_always_enabled initial_seed""".split()
DTYPES = (torch.uint8, torch.int32, torch.int64, torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.bool)
FLOATS = (torch.float64, torch.float32, torch.float64, torch.float32, torch.float32)
MORE = {
    **{name: constant() for name in QUESTIONS},
    "Tensor.expand_as": lambda t: [((t(1, 3), t(2, 3)), {}), ((t(3), t(2, 3)), {})],
    "can_cast": each(*((a, b) for a in DTYPES for b in DTYPES)),
    "promote_types": each(*((a, b) for a in DTYPES for b in DTYPES)),
    "range": each((0, 4), (1, 2, 0.5), (5, 1, -1), (0.5, 3.5), (2, 2)),
    "from_numpy": each(*(np.ones(2, d) for d in ("f4", "f8", "i4", "i8", "u1", "?"))),
    "frombuffer": lambda t: [((bytearray(range(1, 17)),), {"dtype": d}) for d in DTYPES[:3] + DTYPES[5:7]]
    + [((bytearray(16),), {"dtype": torch.float32, "offset": 4, "count": 2})],
    "set_default_dtype": each(*FLOATS), "set_default_tensor_type": each(*[torch.FloatTensor] * 5),
    "set_grad_enabled": each(*[True] * 5), "set_num_threads": each(*[1] * 5), "set_warn_always": each(*[False] * 5),
    "set_default_device": each("cpu", None, torch.device("cpu"), "cpu:0", None), "set_flush_denormal": each(*[False] * 5),
    "set_float32_matmul_precision": each("highest", "high", "medium", "high", "highest"),
    "set_deterministic_debug_mode": each(0, "default", "warn", 1, 0), "use_deterministic_algorithms": each(*[False] * 5),
    "is_inference": lambda t: [((t(2),), {})] * 5, "slogdet": squares, "Tensor.slogdet": squares,
    "lobpcg": lambda t: [((t(n, n) @ t(n, n).T + 3 * torch.eye(n), 1), {"largest": n % 2 > 0}) for n in range(4, 9)],
    "view_as_complex_copy": lambda t: [((t(*s, 2),), {}) for s in ((1,), (3,), (2, 3), (0,), (2, 1))],
    "Tensor.cuda": lambda t: [], "Tensor.apply_": lambda t: [((t(*s), math.floor), {}) for s in ((), (3,), (2, 2), (0,), (1, 1))],
    "Tensor.map_": lambda t: [((t(*s), t(*s), lambda a, b: a + 2 * b), {}) for s in ((), (3,), (2, 2), (0,), (1, 1))],
    "Tensor.backward": lambda t: [((t(n).sum() if n else t(),), {}) for n in range(5)],
    "Tensor.is_set_to": lambda t: [((x, y), {}) for x, y in [(t(2), t(2))] * 3 + [(t(2, 2), t(2, 2))] * 2],
    "nn.functional.lp_pool3d": lambda t: [
        ((t(1, 2, 4, 4, 4).abs(), p, k), {}) for p, k in ((1, 2), (2, 2), (3, 2), (2, 3), (2, 4))
    ],
    "inference_mode": each(True, False, True, False, True),
}  # fmt: skip
