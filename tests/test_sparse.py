"""Sparse tensors: built, converted, multiplied, differentiated; and a graph network's training compared with PyTorch."""

import contextlib
import copy
import pickle

import numpy as np
import pytest

import minigrad

INDICES = [[0, 1, 1, 0], [2, 0, 2, 2]]
DENSE = [[0.0, 0.0, 4.0], [4.0, 0.0, 5.0]]


def _sparse(m=minigrad):
    return m.sparse_coo_tensor(m.tensor(INDICES), m.tensor([3.0, 4.0, 5.0, 1.0]), (2, 3))


def test_forms():
    a = _sparse()
    assert a.is_sparse and isinstance(a, minigrad.Tensor) and a.layout is minigrad.sparse_coo
    assert a.to_dense().tolist() == DENSE and a.t().to_dense().tolist() == np.transpose(DENSE).tolist()
    b = a.coalesce()
    assert (a._nnz(), b._nnz(), a.is_coalesced(), b.is_coalesced()) == (4, 3, False, True)
    assert b.indices().tolist() == [[0, 1, 1], [2, 0, 2]] and b.values().tolist() == [4.0, 4.0, 5.0]
    with pytest.raises(RuntimeError, match="uncoalesced"):
        a.values()
    assert minigrad.tensor(DENSE).to_sparse().to_dense().tolist() == DENSE
    assert minigrad.sparse_coo_tensor(INDICES, [1, 1, 1, 1]).shape == (2, 3)
    assert minigrad.ones(2, 3).sparse_mask(b).values().tolist() == [1.0, 1.0, 1.0]
    for same in (copy.deepcopy(a), pickle.loads(pickle.dumps(a)), a.clone(), a.to("cpu"), a.float()):
        assert same.to_dense().tolist() == DENSE
    assert a.double().dtype is minigrad.float64 and a[1].to_dense().tolist() == DENSE[1]


def test_products_and_sums():
    a, d = _sparse(), minigrad.arange(6.0).reshape(3, 2)
    expected = (np.array(DENSE) @ d.numpy()).tolist()
    for product in (a @ d, a.mm(d), minigrad.mm(a, d), minigrad.matmul(a, d), minigrad.spmm(a, d), minigrad.sparse.mm(a, d)):
        assert product.tolist() == expected
    assert (d.t() @ a.t()).tolist() == np.transpose(expected).tolist()
    assert (a @ d[:, 0]).tolist() == [row[0] for row in expected]
    assert minigrad.sparse.sum(a).item() == 13.0 and minigrad.sparse.sum(a, 0).to_dense().tolist() == [4.0, 0.0, 9.0]
    assert (a * 2 + a / 2 - a).to_dense().tolist() == (np.array(DENSE) * 1.5).tolist()
    assert (minigrad.ones(2, 3) + a).tolist() == (np.array(DENSE) + 1).tolist()


def test_gradients_of_values_and_dense_operand():
    values, w = minigrad.ones(4, requires_grad=True), minigrad.ones(3, 2, requires_grad=True)
    out = minigrad.sparse_coo_tensor(INDICES, values, (2, 3)) @ w
    (out * out).sum().backward()
    dense = np.array([[0.0, 0.0, 2.0], [1.0, 0.0, 1.0]])
    assert w.grad.tolist() == (dense.T @ (2 * dense @ np.ones((3, 2)))).tolist()
    assert values.grad.tolist() == [8.0, 8.0, 8.0, 8.0]
    values = minigrad.ones(4, requires_grad=True)
    (minigrad.sparse_coo_tensor(INDICES, values, (2, 3)).to_dense() * minigrad.arange(6.0).reshape(2, 3)).sum().backward()
    assert values.grad.tolist() == [2.0, 3.0, 5.0, 2.0]


def test_everything_else_raises_plainly():
    a = _sparse()
    for call in (a.exp, a.numpy, lambda: a[:, 0], lambda: a + 1.0, lambda: a.reshape(3, 2), lambda: minigrad.relu(a)):
        with pytest.raises(NotImplementedError, match="sparse"):
            call()
    with pytest.raises(RuntimeError, match="same nnz"):
        minigrad.sparse_coo_tensor(INDICES, [1.0], (2, 3))
    with pytest.raises(RuntimeError, match="size is inconsistent with indices"):
        minigrad.sparse_coo_tensor(INDICES, [1.0] * 4, (2, 2))
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        a @ minigrad.ones(2, 2)


