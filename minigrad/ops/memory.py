"""Tensors as memory: storages, resizing by hand, sharing, and what PyTorch tells about where a tensor lives."""

import numpy as np

from .. import graph
from ..errors import ShapeError, UnsupportedError, describe
from ..op import E, S, function
from ..storage import TypedStorage, UntypedStorage
from ..tensor import Tensor, new, wrap
from .masking import nonzero
from .samples import normal
from .shape import _expand, sum_to, whole
from .strided import as_strided


# ------------------------------------------------------------------------------------------------------------------- storages
def _storage(self):
    """The memory behind the tensor and its views, as numbers of its dtype."""
    return TypedStorage(self)


def _untyped_storage(self):
    """The memory behind the tensor and its views, as bytes."""
    return UntypedStorage(self)


def _storage_type(self):
    """The class of :meth:`storage`."""
    return TypedStorage


def _set_(self, source=None, storage_offset=0, size=None, stride=None):
    """Make this tensor look into other memory, in place: that of a tensor, or a storage with a geometry.

    >>> import minigrad
    >>> minigrad.zeros(2).set_(minigrad.ones(3))
    tensor([1., 1., 1.])
    """
    if source is None:
        source = self.new_empty(0)
    if isinstance(source, UntypedStorage):
        flat = as_strided(wrap(source._owner), (source._owner.size,), (1,), 0)
        flat = flat if flat.dtype is self.dtype else flat.view(self.dtype)
        size = (flat.array.size,) if size is None else whole((size,))
    elif isinstance(source, Tensor):
        flat = source.detach()
        if size is None:
            self.data = source
            return self
    else:
        raise TypeError(
            f"set_() received an invalid combination of arguments: source must be a Tensor or a storage, not {describe(source)}"
        )
    steps = tuple(int(np.prod(size[i + 1 :])) for i in range(len(size))) if stride is None else tuple(stride)
    self.data = as_strided(flat, size, steps, storage_offset)
    return self


function("set_", spaces="Tensor", samples=lambda r: [S(np.zeros(2, int), np.arange(3))], reference=lambda x, source: source)(
    _set_
)
Tensor.storage, Tensor.untyped_storage, Tensor.storage_type = _storage, _untyped_storage, _storage_type
Tensor._typed_storage = _storage
Tensor.const_data_ptr = Tensor.data_ptr


def _is_set_to(self, tensor):
    """Whether both tensors look at the same memory with the same shape and steps."""
    return self.data_ptr() == tensor.data_ptr() and self.shape == tensor.shape and self.stride() == tensor.stride()


# --------------------------------------------------------------------------------- moving between processes and devices
def _itself(name, doc):
    def method(self, *args, **kwargs):
        return self

    method.__name__, method.__doc__ = name, doc
    return method


def _never(doc):
    def method(self, *args, **kwargs):
        return False

    method.__doc__ = doc
    return method


def _share_memory_(self):
    """Move the memory to where processes that are started later see it, and what they write into it is seen here."""
    from ..multiprocessing import sharing

    return sharing.share(self)


def _is_shared(self):
    """Whether several processes see this memory, see :meth:`share_memory_`."""
    from ..multiprocessing import sharing

    return sharing.is_shared(self)


_share_memory_.__name__, _is_shared.__name__ = "share_memory_", "is_shared"
Tensor.is_set_to = _is_set_to
Tensor.pin_memory = _itself("pin_memory", "This tensor: the CPU's memory needs no pinning here.")
Tensor.share_memory_ = _share_memory_
Tensor.is_pinned = _never("Whether the memory is pinned: never.")
Tensor.is_shared = _is_shared
Tensor.is_distributed = _never("Whether the tensor is distributed: never.")
Tensor.is_coalesced = _never("Whether a sparse tensor is coalesced; this one is dense.")
Tensor.to_dense = _itself("to_dense", "This tensor, which is dense.")
Tensor.output_nr = 0
Tensor.name = None
Tensor.dense_dim = Tensor.dim
for _name in ("is_xla", "is_xpu", "is_ipu", "is_mkldnn", "is_mtia", "is_vulkan", "is_maia", "is_sparse_csr", "is_nested"):
    setattr(Tensor, _name, False)


def _layout(self):
    from ..settings import strided

    return strided


Tensor.layout = property(_layout, doc="How the elements are stored: ``minigrad.strided``.")


def _record_stream(self, stream):
    """Nothing: memory is not handed back before the work that uses it is done."""


Tensor.record_stream = _record_stream


def _grad_dtype(self):
    return self.dtype if self.is_leaf else None


def _set_grad_dtype(self, dtype):
    if dtype is not None and dtype is not self.dtype:
        raise RuntimeError(f"grad_dtype: the gradient of a {self.dtype} tensor is {self.dtype}; {dtype} is not supported")


Tensor.grad_dtype = property(_grad_dtype, _set_grad_dtype, doc="The dtype that the gradient of this leaf must have.")


def _module_load(self, other, assign=False):
    """What ``load_state_dict`` puts in place of this tensor: ``other``, without history."""
    return other.detach()


Tensor.module_load = _module_load


# ----------------------------------------------------------------------------------------------------------- Python, by element
def _refuse_history(name, *tensors):
    if any(t.requires_grad and graph.is_grad_enabled() for t in tensors):
        raise RuntimeError(f"Can't call {name} on Variable that requires grad. Use var.detach().{name}")


def _by_element(name, doc, count):
    def method(self, *args):
        *others, call = args
        if len(others) != count:
            raise TypeError(f"{name}() takes {count} tensors and a function, got {len(args)} arguments")
        _refuse_history(f"{name}()", self, *others)
        lists = [_expand(o, self.array.shape).array.reshape(-1).tolist() for o in others]
        values = [call(*v) for v in zip(self.array.reshape(-1).tolist(), *lists)]
        self.array[...] = np.array(values, self.array.dtype).reshape(self.array.shape)
        graph.writes.stamp(self.array)
        return self

    method.__name__, method.__doc__ = name, doc
    return method


