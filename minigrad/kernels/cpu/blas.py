"""Matrix products of BLAS that compiled code can call and Numba can cache.

``np.dot`` inside Numba has neither leading dimensions nor a factor for what it adds to, and a ctypes pointer to a BLAS
function keeps Numba from caching the caller. Numba's own helper library holds ``numba_xxgemm``, which hands over to the BLAS
that SciPy brings; an intrinsic that names this symbol has everything.
"""

import ctypes
import sys

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.errors import TypingError
from numba.extending import intrinsic

from minigrad.kernels.scipy_parts import extension
from minigrad.threads import one_blas_thread_in_kernels

from .machine import data_of

BLAS = "scipy.linalg.cython_blas"  # where Numba's helper library looks for BLAS


def _find_blas():
    """Let Numba's helper library find the products that it hands over to.

    It looks them up at the first product, by importing all of SciPy's linear algebra: a tenth of a second and more. A product
    of one number, made while there is nothing but the module that it looks into, has it look now.
    """
    if BLAS in sys.modules or numba.config.DISABLE_JIT:
        return
    try:
        product = ctypes.PYFUNCTYPE(ctypes.c_int, *_XXGEMM)(numba._helperlib.c_helpers["xxgemm"])
        sys.modules[BLAS] = extension(BLAS)
    except (ImportError, AttributeError, KeyError):  # another version of SciPy or Numba: it looks for itself
        return
    try:
        for kind in (b"s", b"d"):
            a, b, c = (np.ones(1, "f4" if kind == b"s" else "f8") for _ in range(3))
            at = a.ctypes.data, b.ctypes.data, c.ctypes.data
            product(kind, b"n", b"n", 1, 1, 1, at[0], at[0], 1, at[1], 1, at[1], at[2], 1)
    finally:
        if "scipy.linalg" not in sys.modules:
            del sys.modules[BLAS]  # the package, once imported, has it as a part of its own


_XXGEMM = [ctypes.c_char] * 3 + [ctypes.c_ssize_t] * 3 + [ctypes.c_void_p] * 2
_XXGEMM += [ctypes.c_ssize_t, ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_ssize_t]
one_blas_thread_in_kernels()
_find_blas()
BYTE = ir.IntType(8)
BYTES = BYTE.as_pointer()
KINDS = {types.float32: b"s", types.float64: b"d"}


def _plain_gemm(ta, tb, m, n, k, alpha, a, offset_a, lda, b, offset_b, ldb, beta, c, offset_c, ldc):
    """The same in NumPy, for where compilation is switched off: arrays only."""

    def view(x, offset, rows, columns, stride):
        size = x.itemsize
        return np.lib.stride_tricks.as_strided(x.reshape(-1)[offset:], (rows, columns), (stride * size, size))

    a = view(a, offset_a, k, m, lda).T if ta else view(a, offset_a, m, k, lda)
    b = view(b, offset_b, n, k, ldb).T if tb else view(b, offset_b, k, n, ldb)
    c = view(c, offset_c, m, n, ldc)
    c[...] = alpha * (a @ b) + (beta * c if beta else 0)


@intrinsic
def _call_gemm(context, ta, tb, m, n, k, alpha, a, offset_a, lda, b, offset_b, ldb, beta, c, offset_c, ldc):
    dtype = element(c)
    if dtype not in KINDS or element(a) != dtype or element(b) != dtype:
        raise TypingError(f"gemm takes C-contiguous arrays or pointers of float32 or float64, got {a}, {b}, {c}")
    size = types.intp
    signature = types.void(
        *(types.boolean, types.boolean, size, size, size, dtype),
        *(a, size, size, b, size, size, dtype, c, size, size),
    )

    def generate(context, builder, signature, arguments):
        ta, tb, m, n, k, alpha, a, offset_a, lda, b, offset_b, ldb, beta, c, offset_c, ldc = arguments
        a, b, c = (
            builder.bitcast(builder.gep(start(context, builder, signature.args[i], x), [offset]), BYTES)
            for i, x, offset in ((6, a, offset_a), (9, b, offset_b), (13, c, offset_c))
        )
        alpha, beta = (builder.bitcast(cgutils.alloca_once_value(builder, x), BYTES) for x in (alpha, beta))
        letters = [builder.select(t, ir.Constant(BYTE, ord("t")), ir.Constant(BYTE, ord("n"))) for t in (tb, ta)]
        kind = ir.Constant(BYTE, ord(KINDS[dtype]))
        # BLAS counts columns first, and so computes the transpose: B' A' into C'
        given = [kind, *letters, n, m, k, alpha, b, ldb, a, lda, beta, c, ldc]
        function_type = ir.FunctionType(ir.IntType(32), [x.type for x in given])
        builder.call(cgutils.get_or_insert_function(builder.module, function_type, "numba_xxgemm"), given)
        return context.get_dummy_value()

    return signature, generate


def element(operand):
    """The element type of a contiguous array or of a pointer, None of anything else."""
    if isinstance(operand, types.CPointer):
        return operand.dtype
    return operand.dtype if isinstance(operand, types.Array) and operand.layout == "C" else None


def start(context, builder, operand, value):
    """The typed pointer to an operand's first element."""
    return value if isinstance(operand, types.CPointer) else data_of(context, builder, operand, value)


gemm = _plain_gemm if numba.config.DISABLE_JIT else _call_gemm
"""gemm(ta, tb, m, n, k, alpha, a, offset_a, lda, b, offset_b, ldb, beta, c, offset_c, ldc), inside compiled code.

C = alpha op(A) op(B) + beta C over rows in memory: op(A) is (m, k), op(B) (k, n), C (m, n), and ``ta``, ``tb`` say that a
matrix lies transposed, A as (k, m), B as (n, k). Each matrix begins ``offset`` elements into its array, and its rows are
``ld`` elements apart, at least the length of a row. The arrays are C-contiguous of any number of dimensions, or
``types.CPointer``, all of one dtype, float32 or float64. With beta = 0 what C held is not read.
"""
