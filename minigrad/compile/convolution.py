"""Convolutions: a bias and a ReLU behind one are added while its outputs are in the cache; it writes into the step's memory.

The kernels run from Python: compiled into the functions of a step they would be optimized again in each of these.
"""

from math import prod

import numpy as np

from .. import kernels
from .epilogue import only_reader, readers_of, rebuilt
from .ir import Instruction

CALLS = ("conv2d", "conv2d_dx", "conv2d_dw", "convolution")
SETTINGS = ("stride", "padding", "dilation", "groups")


def takes(n):
    """Whether a kernel computes this call, in place; ``convolution`` is conv2d with bias and perhaps ReLU."""
    if n.op not in CALLS:
        return False
    arrays = [np.broadcast_to(np.zeros((), i.dtype), i.shape) for i in n.inputs[:2]]
    params = {k: v for k, v in n.params.items() if k != "relu"}
    window = params.get("kernel") or n.inputs[1].shape[2:]
    only_skips = prod(window) == 1 < max(params["stride"]) and not any(params["padding"])
    with kernels.use_kernels(True):  # memory is planned once, whether they are switched on now or later
        kernel = kernels.table("numpy").get("conv2d" if n.op == "convolution" else n.op)
    return kernel is not None and not only_skips and kernel.takes(*arrays, **params)


# --------------------------------------------------------------------------------------------------------------- bias and ReLU
def joined(graph):
    """The graph with each conv2d that only a bias reads, and what only a ReLU reads of this, as one ``convolution``."""
    readers = readers_of(graph)
    ends, gone = {}, set()  # the last node of what is joined -> the convolution; nodes that are no longer needed
    for n in graph.nodes:
        add = only_reader(n, readers) if n.op == "conv2d" and takes(n) else None
        bias = _bias(n, add) if add is not None else None
        if bias is None:
            continue
        relu = only_reader(add, readers)
        last = relu if relu is not None and relu.op == "relu" else add
        made = Instruction("convolution", (*n.inputs, bias), {**n.params, "relu": last is not add})
        made.shape, made.dtype = n.shape, n.dtype
        ends[last] = made
        gone.update({n, add, *[i for i in add.inputs if i is not n and readers[i] == [add]]} - {last})
    return rebuilt(graph, ends, gone) if ends else graph


def _bias(n, add):
    """The bias (O,) that ``add`` adds to a convolution (N, O, ...) of it, or None."""
    if add.op != "add" or add.inputs[0] is not n or add.inputs[1].__class__ is not Instruction:
        return None
    reshaped = add.inputs[1]
    ones = (1,) * (len(n.shape) - 2)
    if reshaped.op != "reshape" or reshaped.shape != (n.shape[1], *ones) or reshaped.dtype != n.dtype:
        return None
    return reshaped.inputs[0] if reshaped.inputs[0].shape == n.shape[1:2] else None


# ------------------------------------------------------------------------------------------------------------------- the call
def writer(n):
    """A function (inputs, result) that runs a call which ``takes`` accepts. The arrays need have no shape, but lie in rows."""
    from ..kernels.cpu import convolution

    settings = [n.params[name] for name in SETTINGS]
    first, second = n.inputs[:2]
    kinds = first.shape, second.shape, first.dtype, *settings
    if n.op == "conv2d_dx":
        return convolution.input_call(*kinds, tuple(n.params["size"]))
    if n.op == "conv2d_dw":
        return convolution.weight_call(*kinds, tuple(n.params["kernel"]))
    _, forward = convolution.forward_call(*kinds)
    if n.op == "conv2d":
        return lambda x, weight, y: forward(x, weight, None, False, y)
    relu = n.params["relu"]
    return lambda x, weight, bias, y: forward(x, weight, bias, relu, y)
