"""Datasets: samples by number, or one after another."""

import bisect
import itertools
import math
import warnings
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

import numpy as np

from .. import backends, randperm
from ..tensor import Tensor, wrap

T = TypeVar("T")


class Dataset(Generic[T]):
    """Samples by number: a subclass defines ``__getitem__(index)`` and, for most uses, ``__len__()``.

    With ``__getitems__(indices)`` it may give a list of samples at once, which a DataLoader then calls.

    >>> import minigrad
    >>> class Squares(minigrad.data.Dataset):
    ...     def __len__(self):
    ...         return 4
    ...     def __getitem__(self, i):
    ...         return i * i
    >>> next(iter(minigrad.data.DataLoader(Squares(), batch_size=4)))
    tensor([0, 1, 4, 9])
    """

    def __getitem__(self, index):
        raise NotImplementedError(f"{type(self).__name__} must define __getitem__(index)")

    def __add__(self, other):
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T]):
    """Samples one after another, such as a stream: a subclass defines ``__iter__()``.

    In a DataLoader with workers every worker iterates over the whole dataset; see :func:`get_worker_info` to share it out.

    >>> import minigrad
    >>> class Count(minigrad.data.IterableDataset):
    ...     def __iter__(self):
    ...         return iter(range(5))
    >>> [batch.tolist() for batch in minigrad.data.DataLoader(Count(), batch_size=2)]
    [[0, 1], [2, 3], [4]]
    """

    def __iter__(self):
        raise NotImplementedError(f"{type(self).__name__} must define __iter__()")

    def __add__(self, other):
        return ChainDataset([self, other])


class TensorDataset(Dataset):
    """Tensors side by side: sample i is the tuple of their i-th rows.

    Raises:
        AssertionError: where the tensors differ in their first size.

    >>> import minigrad
    >>> dataset = minigrad.data.TensorDataset(minigrad.tensor([[1.0], [2.0]]), minigrad.tensor([0, 1]))
    >>> dataset[1]
    (tensor([2.]), tensor(1))
    """

    def __init__(self, *tensors):
        for t in tensors:
            if not isinstance(t, Tensor):
                raise TypeError(f"TensorDataset takes Tensors, not {type(t).__name__}; wrap arrays in minigrad.from_numpy(...)")
        if not tensors:
            raise ValueError("TensorDataset needs at least one Tensor")
        if any(len(t) != len(tensors[0]) for t in tensors):
            raise AssertionError(f"Size mismatch between tensors: their shapes are {[tuple(t.shape) for t in tensors]}")
        self.tensors = tensors

    def __getitem__(self, index):
        return tuple(t[index] for t in self.tensors)

    def __len__(self):
        return len(self.tensors[0])


class StackDataset(Dataset):
    """Datasets side by side: sample i is the tuple (or, from keywords, the dict) of their i-th samples.

    >>> import minigrad
    >>> minigrad.data.StackDataset(image=[1, 2], text=["a", "b"])[1]
    {'image': 2, 'text': 'b'}
    """

    def __init__(self, *args, **kwargs):
        if args and kwargs:
            raise ValueError(
                "Supported either ``tuple``- (via ``args``) or ``dict``- (via ``kwargs``) like input/output, "
                "but both types are given."
            )
        if not args and not kwargs:
            raise ValueError("At least one dataset should be passed")
        self.datasets = args or kwargs
        lengths = [len(d) for d in args or kwargs.values()]
        if len(set(lengths)) != 1:
            raise ValueError(f"Size mismatch between datasets: their lengths are {lengths}")
        self._length = lengths[0]

    def __getitem__(self, index):
        if isinstance(self.datasets, dict):
            return {k: d[index] for k, d in self.datasets.items()}
        return tuple(d[index] for d in self.datasets)

    def __getitems__(self, indices):
        columns = [samples(d, indices) for d in (self.datasets.values() if isinstance(self.datasets, dict) else self.datasets)]
        for column in columns:
            if len(column) != len(indices):
                raise ValueError(f"Nested dataset's output size mismatch. Expected {len(indices)}, got {len(column)}")
        if isinstance(self.datasets, dict):
            return [dict(zip(self.datasets, row)) for row in zip(*columns)]
        return list(zip(*columns))

    def __len__(self):
        return self._length


