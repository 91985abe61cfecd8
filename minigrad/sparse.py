"""Sparse matrices as coordinates (COO), as far as graph networks need them: built, converted, and multiplied by dense ones.

A sparse tensor is ``indices`` (one row per sparse dimension, one column per stored element) and ``values``; the same place may
come several times until :meth:`SparseTensor.coalesce` adds them up. Gradients flow to the values and to the dense operand.
"""

import numpy as np

from . import backends, house
from .dispatch import sparse_forms
from .dtype import get_default_dtype, int64
from .errors import NotDense, ShapeError, describe
from .ops.creation import as_tensor, tensor
from .ops.indexing import spread_out
from .ops.joining import cat
from .ops.masking import nonzero
from .ops.shape import positive_dim
from .printing import array_text
from .settings import sparse_coo
from .tensor import Size, Tensor, new


class SparseTensor(Tensor):
    """A sparse tensor in coordinate form: what :func:`minigrad.sparse_coo_tensor` returns.

    Its products with dense matrices, sums, scaling and conversions work; anything else raises and says so.

    >>> import minigrad
    >>> a = minigrad.sparse_coo_tensor([[0, 1], [1, 0]], [2.0, 3.0], (2, 2))
    >>> a @ minigrad.tensor([[1.0], [10.0]])
    tensor([[20.],
            [ 3.]])
    """

    is_sparse = True
    layout = sparse_coo

    def __new__(cls, indices, values, size, coalesced=False):
        self = new(cls)
        self._places, self._numbers, self._size, self._coalesced = indices, values, Size(size), coalesced
        return self

    @property
    def array(self):
        raise NotDense("this operation is not available for sparse tensors; convert it with .to_dense()")

    node = property(lambda self: self._numbers.node)
    shape = property(lambda self: self._size)
    ndim = property(lambda self: len(self._size))
    dtype = property(lambda self: self._numbers.dtype)
    device = property(lambda self: self._numbers.device)
    is_leaf = property(lambda self: self._numbers.is_leaf)
    T = property(lambda self: self.t())

    def size(self, dim=None):
        return self._size if dim is None else self._size[dim]

    def dim(self):
        return len(self._size)

    def numel(self):
        return self._size.numel()

    def sparse_dim(self):
        return self._places.array.shape[0]

    def dense_dim(self):
        return self._numbers.array.ndim - 1

    def __len__(self):
        return self._size[0]

    def _nnz(self):
        """How many elements are stored."""
        return self._places.array.shape[1]

    def _indices(self):
        return self._places

    def _values(self):
        return self._numbers

    def indices(self):
        """The places of the stored elements, (sparse dimensions, count), in order."""
        self._need_coalesced("indices")
        return self._places

    def values(self):
        """The stored elements, in the order of :meth:`indices`."""
        self._need_coalesced("values")
        return self._numbers

    def _need_coalesced(self, name):
        if not self._coalesced:
            raise RuntimeError(f"Cannot get {name} on an uncoalesced tensor, please call .coalesce() first")

    def is_coalesced(self):
        return self._coalesced

    # ------------------------------------------------------------------------------------------------------ other forms
    def coalesce(self):
        """The same tensor with every place stored once, in order."""
        if self._coalesced:
            return self
        lead = self._size[: self.sparse_dim()]
        line = np.ravel_multi_index(tuple(_host(self._places)), lead) if self._nnz() else np.zeros(0, np.int64)
        places, group = np.unique(line, return_inverse=True)
        values = self._numbers.new_zeros(len(places), *self._numbers.array.shape[1:])
        values = values.index_add(0, self._places.new_tensor(group.reshape(-1)), self._numbers)
        stacked = np.stack(np.unravel_index(places, lead)).astype(np.int64) if lead else np.zeros((0, len(places)), np.int64)
        return SparseTensor(self._places.new_tensor(stacked), values, self._size, True)

    def to_dense(self, dtype=None, *, masked_grad=None):
        """The tensor with its zeros."""
        zeros = self._numbers.new_zeros(self._size)
        out = spread_out(zeros, tuple(self._places.unbind(0)), self._numbers)
        return out if dtype is None else out.to(dtype)

    def to_sparse(self, *args, **kwargs):
        return self

    to_sparse_coo = to_sparse

    def _like(self, values, coalesced=None):
        return SparseTensor(self._places, values, self._size, self._coalesced if coalesced is None else coalesced)

    def to(self, *args, **kwargs):
        """The tensor in another dtype or on another device."""
        values = self._numbers.to(*args, **kwargs)
        return SparseTensor(self._places.to(values.device), values, self._size, self._coalesced)

    def type(self, dtype=None):
        if dtype is None:
            return f"{house.name}.sparse.{self._numbers.type().rpartition('.')[2]}"
        return self._like(self._numbers.type(dtype))

    def type_as(self, other):
        return self.to(other.device, other.dtype)

    def clone(self, *, memory_format=None):
        return SparseTensor(self._places.clone(), self._numbers.clone(), self._size, self._coalesced)

    def detach(self):
        return self._like(self._numbers.detach())

    data = property(detach)

    def requires_grad_(self, requires_grad=True):
        self._numbers.requires_grad_(requires_grad)
        return self

    def t(self):
        """The transposed matrix."""
        if self.dim() != 2:
            raise ShapeError(f"t() expects a tensor with <= 2 sparse and 0 dense dimensions, but this one has shape {self._size}")
        return self.transpose(0, 1)

    def transpose(self, dim0, dim1):
        """The tensor with two of its sparse dimensions exchanged."""
        order, a, b = list(range(self.dim())), *(positive_dim("transpose", d, self.dim()) for d in (dim0, dim1))
        if max(a, b) >= self.sparse_dim():
            raise ShapeError(f"transpose: only the {self.sparse_dim()} sparse dimensions can be exchanged, got {dim0} and {dim1}")
        order[a], order[b] = b, a
        places = self._places[order[: self.sparse_dim()]]
        return SparseTensor(places, self._numbers, [self._size[d] for d in order], a == b and self._coalesced)

    def sum(self, dim=None, dtype=None):
        """The sum of everything as a dense number, or over some sparse dimensions as a sparse tensor."""
        values = self._numbers if dtype is None else self._numbers.to(dtype)
        if dim is None:
            return values.sum()
        dims = {positive_dim("sum", d, self.dim()) for d in (dim if isinstance(dim, tuple | list) else (dim,))}
        kept = [d for d in range(self.sparse_dim()) if d not in dims]
        if not kept or max(dims) >= self.sparse_dim():
            return self.to_dense(dtype).sum(tuple(dims))
        sizes = [n for d, n in enumerate(self._size) if d not in dims]
        return SparseTensor(self._places[kept], values, sizes).coalesce()

    def mm(self, mat2):
        return self @ mat2

    mv = matmul = spmm = mm

    def cpu(self):
        return self.to("cpu")

    def cuda(self, device=None, non_blocking=False):
        return self.to("cuda" if device is None else device)

    def item(self):
        return self.to_dense().item()

    def __getitem__(self, key):
        if not isinstance(key, int):
            raise NotDense("a sparse tensor is indexed by one int (a row) only; convert it with .to_dense()")
        host = _host(self._places)
        here = self._places.new_tensor(np.flatnonzero(host[0] == key % self._size[0]))
        rest = self._places[1:].index_select(1, here)
        return SparseTensor(rest, self._numbers.index_select(0, here), self._size[1:], self._coalesced)

    def __deepcopy__(self, memo):
        out = SparseTensor(self._places.clone(), self._numbers.detach().clone(), self._size, self._coalesced)
        return out.requires_grad_() if self.requires_grad and self.is_leaf else out

    def __reduce_ex__(self, protocol):
        return SparseTensor, (self._places, self._numbers.detach(), tuple(self._size), self._coalesced)

    def __repr__(self, *, tensor_contents=None):
        def block(name, t):
            start = f"{name}=tensor("
            if not t.numel():
                return f"{start}[], size={tuple(t.shape)})"
            return start + array_text(_host(t.detach()), len("tensor(") + len(start)) + ")"

        usual = self.dtype in (get_default_dtype(), int64)
        sizes = f"size={tuple(self._size)}, nnz={self._nnz()}{'' if usual else f', dtype={self.dtype}'}, layout={sparse_coo}"
        grad = f", grad_fn=<{self._numbers.grad_fn.name()}>" if self._numbers.grad_fn else ", requires_grad=True"
        text = f",\n{' ' * 7}".join([block("indices", self._places), block("values", self._numbers), sizes])
        return f"tensor({text}{grad if self.requires_grad else ''})"


