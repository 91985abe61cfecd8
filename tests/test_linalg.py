"""Linear algebra beyond single calls: factorizations put together again, failures by number, gradients that are conventions."""

import numpy as np
import pytest

import minigrad
from minigrad import linalg


@pytest.fixture
def r():
    return np.random.default_rng(7)


def tensor(array, grad=False):
    return minigrad.tensor(array, requires_grad=grad)


def assert_close(actual, expected, tolerance=1e-9):
    np.testing.assert_allclose(actual.detach().numpy(), np.asarray(expected), rtol=tolerance, atol=tolerance)


def gradients(loss, *inputs):
    """First derivatives, and those of the sum of their squares."""
    first = minigrad.autograd.grad(loss, inputs, create_graph=True)
    second = minigrad.autograd.grad(sum((g * g).sum() for g in first), inputs)
    return [*first, *second]


# ------------------------------------------------------------------------------------------------------------ put together
@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4), (2, 3, 3), (0, 3), (3, 0), (0, 2, 2)])
def test_lu_multiplies_out(r, shape):
    A = tensor(r.standard_normal(shape))
    P, L, U = linalg.lu(A)
    assert_close(P @ L @ U, A.numpy())
    unpacked = minigrad.lu_unpack(*linalg.lu_factor_ex(A)[:2])
    for part, same in zip((P, L, U), unpacked):
        assert_close(part, same.numpy())


def test_reflections_multiply_out(r):
    A = tensor(r.standard_normal((2, 4, 3)))
    packed = minigrad.geqrf(A)
    assert_close(minigrad.orgqr(*packed) @ packed.a[..., :3, :].triu(), A.numpy())
    square = minigrad.ormqr(*packed, minigrad.eye(4, dtype=A.dtype).expand(2, 4, 4))
    assert_close(square.mT @ square, np.broadcast_to(np.eye(4), (2, 4, 4)))


def test_eigenvectors_multiply_out(r):
    A = tensor(r.standard_normal((2, 4, 4)))
    w, V = linalg.eig(A)
    assert w.dtype is minigrad.complex128 and linalg.eig(A.float()).eigenvectors.dtype is minigrad.complex64
    assert_close((V * w.unsqueeze(-2)) @ linalg.inv(V), A.numpy().astype(complex))


def test_low_rank_multiplies_out(r):
    A = tensor(r.standard_normal((6, 2)) @ r.standard_normal((2, 5)))
    for matrix in (A, A.mT):
        U, S, V = minigrad.svd_lowrank(matrix, q=3)
        assert_close((U * S) @ V.mT, matrix.numpy())
    U, S, V = minigrad.pca_lowrank(A, q=2)
    assert_close((U * S) @ V.mT, (A - A.mean(0)).numpy())
    U, S, V = minigrad.svd_lowrank(A, q=2, M=A.mean(0, keepdim=True))
    assert_close(S, np.linalg.svd(A.numpy() - A.numpy().mean(0), compute_uv=False)[:2])
    with pytest.raises(ValueError, match="not greater than min"):
        minigrad.pca_lowrank(A, q=6)
    with pytest.raises(ValueError, match="niter"):
        minigrad.pca_lowrank(A, q=2, niter=-1)


@pytest.mark.parametrize("largest", [True, False, None])
def test_lobpcg_of_two_matrices(r, largest):
    a, b = (r.standard_normal((7, 7)) for _ in range(2))
    A, B = tensor(a + a.T), tensor(b @ b.T + np.eye(7))
    values, X = minigrad.lobpcg(A, k=2, B=B, largest=largest)
    assert_close(A @ X, (B @ X * values).numpy(), 1e-8)
    every = np.sort(np.linalg.eigvals(np.linalg.solve(B.numpy(), A.numpy())).real)
    assert_close(values, every[:2] if largest is False else every[::-1][:2], 1e-8)
    assert minigrad.lobpcg(A, X=X)[0].shape == (2,)
    with pytest.raises(ValueError, match="3 x the number"):
        minigrad.lobpcg(A, k=3)


# ----------------------------------------------------------------------------------------------------------------- failures
def test_failure_by_number():
    good, bad = np.eye(2), np.ones((2, 2))
    both = tensor(np.stack([good, bad]))
    assert linalg.lu_factor_ex(both).info.tolist() == [0, 2]
    inverse, info = linalg.inv_ex(both)
    assert info.tolist() == [0, 2] and info.dtype is minigrad.int32
    assert_close(inverse[0], good)
    assert inverse[1].isinf().all()
    X, info = linalg.solve_ex(both, minigrad.ones(2, 2, dtype=both.dtype))
    assert info.tolist() == [0, 2] and X[0].tolist() == [1.0, 1.0] and not X[1].isfinite().any()
    info = linalg.cholesky_ex(tensor(np.stack([good, np.array([[1.0, 2.0], [2.0, 1.0]])]))).info
    assert info.tolist() == [0, 2]
    assert linalg.cond(both, "fro").tolist() == pytest.approx([2.0, np.inf])


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (linalg.inv, r"\(Batch element 1\): The diagonal element 2 is zero"),
        (linalg.cholesky, r"\(Batch element 1\).*the leading minor of order 2"),
        (lambda a: linalg.solve(a, a), r"\(Batch element 1\): The solver failed because the input matrix is singular"),
        (linalg.lu_factor, r"\(Batch element 1\): U\[2,2\] is zero"),
        (lambda a: linalg.inv_ex(a, check_errors=True), r"\(Batch element 1\): The diagonal element 2"),
        (lambda a: linalg.solve_ex(a, a, check_errors=True), r"\(Batch element 1\): The solver failed"),
        (lambda a: linalg.cholesky_ex(a, check_errors=True), r"\(Batch element 1\)"),
    ],
)
def test_errors_name_the_matrix(call, match):
    with pytest.raises(linalg.LinAlgError, match=match):
        call(tensor(np.stack([np.eye(2), np.ones((2, 2))])))


