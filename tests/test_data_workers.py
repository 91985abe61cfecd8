"""Worker processes: order, seeds, errors, streams, and an end in every case."""

import multiprocessing
import os
import pickle
import queue
import random
import signal
import threading
import time

import numpy as np
import pytest
from data_cases import Range, Stream, flat, generator, lists, needs_fork

import minigrad
from minigrad import data
from minigrad.data import BatchSampler, DataLoader, RandomSampler, TensorDataset, default_collate
from minigrad.tensor import wrap


@needs_fork
@pytest.mark.parametrize("options", [{}, {"prefetch_factor": 1}, {"prefetch_factor": 5}])
def test_workers_keep_the_order(options):
    loader = DataLoader(Range(23), batch_size=3, shuffle=True, generator=generator(), num_workers=2, **options)
    plain = DataLoader(Range(23), batch_size=3, shuffle=True, generator=generator())
    for _ in range(3):
        assert lists(loader) == lists(plain)


@needs_fork
def test_workers_that_stay_draw_their_seeds_once():
    loader = DataLoader(Range(23), batch_size=3, shuffle=True, generator=generator(), num_workers=2, persistent_workers=True)
    assert lists(loader) == lists(DataLoader(Range(23), batch_size=3, shuffle=True, generator=generator()))
    alone = generator()
    alone.set_state(loader.generator.get_state())
    assert lists(loader) == list(BatchSampler(RandomSampler(range(23), generator=alone), 3, False))


@needs_fork
def test_workers_out_of_order():
    class Slow(Range):
        def __getitem__(self, i):
            time.sleep(0.3 if i == 0 else 0)
            return i

    got = [b.item() for b in DataLoader(Slow(6), num_workers=2, in_order=False)]
    assert sorted(got) == list(range(6)) and got[0] != 0


def test_spawned_workers():
    dataset = TensorDataset(minigrad.arange(6), minigrad.arange(6.0))
    loader = DataLoader(dataset, batch_size=2, num_workers=1, multiprocessing_context="spawn")
    assert [[t.tolist() for t in batch] for batch in loader] == [[[0, 1], [0.0, 1.0]], [[2, 3], [2.0, 3.0]], [[4, 5], [4.0, 5.0]]]


@needs_fork
def test_results_of_every_kind_come_back():
    class Mixed(Range):
        def __getitem__(self, i):
            return {
                "a": np.full((3, 100_000), i, np.float32),
                "b": wrap(np.zeros((0, 2))),
                "c": f"{i}",
                "d": minigrad.ones(2).bool(),
            }

    for i, batch in enumerate(DataLoader(Mixed(5), num_workers=2)):
        assert batch["a"].shape == (1, 3, 100_000) and bool((batch["a"] == i).all()) and batch["c"] == [str(i)]
        assert batch["b"].shape == (1, 0, 2) and batch["d"].dtype is minigrad.bool
        batch["a"].add_(1)  # the memory can be written


@pytest.mark.parametrize("dataset", [Range(6), Stream(6)], ids=["map", "stream"])
def test_the_life_of_a_worker(monkeypatch, dataset):
    """Here in a thread, where it can be watched; its pipe is all it knows of the main process."""
    from minigrad.data import worker

    for module, name in ((worker.random, "seed"), (worker.np.random, "seed"), (worker, "manual_seed")):
        monkeypatch.setattr(module, name, lambda seed: None)
    monkeypatch.setattr(worker, "_info", None)
    settings = dict(batched=True, collate_fn=default_collate, drop_last=False, base_seed=5, init_fn=None, number=1, num_workers=2)
    mine, theirs = multiprocessing.Pipe()
    other, _ = multiprocessing.Pipe()
    thread = threading.Thread(target=worker.run, args=(theirs, [other], {"dataset": dataset, **settings}))
    thread.start()
    for task in ((("a", 0), [0, 1]), (("a", 1), ["x"]), (("a", 2), [4, 5]), ("begin", None), (("b", 0), [2])):
        mine.send(task)
    replies = [worker._unpacked(mine) for _ in range(4)]
    mine.close()
    thread.join(10)
    assert not thread.is_alive() and other.closed
    kinds = [(name, kind) for name, kind, _ in replies]
    if isinstance(dataset, Range):
        assert kinds == [(("a", 0), "data"), (("a", 1), "data"), (("a", 2), "data"), (("b", 0), "data")]
        assert replies[1][2] == ["x"] and replies[3][2].tolist() == [2]
    else:
        assert kinds == [(("a", 0), "data"), (("a", 1), "data"), (("a", 2), "end"), (("b", 0), "data")]
        assert [r[2].tolist() for r in replies[:2]] == [[1, 3], [5]] and replies[3][2].tolist() == [1]