def _converter(name):
    def convert(self):
        return self._like(getattr(self._numbers, name)())

    convert.__name__, convert.__doc__ = name, f"The sparse tensor with its values as ``{name}()`` makes them."
    return convert


for _name in "float double half bfloat16 long int abs neg sqrt square sin tanh relu sign".split():
    setattr(SparseTensor, _name, _converter(_name))


def _host(t):
    return backends.of(t.array).host(t.array)


# -------------------------------------------------------------------------------------------------- operations on sparse tensors
def _matmul(a, b):
    """A product in which one operand at least is sparse; gradients flow to the values and to the dense operand."""
    if not isinstance(a, SparseTensor):
        return _matmul(b.t(), a.t()).t() if a.ndim == 2 else _matmul(b.t(), a)
    if a.dim() != 2 or a.sparse_dim() != 2:
        raise ShapeError(f"sparse product: the sparse operand must be a matrix, got shape {tuple(a.shape)}")
    if b.ndim not in (1, 2) or a.shape[1] != b.shape[0]:
        raise ShapeError(
            f"mat1 and mat2 shapes cannot be multiplied ({'x'.join(map(str, a.shape))} and {'x'.join(map(str, b.shape))})"
        )
    if isinstance(b, SparseTensor):
        return to_sparse(a.to_dense() @ b.to_dense())
    if a.dtype is not b.dtype:
        raise RuntimeError(f"expected m1 and m2 to have the same dtype, but got: {a.dtype} != {b.dtype}")
    rows, columns = a._places.unbind(0)
    values = a._numbers if b.ndim == 1 else a._numbers.unsqueeze(1)
    return b.new_zeros(a.shape[0], *b.shape[1:]).index_add(0, rows, values * b.index_select(0, columns))


