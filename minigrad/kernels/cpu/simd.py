"""Vectors of 64 bytes as values in a kernel, and the one inner loop that every convolution runs in.

LLVM turns a simple loop into vector code by itself, but not these: a product whose block of sums must stay in registers,
a transposed square, a transform between a few dozen short vectors. ``load`` and ``store`` move LANES neighbouring numbers
of a flat array, vectors add, subtract and multiply lane by lane, and where the processor's registers are shorter LLVM
splits them. Nothing is checked: whoever calls keeps the indices inside the arrays.

``multiply_block`` is the inner loop of Goto and van de Geijn, "Anatomy of high-performance matrix multiplication", 2008,
with one change: the operands are not copied into order first, two tables say where their elements lie. So the same loop
multiplies matrices, slides windows over an image and transposes on the way.

Each function has a plain Python body, which runs under NUMBA_DISABLE_JIT=1.
"""

import operator

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.registry import cpu_target
from numba.extending import lower_builtin, models, register_model, type_callable

from .jit import jit

BYTES = 64
START = np.int64(0)  # of an array; a plain 0 would be a type of its own for Numba and compile the function called once more


# a block of sums, ROWS times VECTORS: with its operands it must fit the registers
_FEATURES = cpu_target.target_context.codegen().magic_tuple()[2].split(",")  # Numba keys its cache by them
ROWS, VECTORS = (8, 2) if "+avx512f" in _FEATURES else (6, 1)


TERMS = 512  # of a sum, at a time


class Vector(types.Type):
    def __init__(self, dtype):
        self.dtype = dtype
        super().__init__(f"Vector({dtype})")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager, vector):
        super().__init__(manager, vector, _vector_of(manager.lookup(vector.dtype).get_value_type(), vector.dtype))


def _vector_of(scalar, dtype):
    return ir.VectorType(scalar, BYTES * 8 // dtype.bitwidth)


def _lanes(array):
    return BYTES // array.itemsize


# --------------------------------------------------------------------------------------------- as plain Python
def load(array, i):
    """array[i : i + LANES] of a flat array."""
    return array[i : i + _lanes(array)].copy()


def store(array, i, vector):
    """array[i : i + LANES] = vector."""
    array[i : i + _lanes(array)] = vector


def splat(number):
    """A vector of one number, a float32 or float64."""
    return np.full(BYTES // number.dtype.itemsize, number)


def fma(a, b, c):
    """a * b + c, rounded once where the processor can."""
    return a * b + c


def at_least(a, least):
    """``least`` in each lane where a is smaller; NaN stays."""
    return np.where(a < least, least, a)


def total(vector):
    """The sum of the lanes, by halves."""
    while len(vector) > 1:
        vector = vector[: len(vector) // 2] + vector[len(vector) // 2 :]
    return vector[0]


def transpose_square(source, i, step, target, j, target_step):
    """A square of LANES by LANES: target[j + c * target_step + r] = source[i + r * step + c]."""
    lanes = _lanes(source)
    square = [load(source, i + r * step) for r in range(lanes)]
    for c in range(lanes):
        store(target, j + c * target_step, np.array([row[c] for row in square]))


def alone():
    """Keeps the compiled function in which it stands a function: LLVM would compile it again inside each caller."""


def multiply_block(a, rows, i, ka, b, j, kb, length, c, c_rows, first, accumulate):
    """c[c_rows[i + r] + first + v] (+)= the sum over k of a[rows[i + r] + ka[k]] * b[j + kb[k] + v].

    r counts ROWS rows and v VECTORS * LANES columns; the tables are int64. Two rows may be the same one: that is how
    the last block of a matrix is filled up.
    """
    columns = np.arange(VECTORS * _lanes(b))
    left = a[rows[i : i + ROWS, None] + ka[None, :length]]
    right = b[j + kb[:length, None] + columns]
    target = c_rows[i : i + ROWS, None] + first + columns
    c[target] = left @ right + c[target] if accumulate else left @ right


# --------------------------------------------------------------------------------------------- as LLVM instructions
_A, _I = types.Array, types.Integer


def _element(context, builder, kind, array, index):
    """A pointer to it."""
    return builder.gep(context.make_array(kind)(context, builder, array).data, [index])


def _pointer(context, builder, kind, array, index):
    """To a vector of an array's elements."""
    element = _element(context, builder, kind, array, index)
    return builder.bitcast(element, _vector_of(context.get_value_type(kind.dtype), kind.dtype).as_pointer())


def _read(builder, pointer):
    return builder.load(pointer, align=4)


def _fma(builder, a, b, c):
    kind = a.type
    name = f"llvm.fmuladd.v{kind.count}f{32 if isinstance(kind.element, ir.FloatType) else 64}"
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind] * 3), name)
    return builder.call(function, [a, b, c])


