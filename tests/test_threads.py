"""Threads of compiled kernels: the same numbers whatever their number, and no way to hang or to lose work."""

import ctypes
import multiprocessing
import os
import pathlib
import pickle
import subprocess
import sys
import textwrap
import threading
import warnings

import numpy as np
import pytest

import minigrad
from minigrad import threads

pool = pytest.importorskip("minigrad.kernels.cpu.threads")

LARGE = 2**30  # more work than any threshold
compiled = pytest.mark.skipif(pool.numba.config.DISABLE_JIT, reason="no threads without compilation")


@pytest.fixture(autouse=True)
def number_kept():
    before = threads._chosen
    yield
    if before is None:
        threads.set_num_threads(threads.cores())
    threads._chosen = before


@pool.jit
def add_one(x):
    for i in range(x.size):
        x[i] += 1


@pool.jit(sums=True)
def add_up(x, total):
    for i in range(x.size):
        total[0] += x[i]


@pool.jit
def rounds(slots, state, count, thread, n_threads):
    """Each thread counts, everyone waits, each compares with its neighbour, everyone waits. The mistakes seen."""
    wrong = 0
    neighbour = (thread + 1) % n_threads
    for i in range(count):
        slots[thread * 8] += 1
        pool_barrier(state, n_threads)
        if slots[neighbour * 8] != i + 1:
            wrong += 1
        pool_barrier(state, n_threads)
    slots[thread * 8 + 1] = wrong


pool_barrier = pool.barrier


def counted(count, work=LARGE):
    """The ranges that split asks for, and the threads that asked."""
    asked, x = [], np.zeros(count)

    def function(lo, hi):
        asked.append((lo, hi, threading.get_ident()))
        add_one(x[lo:hi])

    pool.split(function, count, work)
    assert (x == 1).all()
    return sorted(asked)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 64, 1000, 4096 * 3 + 5, 100_003])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_every_row_is_done_once(number, count):
    threads.set_num_threads(number)
    asked = counted(count)
    assert [lo for lo, _, _ in asked] == [0, *(hi for _, hi, _ in asked[:-1])]
    assert len(asked) <= number
    if not pool.numba.config.DISABLE_JIT and count >= number:
        assert len({ident for _, _, ident in asked}) == len(asked) > (number > 1 and count > 2)
    if count > 4096 * number:
        assert all(lo % pool.ALIGNED == 0 for lo, _, _ in asked)  # vectors end where they would end in one thread


def test_small_work_stays_in_the_calling_thread():
    threads.set_num_threads(3)
    assert counted(1000, work=1000) == [(0, 1000, threading.get_ident())]


def test_sums_do_not_depend_on_the_number_of_threads():
    x = np.random.default_rng(0).standard_normal(100_003).astype(np.float32)
    found = []
    for number in (1, 2, 3):
        threads.set_num_threads(number)
        total, other = pool.split_sums(
            lambda lo, hi, total, other: (add_up(x[lo:hi], total), add_one(other)), x.size, LARGE, x[:1], np.zeros(2)
        )
        found.append(total[0])
        assert total.shape == (1,) and total.dtype == np.float32 and other.tolist() == [pool.PIECES] * 2
    assert found[0] == found[1] == found[2]
    assert abs(found[0] - x.sum(dtype=np.float64)) < 0.05


def test_pieces():
    for count in (0, 1, 5, 16, 17, 100):
        for most in (1, 3, 16):
            bounds = pool.pieces(count, most)
            sizes = np.diff(bounds)
            assert bounds[0] == 0 and bounds[-1] == count and len(sizes) <= most and (sizes > 0).all()


def test_few_sums_are_one_piece_and_no_rows_are_zero():
    asked = []
    pool.split_sums(lambda lo, hi, total: asked.append((lo, hi)), 1000, 1, np.ones(3))
    assert asked == [(0, 1000)]
    (nothing,) = pool.split_sums(lambda lo, hi, total: 1 / 0, 0, LARGE, np.ones(3))
    assert nothing.tolist() == [0, 0, 0]


@compiled
@pytest.mark.parametrize("where", [0, 1])
def test_an_error_reaches_the_caller_after_all_are_done(where):
    threads.set_num_threads(2)
    done = []

    def function(lo, hi):
        if (lo > 0) == where:
            raise KeyError("this piece")
        done.append(lo)

    for _ in range(3):
        with pytest.raises(KeyError, match="this piece"):
            pool.split(function, 10, LARGE)
    assert len(done) == 3
    assert len(counted(10)) == 2  # and the threads are free again


