"""DataLoader: batches of a dataset, in some order, by worker processes if wanted."""

import itertools
import math
import multiprocessing
import os
import warnings
from multiprocessing.context import BaseContext
from typing import Any, Generic, TypeVar

from ..random import default_generator
from .collate import default_collate, default_convert
from .dataset import IterableDataset
from .sampler import BatchSampler, RandomSampler, SequentialSampler, random_seed
from .worker import Workers, fetcher, rebuilt

T = TypeVar("T")


class DataLoader(Generic[T]):
    """Batches of a dataset. Every ``for`` loop over it is one epoch.

    Args:
        dataset: a Dataset, anything with ``__getitem__`` and ``__len__``, or an IterableDataset.
        batch_size: samples per batch; None gives single samples.
        shuffle: a new random order in every epoch.
        sampler: iterable of indices in place of ``shuffle``.
        batch_sampler: iterable of lists of indices in place of ``batch_size``, ``shuffle``, ``sampler`` and ``drop_last``.
        num_workers: number of processes that load batches ahead of time; 0 loads them in this process.
        collate_fn: function that makes a batch of a list of samples, :func:`default_collate` if None.
        pin_memory: accepted as in PyTorch.
        drop_last: leave out a last batch that is smaller.
        timeout: seconds to wait for a worker; 0 waits for ever.
        worker_init_fn: function of the worker's number, called when it starts.
        multiprocessing_context: start method of the workers. Default: fork on Linux, else the platform's own.
        generator: source of the random numbers of the order and of the workers' seeds.
        prefetch_factor: number of batches that each worker loads ahead, 2 if None.
        persistent_workers: keep the workers from epoch to epoch.
        in_order: batches in the order of the sampler; False gives whichever is ready.

    The order of batches depends on the generator alone (on ``manual_seed`` where none is given), also with workers; each
    worker starts with its own seed for minigrad, ``random`` and NumPy. ``state_dict()`` lets a run that was stopped in the
    middle of an epoch go on behind the last batch.

    Raises:
        ValueError: for options that exclude each other or are out of range.

    >>> import minigrad
    >>> dataset = minigrad.data.TensorDataset(minigrad.tensor([1.0, 2.0, 3.0]), minigrad.tensor([0, 1, 0]))
    >>> for x, y in minigrad.data.DataLoader(dataset, batch_size=2):
    ...     print(x, y)
    tensor([1., 2.]) tensor([0, 1])
    tensor([3.]) tensor([0])
    """

    _initialized = False
    dataset: Any
    sampler: Any
    batch_sampler: Any

    def __init__(self, dataset, batch_size=1, shuffle=None, sampler=None, batch_sampler=None, num_workers=0, collate_fn=None,
                 pin_memory=False, drop_last=False, timeout=0, worker_init_fn=None, multiprocessing_context=None, generator=None,
                 *, prefetch_factor=None, persistent_workers=False, pin_memory_device="", in_order=True):  # fmt: skip
        _check_workers(num_workers, timeout, prefetch_factor, persistent_workers)
        self.dataset, self.num_workers, self.timeout, self.worker_init_fn = dataset, num_workers, timeout, worker_init_fn
        self.prefetch_factor = 2 if num_workers > 0 and prefetch_factor is None else prefetch_factor
        self.pin_memory, self.pin_memory_device, self.in_order = pin_memory, pin_memory_device, in_order
        self.persistent_workers = persistent_workers
        self.multiprocessing_context = _context(multiprocessing_context, num_workers)
        _check_order(isinstance(dataset, IterableDataset), batch_size, shuffle, sampler, batch_sampler, drop_last)
        if batch_sampler is not None:
            batch_size = None
        if sampler is None:
            if isinstance(dataset, IterableDataset):
                sampler = _Endless()
            else:
                sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        if batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.batch_size, self.drop_last, self.sampler, self.batch_sampler = batch_size, drop_last, sampler, batch_sampler
        self.generator = generator
        self.collate_fn = collate_fn or (default_convert if batch_sampler is None else default_collate)
        self._workers = None  # those that persist
        self._progress = None  # of the epoch that is under way
        self._resume = None  # what load_state_dict has set for the next epoch
        self._initialized = True

    def __setattr__(self, name, value):
        fixed = ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")
        if self._initialized and name in fixed:
            raise ValueError(f"{name} attribute should not be set after {type(self).__name__} is initialized")
        super().__setattr__(name, value)

    def __iter__(self):
        generator = self.generator or default_generator
        resume, self._resume = self._resume, None
        now = generator.get_state()
        if resume is not None:
            generator.set_state(resume["epoch_start"])
        progress = {"epoch_start": generator.get_state(), "batches": 0}
        seed = None if self._workers else random_seed(self.generator)  # workers that stay have theirs
        indices = iter(self.sampler if self.batch_sampler is None else self.batch_sampler)
        stream = isinstance(self.dataset, IterableDataset)
        if resume is not None:
            if not stream:
                progress["batches"] = sum(1 for _ in itertools.islice(indices, resume["batches"]))
            if self.generator is None:
                generator.set_state(now)
        self._progress = progress
        batches = _Local(self, indices, progress) if self.num_workers == 0 else _Parallel(self, indices, progress, seed)
        if resume is not None and stream:  # what was read of a stream has to be read again
            for _ in range(resume["batches"]):
                next(batches)
        return batches

    def __len__(self):
        if isinstance(self.dataset, IterableDataset):
            n = len(self.dataset)
            if self.batch_size is None:
                return n
            return n // self.batch_size if self.drop_last else math.ceil(n / self.batch_size)
        return len(self.sampler if self.batch_sampler is None else self.batch_sampler)

    # ---------------------------------------------------------------------------------------------------------- resuming
    def state_dict(self):
        """Where the epoch that is under way stands: the generator's state at its start, and the number of batches given."""
        if self._progress is not None:
            return dict(self._progress)
        return {"epoch_start": (self.generator or default_generator).get_state(), "batches": 0}

    def load_state_dict(self, state_dict):
        """Let the next loop go on behind the last batch of a saved epoch, in the same order, or begin the epoch after it.

        The skipped samples are not loaded. The order is that of the saved run if the sampler draws its numbers from the
        loader's generator, as that of ``shuffle=True`` does; numbers that workers have drawn are not repeated.
        """
        self._resume = self._progress = None
        if state_dict["batches"]:
            self._resume = dict(state_dict)
            self._progress = dict(state_dict)
        elif self.generator is not None:
            self.generator.set_state(state_dict["epoch_start"])


