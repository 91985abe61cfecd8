"""Linear algebra beside PyTorch 2.13: names of results, empty matrices and batches, gradients of two orders."""

import numpy as np
import pytest

import minigrad

pytestmark = [pytest.mark.parity, pytest.mark.filterwarnings("ignore:.*deprecated")]
SHAPES = [(0, 0), (0, 3, 3), (2, 0, 0), (3, 3), (2, 3, 3), (0, 3), (3, 0), (2, 2, 0), (3, 4), (4, 3), (2, 3, 2), (3,)]
FUNCTIONS = """linalg.det linalg.slogdet linalg.inv linalg.inv_ex linalg.cholesky_ex linalg.eigvals linalg.eig linalg.eigh
linalg.eigvalsh linalg.svd linalg.svdvals linalg.qr linalg.lu linalg.lu_factor linalg.lu_factor_ex linalg.ldl_factor
linalg.ldl_factor_ex linalg.matrix_exp linalg.pinv linalg.matrix_rank linalg.cond linalg.matrix_norm linalg.norm
linalg.vector_norm det logdet slogdet inverse pinverse svd qr lu geqrf matrix_exp cholesky_inverse""".split()


@pytest.fixture(scope="module")
def torch():
    import torch

    torch.set_num_threads(1)
    return torch


def find(library, name):
    for part in name.split("."):
        library = getattr(library, part)
    return library


def parts(value):
    return list(value) if isinstance(value, tuple | list) else [value]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_shapes_and_names(torch, name):
    r = np.random.default_rng(3)
    for shape in SHAPES:
        x = r.standard_normal(shape).astype(np.float32)
        try:
            expected = find(torch, name)(torch.tensor(x))
        except (RuntimeError, IndexError) as error:
            with pytest.raises(RuntimeError if isinstance(error, RuntimeError) else type(error)):
                find(minigrad, name)(minigrad.tensor(x))
            continue
        actual = find(minigrad, name)(minigrad.tensor(x))
        assert type(actual).__name__ == type(expected).__name__
        for a, e in zip(parts(actual), parts(expected), strict=True):
            assert tuple(a.shape) == tuple(e.shape) and a.dtype.name == str(e.dtype).removeprefix("torch."), shape
            if "eig" not in name and "svd" not in name:  # directions and orders that are free
                np.testing.assert_allclose(np.abs(a.numpy()), np.abs(e.numpy()), rtol=1e-3, atol=1e-4)


def definite(r):
    a = r.standard_normal((3, 3))
    return a @ a.T + np.eye(3)


LOSSES = {
    "eigvals": (lambda t, A: t.linalg.eigvals(A).abs().square().sum(), False),
    "eig": (lambda t, A: (t.linalg.eig(A).eigenvectors.abs() * t.arange(9.0, dtype=t.float64).reshape(3, 3)).sum(), False),
    "eigh": (lambda t, A: (t.linalg.eigh(A).eigenvectors.abs() * t.arange(9.0, dtype=t.float64).reshape(3, 3)).sum(), True),
    "svd": (lambda t, A: (t.linalg.svd(A).U.abs() * t.arange(9.0, dtype=t.float64).reshape(3, 3)).sum(), False),
    "cholesky": (lambda t, A: t.linalg.cholesky(A).sin().sum(), True),
    "cholesky_ex": (lambda t, A: t.linalg.cholesky_ex(A, upper=True).L.sin().sum(), True),
    "cholesky_inverse": (lambda t, A: t.cholesky_inverse(A).sin().sum(), True),
    "cholesky_solve": (lambda t, A: t.cholesky_solve(A.sin(), A, upper=True).sin().sum(), True),
    "pinv hermitian": (lambda t, A: t.linalg.pinv(A, hermitian=True).sin().sum(), False),
    "lu": (lambda t, A: sum(x.sin().sum() for x in t.linalg.lu(A)), False),
    "lu tall": (lambda t, A: sum(x.sin().sum() for x in t.linalg.lu(A[:, :2])), False),
    "lu wide": (lambda t, A: sum(x.sin().sum() for x in t.linalg.lu(A[:2])), False),
    "lu_solve": (lambda t, A: t.linalg.lu_solve(*t.linalg.lu_factor(A), A.cos(), left=False, adjoint=True).sin().sum(), False),
    "solve_ex": (lambda t, A: t.linalg.solve_ex(A, A.cos(), left=False).result.sin().sum(), False),
    "inv_ex": (lambda t, A: t.linalg.inv_ex(A).inverse.sin().sum(), False),
    "householder": (lambda t, A: t.linalg.householder_product(A, A[0]).sin().sum(), False),
    "ormqr": (lambda t, A: t.ormqr(A, A[1], A.cos(), True, True).sin().sum(), False),
    "matrix_exp": (lambda t, A: t.matrix_exp(A).sin().sum(), False),
    "det": (lambda t, A: t.linalg.det(A).sin(), False),
    "tensorsolve": (lambda t, A: t.linalg.tensorsolve(A, A[0]).sin().sum(), False),
    "renorm": (lambda t, A: t.renorm(A, 2, 0, 1.0).sin().sum(), False),
    "pdist": (lambda t, A: t.pdist(A).sin().sum(), None),
    "nuclear norm": (lambda t, A: t.norm(A, "nuc").sin(), False),
}


@pytest.mark.parametrize("name", LOSSES)
def test_gradients(torch, name):
    """``symmetric`` None: PyTorch has a first derivative alone."""
    loss, symmetric = LOSSES[name]
    r = np.random.default_rng(5)
    a = definite(r) if symmetric else r.standard_normal((3, 3))
    found = []
    for library in (minigrad, torch):
        A = library.tensor(a, requires_grad=True)
        (first,) = library.autograd.grad(loss(library, A), A, create_graph=True)
        second = library.autograd.grad((first * first).sum(), A) if symmetric is not None else ()
        found.append([g.detach().numpy() for g in (first, *second)])
    for ours, theirs in zip(*found):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-8)