@pytest.mark.parametrize("fails", ["at the start", "later", "with its own class"])
def test_the_failures_of_a_worker(monkeypatch, fails):
    from minigrad.data import worker

    class Local(Exception):
        pass

    def init(number):
        if fails == "at the start":
            raise OSError("no data")

    def collate(batch):
        raise StopIteration("too early") if fails == "later" else Local("mine")

    for module, name in ((worker.random, "seed"), (worker.np.random, "seed"), (worker, "manual_seed")):
        monkeypatch.setattr(module, name, lambda seed: None)
    monkeypatch.setattr(worker, "_info", None)
    tasks, results = queue.SimpleQueue(), queue.SimpleQueue()
    for task in (((1, 0), [0]), ((1, 1), [1]), None):
        tasks.put(task)
    settings = dict(batched=True, collate_fn=collate, drop_last=False, base_seed=5, init_fn=init, number=1, num_workers=2)
    worker._work(tasks, results, dataset=Range(3), **settings)
    for _ in range(2):
        _, kind, body, _ = pickle.loads(results.get()[0])
        error = worker.rebuilt(pickle.loads(body))
        assert kind == "error" and type(error) is (OSError if fails == "at the start" else RuntimeError)
        assert "in DataLoader worker process 1.\nOriginal Traceback" in str(error)


@needs_fork
def test_streams_with_workers():
    assert flat(lists(DataLoader(Stream(11), batch_size=2, num_workers=2))) == list(range(11))
    loader = DataLoader(Stream(11), batch_size=2, num_workers=2, persistent_workers=True)
    assert lists(loader) == lists(loader) == [[0, 2], [1, 3], [4, 6], [5, 7], [8, 10], [9]]


@needs_fork
def test_worker_information_and_seeds():
    class Numbers(Range):
        def __getitem__(self, i):
            info = data.get_worker_info()
            return (
                info.id,
                info.num_workers,
                info.seed % 1000,
                len(info.dataset),
                random.random(),
                np.random.rand(),
                minigrad.rand(1),
            )

    started = []

    def note(number):
        started.append(number)  # in the worker's memory, not in ours
        assert data.get_worker_info().id == number

    def run(seed):
        loader = DataLoader(Numbers(4), num_workers=2, generator=generator(seed), worker_init_fn=note)
        return [[x.tolist() for x in batch] for batch in loader]

    first = run(0)
    assert first == run(0) != run(1) and started == [] and data.get_worker_info() is None
    assert [row[0][0] for row in first] == [0, 1, 0, 1] and first[0][1] == [2] and first[0][3] == [4]
    assert len({str(row[4:]) for row in first}) == 4
    assert (first[1][2][0] - first[0][2][0]) % 1000 == 1


class Picky(Exception):
    def __init__(self, one, two):
        super().__init__(one, two)


