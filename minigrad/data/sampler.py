"""Samplers: in which order a DataLoader asks for the samples of a dataset."""

import itertools
from typing import Generic, TypeVar

import numpy as np

from .. import Generator, empty, int64, multinomial, randint, randperm
from ..tensor import Tensor, wrap

T = TypeVar("T")


class Sampler(Generic[T]):
    """The base of samplers: a subclass defines ``__iter__()`` over indices and, for ``len(loader)``, ``__len__()``.

    >>> import minigrad
    >>> class Backwards(minigrad.data.Sampler):
    ...     def __iter__(self):
    ...         return iter([2, 1, 0])
    >>> [x.item() for x in minigrad.data.DataLoader([10, 20, 30], sampler=Backwards())]
    [30, 20, 10]
    """

    def __iter__(self):
        raise NotImplementedError(f"{type(self).__name__} must define __iter__()")


class SequentialSampler(Sampler[int]):
    """0, 1, 2 ...

    >>> import minigrad
    >>> list(minigrad.data.SequentialSampler("abc"))
    [0, 1, 2]
    """

    def __init__(self, data_source):
        self.data_source = data_source

    def __iter__(self):
        return iter(range(len(self.data_source)))

    def __len__(self):
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """Every index once in random order, or with ``replacement`` any index any time.

    Args:
        data_source: dataset.
        replacement: draw each index anew.
        num_samples: how many to draw; the length of the dataset if None.
        generator: source of the random numbers; without it one number of the default generator starts a new one.

    >>> import minigrad
    >>> sorted(minigrad.data.RandomSampler("abc"))
    [0, 1, 2]
    """

    def __init__(self, data_source, replacement=False, num_samples=None, generator=None):
        self.data_source, self.replacement, self._num_samples, self.generator = data_source, replacement, num_samples, generator
        if not isinstance(replacement, bool):
            raise TypeError(f"replacement should be a boolean value, but got replacement={replacement}")
        if not isinstance(self.num_samples, int) or self.num_samples <= 0:
            raise ValueError(f"num_samples should be a positive integer value, but got num_samples={self.num_samples}")

    @property
    def num_samples(self):
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self):
        n, total = len(self.data_source), self.num_samples
        generator = self.generator or Generator().manual_seed(random_seed())
        stream = generator.engine == "mt19937"  # takes as many of its numbers as in PyTorch
        if self.replacement:
            step = 32 if stream else 1024
            for first in range(0, total, step):
                yield from randint(0, n, (min(step, total - first),), generator=generator).tolist()
            return
        for _ in range(total // n):
            yield from randperm(n, generator=generator).tolist()
        if stream or total % n:
            yield from randperm(n, generator=generator).tolist()[: total % n]

    def __len__(self):
        return self.num_samples


def random_seed(generator=None):
    """One number of a generator, to start another one from."""
    return int(empty((), dtype=int64).random_(generator=generator))


class SubsetRandomSampler(Sampler[int]):
    """The given indices in random order.

    >>> import minigrad
    >>> sorted(minigrad.data.SubsetRandomSampler([3, 7, 5]))
    [3, 5, 7]
    """

    def __init__(self, indices, generator=None):
        self.indices, self.generator = indices, generator

    def __iter__(self):
        for i in randperm(len(self.indices), generator=self.generator).tolist():
            yield self.indices[i]

    def __len__(self):
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """Indices drawn with probabilities in proportion to ``weights``, which need not add up to 1.

    Args:
        weights: one number per sample.
        num_samples: how many indices to draw.
        replacement: whether an index may be drawn again.
        generator: source of the random numbers.

    >>> import minigrad
    >>> list(minigrad.data.WeightedRandomSampler([0.0, 1.0, 0.0], num_samples=3))
    [1, 1, 1]
    """

    def __init__(self, weights, num_samples, replacement=True, generator=None):
        if not isinstance(num_samples, int) or isinstance(num_samples, bool) or num_samples <= 0:
            raise ValueError(f"num_samples should be a positive integer value, but got num_samples={num_samples}")
        if not isinstance(replacement, bool):
            raise ValueError(f"replacement should be a boolean value, but got replacement={replacement}")
        array = weights.tolist() if isinstance(weights, Tensor) else [float(w) for w in weights]
        self.weights = wrap(np.array(array, np.float64))
        if self.weights.ndim != 1:
            raise ValueError(f"weights should be a 1d sequence but given weights have shape {tuple(self.weights.shape)}")
        self.num_samples, self.replacement, self.generator = num_samples, replacement, generator

    def __iter__(self):
        return iter(multinomial(self.weights, self.num_samples, self.replacement, generator=self.generator).tolist())

    def __len__(self):
        return self.num_samples


class BatchSampler(Sampler[list]):
    """Lists of ``batch_size`` indices of another sampler.

    Args:
        sampler: sampler, or any iterable of indices.
        batch_size: length of a list.
        drop_last: leave out the last list if it is shorter.

    >>> import minigrad
    >>> list(minigrad.data.BatchSampler(range(5), batch_size=2, drop_last=False))
    [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler, batch_size, drop_last):
        if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size <= 0:
            raise ValueError(f"batch_size should be a positive integer value, but got batch_size={batch_size}")
        if not isinstance(drop_last, bool):
            raise ValueError(f"drop_last should be a boolean value, but got drop_last={drop_last}")
        self.sampler, self.batch_size, self.drop_last = sampler, batch_size, drop_last

    def __iter__(self):
        indices = iter(self.sampler)
        while batch := list(itertools.islice(indices, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def __len__(self):
        n, size = len(self.sampler), self.batch_size
        return n // size if self.drop_last else -(-n // size)