def _splat(builder, kind, number):
    nothing, int32 = ir.Constant(kind, ir.Undefined), ir.IntType(32)
    first = builder.insert_element(nothing, number, ir.Constant(int32, 0))
    return builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(int32, kind.count), [0] * kind.count))


@type_callable(load)
def _(context):
    return lambda array, i: Vector(array.dtype)


@lower_builtin(load, types.Array, types.Integer)
def _(context, builder, signature, args):
    return _read(builder, _pointer(context, builder, signature.args[0], *_indices(context, builder, signature, args)))


def _indices(context, builder, signature, args):
    """The arguments, with every integer as int64."""
    return [
        context.cast(builder, value, kind, types.int64) if isinstance(kind, types.Integer) else value
        for kind, value in zip(signature.args, args, strict=True)
    ]


@type_callable(store)
def _(context):
    return lambda array, i, vector: types.none


@lower_builtin(store, types.Array, types.Integer, Vector)
def _(context, builder, signature, args):
    array, i, vector = _indices(context, builder, signature, args)
    builder.store(vector, _pointer(context, builder, signature.args[0], array, i), align=4)
    return context.get_dummy_value()


@type_callable(splat)
def _(context):
    return lambda number: Vector(number) if isinstance(number, types.Float) else None


@lower_builtin(splat, types.Float)
def _(context, builder, signature, args):
    return _splat(builder, context.get_value_type(signature.return_type), args[0])


@type_callable(fma)
def _(context):
    return lambda a, b, c: a if isinstance(a, Vector) else None


@lower_builtin(fma, Vector, Vector, Vector)
def _(context, builder, signature, args):
    return _fma(builder, *args)


def _same_vectors(context):
    return lambda a, b: a if isinstance(a, Vector) and a == b else None