def _graph_network(m):
    """Two graph convolutions (Kipf and Welling, 2017) on a ring of nodes, trained for some steps."""
    n = 6
    ring = np.array([[i, (i + s) % n] for i in range(n) for s in (-1, 0, 1)]).T
    adjacency = m.sparse.FloatTensor(m.LongTensor(ring), m.full((ring.shape[1],), 1 / 3), m.Size([n, n]))
    r = np.random.default_rng(0)
    x = m.tensor(r.standard_normal((n, 4)), dtype=m.float32)
    weights = [m.tensor(r.standard_normal(s), dtype=m.float32, requires_grad=True) for s in ((4, 5), (5, 2))]
    target, losses = m.tensor([0, 1, 0, 1, 0, 1]), []
    optimizer = m.optim.SGD(weights, lr=0.5)
    for _ in range(4):
        h = m.spmm(adjacency, m.mm(x, weights[0])).relu()
        loss = m.nn.functional.cross_entropy(m.spmm(adjacency, h @ weights[1]), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parity
@pytest.mark.filterwarnings("ignore:Sparse invariant", "ignore:torch.sparse.SparseTensor")
def test_graph_network_trains_as_in_pytorch():
    import torch

    np.testing.assert_allclose(_graph_network(minigrad), _graph_network(torch), rtol=1e-5)


@pytest.mark.parity
@pytest.mark.filterwarnings("ignore:Sparse invariant", "ignore:torch.sparse.SparseTensor")
def test_printing():
    import torch

    for call in (lambda m: _sparse(m), lambda m: _sparse(m).coalesce().double(), lambda m: _sparse(m).requires_grad_()):
        assert repr(call(minigrad)) == repr(call(torch)).replace("torch", "minigrad")


class Product(minigrad.autograd.Function):
    """A sparse matrix by a dense one, with gradients where the sparse one has elements only: as graph attention uses it."""

    @staticmethod
    def forward(ctx, indices, values, shape, b):
        a = minigrad.sparse_coo_tensor(indices, values, shape)
        ctx.save_for_backward(a, b)
        return minigrad.matmul(a, b)

    @staticmethod
    def backward(ctx, g):
        a, b = ctx.saved_tensors
        edges = a._indices()[0] * a.shape[1] + a._indices()[1]
        return None, g.matmul(b.t()).view(-1)[edges], None, a.t().matmul(g)


@pytest.mark.parametrize("packed", [False, True])
def test_a_function_keeps_sparse_tensors(packed):
    places = minigrad.tensor([[0, 1, 1], [2, 0, 2]])
    values = minigrad.tensor([1.0, 2.0, 3.0], requires_grad=True)
    b = minigrad.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], requires_grad=True)
    hooks = minigrad.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t) if packed else contextlib.nullcontext()
    with hooks:
        y = Product.apply(places, values, (2, 3), b)
    assert y.tolist() == [[5.0, 6.0], [17.0, 22.0]]
    y.sum().backward()
    assert values.grad.tolist() == [11.0, 3.0, 11.0]
    assert b.grad.tolist() == [[2.0, 2.0], [0.0, 0.0], [4.0, 4.0]]


def test_sizes_and_forms():
    a = _sparse()
    assert (a.size(), a.size(1), len(a), a.dim(), a.ndim, a.numel(), a.sparse_dim(), a.dense_dim()) == (
        (2, 3),
        3,
        2,
        2,
        2,
        6,
        2,
        0,
    )
    assert a._indices().tolist() == INDICES and a._values().tolist() == [3.0, 4.0, 5.0, 1.0]
    assert a.device == "cpu" and a.is_leaf and a.T.shape == (3, 2) and a.coalesce().coalesce().is_coalesced()
    assert a.to_sparse() is a and a.cpu().to_dense().tolist() == DENSE and a.to_dense(minigrad.int64).dtype is minigrad.int64
    assert a.type() == "minigrad.sparse.FloatTensor" and a.type(minigrad.float64).dtype is minigrad.float64
    assert a.type_as(minigrad.ones(1, dtype=minigrad.float16)).dtype is minigrad.float16
    a.requires_grad_()
    assert a.requires_grad and not a.detach().requires_grad and not a.data.requires_grad
    b = copy.deepcopy(a)
    assert b.requires_grad and b.is_leaf and b._values() is not a._values()


@pytest.mark.parametrize("name", "abs neg sqrt square sin tanh relu sign".split())
def test_functions_of_the_stored_elements(name):
    a = minigrad.sparse_coo_tensor(INDICES[0:2], [4.0, 9.0, 1.0, 0.25], (2, 3)).coalesce()
    got = getattr(a, name)()
    assert got.is_sparse and minigrad.allclose(got.to_dense(), getattr(a.to_dense(), name)())