def test_inside_a_piece_the_work_is_done_by_its_thread():
    threads.set_num_threads(2)
    x = np.zeros((4, 1000))

    def outer(lo, hi):
        for row in x[lo:hi]:
            pool.split(lambda a, b: add_one(row[a:b]), 1000, LARGE)  # noqa: B023

    pool.split(outer, 4, LARGE)
    assert (x == 1).all()


def test_several_python_threads_at_once():
    threads.set_num_threads(2)
    x = np.zeros((4, 50_000))
    errors = []

    def work(row):
        try:
            for _ in range(200):
                pool.split(lambda lo, hi: add_one(row[lo:hi]), row.size, LARGE)
        except BaseException as error:
            errors.append(error)

    callers = [threading.Thread(target=work, args=(row,)) for row in x]
    [t.start() for t in callers]
    [t.join(60) for t in callers]
    assert not errors and not any(t.is_alive() for t in callers)
    assert (x == 200).all()


@compiled
@pytest.mark.parametrize("number", [2, 3, 4])
def test_barriers_hold(number):
    """More threads than cores included: whoever waits lets the others run."""
    count = 50_000  # of rounds with two barriers
    slots, state = np.zeros(8 * number, np.int64), np.zeros(16, np.int64)
    threads.set_num_threads(number)
    rounds(slots, state, 0, 0, 1)  # compiled before anyone waits for it
    pool.together(lambda thread, n: rounds(slots, state, count, thread, n), number)
    assert (slots[::8] == count).all() and (slots[1::8] == 0).all()
    assert state[0] == 0  # nobody is left


@compiled
def test_a_barrier_behind_a_pointer():
    from minigrad.kernels.cpu.machine import i8_at

    @pool.numba.njit(nogil=True)
    def meet(address, n_threads):
        for _ in range(100):
            pool_barrier(i8_at(address), n_threads)

    threads.set_num_threads(2)
    state = np.zeros(16, np.int64)
    meet(state.ctypes.data, 1)
    assert state[8] == 0  # alone there is nothing to wait for
    pool.together(lambda thread, n: meet(state.ctypes.data, n), 2)
    assert state[8] == 100


def test_together_is_one_thread_where_the_pool_is_taken():
    threads.set_num_threads(2)
    seen = []

    def outer(thread, n):
        if thread == 0:
            pool.together(lambda inner, m: seen.append((inner, m)), 2)

    pool.together(outer, 2)
    assert seen == [(0, 1)]


def forked(function):
    """What ``function`` returns in a forked child."""
    read, write = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking beside threads
        child = os.fork()
    if child == 0:
        try:
            os.write(write, pickle.dumps(function()))
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        data = pipe.read()
    os.waitpid(child, 0)
    return pickle.loads(data)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_after_a_fork_the_child_has_threads_of_its_own():
    threads.set_num_threads(2)
    here = len(counted(100_000))
    assert forked(lambda: len(counted(100_000))) == here
    stop = threading.Event()

    def busy():
        while not stop.is_set():
            counted(100_000)

    other = threading.Thread(target=busy)  # a fork while the threads are taken
    other.start()
    try:
        assert [forked(lambda: len(counted(100_000))) for _ in range(5)] == [here] * 5
    finally:
        stop.set()
        other.join()


def _count_in_child(queue):
    queue.put(len(counted(100_000)))


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork")
def test_after_a_fork_of_multiprocessing():
    threads.set_num_threads(2)
    here = len(counted(100_000))
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        process = context.Process(target=_count_in_child, args=(queue,))
        process.start()
    assert queue.get(timeout=60) == here
    process.join(60)
    assert process.exitcode == 0


class Rows(minigrad.data.Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, i):
        x = minigrad.arange(600_000.0).reshape(6000, 100) % 7
        return (x * (i + 1)).softmax(1).sum(), threads.get_num_threads()


def test_workers_of_a_loader_use_kernels_in_one_thread():
    threads.set_num_threads(2)
    expected = [Rows()[i][0].item() for i in range(4)]
    loader = minigrad.data.DataLoader(Rows(), batch_size=1, num_workers=2)
    found = [(x.item(), n.item()) for x, n in loader]
    assert [x for x, _ in found] == expected
    assert [n for _, n in found] == [1] * 4
    assert threads.get_num_threads() == 2


