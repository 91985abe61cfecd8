"""NumPy's functions on tensors: ``np.exp(x)`` computes with NumPy, without history, and gives a Tensor."""

import numpy as np

from ..tensor import Tensor, wrap

# ndarray + Tensor and number + Tensor are ufunc calls, too: they are the tensor's to answer, and to refuse.
_REFLECTED = {
    np.add: "__radd__", np.subtract: "__rsub__", np.multiply: "__rmul__", np.true_divide: "__rtruediv__",
    np.floor_divide: "__rfloordiv__", np.remainder: "__rmod__", np.power: "__rpow__", np.matmul: "__rmatmul__",
    np.less: "__gt__", np.less_equal: "__ge__", np.greater: "__lt__", np.greater_equal: "__le__",
    np.bitwise_and: "__rand__", np.bitwise_or: "__ror__", np.bitwise_xor: "__rxor__",
}  # fmt: skip


class _Protocol:
    """NumPy asks the class for ``__array_ufunc__``; CuPy asks the tensor, and steps back where it is None."""

    def __get__(self, tensor, owner):
        return _call if tensor is None else None


def _call(self, ufunc, method, *inputs, **options):
    first = inputs[0]
    if method == "__call__" and ufunc in _REFLECTED and not isinstance(first, Tensor) and isinstance(inputs[-1], Tensor):
        answer = getattr(inputs[-1], _REFLECTED[ufunc], None)
        if answer is None:
            return NotImplemented
        return answer(first[()] if isinstance(first, np.ndarray) else first)  # some ufuncs have made an array of a number
    truths = ufunc in (np.equal, np.not_equal)
    arrays = [(x.detach() if truths else x).numpy() if isinstance(x, Tensor) else x for x in inputs]
    outputs = options.get("out", ())
    if outputs:
        options["out"] = tuple(o.numpy() if isinstance(o, Tensor) else o for o in outputs)
    result = getattr(ufunc, method)(*arrays, **options)
    if outputs:
        return outputs[0] if len(outputs) == 1 else outputs
    if truths:
        return wrap(np.asarray(result))
    return tuple(map(_tensor, result)) if isinstance(result, tuple) else _tensor(result)


def _tensor(result):
    """PyTorch gives truth values back as uint8, from the time when it had no bool."""
    result = np.asarray(result)
    return wrap(result.astype(np.uint8) if result.dtype == np.bool_ else result)


def _array_wrap(self, array, context=None, return_scalar=False):
    """The array that a NumPy function has made of this tensor, as a tensor.

    >>> import minigrad, numpy as np
    >>> np.sqrt(minigrad.tensor([1.0, 4.0]))
    tensor([1., 2.])
    """
    return _tensor(array)


_array_wrap.__name__ = "__array_wrap__"
Tensor.__array_ufunc__, Tensor.__array_wrap__ = _Protocol(), _array_wrap
