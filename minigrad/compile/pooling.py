"""Maxima of windows as comparisons of slices, along the rows and then down the columns: loops that use vector registers.

Taken apart so, a 2 x 2 maximum is three comparisons for each result instead of four reads far apart, and shares its loops with
what stands around it: a bias, a ReLU. Where the places of the maxima are wanted, for a gradient, the kernel is faster.
"""

import numpy as np

from .ir import Graph, Instruction

MOST_TAPS = 9


def written_out(graph):
    """The graph with each ``max_pool2d`` of small windows inside the image, whose places nobody reads, as slices and maxima."""
    places = {n.inputs[0] for n in graph.nodes if n.op == "pick" and n.params["output"] == 1}
    known, nodes, opened = {i: i for i in graph.inputs}, [], {}
    for n in graph.nodes:
        if n.op == "pick" and n.inputs[0] in opened:
            known[n] = opened[n.inputs[0]]
            continue
        inputs = tuple([known[i] if i.__class__ is Instruction else i for i in n.inputs])
        if n.op == "max_pool2d" and n not in places and _is_small(n):
            rows = _along(nodes, inputs[0], 3, n.params)
            kept = _made(nodes, "keep", (rows,), rows.shape, rows.dtype)
            opened[n] = _along(nodes, kept, 2, n.params)
            continue
        known[n] = n if inputs == n.inputs else n.copy(inputs)
        nodes.append(known[n])
    return Graph(graph.inputs, nodes, [known[o] for o in graph.outputs], graph.state)


def _is_small(n):
    x, p = n.inputs[0], n.params
    if x.dtype.char not in "fd" or len(p["kernel_size"]) != 2 or np.prod(p["kernel_size"]) > MOST_TAPS or any(p["padding"]):
        return False
    reach = [s * (o - 1) + d * (k - 1) for s, o, d, k in zip(p["stride"], p["out_size"], p["dilation"], p["kernel_size"])]
    return 0 not in x.shape and min(p["out_size"]) > 0 and all(r < size for r, size in zip(reach, x.shape[2:]))


def _along(nodes, x, axis, params):
    """The maximum of the pixels that stand in a window along one axis."""
    step, spread, count = (params[name][axis - 2] for name in ("stride", "dilation", "out_size"))
    shape = tuple([count if a == axis else n for a, n in enumerate(x.shape)])
    best = None
    for k in range(params["kernel_size"][axis - 2]):
        key = [("slice", None, None, None)] * 4
        key[axis] = ("slice", k * spread, k * spread + step * (count - 1) + 1, step)
        tap = _made(nodes, "getitem", (x,), shape, x.dtype, key=tuple(key))
        best = tap if best is None else _made(nodes, "maximum", (tap, best), shape, x.dtype)
    return best


def _made(nodes, op, inputs, shape, dtype, **params):
    made = Instruction(op, inputs, params)
    made.shape, made.dtype = shape, dtype
    nodes.append(made)
    return made
