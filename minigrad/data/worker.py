"""Worker processes that load samples ahead of time.

Every worker has a pipe of its own: tasks go in, batches come back, and a worker that dies is noticed by the end of its pipe.
In the worker one thread receives tasks and one sends results, so neither side ever waits for the other to read.
"""

import itertools
import os
import pickle
import queue
import random
import sys
import threading
import time
import traceback
import warnings
import weakref
from dataclasses import dataclass
from multiprocessing import connection, get_context
from typing import Any

import numpy as np

from ..random import default_generator, manual_seed
from ..threads import set_num_threads
from .collate import default_collate
from .dataset import IterableDataset, columns, samples

STOP_SECONDS = 5.0  # how long a worker may go on with what it is doing when it is no longer needed


@dataclass(frozen=True)
class WorkerInfo:
    """What :func:`get_worker_info` tells in a worker: its number, how many there are, its seed, its copy of the dataset."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


_info = None  # set in a worker process


def get_worker_info():
    """In a worker of a DataLoader its :class:`WorkerInfo`, elsewhere None. With it an IterableDataset shares its work out.

    >>> import minigrad
    >>> class Count(minigrad.data.IterableDataset):
    ...     def __iter__(self):
    ...         info = minigrad.data.get_worker_info()
    ...         return iter(range(info.id, 6, info.num_workers) if info else range(6))
    >>> sorted(x.item() for x in minigrad.data.DataLoader(Count(), num_workers=2))
    [0, 1, 2, 3, 4, 5]
    """
    return _info


# -------------------------------------------------------------------------------------------------------------- fetching
def fetcher(dataset, batched, collate_fn, drop_last):
    """A function from what the sampler gives to a batch; it raises StopIteration at the end of an IterableDataset."""
    if isinstance(dataset, IterableDataset):
        stream = iter(dataset)

        def from_stream(index):
            if not batched:
                return collate_fn(next(stream))
            found = list(itertools.islice(stream, len(index)))
            if not found or (drop_last and len(found) < len(index)):
                raise StopIteration
            return collate_fn(found)

        return from_stream
    if not batched:
        return lambda index: collate_fn(dataset[index])
    whole_batch = columns(dataset) if collate_fn is default_collate else None
    return whole_batch or (lambda indices: collate_fn(samples(dataset, indices)))


# ---------------------------------------------------------------------------------------------------- inside the process
def run(pipe, others, settings):
    """The life of a worker process. ``others``: pipe ends of the main process that a forked child must not keep open."""
    for end in others:
        end.close()
    tasks, results = queue.SimpleQueue(), queue.SimpleQueue()
    threading.Thread(target=_receive, args=(pipe, tasks), daemon=True).start()
    threading.Thread(target=_send, args=(pipe, results), daemon=True).start()
    try:
        _work(tasks, results, **settings)
    except KeyboardInterrupt:
        pass  # the main process got it too and reports it


def _receive(pipe, tasks):
    try:
        while True:
            tasks.put(pipe.recv())
    except (EOFError, OSError):  # the main process closed the pipe, or is gone: forget what is still to do
        while not tasks.empty():
            tasks.get_nowait()
        tasks.put(None)


def _send(pipe, results):
    try:
        while True:
            for message in results.get():
                pipe.send_bytes(message)
    except OSError:
        pass


def _work(tasks, results, dataset, batched, collate_fn, drop_last, base_seed, init_fn, number, num_workers, engine=None):
    global _info
    set_num_threads(1)  # there are as many workers as the user wants busy cores
    seed = (base_seed + number) % 2**64
    random.seed(seed)
    if engine is not None:  # that of the main process, which a spawned worker does not inherit
        default_generator.use(engine)
    manual_seed(seed)
    np.random.seed(np.random.SeedSequence([number, base_seed]).generate_state(4))
    _info = WorkerInfo(number, num_workers, seed, dataset)
    failure = fetch = None
    try:
        if init_fn is not None:
            init_fn(number)
    except Exception as error:
        failure = _report(error, number)
    ended = False
    while (task := tasks.get()) is not None:
        name, index = task
        if name == "begin":
            fetch, ended = None, False
            continue
        if failure is None and not ended:
            try:
                fetch = fetch or fetcher(dataset, batched, collate_fn, drop_last)
                reply = _packed(name, "data", fetch(index))
            except StopIteration as error:
                ended = isinstance(dataset, IterableDataset)
                reply = _packed(name, "end", None) if ended else _packed(name, "error", _report(error, number))
            except Exception as error:
                reply = _packed(name, "error", _report(error, number))
        else:
            reply = _packed(name, "end", None) if failure is None else _packed(name, "error", failure)
        results.put(reply)


def _report(error, number):
    """What the main process needs to raise the same error: its type, where that can be sent, and the text."""
    text = "".join(traceback.format_exception(error))
    message = f"Caught {type(error).__name__} in DataLoader worker process {number}.\nOriginal {text}"
    try:
        pickle.dumps(type(error))
        return type(error), message
    except Exception:
        return None, message


def _packed(name, kind, value):
    """A message and, behind it, the memory of its arrays, which is not copied into the pickle."""
    buffers = []
    body = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    parts = [b.raw() for b in buffers]
    return [pickle.dumps((name, kind, body, [len(p) for p in parts])), *(p for p in parts if len(p))]


def _unpacked(pipe):
    name, kind, body, sizes = pickle.loads(pipe.recv_bytes())
    buffers = [bytearray(n) for n in sizes]
    for b in buffers:
        if b:
            pipe.recv_bytes_into(b)
    return name, kind, pickle.loads(body, buffers=buffers)


# --------------------------------------------------------------------------------------------------- in the main process
# Our ends of the pipes of all workers. A forked worker closes its copies, or the others would not see us close ours.
_open = set()


class Workers:
    """The running workers of one loader: ``put`` a task for one of them, ``get`` a reply."""

    def __init__(self, loader, base_seed):
        context = loader.multiprocessing_context or get_context("fork" if sys.platform == "linux" else None)
        forks = context.get_start_method() == "fork"
        self.timeout = loader.timeout
        self.epoch = 0
        self.pipes, self.processes = [], []
        for number in range(loader.num_workers):
            mine, theirs = context.Pipe()
            self.pipes.append(mine)
            _open.add(mine)
            settings = {
                "dataset": loader.dataset,
                "batched": loader.batch_sampler is not None,
                "collate_fn": loader.collate_fn,
                "drop_last": loader.drop_last,
                "base_seed": base_seed,
                "init_fn": loader.worker_init_fn,
                "number": number,
                "num_workers": loader.num_workers,
                "engine": default_generator.engine,
            }
            process = context.Process(target=run, args=(theirs, list(_open) if forks else [], settings), daemon=True)
            with warnings.catch_warnings():  # from 3.12 on forking beside the idle threads of a BLAS warns
                warnings.filterwarnings("ignore", message=".*use of fork", category=DeprecationWarning)
                process.start()
            theirs.close()
            self.processes.append(process)
        self.stop = weakref.finalize(self, _stop, os.getpid(), self.pipes, self.processes)

    def put(self, worker, task):
        try:
            self.pipes[worker].send(task)
        except OSError:
            raise self._died(worker) from None

    def get(self, workers):
        """The next reply of one of ``workers``: its number, the task's, and what kind of reply it is, with its value."""
        ends = {self.pipes[w]: w for w in workers}
        sentinels = {self.processes[w].sentinel: w for w in workers}
        ready = connection.wait([*ends, *sentinels], self.timeout or None)
        if not ready:
            raise RuntimeError(
                f"DataLoader timed out after {self.timeout} seconds: a worker is slower than the timeout allows, or waits for "
                f"something; raise timeout, or try num_workers=0"
            )
        for end in ready:
            if end in ends:
                try:
                    return ends[end], *_unpacked(end)
                except (EOFError, OSError):
                    raise self._died(ends[end]) from None
        raise self._died(sentinels[ready[0]])

    def _died(self, worker):
        process = self.processes[worker]
        process.join(1.0)
        return RuntimeError(
            f"DataLoader worker (pid(s) {process.pid}) exited unexpectedly with exit code {process.exitcode}. It may have run "
            f"out of memory or been killed; num_workers=0 shows errors in the main process"
        )


def _stop(owner, pipes, processes):
    if os.getpid() != owner:  # a forked child that inherited this object
        return
    for pipe in pipes:
        pipe.close()
        _open.discard(pipe)
    deadline = time.monotonic() + STOP_SECONDS
    for process in processes:
        process.join(max(0.0, deadline - time.monotonic()))
        if process.is_alive():
            process.terminate()
            process.join()


class _Text(str):
    """A message whose repr is the text itself: KeyError shows the repr of its argument."""

    def __repr__(self):
        return str(self)


def rebuilt(report):
    """The exception of a worker, with the worker's traceback in its message."""
    kind, message = report
    if kind is None or issubclass(kind, StopIteration):
        return RuntimeError(message)
    try:
        return kind(_Text(message))
    except Exception:  # a class whose constructor wants something else
        return RuntimeError(message)
