"""``torch.utils.data.distributed``: each process's share of a dataset."""

import math

from ... import Generator, randperm
from ...data import Sampler


class DistributedSampler(Sampler):
    """The indices of every ``num_replicas``-th sample from ``rank`` on, shuffled anew in every epoch.

    Args:
        dataset: what is sampled; only its length is read.
        num_replicas, rank: how many shares and which one; by default those of the process group.
        shuffle: a random order, from ``seed`` and the epoch that :meth:`set_epoch` names.
        drop_last: leave out what cannot be shared evenly; otherwise the first samples appear twice.

    >>> from minigrad.utils.data.distributed import DistributedSampler
    >>> list(DistributedSampler(range(5), num_replicas=2, rank=1, shuffle=False))
    [1, 3, 0]
    """

    def __init__(self, dataset, num_replicas=None, rank=None, shuffle=True, seed=0, drop_last=False):
        from ...distributed import get_rank, get_world_size

        self.num_replicas = get_world_size() if num_replicas is None else num_replicas
        self.rank = get_rank() if rank is None else rank
        if not 0 <= self.rank < self.num_replicas:
            raise ValueError(f"Invalid rank {self.rank}, rank should be in the interval [0, {self.num_replicas - 1}]")
        self.dataset, self.shuffle, self.seed, self.drop_last, self.epoch = dataset, shuffle, seed, drop_last, 0
        n = len(dataset)
        if drop_last and n % self.num_replicas:
            n -= self.num_replicas
        self.num_samples = max(0, math.ceil(n / self.num_replicas))
        self.total_size = self.num_samples * self.num_replicas

    def __iter__(self):
        n = len(self.dataset)
        indices = list(range(n))
        if self.shuffle:
            indices = randperm(n, generator=Generator().manual_seed(self.seed + self.epoch)).tolist()
        if self.drop_last:
            indices = indices[: self.total_size]
        elif n:
            indices = (indices * math.ceil(self.total_size / n))[: self.total_size]
        return iter(indices[self.rank :: self.num_replicas])

    def __len__(self):
        return self.num_samples

    def set_epoch(self, epoch):
        """Another epoch, another order."""
        self.epoch = epoch
