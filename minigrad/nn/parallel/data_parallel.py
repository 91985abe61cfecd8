"""DataParallel: one module on several devices, which here is one module on its own."""

from ...tensor import Tensor
from ..module import Module


class DataParallel(Module):
    """Runs ``module``; its parameters are found under ``module.``, as in PyTorch's checkpoints.

    Args:
        module: the module to run.
        device_ids, output_device, dim: kept for PyTorch's signature; nothing is split.

    >>> import minigrad
    >>> list(minigrad.nn.DataParallel(minigrad.nn.Linear(2, 1)).state_dict())
    ['module.weight', 'module.bias']
    """

    def __init__(self, module, device_ids=None, output_device=None, dim=0):
        super().__init__()
        self.module = module
        self.device_ids, self.output_device, self.dim = [], output_device, dim

    def forward(self, *inputs, **kwargs):
        return self.module(*inputs, **kwargs)


def data_parallel(module, inputs, device_ids=None, output_device=None, dim=0, module_kwargs=None):
    """``module(*inputs, **module_kwargs)``."""
    inputs = inputs if isinstance(inputs, tuple) else (inputs,)
    return module(*inputs, **(module_kwargs or {}))


def scatter(inputs, target_gpus, dim=0):
    """A part of ``inputs`` for each of ``target_gpus``: tensors are split along ``dim``, other things repeated.

    >>> import minigrad
    >>> [t.tolist() for t in minigrad.nn.parallel.scatter(minigrad.arange(3), ["cpu", "cpu"])]
    [[0, 1], [2]]
    """
    if isinstance(inputs, Tensor):
        return tuple(part.to(device) for part, device in zip(inputs.chunk(len(target_gpus), dim), target_gpus))
    if isinstance(inputs, dict):
        return [type(inputs)(items) for items in zip(*(_pairs(k, v, target_gpus, dim) for k, v in inputs.items()))]
    if isinstance(inputs, tuple | list) and inputs:
        parts = list(zip(*(scatter(v, target_gpus, dim) for v in inputs)))
        if hasattr(inputs, "_fields"):
            return [type(inputs)(*p) for p in parts]
        return parts if isinstance(inputs, tuple) else [list(p) for p in parts]
    return [inputs for _ in target_gpus]


def _pairs(key, value, target_gpus, dim):
    return [(key, part) for part in scatter(value, target_gpus, dim)]


def gather(outputs, target_device, dim=0):
    """The parts that :func:`scatter` has made, joined."""
    from ... import cat

    first = outputs[0]
    if isinstance(first, Tensor):
        return cat([(o if o.ndim else o.reshape(1)).to(_device(target_device)) for o in outputs], dim)
    if first is None:
        return None
    if isinstance(first, dict):
        return type(first)((k, gather([o[k] for o in outputs], target_device, dim)) for k in first)
    return type(first)(gather(parts, target_device, dim) for parts in zip(*outputs))


def _device(target):
    return "cpu" if target in (-1, None) else target


def replicate(network, devices, detach=False):
    """The module once for each device: the same one, there is one device."""
    return [network for _ in devices]


def parallel_apply(modules, inputs, kwargs_tup=None, devices=None):
    """Each module on its inputs, one after the other."""
    kwargs_tup = kwargs_tup or ({},) * len(modules)
    return [m(*(i if isinstance(i, list | tuple) else (i,)), **k) for m, i, k in zip(modules, inputs, kwargs_tup)]
