"""Matrix products of a graph: how their operands lie in memory, and the call of BLAS that is made of them."""

import math
from dataclasses import dataclass, replace

from .. import threads
from .fuse import in_rows, is_plain, looked_into

FEW = 8  # rows, below which BLAS is faster where it has kernels for small products:
SMALL, SHORT = 10**6, 2**10  # up to so many multiplications and, where the right matrix lies transposed, so many results
PRODUCTS = ("matmul", "affine")  # the second with a bias and perhaps ReLU: see epilogue.py
TILES_FROM, THIN_FROM = 2**18, 2**13  # multiplications from which on minigrad's own tiles do a product, or one of a vector


@dataclass
class Matrix:
    """Matrices in the memory of ``value``: ``batch`` are (extent, step) of the outer axes, then the steps of rows and columns."""

    value: object
    offset: int
    batch: tuple
    rows: int
    columns: int
    row_step: int
    column_step: int

    @property
    def transposed(self):
        return not (self.column_step == 1 or self.columns == 1)

    @property
    def fits(self):
        """Whether BLAS can read it: one of the two steps is 1, and the other at least the length of what it steps over."""
        if self.transposed:
            return (self.row_step == 1 or self.rows == 1) and (self.column_step >= self.rows or self.columns == 1)
        return self.row_step >= self.columns or self.rows == 1

    @property
    def leading(self):
        """The leading dimension."""
        step = self.column_step if self.transposed else self.row_step
        return max(step, self.rows if self.transposed else self.columns, 1)


def is_product(n):
    if n.op not in PRODUCTS or n.dtype is None or n.dtype.char not in "fd":
        return False
    return all(map(is_plain, n.inputs)) and 0 not in n.shape


def operand(i, left):
    """A :class:`Matrix` for an operand of matmul; None where its memory is no matrix that BLAS can read."""
    found = looked_into(i)
    if found is None:
        return None
    value, place = found
    shape = i.shape
    if len(shape) == 1:
        step = place.step(0)
        batch, rows, columns, steps = (), *((1, shape[0], (0, step)) if left else (shape[0], 1, (step, 0)))
    else:
        batch = tuple([(n, place.step(k)) for k, n in enumerate(shape[:-2])])
        k = len(shape) - 2
        rows, columns, steps = shape[-2], shape[-1], (place.step(k), place.step(k + 1))
    m = Matrix(value, place.constant, batch, rows, columns, *steps)
    return m if m.fits else None


def operands(n):
    """The values that a product reads: those that its views look into, or the views themselves, laid out anew."""
    found = [operand(i, k == 0) for k, i in enumerate(n.inputs[:2])]
    return [*[i if m is None else m.value for i, m in zip(n.inputs, found)], *n.inputs[2:]]


