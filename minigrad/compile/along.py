"""Calls along one axis that a kernel computes: cumulated sums and products, the places of extremes. And random bits."""

import math

import numpy as np

from .expressions import DTYPES, literal
from .fuse import in_rows
from .kernels import FLOATS, lowering


def _around(shape, axis):
    """(O, N, I) of a shape seen along an axis; (R, N) where nothing lies behind it."""
    outer, inner = math.prod(shape[:axis]), math.prod(shape[axis + 1 :])
    return (outer, shape[axis]) if inner == 1 else (outer, shape[axis], inner)


def _is_cumulated(n):
    x = n.inputs[0]
    fits = len(n.inputs) == 1 and bool(n.shape) and 0 not in n.shape
    return fits and x.dtype == n.dtype and (x.dtype in FLOATS or n.dtype.char == "l")


@lowering("cumsum", _is_cumulated)
@lowering("cumprod", _is_cumulated)
def _cumulated(n, w):
    shape = _around(n.shape, n.params["axis"] % len(n.shape))
    w.call(f"reductions:{n.op}_{'rows' if len(shape) == 2 else 'columns'}", w.array(n.inputs[0], *shape), w.array(n, *shape))


def _has_places(n):
    x = n.inputs[0]
    return len(n.inputs) == 1 and x.dtype in FLOATS and 0 not in x.shape and bool(x.shape) and n.dtype.char == "l"


@lowering("argmax", _has_places)
@lowering("argmin", _has_places)
def _places(n, w):
    x, axis = n.inputs[0], n.params.get("axis")
    shape = (1, math.prod(x.shape)) if axis is None else _around(x.shape, axis % len(x.shape))
    if len(shape) == 2:
        whole, sign_bit = np.dtype(f"i{x.dtype.itemsize}"), 8 * x.dtype.itemsize - 1
        infinity = int(np.array(np.inf, x.dtype).view(whole))
        settings = [literal(v, whole) for v in (2**sign_bit - 1, infinity, 0 if n.op == "argmax" else -1)]
        w.call("reductions:place_rows", f"{w.array(x, *shape)}.view({DTYPES[whole]})", *settings, w.array(n, shape[0]))
    else:
        sign = literal(1 if n.op == "argmax" else -1, x.dtype)
        best = w.scratch(shape[2], dtype=x.dtype)
        w.call("reductions:place_columns", w.array(x, *shape), sign, best, w.array(n, shape[0], shape[2]))


@lowering("philox", lambda n: n.inputs[0].dtype.char == "l" and n.params["count"] > 0)
def _philox(n, w):
    count = n.params["count"]
    blocks, key = -(-count // 4), w.emitter.pointer(in_rows(n.inputs[0]))
    words = w.array(n, blocks, 4) if count % 4 == 0 else w.scratch(blocks, 4, dtype=n.dtype)
    name = f"words_{w.emitter.place[n]}"
    w.lines.append(f"{name} = {words}")
    w.call("philox:blocks", f"u8({key}[0])", f"u8({key}[1])", name)
    if count % 4:
        w.lines.append(f"{w.array(n)}[:] = {name}.reshape(-1)[:{count}]")