class ConcatDataset(Dataset):
    """Datasets one behind the other.

    >>> import minigrad
    >>> minigrad.data.ConcatDataset([[1, 2], [3]])[-1]
    3
    """

    def __init__(self, datasets):
        self.datasets = list(datasets)
        if not self.datasets:
            raise AssertionError("datasets should not be an empty iterable")
        if any(isinstance(d, IterableDataset) for d in self.datasets):
            raise AssertionError("ConcatDataset does not support IterableDataset; use ChainDataset")
        self.cumulative_sizes = list(itertools.accumulate(len(d) for d in self.datasets))

    def __len__(self):
        return self.cumulative_sizes[-1]

    def __getitem__(self, index):
        if index < 0:
            if -index > len(self):
                raise ValueError("absolute value of index should not exceed dataset length")
            index += len(self)
        if index >= len(self):
            raise IndexError(f"index {index} is out of range for a dataset of length {len(self)}")
        which = bisect.bisect_right(self.cumulative_sizes, index)
        return self.datasets[which][index - (self.cumulative_sizes[which - 1] if which else 0)]


class ChainDataset(IterableDataset):
    """Iterable datasets one behind the other.

    >>> import minigrad
    >>> class Count(minigrad.data.IterableDataset):
    ...     def __iter__(self):
    ...         return iter(range(2))
    >>> list(minigrad.data.ChainDataset([Count(), Count()]))
    [0, 1, 0, 1]
    """

    def __init__(self, datasets):
        self.datasets = datasets

    def __iter__(self):
        for d in self._checked():
            yield from d

    def __len__(self):
        return sum(len(d) for d in self._checked())

    def _checked(self) -> Iterator[Any]:
        for d in self.datasets:
            if not isinstance(d, IterableDataset):
                raise AssertionError("ChainDataset only supports IterableDataset; use ConcatDataset")
            yield d


class Subset(Dataset):
    """The samples of ``dataset`` at ``indices``.

    >>> import minigrad
    >>> minigrad.data.Subset(["a", "b", "c"], [2, 0])[0]
    'c'
    """

    def __init__(self, dataset, indices):
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index):
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __getitems__(self, indices):
        if type(self).__getitem__ is not Subset.__getitem__:  # a subclass that changes the samples
            return [self[i] for i in indices]
        return samples(self.dataset, [self.indices[i] for i in indices])

    def __len__(self):
        return len(self.indices)


def random_split(dataset, lengths, generator=None):
    """Split a dataset at random into parts of the given lengths, or of fractions that add up to 1.

    What fractions leave over goes to the first parts, one sample each. With a ``generator`` the split can be repeated.

    Raises:
        ValueError: where the lengths do not add up to the length of the dataset, or a fraction is outside 0 to 1.

    >>> import minigrad
    >>> parts = minigrad.data.random_split(range(10), [0.75, 0.25], generator=minigrad.Generator().manual_seed(0))
    >>> [len(p) for p in parts], sorted(i for p in parts for i in p)
    ([8, 2], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    """
    n = len(dataset)
    if math.isclose(sum(lengths), 1) and sum(lengths) <= 1:
        for i, fraction in enumerate(lengths):
            if fraction < 0 or fraction > 1:
                raise ValueError(f"Fraction at index {i} is not between 0 and 1")
        lengths = [math.floor(n * fraction) for fraction in lengths]
        for i in range(n - sum(lengths)):
            lengths[i % len(lengths)] += 1
        for i, length in enumerate(lengths):
            if length == 0:
                warnings.warn(f"Length of split at index {i} is 0. This might result in an empty dataset.", stacklevel=2)
    if sum(lengths) != n:
        raise ValueError(f"Sum of input lengths does not equal the length of the input dataset! {sum(lengths)} is not {n}")
    order = randperm(n, generator=generator).tolist()
    return [Subset(dataset, order[end - length : end]) for end, length in zip(itertools.accumulate(lengths), lengths)]


# ------------------------------------------------------------------------------------------------------- many at a time
def samples(dataset, indices) -> list:
    """A list of samples, by ``__getitems__`` where the dataset has it."""
    many: Any = getattr(dataset, "__getitems__", None)
    return many(indices) if callable(many) else [dataset[i] for i in indices]


def columns(dataset):
    """A function from a list of indices to the batch that default_collate makes of these samples, or None.

    Of a TensorDataset (or of parts of one) a whole batch is read at once. A subclass with a ``__getitem__`` of its own is
    asked for its samples one by one.
    """
    kind = type(dataset)
    if isinstance(dataset, TensorDataset) and kind.__getitem__ is TensorDataset.__getitem__ and not hasattr(kind, "__getitems__"):
        tensors = dataset.tensors
        return lambda indices: [_rows(t, indices) for t in tensors]
    if isinstance(dataset, Subset) and kind is Subset:
        inner = columns(dataset.dataset)
        places = dataset.indices
        return inner and (lambda indices: inner([places[i] for i in indices]))
    return None


def _rows(t, indices):
    if t.node is not None or t.array.__class__ is not np.ndarray:
        return t[wrap(backends.of(t.array).upload(np.asarray(indices, np.int64)))]
    return wrap(t.array.take(np.asarray(indices, np.int64), 0))