def _add(a, b):
    if not (isinstance(a, SparseTensor) and isinstance(b, SparseTensor)):
        dense, other = (b, a) if isinstance(a, SparseTensor) else (a, b)
        if not isinstance(dense, Tensor):
            raise NotDense("add: a number cannot be added to a sparse tensor; convert it with .to_dense()")
        return dense + other.to_dense()
    if a.shape != b.shape:
        raise ShapeError(f"add: expected sizes of sparse tensors to match, but {tuple(a.shape)} != {tuple(b.shape)}")
    return SparseTensor(cat([a._places, b._places], 1), cat([a._numbers, b._numbers]), a.shape).coalesce()


def _subtract(a, b):
    return _add(a, -b)


def _multiply(a, b):
    if not isinstance(a, SparseTensor):
        a, b = b, a
    if isinstance(b, SparseTensor):
        return to_sparse(a.to_dense() * b.to_dense())
    if not isinstance(b, Tensor) or not b.ndim:
        return a._like(a._numbers * b)
    b = b.expand(a.shape)
    return a._like(a._numbers * b[tuple(a._places.unbind(0))])


def _divide(a, b):
    if not isinstance(a, SparseTensor) or isinstance(b, SparseTensor) or (isinstance(b, Tensor) and b.ndim):
        raise NotDense("div: a sparse tensor can be divided by a number or a 0-d tensor only; convert it with .to_dense()")
    return a._like(a._numbers / b)


SparseTensor.__radd__, SparseTensor.__rmul__ = _add, _multiply
SparseTensor.__rsub__ = lambda self, other: _subtract(other, self)
SparseTensor.__rmatmul__ = lambda self, other: _matmul(other, self)
sparse_forms.update(matmul=_matmul, add=_add, subtract=_subtract, multiply=_multiply, divide=_divide,
                    negative=lambda a: a._like(-a._numbers))  # fmt: skip


