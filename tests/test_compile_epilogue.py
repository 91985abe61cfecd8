"""Bias and ReLU behind a matrix product: where they are joined with it, where not, and the same numbers as without."""

import itertools
import math

import numpy as np
import pytest
from compared import rows_shared

import minigrad as mg
from minigrad import nn
from minigrad.compile import Step, epilogue, verify
from minigrad.nn import functional as F

pytest.importorskip("numba")
from minigrad.compile.executable import Executable
from minigrad.kernels.cpu import gemm

pytestmark = [
    pytest.mark.skipif("config.getoption('--xp') != 'numpy'", reason="machine code runs on the CPU"),
    pytest.mark.skipif(gemm.LANES == 0, reason="there are no vector tiles"),
]
ROWS, INNER, COLUMNS = 32, 130, 70  # enough for the tiles


@pytest.fixture(autouse=True)
def _private_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("MINIGRAD_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "generated"))


def normal(*shape, seed=0, dtype="float32"):
    return mg.tensor(np.random.default_rng([seed, *shape]).standard_normal(shape).astype(dtype))


def traced(function, *examples):
    step = Step(function)
    step(*examples)
    return step, next(p for kept in step.programs.values() for p in kept)


def calls(executable):
    return [n.op for n in executable.graph.nodes]


def joined_and_apart(function, *examples, monkeypatch, **how):
    """What an executable with the pass gives, and one without; the first one has an ``affine``."""
    step, program = traced(function, *examples)
    with monkeypatch.context() as patch:
        patch.setattr(epilogue, "joined", lambda graph: graph)
        apart = Executable(program, **how)
    joined = Executable(program, **how)
    assert "affine" in calls(joined) and "affine" not in calls(apart)
    program.executable = joined
    verify(step)
    results = [e(list(examples)) for e in (joined, apart)]
    return [r if isinstance(r, tuple) else (r,) for r in results]


def same_bits(found, expected):
    for a, b in zip(found, expected, strict=True):
        assert a.dtype is b.dtype
        np.testing.assert_array_equal(a.array.view(np.int32), b.array.view(np.int32))


FORMS = {
    "a row": lambda x, w, b: F.relu(x @ w + b),
    "a row of two axes": lambda x, w, b: F.relu(x @ w + b.reshape(1, -1)),
    "from the left": lambda x, w, b: F.relu(b + x @ w),
    "without ReLU": lambda x, w, b: x @ w + b,
    "transposed": lambda x, w, b: F.relu(x.reshape(INNER, -1).T @ w.reshape(-1, INNER).T + b),
    "more axes": lambda x, w, b: F.relu(x.reshape(4, -1, INNER) @ w + b),
    "several weights": lambda x, w, b: F.relu(x.reshape(4, -1, INNER) @ mg.stack([w, w * 2, w, w]) + b),
    "a bias that is computed": lambda x, w, b: F.relu(x @ w + (x[:, :COLUMNS] * b).sum(0)) * 2,
    "read by others": lambda x, w, b: (y := F.relu(x @ w + b), y.exp() * y, y.sum(0)),
}


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_the_same_bits(form, apart, monkeypatch):
    examples = normal(ROWS, INNER), normal(INNER, COLUMNS), normal(COLUMNS)
    same_bits(*joined_and_apart(FORMS[form], *examples, monkeypatch=monkeypatch, apart=apart))


@pytest.mark.parametrize("relu", [False, True])
def test_special_values(relu, monkeypatch):
    special = [math.nan, math.inf, -math.inf, 0.0, -0.0, 1e-40, -1e-40, 3e38, -3e38]
    x, w, b = (np.array(normal(*shape).array) for shape in ((ROWS, INNER), (INNER, COLUMNS), (COLUMNS,)))
    b[: len(special)] = special
    for (row, value), column in itertools.product(enumerate(special), (0, 5)):
        x[row, column] = value
    x[10:14], w[:, :3] = 0, 0
    x[14], w[:, 9:12] = -0.0, -0.0
    examples = [mg.tensor(a) for a in (x, w, b)]
    function = FORMS["a row"] if relu else FORMS["without ReLU"]
    (found,), (apart,) = joined_and_apart(function, *examples, monkeypatch=monkeypatch)
    np.testing.assert_array_equal(found.array, apart.array)
    numbers = ~np.isnan(found.array)  # the sign of NaN means nothing
    np.testing.assert_array_equal(np.signbit(found.array[numbers]), np.signbit(apart.array[numbers]))
    assert np.isnan(found.array[0]).all() and np.isnan(found.array[:, 0]).all() and np.isposinf(found.array[10, 1])


def test_a_long_inner_dimension(monkeypatch):
    """The bias is added to the first of the pieces that the sum is made of."""
    x, w, b = normal(9, 2500), normal(2500, 40), normal(40) * 100
    for last in (F.relu, lambda y: y):
        found, apart = joined_and_apart(lambda x, w, b, last=last: last(x @ w + b), x, w, b, monkeypatch=monkeypatch)
        np.testing.assert_allclose(found[0].array, apart[0].array, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(
    ("function", "shapes"),
    [
        (lambda x, w, b: (y := x @ w, F.relu(y + b)), ((ROWS, INNER), (INNER, COLUMNS), (COLUMNS,))),
        (lambda x, w, b: (x @ w + b).exp(), ((ROWS, INNER), (INNER, COLUMNS), (COLUMNS,))),  # the loop is there anyway
        (lambda x, w, b: F.relu(x @ w + b), ((ROWS, INNER), (INNER, COLUMNS), (ROWS, 1))),
        (lambda x, w, b: F.relu(x @ w + b), ((ROWS, INNER), (INNER, COLUMNS), (ROWS, COLUMNS))),
        (lambda x, w, b: F.relu(x @ w + b), ((ROWS, INNER), (INNER, COLUMNS), (2, 1, COLUMNS))),
        (lambda x, w, b: F.relu(x @ w + b), ((ROWS, INNER), (INNER, COLUMNS), (1,))),
        (lambda x, w, b: F.relu(x @ w + b.exp()), ((ROWS, INNER), (INNER, COLUMNS), (COLUMNS,))),
        (lambda x, w, b: F.relu(x @ w + b), ((1100, 1000), (1000,), (1100,))),
        (lambda x, w, b: F.relu(x @ w + b), ((8, INNER), (INNER, COLUMNS), (COLUMNS,))),  # too small for the tiles
        (lambda x, w, b: F.relu(x @ w + 1.0) * b, ((ROWS, INNER), (INNER, COLUMNS), (COLUMNS,))),
    ],
)
def test_what_is_not_joined(function, shapes):
    examples = [normal(*s) for s in shapes]
    step, _ = traced(function, *examples)
    found, expected = step(*examples), function(*examples)
    assert "affine" not in str(step.graph())
    for a, b in zip(*[r if isinstance(r, tuple) else (r,) for r in (found, expected)], strict=True):
        np.testing.assert_allclose(a.array, b.array, rtol=1e-4, atol=1e-4)


def test_double_precision_is_not_joined():
    examples = [normal(*s, dtype="float64") for s in ((ROWS, INNER), (INNER, COLUMNS), (COLUMNS,))]
    _, program = traced(lambda x, w, b: F.relu(x @ w + b), *examples)
    assert "affine" not in calls(Executable(program))


def test_training_reads_what_comes_out_of_relu():
    def train(compiled):
        mg.manual_seed(0)
        net = nn.Sequential(nn.Linear(INNER, COLUMNS), nn.ReLU(), nn.Linear(COLUMNS, 160), nn.ReLU(), nn.Linear(160, 3))
        optimizer = mg.optim.SGD(net.parameters(), lr=0.1)

        def step(x, y):
            optimizer.zero_grad()
            loss = F.mse_loss(net(x), y)
            loss.backward()
            optimizer.step()
            return loss

        run = Step(step) if compiled else step
        return [run(normal(ROWS, INNER, seed=k), normal(ROWS, 3, seed=k)).item() for k in range(6)], run

    found, step = train(True)
    np.testing.assert_allclose(found, train(False)[0], rtol=1e-5)
    assert str(verify(step).graph()).count("affine(") == 2 and " with bias and ReLU: " in step.report()


def test_rows_are_shared_among_threads(monkeypatch):
    examples = normal(37, INNER), normal(INNER, COLUMNS), normal(COLUMNS)
    _, program = traced(lambda x, w, b: F.relu(x @ w + b), *examples)
    expected = Executable(program, apart=True)(list(examples))
    shared = rows_shared(monkeypatch)
    monkeypatch.setattr("minigrad.threads._chosen", 3)
    same_bits([Executable(program, apart=True)(list(examples))], [expected])
    assert shared == [37]


@pytest.mark.parametrize("there", [False, True])
def test_few_rows_of_a_small_product_are_for_a_blas_that_has_kernels_for_them(there, monkeypatch):
    from minigrad.compile import matmul

    monkeypatch.setattr("minigrad.threads.blas_has_small_products", lambda: there)
    sizes = [(1, 400, 320, False), (1, 400, 320, True), (4, 400, 320, False), (4, 64, 1100, True)]
    sizes += [(8, 64, 600, True), (4, 400, 320, True), (2, 1000, 600, False)]
    chosen = {}
    for m, n, k, transposed in sizes:
        node = mg.compile.Step(lambda x, w, t=transposed: x @ (w.T if t else w))
        node(mg.zeros(m, k), mg.zeros(*((n, k) if transposed else (k, n))))
        (product,) = (i for i in node.program.graph.inline().nodes if i.op == "matmul")
        chosen[m, n, k, transposed] = matmul.by_tiles(product, m, n, k, transposed)
    few = {(1, 400, 320, False), (4, 400, 320, False), (4, 64, 1100, True)}
    assert {size for size, own in chosen.items() if not own} == (few if there else set())