def emit(n, pointer, schedule, shared):
    """The lines of the driver: one gemm, or loops over the outer axes around it."""
    a, b = (_laid_out(i, k == 0, schedule) for k, i in enumerate(n.inputs[:2]))
    batch = _batch_shape(n)
    a_steps, b_steps = _batch_steps(a, batch), _batch_steps(b, batch)
    m, k, columns = a.rows, a.columns, b.columns
    out_steps, step = [], m * columns
    for extent in reversed(batch):
        out_steps.insert(0, step)
        step *= extent
    while batch and b_steps[-1] == 0 and (batch[-1] == 1 or _goes_on(a, a_steps[-1])):
        if batch[-1] != 1:  # one product over all rows
            m *= batch[-1]
            a = replace(a, rows=m, row_step=a_steps[-1] if a.rows == 1 else a.row_step)
        batch, a_steps, b_steps, out_steps = batch[:-1], a_steps[:-1], b_steps[:-1], out_steps[:-1]
    if shared and not batch and a.rows and m == math.prod(n.shape) // columns:
        return _rows(n, pointer, a, b, (m, columns, k))
    lines, indent = [], ""
    for d, extent in enumerate(batch):
        lines.append(f"{indent}for b{d} in range({'lo, hi' if shared and d == 0 else extent}):")
        indent += "    "

    def place(offset, steps):
        return " + ".join([str(offset), *(f"{s} * b{d}" for d, s in enumerate(steps) if s)])

    places = place(a.offset, a_steps), place(b.offset, b_steps), place(0, out_steps)
    lines.append(indent + _product(n, pointer, a, b, (m, columns, k), places, m))
    return lines, (batch[0], multiplications(n) // 10) if batch and shared else None


def _goes_on(a, step):
    """Whether the matrices of ``a`` that lie ``step`` apart are the rows of one."""
    return not a.transposed and (step >= a.columns if a.rows == 1 else step == a.rows * a.row_step)


def _rows(n, pointer, a, b, sizes):
    """A product whose rows, from lo to hi, may be shared among threads."""
    m, columns, _ = sizes
    places = f"{a.offset} + {1 if a.transposed else a.row_step} * lo", str(b.offset), f"{columns} * lo"
    return [_product(n, pointer, a, b, sizes, places, "(hi - lo)")], (m, multiplications(n) // 10)


def _product(n, pointer, a, b, sizes, places, rows):
    """The call of minigrad's own product, or of BLAS."""
    m, columns, k = sizes
    of_a, of_b, of_n = pointer(a.value), pointer(b.value), pointer(n)
    if n.op == "affine" or by_tiles(n, m, columns, k, b.transposed):
        bias, flags = _behind(n, pointer)
        left, right, out = (f"pointer({v}, {at})" for v, at in zip((of_a, of_b, of_n), places))
        how = f"{int(a.transposed)}, {int(b.transposed)}, {rows}, {columns}, {k}, f4(1)"
        return f"product({how}, {left}, {a.leading}, {right}, {b.leading}, {out}, {columns}, {bias or out}, {flags})"
    kind = "f4" if n.dtype.char == "f" else "f8"
    left, right = f"{of_a}, {places[0]}, {a.leading}", f"{of_b}, {places[1]}, {b.leading}"
    how = f"{int(a.transposed)}, {int(b.transposed)}, {rows}, {columns}, {k}, {kind}(1)"
    return f"gemm({how}, {left}, {right}, {kind}(0), {of_n}, {places[2]}, {columns})"


def _behind(n, pointer):
    """The pointer to the bias, if there is one, and the flags of ``product``."""
    if n.op == "matmul":
        return None, 0
    from ..kernels.cpu.tiles import BIAS, RELU

    return pointer(in_rows(n.inputs[2])), BIAS + RELU * n.params["relu"]


def by_tiles(n, m, columns, k, transposed):
    """Whether minigrad's own product is faster than BLAS; it takes a second to compile, which small products are not worth."""
    least = THIN_FROM if 1 in (m, columns) else TILES_FROM
    if n.dtype.char != "f" or multiplications(n) < least:
        return False
    from ..kernels.cpu.gemm import prefers_own

    few = m < FEW and m * columns * k <= SMALL and (m > 1 and m * columns <= SHORT if transposed else True)
    return bool(prefers_own(m, columns, k)) and not (few and threads.blas_has_small_products())


def _laid_out(i, left, schedule):
    found = operand(i, left)
    if found is not None and (found.value in schedule.roots or schedule.kinds[found.value] not in ("map", "view")):
        return found
    shape = i.shape if len(i.shape) > 1 else (1, *i.shape) if left else (*i.shape, 1)
    rows, columns = shape[-2:]
    batch, step = [], rows * columns
    for extent in reversed(shape[:-2]):
        batch.insert(0, (extent, step))
        step *= extent
    return Matrix(in_rows(i), 0, tuple(batch), rows, columns, columns, 1)


def _batch_shape(n):
    a, b = (i.shape[:-2] for i in n.inputs[:2])
    ndim = max(len(a), len(b))
    a, b = ((1,) * (ndim - len(s)) + tuple(s) for s in (a, b))
    return [max(x, y) if 0 not in (x, y) else 0 for x, y in zip(a, b)]


def _batch_steps(matrix, batch):
    steps = [0 if extent == 1 else step for extent, step in matrix.batch]
    return [0] * (len(batch) - len(steps)) + steps


def multiplications(n):
    a = n.inputs[0].shape
    return math.prod(n.shape) * a[-1]
