"""The order of dimensions: transposes and permutations as views; detaching; and a tensor turned into a view of itself."""

import numpy as np

from .. import quick
from ..dispatch import make_view
from ..errors import GradError, ShapeError, leaf_written
from ..graph import LEAF, recording
from ..op import E, S, function, registry
from ..tensor import Tensor, wrap
from ..views import root_of
from .samples import normal
from .shape import SAME, positive_dim, positive_dims, reshaped, squeeze, unsqueeze

_permute_view, _alias_view, _matrix_view = (quick.view(registry[name]) for name in ("permute_dims", "alias", "matrix_transpose"))


# ------------------------------------------------------------------------------------------------------ order of dimensions
@function("permute", spaces="torch",
          samples=lambda r: [S(normal(r, 2, 3, 4), (2, 0, 1)), S(normal(r, 2, 3), (-1, 0)),
                             S(normal(r), ())],
          errors=lambda r: [E(RuntimeError, "is not equal to the length", normal(r, 2, 3), (0, 1, 2)),
                            E(IndexError, "out of range", normal(r, 2, 3), (0, 2)),
                            E(RuntimeError, "duplicate dims", normal(r, 2, 3), (0, 0))],
          reference=np.transpose, **SAME)  # fmt: skip
def permute(input, dims):
    """A view with the dimensions in the order ``dims``.

    >>> import minigrad
    >>> minigrad.permute(minigrad.zeros(2, 3, 4), (2, 0, 1)).shape
    minigrad.Size([4, 2, 3])
    """
    ndim = input.array.ndim
    if sorted(dims) == [*range(ndim)]:
        return _permute_view(input, {"axes": tuple(dims)})
    if len(dims) != ndim:
        raise ShapeError(
            f"permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired ordering "
            f"of dimensions i.e. input.dim() = {ndim} is not equal to the length of dims {tuple(dims)}"
        )
    axes = tuple([positive_dim("permute", d, ndim) for d in dims])
    if len(set(axes)) != ndim:
        raise ShapeError(f"permute(): duplicate dims are not allowed, got {tuple(dims)}")
    return _permute_view(input, {"axes": axes})


def _permute_method(self, *order, dims=None):
    """A view with the dimensions in another order: ``x.permute(2, 0, 1)``. See :func:`minigrad.permute`."""
    if dims is None:
        dims = order[0] if len(order) == 1 and isinstance(order[0], tuple | list) else order
    return permute(self, dims)


@function("transpose swapdims",
          samples=lambda r: [S(normal(r, 2, 3, 4), 0, 2), S(normal(r, 2, 3), -1, 0),
                             S(normal(r, 2, 3), dim0=1, dim1=1)],
          errors=lambda r: [E(IndexError, "out of range", normal(r, 2, 3), 0, 2)],
          reference=lambda x, dim0, dim1: np.swapaxes(x, dim0, dim1), **SAME)  # fmt: skip
def transpose(input, dim0, dim1):
    """A view with dimensions ``dim0`` and ``dim1`` exchanged.

    >>> import minigrad
    >>> minigrad.transpose(minigrad.tensor([[1, 2], [3, 4]]), 0, 1)
    tensor([[1, 3],
            [2, 4]])
    """
    ndim = input.array.ndim
    axes = list(range(ndim))
    if not (-ndim <= dim0 < ndim and -ndim <= dim1 < ndim):
        positive_dim("transpose", dim0, ndim), positive_dim("transpose", dim1, ndim)
    else:
        axes[dim0], axes[dim1] = axes[dim1], axes[dim0]
    return _permute_view(input, {"axes": tuple(axes)})


@function("swapaxes", samples=lambda r: [S(normal(r, 2, 3, 4), 0, 2), S(normal(r, 2, 3), axis0=-1, axis1=0)],
          errors=lambda r: [E(IndexError, "out of range", normal(r, 2, 3), 0, 2)],
          reference=lambda x, axis0, axis1: np.swapaxes(x, axis0, axis1), **SAME)  # fmt: skip
def swapaxes(input, axis0, axis1):
    """:func:`minigrad.transpose` under NumPy's name.

    >>> import minigrad
    >>> minigrad.swapaxes(minigrad.zeros(2, 3), 0, 1).shape
    minigrad.Size([3, 2])
    """
    return transpose(input, axis0, axis1)


@function("movedim moveaxis", samples=lambda r: [S(normal(r, 2, 3, 4), 0, -1), S(normal(r, 2, 3, 4), (0, 1), (2, 0))],
          errors=lambda r: [E(IndexError, "out of range", normal(r, 2, 3), 0, 2),
                            E(RuntimeError, "same number", normal(r, 2, 3), (0, 1), (1,)),
                            E(RuntimeError, "multiple times", normal(r, 2, 3), (0, 0), (1, 0))],
          reference=np.moveaxis, **SAME)  # fmt: skip
def movedim(input, source, destination):
    """A view with the dimensions ``source`` (an int or a tuple) moved to the places ``destination``; the others keep their order.

    >>> import minigrad
    >>> minigrad.movedim(minigrad.zeros(2, 3, 4), 0, -1).shape
    minigrad.Size([3, 4, 2])
    """
    ndim = input.array.ndim
    a, b = positive_dims("movedim", source, ndim), positive_dims("movedim", destination, ndim)
    if len(a) != len(b):
        raise ShapeError(f"movedim: source and destination must name the same number of dims, got {source} and {destination}")
    places = dict(zip(b, a))
    rest = iter([d for d in range(ndim) if d not in a])
    return _permute_view(input, {"axes": tuple([places[d] if d in places else next(rest) for d in range(ndim)])})


