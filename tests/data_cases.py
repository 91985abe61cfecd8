"""Datasets and helpers that the tests of the data package share."""

import sys

import pytest

import minigrad
from minigrad import data
from minigrad.data import Dataset, IterableDataset

needs_fork = pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux only")


def generator(seed=0):
    return minigrad.Generator().manual_seed(seed)


class Range(Dataset):
    def __init__(self, n):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        return i


class Stream(IterableDataset):
    """0 to n - 1, shared out among the workers."""

    def __init__(self, n):
        self.n = n

    def __iter__(self):
        info = data.get_worker_info()
        return iter(range(self.n) if info is None else range(info.id, self.n, info.num_workers))


def lists(loader):
    return [batch.tolist() for batch in loader]


def flat(batches):
    return sorted(i for batch in batches for i in batch)