def test_blocks_of_dense_elements():
    a = minigrad.sparse_coo_tensor([[0, 2, 0]], [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], (3, 2))
    assert (a.sparse_dim(), a.dense_dim()) == (1, 1)
    assert a.coalesce().to_dense().tolist() == [[6.0, 8.0], [0.0, 0.0], [3.0, 4.0]] == a.to_dense().tolist()
    assert a.sum(1).tolist() == [14.0, 0.0, 7.0]  # a dense dimension: the result is dense
    assert minigrad.sparse_coo_tensor([[0, 2]], [[1.0, 2.0], [3.0, 4.0]]).shape == (3, 2)
    with pytest.raises(RuntimeError, match="sparse dimensions can be exchanged"):
        a.transpose(0, 1)
    with pytest.raises(RuntimeError, match="must be a matrix"):
        a @ minigrad.ones(2, 1)
    x = minigrad.tensor([[0.0, 0.0], [1.0, 0.0]]).to_sparse(1)
    assert x.indices().tolist() == [[1]] and x.values().tolist() == [[1.0, 0.0]]
    with pytest.raises(RuntimeError, match="2 sparse and 0 dense"):
        minigrad.sparse_coo_tensor([[0], [0], [1]], [1.0], (2, 2, 2)).t()


def test_nothing_stored():
    a = minigrad.sparse_coo_tensor((2, 3))
    assert a._nnz() == 0 and a.to_dense().tolist() == [[0.0] * 3] * 2 and a.coalesce()._nnz() == 0
    assert "indices=tensor([], size=(2, 0))" in repr(a) and "nnz=0" in repr(a)
    assert minigrad.sparse_coo_tensor(np.zeros((2, 0), np.int64), []).shape == (0, 0)
    assert minigrad.sparse.FloatTensor(2, 3).shape == (2, 3) and minigrad.sparse.LongTensor(1, 2).dtype is minigrad.int64


def test_printing_says_what_is_unusual():
    a = _sparse().double().requires_grad_()
    assert repr(a).endswith("dtype=minigrad.float64, layout=minigrad.sparse_coo, requires_grad=True)")
    assert "grad_fn=<MulBackward0>" in repr(a * 2)


def test_arithmetic_of_two_sparse_and_of_mixed():
    a, dense = _sparse(), minigrad.tensor(DENSE)
    assert (a * a).to_dense().tolist() == (dense * dense).tolist() and (a * a).is_sparse
    assert (a * dense).to_dense().tolist() == (dense * dense).tolist() == (dense * a).to_dense().tolist()
    assert (3 * a).to_dense().tolist() == (3 * dense).tolist() == (a * minigrad.tensor(3.0)).to_dense().tolist()
    assert (dense - a).tolist() == [[0.0] * 3] * 2 and (-a).to_dense().tolist() == (-dense).tolist()
    product = a @ a.t()
    assert product.is_sparse and product.to_dense().tolist() == (dense @ dense.t()).tolist()
    assert (minigrad.ones(2) @ a).tolist() == (minigrad.ones(2) @ dense).tolist()
    added = minigrad.sparse.addmm(minigrad.ones(2, 2), a, minigrad.ones(3, 2), beta=2.0, alpha=3.0)
    assert added.tolist() == (2.0 + 3.0 * (dense @ minigrad.ones(3, 2))).tolist()
    assert minigrad.sparse.sum(a, dtype=minigrad.float64).dtype is minigrad.float64
    assert a.sum((0, 1)).item() == 13.0 and minigrad.sparse_coo_tensor([[0], [0]], [2.5], (1, 1)).item() == 2.5


def test_mistakes_of_arithmetic():
    a = _sparse()
    with pytest.raises(RuntimeError, match="same dtype"):
        a @ minigrad.ones(3, 1, dtype=minigrad.float64)
    with pytest.raises(RuntimeError, match="sizes of sparse tensors to match"):
        a + a.t()
    for call in (lambda: a / a, lambda: 1.0 / a, lambda: a / minigrad.ones(2, 3)):
        with pytest.raises(NotImplementedError, match="divided by a number"):
            call()
    for indices, values, size, text in (
        ([0, 1], [1.0, 2.0], None, "sparse_dim x nnz"),
        ([[0]], 1.0, None, "same nnz"),
        ([[0]], [1.0], (2, 2), "number of dimensions must be"),
        ([[-1]], [1.0], (2,), "found index -1"),
    ):
        with pytest.raises(RuntimeError, match=text):
            minigrad.sparse_coo_tensor(indices, values, size)


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_softmax_of_the_stored_elements(dim):
    a = _sparse()
    expected = minigrad.tensor(DENSE).masked_fill(minigrad.tensor(DENSE) == 0, float("-inf")).softmax(dim).nan_to_num(0.0)
    assert minigrad.allclose(minigrad.sparse.softmax(a, dim).to_dense(), expected)
    assert minigrad.sparse.softmax(a, dim, dtype=minigrad.float64).dtype is minigrad.float64
    with pytest.raises(NotImplementedError, match="a matrix is wanted"):
        minigrad.sparse.softmax(minigrad.sparse_coo_tensor([[0]], [1.0]), 0)