class _Endless:
    """Stands where an IterableDataset has no indices."""

    def __iter__(self):
        return itertools.repeat(None)


class _Local:
    """One epoch in this process."""

    def __init__(self, loader, indices, progress):
        self._loader, self._indices, self._progress = loader, indices, progress
        self._fetch = fetcher(loader.dataset, loader.batch_sampler is not None, loader.collate_fn, loader.drop_last)

    def __iter__(self):
        return self

    def __len__(self):
        return len(self._loader)

    def __next__(self):
        try:
            batch = self._fetch(next(self._indices))
        except StopIteration:
            _finish(self._loader, self._progress)
            raise
        self._progress["batches"] += 1
        return batch


class _Parallel:
    """One epoch by workers. Task k goes to worker k modulo their number, and its reply sends that worker the next one."""

    def __init__(self, loader, indices, progress, seed):
        self._loader, self._indices, self._progress = loader, indices, progress
        workers = loader._workers
        if workers is None:
            workers = Workers(loader, seed)
            if loader.persistent_workers:
                loader._workers = workers
        else:
            for w in range(loader.num_workers):
                workers.put(w, ("begin", None))
        self._workers = workers
        workers.epoch += 1
        self._epoch = workers.epoch  # replies to an epoch that was left early may still arrive
        self._next_task = self._next_reply = 0
        self._owner = {}  # task -> worker
        self._early = {}  # task -> reply that came before its turn
        for i in range(loader.prefetch_factor * loader.num_workers):
            self._give(i % loader.num_workers)

    def __iter__(self):
        return self

    def __len__(self):
        return len(self._loader)

    def _give(self, worker):
        index = next(self._indices, self)
        if index is not self:
            self._workers.put(worker, ((self._epoch, self._next_task), index))
            self._owner[self._next_task] = worker
            self._next_task += 1

    def __next__(self):
        if self._epoch != self._workers.epoch:
            raise RuntimeError("another loop over this DataLoader has begun: with persistent_workers only one can be under way")
        while self._owner:
            task, kind, value = self._reply()
            worker = self._owner.pop(task)
            if kind == "end":  # this worker's stream is at its end: what it was given is answered so, and no more is given
                continue
            self._give(worker)
            if kind == "error":
                raise rebuilt(value)
            self._progress["batches"] += 1
            return value
        _finish(self._loader, self._progress)
        if not self._loader.persistent_workers:
            self._workers.stop()
        raise StopIteration

    def _reply(self):
        """The reply whose turn it is; without order, the first that arrives."""
        ordered = self._loader.in_order
        if ordered:
            while self._next_reply not in self._owner:
                self._next_reply += 1
        while True:
            if ordered and self._next_reply in self._early:
                return self._next_reply, *self._early.pop(self._next_reply)
            waited_for = [self._owner[self._next_reply]] if ordered else sorted(set(self._owner.values()))
            _, (epoch, task), kind, value = self._workers.get(waited_for)
            if epoch != self._epoch:
                continue
            if not ordered:
                return task, kind, value
            self._early[task] = (kind, value)


