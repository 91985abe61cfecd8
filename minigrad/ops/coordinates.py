"""Coordinates and combinations: grids, triangles' places, products, and class numbers as rows of 0 and 1."""

import itertools

import numpy as np

from .. import backends
from ..dispatch import apply
from ..dtype import array_dtype
from ..errors import DtypeError, ShapeError
from ..op import E, S, function, op, registry
from .creation import placed
from .joining import _stack
from .samples import normal


def _triangle_indices(name, pick):
    def call(row, col, offset=0, *, dtype="int64", device=None, layout=None, pin_memory=False):
        if row < 0 or col < 0:
            raise ShapeError(f"{name}: row and col must be non-negative, got {row} and {col}")
        return placed(np.stack(pick(row, offset, col)), array_dtype(dtype), device)

    call.__name__ = name
    which = "lower" if name == "tril_indices" else "upper"
    rows, columns = np.stack(pick(2, 0, 2)).tolist()
    call.__doc__ = f"""The places of the {which} triangle of a (row, col) matrix: row numbers, then column numbers.

    >>> import minigrad
    >>> minigrad.{name}(2, 2)
    tensor([{rows},
            {columns}])
    """
    function(name, spaces="torch", samples=lambda r: [S(3, 3), S(2, 4, 1), S(4, 2, offset=-1), S(0, 2)],
             errors=lambda r: [E(RuntimeError, "non-negative", -1, 2)],
             reference=lambda row, col, offset=0: np.stack(pick(row, offset, col)))(call)  # fmt: skip


_triangle_indices("tril_indices", np.tril_indices)
_triangle_indices("triu_indices", np.triu_indices)


@function("meshgrid", spaces="torch",
          samples=lambda r: [S(normal(r, 2), normal(r, 3)),
                             S([normal(r, 2), normal(r, 3), normal(r, 2)], indexing="ij"),
                             S(normal(r, 2), normal(r, 3), indexing="xy"),
                             S(normal(r, 2), normal(r)), S(normal(r, 2), indexing="xy")],
          errors=lambda r: [E(RuntimeError, "indexing must be one of", normal(r, 2), indexing="yx"),
                            E(RuntimeError, "0D or 1D", normal(r, 2, 2)), E(RuntimeError, "non-empty"),
                            E(RuntimeError, "same dtype", normal(r, 2), np.array([1]))],
          reference=lambda *xs, indexing="ij": tuple(np.meshgrid(*(xs[0] if isinstance(xs[0], list) else xs),
              indexing=indexing)))  # fmt: skip
def meshgrid(*tensors, indexing=None):
    """Coordinate grids: for each of n vectors an n-dimensional tensor in which it runs along its own dimension; views.

    Args:
        tensors: vectors or 0-d tensors of one dtype.
        indexing: ``"ij"`` (default): vector i along dimension i; ``"xy"``: the first two exchanged, as for images.

    >>> import minigrad
    >>> rows, columns = minigrad.meshgrid(minigrad.arange(2), minigrad.arange(3), indexing="ij")
    >>> rows
    tensor([[0, 0, 0],
            [1, 1, 1]])
    """
    tensors = list(tensors[0]) if len(tensors) == 1 and isinstance(tensors[0], tuple | list) else list(tensors)
    if not tensors:
        raise RuntimeError("meshgrid expects a non-empty TensorList")
    if indexing not in (None, "ij", "xy"):
        raise RuntimeError(f'meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}')
    if any(t.array.ndim > 1 for t in tensors):
        raise ShapeError(
            f"meshgrid: Expected 0D or 1D tensor in the tensor list but got shapes {[tuple(t.array.shape) for t in tensors]}"
        )
    if len({t.array.dtype for t in tensors}) > 1:
        raise DtypeError(f"meshgrid expects all tensors to have the same dtype, got {[t.dtype for t in tensors]}")
    swap = indexing == "xy" and len(tensors) > 1
    if swap:
        tensors[:2] = tensors[1::-1]
    shape = [t.array.size for t in tensors]
    grids = [t.reshape([-1 if i == d else 1 for i in range(len(shape))]).expand(shape) for d, t in enumerate(tensors)]
    if swap:
        grids[:2] = grids[1::-1]
    return tuple(grids)


@function("cartesian_prod", spaces="torch",
          samples=lambda r: [S(normal(r, 2), normal(r, 3)), S(normal(r, 2)),
                             S(normal(r, 2), normal(r, 1), normal(r, 2))],
          reference=lambda *xs: xs[0] if len(xs) == 1 else np.array(list(itertools.product(*xs))))  # fmt: skip
def cartesian_prod(*tensors):
    """All ways to take one element of each vector, one way a row; of a single vector, itself.

    >>> import minigrad
    >>> minigrad.cartesian_prod(minigrad.tensor([1, 2]), minigrad.tensor([5, 6])).tolist()
    [[1, 5], [1, 6], [2, 5], [2, 6]]
    """
    if len(tensors) == 1:
        return tensors[0]
    return _stack([g.reshape(-1) for g in meshgrid(*tensors)], 1)