def run(script, **environment):
    variables = {k: v for k, v in os.environ.items() if k not in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        env=variables | environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout.split()


def test_no_thread_before_it_is_needed_and_a_clean_end():
    script = """
        import threading, numpy, minigrad
        import minigrad.kernels.cpu.threads as pool
        minigrad.set_num_threads(3)
        pool.split(lambda lo, hi: None, 10, 10)
        print(threading.active_count())
        pool.split(lambda lo, hi: None, 10, 2**30)
        print(threading.active_count())
    """
    assert run(script) == ["1", "1" if pool.numba.config.DISABLE_JIT else "3"]


def test_an_interrupted_call_leaves_the_pool_usable():
    script = """
        import signal, time, minigrad
        import minigrad.kernels.cpu.threads as pool
        minigrad.set_num_threads(2)

        def interrupt(number, frame):
            raise KeyboardInterrupt

        signal.signal(signal.SIGALRM, interrupt)
        pool.split(lambda lo, hi: None, 2, 2**30)  # what the pool itself needs is compiled before the first interruption
        for i in range(20):
            signal.setitimer(signal.ITIMER_REAL, 0.005)
            end = time.monotonic() + 1
            try:
                while time.monotonic() < end:  # Python swallows what a signal raises while an object is being deleted
                    pool.split(lambda lo, hi: time.sleep(0.0005), 2, 2**30)
            except KeyboardInterrupt:
                pass
        signal.setitimer(signal.ITIMER_REAL, 0)
        done = []
        pool.split(lambda lo, hi: done.append(lo), 2, 2**30)
        print(sorted(done) in ([0], [0, 1]))
    """
    if not hasattr(os, "fork"):
        pytest.skip("no SIGALRM")
    assert run(script) == ["True"]


@pytest.mark.parametrize(
    "environment, number", [({"OMP_NUM_THREADS": "3"}, 3), ({"OMP_NUM_THREADS": "5,2"}, 5), ({"MKL_NUM_THREADS": "4"}, 4),
                            ({"OMP_NUM_THREADS": "none"}, threads.cores()), ({}, threads.cores())]
)  # fmt: skip
def test_the_number_comes_from_the_environment(environment, number):
    assert run("import minigrad; print(minigrad.get_num_threads())", **environment) == [str(number)]


def threads_of_blas(package):
    """What each OpenBLAS of a package says, asked through its own functions."""
    setters = threads._functions(package, "set_num_threads")
    if not setters:
        pytest.skip(f"{package} has no OpenBLAS of its own")
    name = setters[0].__name__.replace("_set_", "_get_")
    lines = pathlib.Path("/proc/self/maps").read_text().splitlines()
    paths = {line.split()[-1] for line in lines if f"/{package}.libs/" in line and "openblas" in line}
    libraries = [ctypes.CDLL(path) for path in sorted(paths)]
    return [getattr(library, name)() for library in libraries if hasattr(library, name)]


@pytest.mark.skipif(not os.path.exists("/proc/self/maps"), reason="reads the list of loaded libraries")
def test_matrix_products_take_the_number_and_kernels_have_one():
    for number in (1, 2):
        minigrad.set_num_threads(number)
        assert threads_of_blas("numpy") == [number]
    threads.one_blas_thread_in_kernels()
    assert threads_of_blas("scipy") == [1] and threads_of_blas("numpy") == [2]


# --------------------------------------------------------------------------------------------------- operations with kernels
F = minigrad.nn.functional
IMAGES = (6, 8, 21, 19)
WORK = {
    "elementwise": ((131, 257), lambda x: F.gelu(x).exp().tanh() + x.sigmoid() * minigrad.erf(x)),
    "softmax": ((131, 257), lambda x: x.softmax(1) + x.log_softmax(1)),
    "softmax of columns": ((131, 257), lambda x: x.softmax(0) + x.log_softmax(0)),
    "cross_entropy": ((131, 257), lambda x: F.cross_entropy(x, minigrad.arange(131) % 257, reduction="none")),
    "sums": ((131, 257), lambda x: x.sum(0, keepdim=True) + x.sum(1, keepdim=True) + x.amax(1, keepdim=True) + x.mean()),
    "layer_norm": ((131, 257), lambda x: F.layer_norm(x, (257,), x[0], x[1]) + F.rms_norm(x, (257,), x[2])),
    "batch_norm": (IMAGES, lambda x: F.batch_norm(x, None, None, x[0, :, 0, 0], x[0, :, 0, 1], training=True)),
    "batch_norm in eval": (IMAGES, lambda x: F.batch_norm(x, x[0, :, 1, 1], x[0, :, 1, 2] ** 2 + 1, x[0, :, 0, 0])),
    "group_norm": (IMAGES, lambda x: F.group_norm(x, 4, x[0, :, 0, 0], x[0, :, 0, 1])),
    "pooling": (IMAGES, lambda x: F.max_pool2d(x, 2)[..., :6, :6] + F.avg_pool2d(x, 3, padding=1)[..., :6, :6]),
    "attention": ((3, 4, 70, 16), lambda x: F.scaled_dot_product_attention(x, x * 2, x + 1, is_causal=True)),
    "embedding": ((131, 257), lambda x: F.embedding(minigrad.arange(3000) * 7 % 131, x)),
}  # fmt: skip
PRODUCTS = {
    "conv2d": (IMAGES, lambda x: F.conv2d(x, x[0, :, :3, :3].unsqueeze(0).expand(8, 8, 3, 3) * 0.1, padding=1)),
    "grouped conv2d": (IMAGES, lambda x: F.conv2d(x, x[0, :, :3, :3].unsqueeze(1), padding=1, stride=2, groups=8)),
    "lstm": ((20, 32, 8), lambda x: _lstm()(x)[0]),
    "matmul": ((131, 257), lambda x: x @ x.T),
}  # fmt: skip


def _lstm():
    minigrad.manual_seed(0)
    return minigrad.nn.LSTM(8, 24)


@compiled
@pytest.mark.parametrize("name", WORK)
def test_results_do_not_depend_on_the_number_of_threads(name, monkeypatch):
    """Bit for bit, gradients too, with work cut up that is small enough for a test."""
    monkeypatch.setattr(pool, "SMALLEST", 64)
    one, *others = [found_with(number, *WORK[name]) for number in (1, 2, 3)]
    for other in others:
        assert [a.tobytes() for a in one] == [a.tobytes() for a in other]


@compiled
@pytest.mark.parametrize("name", PRODUCTS)
def test_matrix_products_agree(name, monkeypatch):
    """BLAS may add in another order with other threads."""
    monkeypatch.setattr(pool, "SMALLEST", 64)
    one, *others = [found_with(number, *PRODUCTS[name]) for number in (1, 2, 3)]
    for other in others:
        for a, b in zip(one, other, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5 * abs(a).max())


def found_with(number, shape, function):
    minigrad.set_num_threads(number)
    x = minigrad.tensor(np.random.default_rng(0).standard_normal(shape).astype(np.float32), requires_grad=True)
    y = function(x)
    (y * y).sum().backward()
    return y.detach().numpy(), x.grad.numpy()


@compiled
@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop"])
def test_optimizers_do_not_depend_on_the_number_of_threads(name, monkeypatch):
    monkeypatch.setattr(pool, "SMALLEST", 64)
    data = np.random.default_rng(0).standard_normal((2, 131, 67)).astype(np.float32)
    found = []
    for number in (1, 2, 3):
        minigrad.set_num_threads(number)
        p = minigrad.nn.Parameter(minigrad.tensor(data[0]))
        optimizer = getattr(minigrad.optim, name)([p], lr=0.1)
        for _ in range(3):
            p.grad = minigrad.tensor(data[1])
            optimizer.step()
        found.append(p.detach().numpy().tobytes())
    assert found[0] == found[1] == found[2]


@compiled
def test_kernels_are_split(monkeypatch):
    """Large work is shared out, in the operations themselves."""
    teams = []
    monkeypatch.setattr(
        pool, "_run", lambda function, team, calls, run=pool._run: (teams.append(len(calls)), run(function, team, calls))
    )
    minigrad.set_num_threads(2)
    x = minigrad.zeros(1024, 1024, requires_grad=True)
    F.softmax(x, 1).sum().backward()
    assert len(teams) >= 2 and set(teams) == {2}