def _finish(loader, progress):
    if loader._progress is progress:
        loader._progress = None


# ---------------------------------------------------------------------------------------------------------------- checks
def _check_workers(num_workers, timeout, prefetch_factor, persistent_workers):
    if num_workers < 0:
        raise ValueError("num_workers option should be non-negative; use num_workers=0 to disable multiprocessing.")
    if timeout < 0:
        raise ValueError("timeout option should be non-negative")
    if num_workers == 0 and prefetch_factor is not None:
        raise ValueError(
            "prefetch_factor option could only be specified in multiprocessing. "
            "let num_workers > 0 to enable multiprocessing, otherwise set prefetch_factor to None."
        )
    if prefetch_factor is not None and prefetch_factor <= 0:
        raise ValueError(f"prefetch_factor option should be positive, got {prefetch_factor}")
    if persistent_workers and num_workers == 0:
        raise ValueError("persistent_workers option needs num_workers > 0")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if num_workers > cores:
        warnings.warn(
            f"This DataLoader will create {num_workers} worker processes in total. Our suggested max number of worker in current "
            f"system is {cores}, which is smaller than what this DataLoader is going to create.",
            stacklevel=3,
        )


def _context(given, num_workers):
    if given is None:
        return None
    if num_workers == 0:
        raise ValueError(
            f"multiprocessing_context can only be used with multi-process loading (num_workers > 0), but got {num_workers=}"
        )
    if isinstance(given, str):
        methods = multiprocessing.get_all_start_methods()
        if given not in methods:
            raise ValueError(
                f"multiprocessing_context option should specify a valid start method in {methods!r}, "
                f"but got multiprocessing_context={given!r}"
            )
        return multiprocessing.get_context(given)
    if not isinstance(given, BaseContext):
        raise TypeError(
            "multiprocessing_context option should be a valid context object or a string specifying the start method, "
            f"but got multiprocessing_context={given}"
        )
    return given


def _check_order(iterable, batch_size, shuffle, sampler, batch_sampler, drop_last):
    if iterable:
        for name, value in (("shuffle", shuffle or None), ("sampler", sampler), ("batch_sampler", batch_sampler)):
            if value is not None:
                raise ValueError(f"DataLoader with IterableDataset: expected unspecified {name} option, but got {name}={value}")
    if sampler is not None and shuffle:
        raise ValueError("sampler option is mutually exclusive with shuffle")
    if batch_sampler is not None and (batch_size != 1 or shuffle or sampler is not None or drop_last):
        raise ValueError("batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and drop_last")
    if batch_sampler is None and batch_size is None and drop_last:
        raise ValueError("batch_size=None option disables auto-batching and is mutually exclusive with drop_last")