@pytest.mark.parametrize("name", ["inv", "det", "cholesky", "svd", "qr", "eigh", "lu", "eig", "inv_ex", "pinv", "slogdet"])
def test_half_precision_is_refused(name):
    with pytest.raises(RuntimeError, match="not implemented for 'Half'"):
        getattr(linalg, name)(minigrad.eye(2).half())


# ---------------------------------------------------------------------------------------------------------------- gradients
@pytest.mark.parametrize("upper", [False, True])
def test_gradient_of_a_cholesky_factor_is_that_of_the_whole_matrix(r, upper):
    """As PyTorch's: of (L L^T)^-1 B with every element of L, those of the other triangle too."""
    factor = np.tril(r.standard_normal((3, 3))) + 2 * np.eye(3)
    factor = factor.T if upper else factor
    B, weight = r.standard_normal((3, 2)), r.standard_normal((3, 3))

    def whole(L, b):
        return linalg.solve(L.mT @ L if upper else L @ L.mT, b)

    for other, of_ours, of_theirs in (
        (B, lambda L, b: minigrad.cholesky_solve(b, L, upper), whole),
        (weight, lambda L, w: minigrad.cholesky_inverse(L, upper) * w, lambda L, w: whole(L, minigrad.eye(3, dtype=L.dtype)) * w),
    ):
        found = []
        for function in (of_ours, of_theirs):
            L, b = tensor(factor, True), tensor(other, True)
            found.append(gradients((function(L, b) ** 2).sum(), L, b))
        for a, b in zip(*found):
            assert_close(a, b.detach().numpy(), 1e-8)


def test_ldl_solve_has_a_gradient_for_the_right_side_alone(r):
    a = r.standard_normal((3, 3))
    A = tensor(a + a.T)
    factors = linalg.ldl_factor(A)
    B = tensor(r.standard_normal((3, 2)), True)
    weight = tensor(r.standard_normal((3, 2)))
    (linalg.ldl_solve(*factors, B) * weight).sum().backward()
    assert_close(B.grad, linalg.solve(A, weight).numpy())
    with pytest.raises(RuntimeError, match="linalg_ldl_solve"):
        linalg.ldl_solve(factors.LD.requires_grad_(), factors.pivots, B).sum().backward()
    with pytest.raises(RuntimeError, match="linalg_ldl_factor_ex"):
        linalg.ldl_factor(A.requires_grad_()).LD.sum().backward()


def test_geqrf_has_no_gradient():
    with pytest.raises(RuntimeError, match="geqrf"):
        minigrad.geqrf(minigrad.eye(2, requires_grad=True)).a.sum().backward()


def test_distances_of_equal_rows_have_no_slope(r):
    a = tensor(r.standard_normal((3, 2)), True)
    minigrad.cdist(a, a).sum().backward()
    assert np.isfinite(a.grad.numpy()).all()


def test_distances_by_product_and_by_differences_agree(r):
    a, b = (tensor(r.standard_normal((30, 3)), True) for _ in range(2))
    modes = ("use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist", "use_mm_for_euclid_dist_if_necessary")
    first, *others = [gradients(minigrad.cdist(a, b, compute_mode=mode).sin().sum(), a, b) for mode in modes]
    for other in others:
        for x, y in zip(first, other):
            assert_close(x, y.detach().numpy(), 1e-7)


def test_matrix_exponential_of_sums_and_large_matrices(r):
    a = tensor(40.0 * r.standard_normal((4, 4)))
    skew = a - a.mT
    rotation = minigrad.matrix_exp(skew)
    assert_close(rotation @ rotation.mT, np.eye(4), 1e-10)
    assert_close(minigrad.matrix_exp(minigrad.diag(a[0] / 10)), np.diag(np.exp(a.numpy()[0] / 10)), 1e-12)


# ------------------------------------------------------------------------------------------------------------- older forms
def test_numbers_in_front_are_beta_and_alpha(r):
    x, a, b = (tensor(r.standard_normal((2, 2))) for _ in range(3))
    expected = (2 * x + 3 * (a @ b)).numpy()
    assert_close(minigrad.addmm(2, x, 3, a, b), expected)
    assert_close(x.addmm(2, 3, a, b), expected)
    assert_close(x.clone().addmm_(2, 3, a, b), expected)
    assert_close(x.addmm(mat1=a, mat2=b, beta=2, alpha=3), expected)
    assert_close(x.addbmm(2, a[None], b[None]), (2 * x + a @ b).numpy())


def test_einsum_takes_lists_of_numbers(r):
    a, b = tensor(r.standard_normal((2, 3))), tensor(r.standard_normal((3, 4)))
    assert_close(minigrad.einsum(a, [0, 1], b, [1, 2], [2, 0]), (a @ b).T.numpy())
    assert_close(minigrad.einsum(a, [..., 5], b, [5, 9]), (a @ b).numpy())


def test_norms_of_two_names():
    x = minigrad.tensor([[3.0, 0.0], [0.0, 4.0]])
    assert minigrad.norm(x, "nuc").item() == pytest.approx(7.0)
    assert minigrad.norm(x, "fro", dim=0).tolist() == [3.0, 4.0]
    assert linalg.norm(x, "fro").item() == linalg.norm(x).item() == 5.0
    assert minigrad.norm(x, dtype=minigrad.float64).dtype is minigrad.float64
    with pytest.raises(RuntimeError, match="Order xx not supported"):
        minigrad.norm(x, "xx")