def _numpy_combinations(x, r=2, with_replacement=False):
    pick = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    return np.array(list(pick(x, r))).reshape(-1, r)


@function("combinations", spaces="torch",
          samples=lambda r: [S(normal(r, 4)), S(normal(r, 4), 3),
                             S(normal(r, 3), r=2, with_replacement=True), S(normal(r, 2), 3)],
          errors=lambda r: [E(RuntimeError, "1D vector", normal(r, 2, 2)), E(RuntimeError, "non-negative", normal(r, 3), -1)],
          reference=_numpy_combinations)  # fmt: skip
def combinations(input, r=2, with_replacement=False):
    """All ways to choose ``r`` elements of a vector, one a row, in the order of :mod:`itertools`.

    >>> import minigrad
    >>> minigrad.combinations(minigrad.tensor([1, 2, 3])).tolist()
    [[1, 2], [1, 3], [2, 3]]
    """
    if input.array.ndim != 1:
        raise ShapeError(f"combinations: Expect a 1D vector, but got shape {tuple(input.array.shape)}")
    if r < 0:
        raise ShapeError(f"combinations: Expect a non-negative number, but got {r}")
    pick = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    places = np.array(list(pick(range(input.array.shape[0]), r)), np.int64).reshape(-1, r)
    return input[places] if r else input.new_empty(0)


@function("vander", spaces="torch", parity="values only: PyTorch's own backward fails",
          samples=lambda r: [S(normal(r, 3)), S(normal(r, 3), 2), S(normal(r, 3), N=4, increasing=True)],
          errors=lambda r: [E(RuntimeError, "one-dimensional", normal(r, 2, 2))],
          reference=lambda x, N=None, increasing=False: np.vander(x, N, increasing))  # fmt: skip
def vander(x, N=None, increasing=False):
    """The powers of each element of a vector, one element a row; the highest first unless ``increasing``.

    >>> import minigrad
    >>> minigrad.vander(minigrad.tensor([2, 3]))
    tensor([[2, 1],
            [3, 1]])
    """
    if x.array.ndim != 1:
        raise ShapeError(f"vander(): x must be a one-dimensional tensor, got shape {tuple(x.array.shape)}")
    n = x.array.shape[0] if N is None else N
    powers = [x.new_ones(x.array.shape[0])]
    for _ in range(n - 1):
        powers.append(powers[-1] * x)
    powers = powers[:n] if increasing else powers[:n][::-1]
    return _stack(powers, 1) if powers else x.new_empty(x.array.shape[0], 0)


def _numpy_one_hot(x, num_classes=-1):
    return np.eye(x.max() + 1 if num_classes == -1 else num_classes, dtype="int64")[x]


@op(
    names="",
    formula=r"y_{ij} = [x_i = j]",
    samples=lambda r: [S(np.array([[0, 2], [1, 0]]), n=3), S(np.array(1), n=2), S(np.zeros((2, 0), int), n=2)],
    reference=lambda x, n: np.eye(n, dtype="int64")[x],
)
def one_hot(xp, x, *, n):
    """int64 rows of 0 with a 1 at each of the classes ``x``, which lie in [0, n)."""
    return xp.astype(xp.equal(xp.reshape(x, shape=(*x.shape, 1)), xp.arange(x, n=n)), dtype=np.int64)


@function("one_hot", spaces="functional",
          samples=lambda r: [S(np.array([0, 2, 1])), S(np.array([[0, 1], [2, 0]]), 4),
                             S(np.array(1), num_classes=3)],
          errors=lambda r: [E(RuntimeError, "smaller than num_classes", np.array([0, 2]), 2, by_value=True),
                            E(RuntimeError, "must be non-negative", np.array([0, -2]), by_value=True),
                            E(RuntimeError, "index tensor of type LongTensor", np.array([0.0])),
                            E(RuntimeError, "total number of classes", np.zeros(0, int))],
          formula=r"y_{ij} = [x_i = j]", reference=_numpy_one_hot)  # fmt: skip
def _one_hot(input, num_classes=-1):
    """Class numbers as int64 rows of 0 with a 1 at the class.

    Args:
        input: int64 tensor of any shape.
        num_classes: how many classes; -1 for one more than the largest number.

    Raises:
        RuntimeError: for another dtype, or (on the CPU) numbers that are no classes.

    >>> import minigrad
    >>> minigrad.nn.functional.one_hot(minigrad.tensor([0, 2]), 3)
    tensor([[1, 0, 0],
            [0, 0, 1]])
    """
    if input.array.dtype != np.int64:
        raise DtypeError(
            f"one_hot is only applicable to index tensor of type LongTensor, got {input.dtype}; convert with .long()"
        )
    if num_classes == -1:
        if not input.array.size:
            raise ShapeError("one_hot: can not infer total number of classes from empty tensor; give num_classes")
        num_classes = int(input.max().item()) + 1
    text = "Class values must be non-negative. Class values must be smaller than num_classes. {}"
    backends.of(input.array).check_bounds(input.array, low=0, high=int(num_classes), name="one_hot", text=text)
    return apply(registry["one_hot"], (input,), {"n": int(num_classes)})
