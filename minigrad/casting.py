"""Which functions autocast runs in another precision: PyTorch's lists for the CPU.

Published functions on these lists ask here before they run, and an operation that is published itself is asked for by the
general way of ``dispatch.py``; with autocast off neither looks further than one number that is zero.
"""

import functools

import numpy as np

from .dispatch import autocast, cast, special_modes
from .tensor import Tensor

# In the lower precision: products, which gain by it. mm and bmm are matmul.
LOWER = frozenset(
    """addbmm addmm baddbmm conv1d conv2d conv3d conv_tbc conv_transpose1d conv_transpose2d conv_transpose3d linear lstm matmul
    prelu rnn scaled_dot_product_attention vecdot""".split()
)
# In float32: sums of many terms, and what loses digits.
FLOAT32 = frozenset(
    """adaptive_avg_pool3d adaptive_max_pool3d avg_pool3d binary_cross_entropy binary_cross_entropy_with_logits cdist cholesky
    cholesky_ex cholesky_inverse cholesky_solve cond cosine_embedding_loss cross_entropy ctc_loss eig eigh eigvals eigvalsh
    fractional_max_pool2d fractional_max_pool3d geqrf grid_sample gru gru_cell hinge_embedding_loss householder_product
    huber_loss inv inv_ex inverse kl_div l1_loss lstm_cell lstsq lu_solve margin_ranking_loss matrix_rank max_pool3d
    max_unpool2d max_unpool3d mse_loss multi_margin_loss multilabel_margin_loss nanquantile nll_loss orgqr ormqr pinverse
    poisson_nll_loss polar prod qr quantile smooth_l1_loss soft_margin_loss solve svd svdvals tensorinv tensorsolve trace
    triangular_solve triplet_margin_loss view_as_complex""".split()
)
# In the widest precision of their arguments.
WIDEST = frozenset(["index_copy"])
# On neither list, but made of an operation that is: they run as they are.
PLAIN = frozenset("addmv bilinear dot mv vdot".split())
# On neither list: with float32 weights they run in float32, and the result has the precision of the input.
AS_INPUT = frozenset("batch_norm group_norm instance_norm layer_norm rms_norm".split())
LISTED = LOWER | FLOAT32 | WIDEST | PLAIN | AS_INPUT

_HALVES = ("float16", "bfloat16")


class Casts(dict):
    """The settings of autocast in one thread: device type -> the lower precision, a NumPy dtype."""

    def cast(self, name, args):
        return cast_for(name, args, args)


def listed(f, name):
    """``f`` as a function that autocast can reach, if it is on a list."""
    if name not in LISTED:
        return f

    @functools.wraps(f)
    def call(*args, **kwargs):
        if special_modes[0] and autocast.get() is not None and kwargs.get("out") is None:
            return _run(f, name, args, kwargs)
        return f(*args, **kwargs)

    return call


def _run(f, name, args, kwargs):
    """Arguments in the precision of ``name``, and nothing cast further inside."""
    given = args[0] if args else kwargs.get("input")
    kwargs = dict(zip(kwargs, cast_for(name, tuple(kwargs.values()), args)))
    args = cast_for(name, args, args)
    token = autocast.set(None)
    try:
        result = f(*args, **kwargs)
    finally:
        autocast.reset(token)
    return cast(result, given.array.dtype) if name in AS_INPUT and result.array.dtype != given.array.dtype else result


def cast_for(name, values, all_values=()):
    """``values`` as the lists want them for ``name``."""
    state = autocast.get()
    if state is None or name not in LISTED or name in PLAIN:
        return values
    if name in LOWER:
        return tuple([_lowered(v, state) for v in values])
    if name in WIDEST and not any(isinstance(v, Tensor) and v.array.dtype == np.float32 for v in all_values):
        return values
    return tuple([_widened(v, state) for v in values])


def _lowered(v, state):
    if isinstance(v, Tensor):
        dtype = state.get(v.device.type)
        return cast(v, dtype) if dtype is not None and v.dtype.name in (*_HALVES, "float32") and v.array.dtype != dtype else v
    return _each(_lowered, v, state)


def _widened(v, state):
    if isinstance(v, Tensor):
        return cast(v, np.dtype(np.float32)) if v.device.type in state and v.dtype.name in _HALVES else v
    return _each(_widened, v, state)


def _each(change, v, state):
    if v.__class__ in (list, tuple) and any(isinstance(x, Tensor) for x in v):
        return type(v)(change(x, state) for x in v)
    return v
