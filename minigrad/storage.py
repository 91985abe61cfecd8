"""``torch.storage``: PyTorch's name for the memory behind a tensor. Here the NumPy or CuPy array owns its memory itself."""

from . import graph
from .tensor import Tensor


class UntypedStorage:
    """The memory behind a tensor, seen as bytes: its address, its size, and whether two tensors share it.

    >>> import minigrad
    >>> x = minigrad.zeros(4)
    >>> x.untyped_storage().nbytes(), x[1:].untyped_storage().data_ptr() == x.data_ptr()
    (16, True)
    """

    def __init__(self, tensor):
        if not isinstance(tensor, Tensor):
            raise TypeError("a storage is that of a tensor: minigrad allocates tensors only; write minigrad.empty(n)")
        self._owner = graph.owner_of(tensor.array)
        self._tensor = tensor

    device = property(lambda self: self._tensor.device)

    def nbytes(self):
        return self._owner.nbytes

    def size(self):
        return self._owner.nbytes

    __len__ = size

    def element_size(self):
        return 1

    def data_ptr(self):
        return _flat(self._owner).data_ptr()

    def __eq__(self, other):
        return isinstance(other, UntypedStorage) and self._owner is other._owner

    __hash__ = object.__hash__

    def is_shared(self):
        return self._tensor.is_shared()


class TypedStorage(UntypedStorage):
    """The memory behind a tensor as elements of its dtype: ``x.storage()``."""

    dtype = property(lambda self: self._tensor.dtype)

    def size(self):
        return self._owner.size

    __len__ = size

    def element_size(self):
        return self._owner.itemsize

    def tolist(self):
        return self._owner.ravel(order="K").tolist()

    def __getitem__(self, index):
        return _flat(self._owner).array.ravel(order="K")[index].item()


Storage = TypedStorage


def is_storage(obj):
    """Whether ``obj`` is what ``x.storage()`` or ``x.untyped_storage()`` returns.

    >>> import minigrad
    >>> minigrad.is_storage(minigrad.zeros(2).untyped_storage()), minigrad.is_storage(minigrad.zeros(2))
    (True, False)
    """
    return isinstance(obj, UntypedStorage)


def _flat(array):
    from .tensor import wrap

    return wrap(array)
