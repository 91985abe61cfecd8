"""``out=``: a result that goes into a tensor that is there already."""

import functools
import warnings

from .dtype import category
from .errors import DtypeError, describe
from .renaming import renamed
from .tensor import Tensor


def into(out, call, args, kwargs):
    """``call(*args, **kwargs)``, its result written into ``out``, which is returned; a tuple of them for several results.

    An ``out`` of another shape is resized, with a warning unless it was empty. There is no gradient through ``out=``.
    """
    result = call(*args, **kwargs)
    if isinstance(result, Tensor):
        return put(out, result, call.__name__)
    if not isinstance(out, tuple | list) or len(out) != len(result):
        raise TypeError(f"{call.__name__}(): argument 'out' must be a tuple of {len(result)} Tensors, not {describe(out)}")
    written = [put(o, r, call.__name__) for o, r in zip(out, result)]
    return type(result)(*written) if hasattr(result, "_fields") else tuple(written)


def put(out, result, name):
    """``result`` in the memory of ``out``; ``name`` is the function that computed it."""
    from .views import write

    if not isinstance(out, Tensor):
        raise TypeError(f"{name}(): argument 'out' must be Tensor, not {describe(out)}")
    if result.requires_grad or out.requires_grad:
        raise RuntimeError(
            f"{name}(): functions with out=... arguments don't support automatic differentiation, but one of the arguments "
            f"requires grad; leave out= away, or call it under no_grad()"
        )
    if category(result.array.dtype) > category(out.array.dtype):
        raise DtypeError(
            f"{name}(): result type {result.dtype} can't be cast to the desired output type {out.dtype} of out=; give an out of "
            f"{result.dtype}"
        )
    if out.array.shape != result.array.shape:
        if out.array.size:
            warnings.warn(
                f"An output with one or more elements was resized since it had shape {list(out.shape)}, which does not match the "
                f"required output shape {list(result.shape)}. Give an empty out, or one of that shape.",
                stacklevel=5,
            )
        out.array = result.to(out.dtype).array.copy()
        return out
    return write(out, result)


def with_output(f):
    """A function of operations that takes ``out=``, too."""

    def call(*args, out=None, **kwargs):
        try:
            return f(*args, **kwargs) if out is None else into(out, f, args, kwargs)
        except TypeError:
            again = renamed(f, args, kwargs) if kwargs else None
            if again is None:
                raise
        return f(*args, **again) if out is None else into(out, f, args, again)

    return functools.update_wrapper(call, f)