@function("t", samples=lambda r: [S(normal(r, 2, 3)), S(normal(r, 3))],
          errors=lambda r: [E(RuntimeError, "<= 2 dimensions", normal(r, 2, 3, 4))],
          reference=np.transpose, **SAME)  # fmt: skip
def t(input):
    """The transposed matrix as a view; a vector is returned as it is.

    >>> import minigrad
    >>> minigrad.t(minigrad.zeros(2, 3)).shape
    minigrad.Size([3, 2])
    """
    if input.array.ndim > 2:
        raise ShapeError(f"t() expects a tensor with <= 2 dimensions, but self is {input.array.ndim}D; use .mT or .permute(...)")
    return _matrix_view(input, {}) if input.array.ndim == 2 else reshaped(input, input.array.shape)


@function("adjoint", samples=lambda r: [S(normal(r, 2, 3)), S(normal(r, 2, 3, 4))],
          errors=lambda r: [E(RuntimeError, "only supported on matrices", normal(r, 3))],
          reference=lambda x: np.swapaxes(x, -1, -2), **SAME)  # fmt: skip
def adjoint(input):
    """Matrices with the last two dimensions exchanged, and conjugated where they are complex; of real ones a view.

    >>> import minigrad
    >>> minigrad.adjoint(minigrad.zeros(5, 2, 3)).shape
    minigrad.Size([5, 3, 2])
    """
    if input.array.ndim < 2:
        raise ShapeError(f"adjoint: .mT is only supported on matrices or batches of matrices. Got {input.array.ndim}-D tensor")
    return _conjugated(_matrix_view(input, {}))


def _conjugated(t):
    return t.conj() if t.array.dtype.kind == "c" else t


def _matrix_t(self):
    if self.array.ndim < 2:
        raise ShapeError(f"tensor.mT is only supported on matrices or batches of matrices. Got {self.array.ndim}-D tensor")
    return _matrix_view(self, {})


def _all_reversed(self):
    return _permute_view(self, {"axes": (1, 0) if self.array.ndim == 2 else tuple(range(self.array.ndim))[::-1]})


def _matrix_h(self):
    """The transposed matrix; RuntimeError for a tensor of other than two dimensions (or none)."""
    if self.array.ndim not in (0, 2):
        raise ShapeError(
            f"tensor.H is only supported on matrices (2-D tensors). Got {self.array.ndim}-D tensor; use .mH for batches"
        )
    return _conjugated(_all_reversed(self))


def _detach(self):
    """The same memory without history: nothing computed from it sends a gradient back.

    >>> import minigrad
    >>> minigrad.ones(2, requires_grad=True).detach().requires_grad
    False
    """
    return _alias_view(self, {})


def detach_(self):
    """Forget this tensor's history, in place.

    >>> import minigrad
    >>> y = minigrad.ones(2, requires_grad=True) * 2
    >>> y.detach_().requires_grad
    False
    """
    if self._base is not None and self._base[1].differentiable and self.node is not None:
        raise GradError("Can't detach views in-place. Use detach() instead")
    self.node = None
    return self


for _name, _call in (("detach", _detach), ("detach_", detach_)):
    function(_name, samples=lambda r: [S(normal(r, 2, 3), grad=False)], reference=lambda x: x, parity=_name == "detach")(_call)
Tensor.permute = _permute_method
Tensor.T = property(_all_reversed, doc="A view with the dimensions in reverse order: of a matrix, its transpose.")
Tensor.mT = property(_matrix_t, doc="A view with the last two dimensions exchanged.")
Tensor.mH = property(adjoint, doc="The last two dimensions exchanged, and complex numbers conjugated.")
Tensor.H = property(_matrix_h, doc=_matrix_h.__doc__)


# ------------------------------------------------------------------------------------------- a tensor becoming a view of itself
def become(self, change):
    """``self`` turns into ``change(self)``, a view: what it was lives on as the hidden base of it and of its views."""
    root = root_of(self)
    if recording() and root.node is not None and root.node.op is LEAF:
        raise leaf_written(root is not self)
    old = wrap(self.array, self.node)
    old._base, old._views = self._base, self._views
    for reference in old._views or ():
        if (v := reference()) is not None and v._base is not None and v._base[0] is self:
            v._base = (old, *v._base[1:])
    if old._base is not None:
        make_view(old, *old._base)
    out = change(old)
    self.array, self.node, self._views = out.array, out.node, None
    return make_view(self, *out._base) if out._base is not None else self


def _in_place_view(call, name):
    call = getattr(Tensor, call.__name__)  # the method also knows NumPy's names of the arguments

    def method(self, *args, **kwargs):
        return become(self, lambda old: call(old, *args, **kwargs))

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"In-place version of :func:`{name[:-1]}`: this tensor becomes the view, and is returned."
    setattr(Tensor, name, method)


for _call in (squeeze, unsqueeze, t, transpose, swapaxes):
    _in_place_view(_call, _call.__name__ + "_")
Tensor.swapdims_ = Tensor.transpose_
