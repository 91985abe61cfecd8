"""How samples become a batch."""

import copy
from collections.abc import Mapping, MutableMapping, MutableSequence, Sequence

import numpy as np

from .. import as_tensor, stack
from ..tensor import Tensor, wrap

MESSAGE = "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {}"


def default_collate(batch):
    """A list of samples as one batch: tensors, arrays and numbers are stacked along a new first dimension; dicts, lists and
    (named) tuples are gone through; strings stay a list.

    Python floats become float64 and ints int64, as in PyTorch.

    Raises:
        TypeError: for other things in a sample.
        RuntimeError: for tensors or lists of unequal size.

    >>> import minigrad
    >>> minigrad.data.default_collate([{"x": 1, "name": "a"}, {"x": 2, "name": "b"}])
    {'x': tensor([1, 2]), 'name': ['a', 'b']}
    """
    first = batch[0]
    if isinstance(first, Tensor):
        return stack(list(batch), 0)
    if isinstance(first, np.ndarray):
        if first.dtype.kind in "SaUO":
            raise TypeError(MESSAGE.format(first.dtype))
        return stack([as_tensor(a) for a in batch], 0)
    if isinstance(first, np.bool_ | np.number):
        return as_tensor(np.array(batch))
    if isinstance(first, float):
        return wrap(np.array(batch, np.float64))
    if isinstance(first, bool | int):
        return as_tensor(np.array(batch))
    if isinstance(first, str | bytes):
        return batch
    if isinstance(first, Mapping):
        return _mapping(first, {key: default_collate([sample[key] for sample in batch]) for key in first})
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return type(first)(*(default_collate(column) for column in zip(*batch)))
    if isinstance(first, Sequence):
        if any(len(sample) != len(first) for sample in batch):
            raise RuntimeError(
                f"each element in list of batch should be of equal size: their lengths are {[len(sample) for sample in batch]}"
            )
        return _sequence(first, [default_collate(column) for column in zip(*batch)])
    raise TypeError(MESSAGE.format(type(first)))


def default_convert(data):
    """One sample with its NumPy arrays and scalars made Tensors: what a DataLoader without batches does.

    >>> import minigrad, numpy
    >>> minigrad.data.default_convert({"x": numpy.array([1, 2]), "name": "a"})
    {'x': tensor([1, 2]), 'name': 'a'}
    """
    if isinstance(data, Tensor | str | bytes):
        return data
    if isinstance(data, np.ndarray):
        return data if data.dtype.kind in "SaUO" else as_tensor(data)
    if isinstance(data, np.bool_ | np.number):
        return as_tensor(np.asarray(data))
    if isinstance(data, Mapping):
        return _mapping(data, {key: default_convert(value) for key, value in data.items()})
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*(default_convert(d) for d in data))
    if isinstance(data, Sequence):
        return _sequence(data, [default_convert(d) for d in data])
    return data


def _mapping(like, items):
    """A mapping of the type of ``like``, or a dict where that type cannot be made so."""
    try:
        if isinstance(like, MutableMapping):
            result = copy.copy(like)
            result.update(items)
            return result
        return type(like)(items)
    except TypeError:
        return items


def _sequence(like, items):
    """A list for a tuple, as in PyTorch, else a sequence of the type of ``like`` where it can be made."""
    if type(like) in (tuple, list):
        return items
    try:
        if isinstance(like, MutableSequence):
            result = copy.copy(like)
            for i, item in enumerate(items):
                result[i] = item
            return result
        return items if isinstance(like, tuple) else type(like)(items)
    except TypeError:
        return items
