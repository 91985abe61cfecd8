"""``out=``: a result that goes into a tensor that is there already."""

import functools
import warnings

from .dispatch import autocast
from .dtype import category
from .errors import DtypeError, InplaceError, describe
from .graph import owner_of
from .renaming import renamed
from .tensor import Tensor

# Where out= must have the very dtype of the result; the others cast into any dtype of its kind or a wider one.
_EXACT = frozenset(
    """
    abs absolute addbmm addmm addmv alias_copy all amax amin aminmax any argmax argmin as_strided_copy baddbmm
    bitwise_not bmm ceil cholesky cholesky_ex clamp clip complex conj_physical cross cummax cummin det detach_copy diag
    diagonal_copy dot eigh eigvalsh expand_copy fix floor frac frexp gather hardshrink heaviside histc index_add
    index_copy index_reduce index_select inner inv inv_ex inverse isneginf isposinf kthvalue ldl_factor ldl_factor_ex
    ldl_solve logcumsumexp lu lu_factor lu_factor_ex lu_solve lu_unpack masked_select matmul matrix_norm max min mm
    mode msort multi_dot multinomial mv nan_to_num nanquantile narrow_copy neg negative nonzero nonzero_static norm
    ormqr permute_copy qr quantile renorm round scatter scatter_add scatter_reduce select_copy sgn sign signbit
    slice_copy slice_scatter slogdet softmax solve solve_ex solve_triangular sort squeeze_copy svd svdvals t_copy take
    take_along_dim tensordot topk transpose_copy triangular_solve tril triu trunc unfold_copy unsqueeze_copy vdot
    vecdot vector_norm view_as_real_copy view_copy where
    """.split()
)
# These read their inputs while they write: out= may not be one of them. The others may write over an input, but not over a part.
_APART = frozenset("cat concat concatenate gather index_select kthvalue masked_select take".split())


def into(out, call, args, kwargs):
    """``call(*args, **kwargs)``, its result written into ``out``, which is returned; a tuple of them for several results.

    An ``out`` of another shape is resized, with a warning unless it was empty. There is no gradient through ``out=``.
    """
    _check_memory(out, args, call.__name__)
    casts = autocast.set(None)  # as in PyTorch, which lowers nothing that is told where to write
    try:
        result = call(*args, **kwargs)
    finally:
        autocast.reset(casts)
    if isinstance(result, Tensor):
        return put(out, result, call.__name__)
    if not isinstance(out, tuple | list) or len(out) != len(result):
        raise TypeError(f"{call.__name__}(): argument 'out' must be a tuple of {len(result)} Tensors, not {describe(out)}")
    written = [put(o, r, call.__name__) for o, r in zip(out, result)]
    return type(result)(*written) if hasattr(result, "_fields") else tuple(written)


def _tensors(value):
    if isinstance(value, Tensor):
        return [value]
    return [t for v in value for t in _tensors(v)] if isinstance(value, tuple | list) else []


def _check_memory(out, args, name):
    """As in PyTorch, the memory that is written may not be a part of an input, or share one with it."""
    for written in _tensors(out):
        for t in _tensors(args):
            if _shares(written, t, name in _APART):
                raise InplaceError(
                    f"{name}(): unsupported operation: some elements of the input tensor and the written-to tensor refer to a "
                    f"single memory location. Please clone() the tensor before performing the operation."
                )


def _shares(a, b, also_whole):
    """Whether two dense tensors share a part of their memory, or (``also_whole``) all of it."""
    if a.array.__class__ is not b.array.__class__ or not a.array.size or not b.array.size:
        return False
    if owner_of(a.array) is not owner_of(b.array) or not (_is_dense(a) and _is_dense(b)):
        return False
    first, second = a.data_ptr(), b.data_ptr()
    if (first, a.nbytes, a.stride()) == (second, b.nbytes, b.stride()):
        return also_whole
    return first < second + b.nbytes and second < first + a.nbytes


def _is_dense(t):
    """Whether the elements fill their memory without a gap, in whatever order."""
    expected = 1
    for step, n in sorted(zip(t.stride(), t.array.shape)):
        if n != 1:
            if step != expected:
                return False
            expected *= n
    return True


def put(out, result, name):
    """``result`` in the memory of ``out``; ``name`` is the function that computed it."""
    from .views import overlaps, write

    if not isinstance(out, Tensor):
        raise TypeError(f"{name}(): argument 'out' must be Tensor, not {describe(out)}")
    if result.requires_grad or out.requires_grad:
        raise RuntimeError(
            f"{name}(): functions with out=... arguments don't support automatic differentiation, but one of the arguments "
            f"requires grad; leave out= away, or call it under no_grad()"
        )
    if name in _EXACT and out.array.dtype != result.array.dtype:
        raise DtypeError(f"{name}(): Expected out tensor to have dtype {result.dtype}, but got {out.dtype} instead")
    if category(result.array.dtype) > category(out.array.dtype):
        raise DtypeError(
            f"{name}(): result type {result.dtype} can't be cast to the desired output type {out.dtype} of out=; give an out of "
            f"{result.dtype}"
        )
    if out.array.shape != result.array.shape:
        if overlaps(out.array):
            write(out, out.detach())  # says what is wrong with it
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