@needs_fork
@pytest.mark.parametrize(
    "error", [ValueError("the sample is bad"), KeyError("the sample is bad"), StopIteration("the sample is bad")]
)
def test_an_error_in_a_worker_reaches_the_caller(error):
    class Bad(Range):
        def __getitem__(self, i):
            if i == 3:
                raise error
            return i

    loader = iter(DataLoader(Bad(6), num_workers=2))
    expected = RuntimeError if isinstance(error, StopIteration) else type(error)
    got = [next(loader).item() for _ in range(3)]
    with pytest.raises(expected) as caught:
        next(loader)
    text = str(caught.value)
    assert "in DataLoader worker process 1.\nOriginal Traceback" in text and "__getitem__" in text and "the sample is bad" in text
    assert "\\n" not in text
    assert [*got, *(x.item() for x in loader)] == [0, 1, 2, 4, 5]


@needs_fork
def test_an_error_that_cannot_be_made_again():
    class Bad(Range):
        def __getitem__(self, i):
            class Local(Exception):
                pass

            raise Picky(1, 2) if i else Local("here")

    loader = iter(DataLoader(Bad(2), num_workers=1))
    for name in ("Local: here", "Picky"):
        with pytest.raises(RuntimeError, match=name):
            next(loader)


@needs_fork
def test_errors_at_the_start_and_in_the_result():
    def fail(number):
        raise OSError("no data here")

    with pytest.raises(OSError, match="no data here"):
        next(iter(DataLoader(Range(2), num_workers=1, worker_init_fn=fail)))

    class Unsendable(Range):
        def __getitem__(self, i):
            return lambda: i

    with pytest.raises(Exception, match="pickle"):
        next(iter(DataLoader(Unsendable(2), num_workers=1, collate_fn=lambda batch: batch)))


@needs_fork
def test_a_worker_that_dies_is_noticed():
    class Deadly(Range):
        def __getitem__(self, i):
            if i == 2:
                os.kill(os.getpid(), signal.SIGKILL)
            return i

    with pytest.raises(RuntimeError, match=r"DataLoader worker \(pid\(s\) \d+\) exited unexpectedly with exit code -9"):
        list(DataLoader(Deadly(8), num_workers=2))


@needs_fork
def test_timeout():
    class Slow(Range):
        def __getitem__(self, i):
            time.sleep(30)

    started = time.monotonic()
    loader = iter(DataLoader(Slow(2), num_workers=1, timeout=0.2))
    with pytest.raises(RuntimeError, match=r"DataLoader timed out after 0.2 seconds"):
        next(loader)
    loader._workers.processes[0].kill()
    assert time.monotonic() - started < 10


@needs_fork
def test_workers_end_with_the_loop():
    def alive(iterator):
        return [p.is_alive() for p in iterator._workers.processes]

    whole = iter(DataLoader(Range(4), num_workers=2))
    assert all(alive(whole))
    list(whole)
    assert not any(alive(whole))
    left = iter(DataLoader(Range(100), num_workers=2))
    next(left)
    processes = left._workers.processes
    del left
    assert not any(p.is_alive() for p in processes)


@needs_fork
def test_workers_of_two_loaders_end_at_once():
    loaders = [DataLoader(Range(4), num_workers=1, persistent_workers=True) for _ in range(2)]
    iterators = [iter(loader) for loader in loaders]
    first = iterators[0]._workers
    begin = time.monotonic()
    first.stop()  # while the second's, who were started later, go on
    assert time.monotonic() - begin < 2.5 and not any(p.is_alive() for p in first.processes)
    assert [b.item() for b in iterators[1]] == [0, 1, 2, 3]


@needs_fork
def test_a_persistent_loop_left_early_does_not_disturb_the_next():
    loader = DataLoader(Range(9), num_workers=2, persistent_workers=True)
    first = iter(loader)
    next(first)
    pids = [p.pid for p in first._workers.processes]
    second = iter(loader)
    assert [b.item() for b in second] == list(range(9)) and [p.pid for p in second._workers.processes] == pids
    with pytest.raises(RuntimeError, match="another loop over this DataLoader has begun"):
        next(first)


@needs_fork
def test_large_lists_of_indices_do_not_block():
    loader = DataLoader(TensorDataset(minigrad.arange(300_000)), batch_size=100_000, num_workers=1, prefetch_factor=3)
    assert sum(len(x) for (x,) in loader) == 300_000