for _operator, _instruction in ((operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul")):
    type_callable(_operator)(_same_vectors)
    lower_builtin(_operator, Vector, Vector)(
        lambda context, builder, signature, args, name=_instruction: getattr(builder, name)(*args)
    )
type_callable(at_least)(_same_vectors)


@lower_builtin(at_least, Vector, Vector)
def _(context, builder, signature, args):
    return builder.select(builder.fcmp_ordered("<", *args), args[1], args[0])


@type_callable(total)
def _(context):
    return lambda vector: vector.dtype


@lower_builtin(total, Vector)
def _(context, builder, signature, args):
    vector, int32 = args[0], ir.IntType(32)
    width = vector.type.count
    while width > 1:
        width //= 2
        masks = [ir.Constant(ir.VectorType(int32, width), list(range(begin, begin + width))) for begin in (0, width)]
        vector = builder.fadd(*[builder.shuffle_vector(vector, vector, mask) for mask in masks])
    return builder.extract_element(vector, ir.Constant(int32, 0))


@type_callable(alone)
def _(context):
    return lambda: types.none


@lower_builtin(alone)
def _(context, builder, signature, args):
    builder.function.attributes.add("noinline")
    return context.get_dummy_value()


@type_callable(transpose_square)
def _(context):
    return lambda source, i, step, target, j, target_step: types.none


@lower_builtin(transpose_square, types.Array, types.Integer, types.Integer, types.Array, types.Integer, types.Integer)
def _(context, builder, signature, args):
    """Swap the off-diagonal quarters, then those within each quarter, and so on: each time two rows give two rows."""
    source, i, step, target, j, target_step = _indices(context, builder, signature, args)
    kind, other = signature.args[0], signature.args[3]

    def line(array, kind, first, step, r):
        index = builder.add(first, builder.mul(step, ir.Constant(step.type, r)))
        return _pointer(context, builder, kind, array, index)

    lanes = BYTES * 8 // kind.dtype.bitwidth
    rows = [_read(builder, line(source, kind, i, step, r)) for r in range(lanes)]
    half = lanes // 2
    while half:
        upper = [lane if not lane & half else lanes + lane - half for lane in range(lanes)]
        lower = [lane + half if not lane & half else lanes + lane for lane in range(lanes)]
        for r in range(lanes):
            if not r & half:
                pair = rows[r], rows[r + half]
                for at, mask in ((r, upper), (r + half, lower)):
                    rows[at] = builder.shuffle_vector(*pair, ir.Constant(ir.VectorType(ir.IntType(32), lanes), mask))
        half //= 2
    for r in range(lanes):
        builder.store(rows[r], line(target, other, j, target_step, r), align=4)
    return context.get_dummy_value()


def tile_transform(matrix):
    """A function (source, places, step, i, target, into, jump, j) that computes M X M' of a tile of vectors, M = ``matrix``.

    X[r, s] is the vector source[places[r * columns + s] * step + i], and element (r, s) of the result becomes the vector
    target[into[r * rows + s] * jump + j]; ``places`` and ``into`` are int64.
    """
    matrix = np.array(matrix)
    count = matrix.shape[1] ** 2

    def transform(source, places, step, i, target, into, jump, j):
        lanes = np.arange(_lanes(source))
        tile = source[places[:count, None] * step + i + lanes].reshape(*matrix.shape[1:] * 2, -1)
        for k, vector in enumerate(np.einsum("rs,stl,ut->rul", matrix, tile, matrix).reshape(-1, lanes.size)):
            target[into[k] * jump + j + lanes] = vector

    @type_callable(transform)
    def _(context):
        return lambda source, places, step, i, target, into, jump, j: types.none

    @lower_builtin(transform, _A, _A, _I, _I, _A, _A, _I, _I)
    def _(context, builder, signature, args):
        source, places, step, i, target, into, jump, j = _indices(context, builder, signature, args)
        kinds = signature.args

        def pointer(which, array, table, k, step, shift):
            number = builder.load(_element(context, builder, kinds[which + 1], table, ir.Constant(shift.type, k)))
            return _pointer(context, builder, kinds[which], array, builder.add(builder.mul(number, step), shift))

        rows, columns = matrix.shape
        loaded = [_read(builder, pointer(0, source, places, k, step, i)) for k in range(count)]
        halves = [_times(builder, matrix, loaded[s::columns]) for s in range(columns)]  # [s][r]
        for r in range(rows):
            for s, vector in enumerate(_times(builder, matrix, [half[r] for half in halves])):
                builder.store(vector, pointer(4, target, into, r * rows + s, jump, j), align=4)
        return context.get_dummy_value()

    return transform


def _times(builder, matrix, vectors):
    """The matrix times a list of vectors. Two rows that differ in sign at every other place share their sums."""
    signs = (-1) ** np.arange(len(vectors))
    results, parts, before = [], None, None
    for line in matrix:
        if np.array_equal(line * signs, before):
            results.append(builder.fsub(*parts))
        else:
            parts = [_combination(builder, line * (signs == sign), vectors) for sign in (1, -1)]
            results.append(builder.fadd(*parts) if None not in parts else parts[0] or parts[1])
        before = line
    return results


def _combination(builder, factors, vectors):
    """The sum of factors times vectors, None of nothing."""
    total = None
    for factor, vector in zip(factors, vectors, strict=True):
        if factor:
            number = ir.Constant(vector.type, [float(factor)] * vector.type.count)
            if total is None:
                total = vector if factor == 1 else builder.fmul(vector, number)
            else:
                total = builder.fadd(total, vector) if factor == 1 else _fma(builder, vector, number, total)
    return total


@type_callable(multiply_block)
def _(context):
    return lambda a, rows, i, ka, b, j, kb, length, c, c_rows, first, accumulate: types.none


@lower_builtin(multiply_block, _A, _A, _I, _A, _A, _I, _A, _I, _A, _A, _I, _I)
def _(context, builder, signature, args):
    args = _indices(context, builder, signature, args)
    _, _, i, _, _, j, _, length, _, _, first, accumulate = args
    kinds = signature.args
    vector = _vector_of(context.get_value_type(kinds[0].dtype), kinds[0].dtype)

    def element(which, index):
        return _element(context, builder, kinds[which], args[which], index)

    def plus(index, number):
        return builder.add(index, ir.Constant(index.type, number))

    def columns(which, index):  # pointers to VECTORS vectors
        return [_pointer(context, builder, kinds[which], args[which], plus(index, v * vector.count)) for v in range(VECTORS)]

    starts = [builder.load(element(1, plus(i, r))) for r in range(ROWS)]
    targets = [columns(8, builder.add(builder.load(element(9, plus(i, r))), first)) for r in range(ROWS)]
    sums = [[cgutils.alloca_once(builder, vector) for _ in line] for line in targets]
    for line in sums:
        for s in line:
            builder.store(ir.Constant(vector, [0.0] * vector.count), s)
    with builder.if_then(builder.icmp_signed("!=", accumulate, ir.Constant(accumulate.type, 0))):
        for line, memory in zip(sums, targets, strict=True):
            for s, pointer in zip(line, memory, strict=True):
                builder.store(_read(builder, pointer), s)
    with cgutils.for_range(builder, length) as loop:
        # an empty piece of assembler keeps LLVM from unrolling the loop: two steps at once do not fit in the registers
        builder.asm(ir.FunctionType(ir.VoidType(), []), "", "", [], True)
        left = element(0, builder.load(element(3, loop.index)))
        right = [_read(builder, p) for p in columns(4, builder.add(j, builder.load(element(6, loop.index))))]
        for start, line in zip(starts, sums, strict=True):
            factor = _splat(builder, vector, builder.load(builder.gep(left, [start])))
            for s, v in zip(line, right, strict=True):
                builder.store(_fma(builder, factor, v, builder.load(s)), s)
    for line, memory in zip(sums, targets, strict=True):
        for s, pointer in zip(line, memory, strict=True):
            builder.store(builder.load(s), pointer, align=4)
    return context.get_dummy_value()


# --------------------------------------------------------------------------------------------- loops over them
@jit
def steps(count, step):
    """The first ``count`` multiples of ``step``, as a table of places."""
    alone()
    table = np.empty(count, np.int64)
    for k in range(count):
        table[k] = k * step
    return table


@jit
def zeros(count, like):
    """A flat array with the dtype of another."""
    alone()
    array = np.empty(count, like.dtype)
    for k in range(count):
        array[k] = 0
    return array


@jit
def row_table(count, step):
    """Where ``count`` rows begin, filled up with the last one to whole blocks."""
    alone()
    table = np.empty((count + ROWS - 1) // ROWS * ROWS, np.int64)
    for r in range(table.size):
        table[r] = min(r, count - 1) * step
    return table


@jit
def multiply(a, rows, ka, b, j, kb, c, c_rows, first, width, accumulate):
    """``multiply_block`` over all rows of the tables and ``width`` columns, rounded up to whole vectors in b and c.

    TERMS of a sum at a time, so that these rows of b stay in the cache for all rows of a.
    """
    alone()
    columns = VECTORS * (BYTES // a.itemsize)
    for k in range(0, max(ka.size, 1), TERMS):
        left, right, add = ka[k : k + TERMS], kb[k : k + TERMS], 1 if k else accumulate
        for shift in range(0, width, columns):
            for i in range(0, rows.size, ROWS):
                multiply_block(a, rows, i, left, b, j + shift, right, left.size, c, c_rows, first + shift, add)


@jit
def transpose(source, i, step, rows, columns, target, j, target_step):
    """target[j + c * target_step + r] = source[i + r * step + c] for all r < rows, c < columns of flat arrays."""
    alone()
    lanes = 64 // source.itemsize
    if rows < lanes or columns < lanes:
        for r in range(rows):
            line, into = source[i + r * step :], target[j + r :]
            for c in range(columns):
                into[c * target_step] = line[c]
        return
    for r in range(0, rows, lanes):
        top = min(r, rows - lanes)  # the last square overlaps the one before it
        for c in range(0, columns, lanes):
            left = min(c, columns - lanes)
            transpose_square(source, i + top * step + left, step, target, j + left * target_step + top, target_step)