Tensor.apply_ = _by_element("apply_", "Replace every element v by ``callable(v)``, in place; slow, on the CPU only.", 0)
Tensor.map_ = _by_element("map_", "Replace every element v by ``callable(v, w)`` with w of ``tensor``, in place.", 1)
Tensor.map2_ = _by_element("map2_", "Replace every element v by ``callable(v, w, u)``, in place.", 2)


# -------------------------------------------------------------------------------------------------------------------- the rest
def _is_same_size(self, other):
    """Whether both tensors have one shape."""
    return self.shape == other.shape


Tensor.is_same_size = _is_same_size


def _new(self, *args, device=None, **kwargs):
    """PyTorch's old way to a tensor of this dtype: ``x.new(2, 3)`` is uninitialised, ``x.new([1, 2])`` has these values."""
    if len(args) == 1 and not isinstance(args[0], int | np.integer) and not hasattr(args[0], "numel"):
        return self.new_tensor(args[0], device=device)
    if len(args) == 1 and isinstance(args[0], Tensor):
        return self.new_tensor(args[0], device=device)
    sizes = args[0] if len(args) == 1 and not isinstance(args[0], int | np.integer) else args or (0,)
    return self.new_empty(*sizes, device=device)


Tensor.new = _new


@function("sum_to_size", spaces="Tensor",
          samples=lambda r: [S(normal(r, 2, 3), 1, 3), S(normal(r, 2, 3), (2, 1)), S(normal(r, 2, 3), 3)],
          errors=lambda r: [E(RuntimeError, "is not expandable to size", normal(r, 2, 3), 2)],
          reference=lambda x, *size: _numpy_sum_to(x, size[0] if isinstance(size[0], tuple) else size))  # fmt: skip
def _sum_to_size(self, *sizes, size=None):
    """The sum over the dimensions along which a tensor of ``size`` would be stretched to this one.

    >>> import minigrad
    >>> minigrad.ones(2, 3).sum_to_size(1, 3)
    tensor([[2., 2., 2.]])
    """
    target, shape = whole(sizes if size is None else (size,)), self.array.shape
    if not target:
        return self.sum()
    lead = len(shape) - len(target)
    if lead < 0 or any(n != 1 and n != m for n, m in zip(target, shape[lead:])):
        raise ShapeError(f"size {{{list(target)}}} is not expandable to size {{{list(shape)}}}.")
    from ..autograd.engine import recorded

    return sum_to(recorded, self, target)


def _numpy_sum_to(x, size):
    lead = x.ndim - len(size)
    axes = tuple(i for i in range(x.ndim) if i < lead or size[i - lead] != x.shape[i])
    return x.sum(axis=axes, keepdims=True).reshape(size)


@function("nonzero_static",
          samples=lambda r: [S(np.array([1, 0, 2]), size=4), S(np.array([[1, 0], [3, 2]]), size=2, fill_value=7)],
          errors=lambda r: [E(RuntimeError, "nonnegative", np.array([1]), size=-1)],
          reference=lambda x, size, fill_value=-1: np.concatenate(
              [np.argwhere(x), np.full((size, x.ndim), fill_value)])[:size])  # fmt: skip
def nonzero_static(input, *, size, fill_value=-1):
    """The first ``size`` places of elements that are not 0, filled up with ``fill_value`` where there are fewer.

    >>> import minigrad
    >>> minigrad.nonzero_static(minigrad.tensor([1, 0, 2]), size=3)
    tensor([[ 0],
            [ 2],
            [-1]])
    """
    if size < 0:
        raise RuntimeError(f"nonzero_static: 'size' must be an nonnegative integer, got {size}")
    found = nonzero(input)[:size]
    out = found.new_full((size, input.array.ndim), fill_value)
    out[: found.array.shape[0]] = found
    return out


def _as_subclass(self, cls):
    """The same memory and history as an object of ``cls``, a class derived from Tensor."""
    out = new(cls)
    out.array, out.node = self.array, self.node
    return out


def _make_subclass(cls, data, require_grad=False):
    """The memory of ``data`` as an object of ``cls``, without history."""
    out = new(cls)
    out.array, out.node = data.array, None
    return out.requires_grad_() if require_grad else out


Tensor.as_subclass, Tensor._make_subclass = _as_subclass, staticmethod(_make_subclass)


# ---------------------------------------------------------------------------------------------------------------------- sparse
def _to_sparse(self, sparse_dim=None, *, layout=None, blocksize=None, dense_dim=None):
    """The tensor in coordinate form. See :mod:`minigrad.sparse`."""
    from ..sparse import to_sparse

    return to_sparse(self, sparse_dim)


def _sparse_mask(self, mask):
    """The elements where the sparse tensor ``mask`` has some, as a sparse tensor."""
    from ..sparse import sparse_mask

    return sparse_mask(self, mask)


def _sparse_only(name):
    def method(self, *args, **kwargs):
        raise UnsupportedError(f"{name} expected sparse coordinate tensor layout but got Strided; write x.to_sparse() first")

    method.__name__ = name
    method.__doc__ = f"``{name}()`` of a sparse tensor (:mod:`minigrad.sparse`); RuntimeError for this one, which is dense."
    return method


for _name in ("coalesce", "indices", "values", "_indices", "_values", "sparse_dim"):
    setattr(Tensor, _name, _sparse_only(_name))
Tensor.to_sparse = Tensor.to_sparse_coo = _to_sparse
Tensor.sparse_mask = _sparse_mask