# ------------------------------------------------------------------------------------------------------------------ constructors
def sparse_coo_tensor(indices, values=None, size=None, *, dtype=None, device=None, pin_memory=False, requires_grad=False,
                      check_invariants=None, is_coalesced=None):  # fmt: skip
    """A sparse tensor from the places and the values of its elements; the same place may come several times.

    Args:
        indices: integers (sparse dimensions, count).
        values: numbers (count, ...).
        size: the shape; without it the smallest that holds all.
        dtype, device, requires_grad: of the values.

    Raises:
        RuntimeError: where the two do not fit, or an index lies outside ``size``.

    >>> import minigrad
    >>> minigrad.sparse_coo_tensor([[0, 1], [2, 0]], [3.0, 4.0], (2, 3)).to_dense()
    tensor([[0., 0., 3.],
            [4., 0., 0.]])
    """
    if values is None:  # a size alone: nothing is stored
        size = tuple(indices)
        indices, values = np.zeros((len(size), 0), np.int64), tensor([], dtype=dtype)
    places = as_tensor(indices, device=device).long()
    values = as_tensor(values, dtype=dtype, device=device)
    if places.ndim != 2:
        raise RuntimeError(f"indices must be sparse_dim x nnz, but got: {describe(places)}")
    if values.ndim == 0 or places.shape[1] != values.shape[0]:
        raise RuntimeError(
            f"indices and values must have same nnz, but got nnz from indices: {places.shape[1]}, nnz from values: "
            f"{values.shape[0] if values.ndim else 0}"
        )
    host = _host(places)
    if size is None:
        size = (*((host.max(1) + 1).tolist() if host.size else [0] * len(host)), *values.shape[1:])
    size = tuple(int(n) for n in size)
    if len(size) != len(host) + values.ndim - 1:
        raise RuntimeError(
            f"number of dimensions must be sparse_dim ({len(host)}) + dense_dim ({values.ndim - 1}), but got {len(size)}"
        )
    for d, row in enumerate(host):
        if row.size and (row.min() < 0 or row.max() >= size[d]):
            worst = row.min() if row.min() < 0 else row.max()
            raise RuntimeError(f"size is inconsistent with indices: for dim {d}, size is {size[d]} but found index {worst}")
    out = SparseTensor(places, values, size, bool(is_coalesced))
    return out.requires_grad_() if requires_grad else out


def to_sparse(input, sparse_dim=None):
    """The dense tensor in coordinate form: the elements that are not 0, or with ``sparse_dim`` the slices.

    >>> import minigrad
    >>> minigrad.eye(2).to_sparse().values()
    tensor([1., 1.])
    """
    n = input.ndim if sparse_dim is None else int(sparse_dim)
    used = input if n == input.ndim else (input != 0).flatten(n).any(-1)
    places = nonzero(used.detach()).t()
    return SparseTensor(places, input[tuple(places.unbind(0))], input.shape, True)


def sparse_mask(input, mask):
    """The elements of a dense tensor where the sparse ``mask`` has some."""
    return mask._like(input[tuple(mask._places.unbind(0))])


def mm(mat1, mat2):
    """The product of a sparse and a dense (or sparse) matrix.

    >>> import minigrad
    >>> minigrad.sparse.mm(minigrad.eye(2).to_sparse(), minigrad.ones(2, 1))
    tensor([[1.],
            [1.]])
    """
    return mat1 @ mat2


spmm = mm


def addmm(mat, mat1, mat2, *, beta=1.0, alpha=1.0):
    """``beta * mat + alpha * (mat1 @ mat2)`` with a sparse ``mat1``.

    >>> import minigrad
    >>> minigrad.sparse.addmm(minigrad.ones(2, 1), minigrad.eye(2).to_sparse(), minigrad.ones(2, 1))
    tensor([[2.],
            [2.]])
    """
    return mat * beta + (mat1 @ mat2) * alpha


def sum(input, dim=None, dtype=None):
    """The sum of a sparse tensor. See :meth:`SparseTensor.sum`.

    >>> import minigrad
    >>> minigrad.sparse.sum(minigrad.eye(2).to_sparse())
    tensor(2.)
    """
    return input.sum(dim, dtype)


def softmax(input, dim, *, dtype=None):
    """The softmax over the stored elements of each row (``dim`` 1) or column (0); what is not stored counts as -inf.

    >>> import minigrad
    >>> minigrad.sparse.softmax(minigrad.eye(2).to_sparse(), 1).values()
    tensor([1., 1.])
    """
    x = input.coalesce() if dtype is None else input.to(dtype).coalesce()
    if x.dim() != 2 or x.dense_dim():
        raise NotDense("sparse.softmax: a matrix is wanted; convert it with .to_dense()")
    group = x._places[1 - positive_dim("softmax", dim, 2)]
    count = x.shape[1 - positive_dim("softmax", dim, 2)]
    top = x._numbers.detach().new_full((count,), float("-inf")).scatter_reduce(0, group, x._numbers.detach(), "amax")
    power = (x._numbers - top[group]).exp()
    total = power.new_zeros(count).index_add(0, group, power)
    return x._like(power / total[group])


def _typed(name):
    def call(*args, **kwargs):
        if all(isinstance(a, int) for a in args):
            args = (args,)
        return sparse_coo_tensor(*args, dtype=name, **kwargs)

    call.__doc__ = f"""PyTorch's old way to a sparse {name} tensor: ``(indices, values, size)``; see
    :func:`minigrad.sparse_coo_tensor`."""
    return call


FloatTensor, DoubleTensor, LongTensor, IntTensor = _typed("float32"), _typed("float64"), _typed("int64"), _typed("int32")
