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
from contextlib import contextmanager

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.registry import cpu_target
from numba.extending import lower_builtin, models, register_model, type_callable

from .jit import jit
from .machine import data_of

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
        super().__init__(manager, vector, vector_of(manager.lookup(vector.dtype).get_value_type(), vector.dtype))


def vector_of(scalar, dtype):
    return ir.VectorType(scalar, BYTES * 8 // dtype.bitwidth)


def lanes_of(array):
    return BYTES // array.itemsize


# --------------------------------------------------------------------------------------------- as plain Python
def load(array, i):
    """array[i : i + LANES] of a flat array."""
    return array[i : i + lanes_of(array)].copy()


def store(array, i, vector):
    """array[i : i + LANES] = vector."""
    array[i : i + lanes_of(array)] = vector


def splat(number):
    """A vector of one number, a float32 or float64."""
    return np.full(BYTES // number.dtype.itemsize, number)


def fma(a, b, c):
    """a * b + c, rounded once where the processor can."""
    return a * b + c


def at_least(a, least):
    """``least`` in each lane where a is not above it; NaN stays, and of -0.0 and 0.0 comes 0.0."""
    return np.where(a <= least, least, a)


def total(vector):
    """The sum of the lanes, by halves."""
    while len(vector) > 1:
        vector = vector[: len(vector) // 2] + vector[len(vector) // 2 :]
    return vector[0]


def transpose_square(source, i, step, target, j, target_step):
    """A square of LANES by LANES: target[j + c * target_step + r] = source[i + r * step + c]."""
    lanes = lanes_of(source)
    square = [load(source, i + r * step) for r in range(lanes)]
    for c in range(lanes):
        store(target, j + c * target_step, np.array([row[c] for row in square]))


def unaligned(array):
    """How many elements of a flat array come before its first whole cache line."""
    return -array.ctypes.data % BYTES // array.itemsize


def alone():
    """Keeps the compiled function in which it stands a function, and a short one: each of its callers compiles it again."""


def multiply_block(a, at, rows, i, ka, k, terms, b, j, kb, c, c_rows, r, first, accumulate):
    """c[c_rows[r + s] + first + v] (+)= the sum over t < terms of a[at + rows[i + s] + ka[k + t]] * b[j + kb[k + t] + v].

    s counts ROWS rows and v VECTORS * LANES columns; the tables are int64. Two rows may be the same one: that is how
    the last block of a matrix is filled up.
    """
    columns = np.arange(VECTORS * lanes_of(b))
    left = a[at + rows[i : i + ROWS, None] + ka[None, k : k + terms]]
    right = b[j + kb[k : k + terms, None] + columns]
    target = c_rows[r : r + ROWS, None] + first + columns
    c[target] = left @ right + c[target] if accumulate else left @ right


def copy(source, i, step, target, j, jump, count):
    """target[j + k * jump] = source[i + k * step] for all k < count of flat arrays, which do not overlap."""
    target[j + np.arange(count) * jump] = source[i + np.arange(count) * step]


def spread(source, i, target, j, places, k, count):
    """target[j + places[k + n]] = source[i + n] for all n < count."""
    target[j + places[k : k + count]] = source[i : i + count]


def clear(target, j, count):
    """target[j : j + count] = 0."""
    target[j : j + count] = 0


# --------------------------------------------------------------------------------------------- as LLVM instructions
_A, _I = types.Array, types.Integer


def element_at(context, builder, kind, array, index):
    """A pointer to it."""
    return builder.gep(data_of(context, builder, kind, array), [index])


def pointer_to(context, builder, kind, array, index):
    """To a vector of an array's elements."""
    element = element_at(context, builder, kind, array, index)
    return builder.bitcast(element, vector_of(context.get_value_type(kind.dtype), kind.dtype).as_pointer())


def read(builder, pointer):
    return builder.load(pointer, align=4)


def multiply_add(builder, a, b, c):
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
    return read(builder, pointer_to(context, builder, signature.args[0], *indices(context, builder, signature, args)))


def indices(context, builder, signature, args):
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
    array, i, vector = indices(context, builder, signature, args)
    builder.store(vector, pointer_to(context, builder, signature.args[0], array, i), align=4)
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
    return multiply_add(builder, *args)


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
    return builder.select(builder.fcmp_ordered("<=", *args), args[1], args[0])


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


@type_callable(unaligned)
def _(context):
    return lambda array: types.int64


@lower_builtin(unaligned, _A)
def _(context, builder, signature, args):
    start = builder.ptrtoint(data_of(context, builder, signature.args[0], args[0]), ir.IntType(64))
    size = signature.args[0].dtype.bitwidth // 8
    return builder.udiv(builder.and_(builder.neg(start), ir.Constant(start.type, BYTES - 1)), ir.Constant(start.type, size))


@type_callable(alone)
def _(context):
    return lambda: types.none


@lower_builtin(alone)
def _(context, builder, signature, args):
    builder.function.attributes.add("noinline")
    builder.function.attributes.add("optsize")
    return context.get_dummy_value()


@type_callable(transpose_square)
def _(context):
    return lambda source, i, step, target, j, target_step: types.none


@lower_builtin(transpose_square, types.Array, types.Integer, types.Integer, types.Array, types.Integer, types.Integer)
def _(context, builder, signature, args):
    """Swap the off-diagonal quarters, then those within each quarter, and so on: each time two rows give two rows."""
    source, i, step, target, j, target_step = indices(context, builder, signature, args)
    kind, other = signature.args[0], signature.args[3]

    def line(array, kind, first, step, r):
        index = builder.add(first, builder.mul(step, ir.Constant(step.type, r)))
        return pointer_to(context, builder, kind, array, index)

    lanes = BYTES * 8 // kind.dtype.bitwidth
    rows = [read(builder, line(source, kind, i, step, r)) for r in range(lanes)]
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


@contextmanager
def loop(builder, count):
    """A loop that LLVM does not unroll: an empty piece of assembler keeps it from that."""
    with cgutils.for_range(builder, count) as made:
        builder.asm(ir.FunctionType(ir.VoidType(), []), "", "", [], True)
        yield made.index


@type_callable(multiply_block)
def _(context):
    return lambda a, at, rows, i, ka, k, terms, b, j, kb, c, c_rows, r, first, accumulate: types.none


@lower_builtin(multiply_block, _A, _I, _A, _I, _A, _I, _I, _A, _I, _A, _A, _A, _I, _I, _I)
def _(context, builder, signature, args):
    args = indices(context, builder, signature, args)
    _, at, _, i, _, k, terms, _, j, _, _, _, r, first, accumulate = args
    A, ROW, KA, B, KB, C, C_ROW = 0, 2, 4, 7, 9, 10, 11
    kinds = signature.args
    vector = vector_of(context.get_value_type(kinds[A].dtype), kinds[A].dtype)

    def element(which, index):
        return element_at(context, builder, kinds[which], args[which], index)

    def plus(index, number):
        return builder.add(index, ir.Constant(index.type, number))

    def columns(which, index):  # pointers to VECTORS vectors
        return [pointer_to(context, builder, kinds[which], args[which], plus(index, v * vector.count)) for v in range(VECTORS)]

    starts = [builder.load(element(ROW, plus(i, s))) for s in range(ROWS)]
    targets = [columns(C, builder.add(builder.load(element(C_ROW, plus(r, s))), first)) for s in range(ROWS)]
    sums = [[cgutils.alloca_once(builder, vector) for _ in line] for line in targets]
    for line in sums:
        for s in line:
            builder.store(ir.Constant(vector, [0.0] * vector.count), s)
    with builder.if_then(builder.icmp_signed("!=", accumulate, ir.Constant(accumulate.type, 0))):
        for line, memory in zip(sums, targets, strict=True):
            for s, pointer in zip(line, memory, strict=True):
                builder.store(read(builder, pointer), s)
    base, left_table, right_table = element(A, at), element(KA, k), element(KB, k)
    with loop(builder, terms) as t:  # two steps at once do not fit in the registers
        left = builder.gep(base, [builder.load(builder.gep(left_table, [t]))])
        right = [read(builder, p) for p in columns(B, builder.add(j, builder.load(builder.gep(right_table, [t]))))]
        for start, line in zip(starts, sums, strict=True):
            factor = _splat(builder, vector, builder.load(builder.gep(left, [start])))
            for s, v in zip(line, right, strict=True):
                builder.store(multiply_add(builder, factor, v, builder.load(s)), s)
    for line, memory in zip(sums, targets, strict=True):
        for s, pointer in zip(line, memory, strict=True):
            builder.store(builder.load(s), pointer, align=4)
    return context.get_dummy_value()


@type_callable(copy)
def _(context):
    return lambda source, i, step, target, j, jump, count: types.none


@lower_builtin(copy, _A, _I, _I, _A, _I, _I, _I)
def _(context, builder, signature, args):
    source, i, step, target, j, jump, count = indices(context, builder, signature, args)
    size = ir.Constant(count.type, signature.args[0].dtype.bitwidth // 8)

    def place(which, array, first, step, k):
        return element_at(context, builder, signature.args[which], array, builder.add(first, builder.mul(step, k)))

    one = ir.Constant(count.type, 1)
    dense = builder.and_(builder.icmp_signed("==", step, one), builder.icmp_signed("==", jump, one))
    with builder.if_else(dense) as (rows, others):
        with rows:
            zero = ir.Constant(count.type, 0)
            ends = place(3, target, j, one, zero), place(0, source, i, one, zero)
            cgutils.raw_memcpy(builder, *ends, count, size)
        with others, loop(builder, count) as k:
            builder.store(builder.load(place(0, source, i, step, k)), place(3, target, j, jump, k))
    return context.get_dummy_value()


@type_callable(spread)
def _(context):
    return lambda source, i, target, j, places, k, count: types.none


@lower_builtin(spread, _A, _I, _A, _I, _A, _I, _I)
def _(context, builder, signature, args):
    source, i, target, j, places, k, count = indices(context, builder, signature, args)
    kinds = signature.args
    with loop(builder, count) as n:
        value = builder.load(element_at(context, builder, kinds[0], source, builder.add(i, n)))
        place = builder.load(element_at(context, builder, kinds[4], places, builder.add(k, n)))
        builder.store(value, element_at(context, builder, kinds[2], target, builder.add(j, place)))
    return context.get_dummy_value()


@type_callable(clear)
def _(context):
    return lambda target, j, count: types.none


@lower_builtin(clear, _A, _I, _I)
def _(context, builder, signature, args):
    target, j, count = indices(context, builder, signature, args)
    size = ir.Constant(count.type, signature.args[0].dtype.bitwidth // 8)
    cgutils.memset(builder, element_at(context, builder, signature.args[0], target, j), builder.mul(count, size), 0)
    return context.get_dummy_value()


# --------------------------------------------------------------------------------------------- loops over them
@jit
def multiply(a, at, rows, i, count, ka, k, terms, b, j, kb, c, c_rows, first, width, accumulate):
    """``multiply_block`` over ``count`` rows from i on and ``width`` columns, both rounded up to whole blocks.

    TERMS of a sum at a time, so that these rows of b stay in the cache for all rows of a. Row i goes to c_rows[0].
    """
    alone()
    columns = VECTORS * (BYTES // a.itemsize)
    done = 0
    while True:
        some = terms - done if terms - done < TERMS else TERMS
        add = 1 if done else accumulate
        for shift in range(0, width, columns):
            for r in range(0, count, ROWS):
                multiply_block(a, at, rows, i + r, ka, k + done, some, b, j + shift, kb, c, c_rows, r, first + shift, add)
        done += some
        if done == terms:
            break


@jit
def transpose(source, i, step, rows, columns, target, j, target_step):
    """target[j + c * target_step + r] = source[i + r * step + c] for all r < rows, c < columns of flat arrays."""
    alone()
    lanes = BYTES // source.itemsize
    if rows < lanes or columns < lanes:
        for r in range(rows):
            copy(source, i + r * step, 1, target, j + r, target_step, columns)
        return
    for r in range(0, rows, lanes):
        top = r if r < rows - lanes else rows - lanes  # the last square overlaps the one before it
        for c in range(0, columns, lanes):
            left = c if c < columns - lanes else columns - lanes
            transpose_square(source, i + top * step + left, step, target, j + left * target_step + top, target_step)
