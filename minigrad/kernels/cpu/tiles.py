"""The pieces of a float32 matrix product that stay in vector registers, as LLVM code with vector types.

The product of a few rows of A with two vectors' width of columns of B is summed in registers over the whole inner dimension:
each element of A is broadcast once, each vector of B loaded once, and memory is written only at the end. Goto and van de Geijn,
"Anatomy of High-Performance Matrix Multiplication", ACM Trans. Math. Softw. 34 (2008), with the block of registers alone:
the sizes here need no blocks for the caches.

Every element is one chain of fused multiply-adds in the order of k, so the bits do not depend on how the rows or columns were
split. Pointers are ``types.CPointer(types.float32)``; steps and offsets count elements.
"""

import numba
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.registry import cpu_target
from numba.extending import intrinsic

from .blas import BYTES, start


def _lanes():
    """Floats in a vector register: 16, 8, or 0 where the tiles would not be fast. Numba keys its cache by these features."""
    if numba.config.DISABLE_JIT:
        return 0
    features = cpu_target.target_context.codegen().magic_tuple()[2].split(",")
    return 16 if "+avx512f" in features else 8 if "+avx2" in features and "+fma" in features else 0


LANES = _lanes()
ROWS, FEW_ROWS = (8, 4) if LANES == 16 else (6, 3)  # of a tile: with two vectors of columns, as the registers allow
DOTS = 4  # scalar products at once
ACCUMULATE, BIAS, RELU = 1, 2, 4

_VECTOR = ir.VectorType(ir.FloatType(), LANES or 4)
_MASK, _INDICES = (ir.VectorType(ir.IntType(bits), _VECTOR.count) for bits in (1, 32))
_SIZE, _INT = ir.IntType(64), ir.IntType(32)
_POINTER, _INDEX = types.CPointer(types.float32), types.intp
_ZERO = ir.Constant(_VECTOR, [0.0] * _VECTOR.count)


class _Code:
    """The builder with the few vector operations that the tiles need."""

    def __init__(self, builder):
        self.builder = builder

    def call(self, name, result, *arguments):
        kind = ir.FunctionType(result, [x.type for x in arguments])
        return self.builder.call(cgutils.get_or_insert_function(self.builder.module, kind, name), arguments)

    def at(self, pointer, index):
        return self.builder.gep(pointer, [index if isinstance(index, ir.Value) else _SIZE(index)])

    def times(self, value, number):
        return self.builder.mul(value, _SIZE(number))

    def fill(self, value, vector=_VECTOR):
        """A vector of equal elements."""
        first = self.builder.insert_element(ir.Constant(vector, ir.Undefined), value, _INT(0))
        return self.builder.shuffle_vector(first, first, ir.Constant(_INDICES, [0] * vector.count))

    def first(self, count, vector=0):
        """Which lanes of a vector are among the first ``count``, the vectors before it being full."""
        lanes = [vector * _VECTOR.count + lane for lane in range(_VECTOR.count)]
        return self.builder.icmp_signed("<", ir.Constant(_INDICES, lanes), self.fill(self.builder.trunc(count, _INT), _INDICES))

    def load(self, pointer, mask):
        """Zeros where the mask is false: nothing is read there."""
        pointer = self.builder.bitcast(pointer, _VECTOR.as_pointer())
        return self.call(f"llvm.masked.load.v{_VECTOR.count}f32.p0", _VECTOR, pointer, _INT(4), mask, _ZERO)

    def store(self, value, pointer, mask):
        pointer = self.builder.bitcast(pointer, _VECTOR.as_pointer())
        self.call(f"llvm.masked.store.v{_VECTOR.count}f32.p0", ir.VoidType(), value, pointer, _INT(4), mask)

    def multiply_add(self, x, y, z):
        return self.call(f"llvm.fma.v{_VECTOR.count}f32", _VECTOR, x, y, z)

    def sum(self, vector):
        """Of the elements, by halves."""
        width = _VECTOR.count
        while width > 1:
            width //= 2
            kind = ir.VectorType(_INT, width)
            halves = (ir.Constant(kind, list(range(begin, begin + width))) for begin in (0, width))
            vector = self.builder.fadd(*(self.builder.shuffle_vector(vector, vector, half) for half in halves))
        return self.builder.extract_element(vector, _INT(0))

    def has(self, flags, flag):
        return self.builder.icmp_signed("!=", self.builder.and_(flags, _SIZE(flag)), _SIZE(0))

    def choose(self, condition, make, otherwise):
        """``make()`` where the condition holds, computed only then: lists of values."""
        before = self.builder.block
        with self.builder.if_then(condition):
            made, inside = make(), self.builder.block
        chosen = []
        for yes, no in zip(made, otherwise):
            chosen.append(self.builder.phi(yes.type))
            chosen[-1].add_incoming(yes, inside)
            chosen[-1].add_incoming(no, before)
        return chosen

    def loop(self, count, values, step):
        """``values = step(values)``, ``count`` times: none where count is 0."""
        before, head = self.builder.block, self.builder.append_basic_block("loop")
        body, end = self.builder.append_basic_block("body"), self.builder.append_basic_block("end")
        self.builder.branch(head)
        self.builder.position_at_end(head)
        left, *current = (self.builder.phi(x.type) for x in (count, *values))
        self.builder.cbranch(self.builder.icmp_signed(">", left, _SIZE(0)), body, end)
        self.builder.position_at_end(body)
        following = [self.builder.sub(left, _SIZE(1)), *step(current)]
        for phi, begin, then in zip((left, *current), (count, *values), following):
            phi.add_incoming(begin, before)
            phi.add_incoming(then, self.builder.block)
        self.builder.branch(head)
        self.builder.position_at_end(end)
        return current


def _tile(rows, vectors):
    """The intrinsic for that many rows and vectors of columns."""

    @intrinsic
    def tile(context, k, alpha, a, a_row, a_step, b, b_step, c, c_row, columns, first, bias, flags):
        """The rows first, first + 1, ... of C (rows, columns) = alpha A (rows, k) B (k, columns) and what the flags add.

        A is read at i * a_row + p * a_step, B at p * b_step + j. Flags: ACCUMULATE adds to C, BIAS adds the bias, RELU clips.
        """
        index, pointer = _INDEX, _POINTER
        signature = types.void(
            *(index, types.float32, pointer, index, index, pointer, index),
            *(pointer, index, index, index, pointer, index),
        )

        def generate(context, builder, signature, arguments):
            k, alpha, a, a_row, a_step, b, b_step, c, c_row, columns, first, bias, flags = arguments
            code, width = _Code(builder), _VECTOR.count
            masks = [code.first(columns, v) for v in range(vectors)]
            of_a = [code.at(a, code.times(a_row, r)) for r in range(rows)]
            of_c = [[code.at(code.at(c, code.times(c_row, r)), v * width) for v in range(vectors)] for r in range(rows)]

            def load_bias():
                return [code.load(code.at(bias, v * width), masks[v]) for v in range(vectors)]

            def load_c():
                return [code.load(of_c[r][v], masks[v]) for r in range(rows) for v in range(vectors)]

            def step(values):
                offset, b, *sums = values
                vector = [code.load(code.at(b, v * width), masks[v]) for v in range(vectors)]
                scalars = [code.fill(builder.load(code.at(of_a[r], offset))) for r in range(rows)]
                sums = [code.multiply_add(scalars[i // vectors], vector[i % vectors], x) for i, x in enumerate(sums)]
                return [builder.add(offset, a_step), code.at(b, b_step), *sums]

            _, _, *sums = code.loop(k, [_SIZE(0), b, *[_ZERO] * (rows * vectors)], step)
            shift = code.choose(code.has(flags, BIAS), load_bias, [_ZERO] * vectors)
            begin = code.choose(code.has(flags, ACCUMULATE), load_c, [_ZERO] * (rows * vectors))
            alpha = code.fill(alpha)
            least = builder.select(code.has(flags, RELU), ir.FloatType()(0.0), ir.FloatType()(float("-inf")))
            least = code.fill(least)
            for r in range(rows):
                with builder.if_then(builder.icmp_signed(">=", _SIZE(r), first), likely=True):
                    for v in range(vectors):
                        i = r * vectors + v
                        x = code.multiply_add(sums[i], alpha, builder.fadd(begin[i], shift[v]))
                        x = builder.select(builder.fcmp_ordered("<", x, least), least, x)  # NaN stays
                        code.store(x, of_c[r][v], masks[v])
            return context.get_dummy_value()

        return signature, generate

    return tile


tile, narrow_tile, low_tile = _tile(ROWS, 2), _tile(ROWS, 1), _tile(FEW_ROWS, 2)


@intrinsic
def transpose(context, x, x_row, rows, columns, y, y_row):
    """y[j, i] = x[i, j] for LANES x LANES elements, of which ``rows`` and ``columns`` are read; all are written."""
    signature = types.void(_POINTER, _INDEX, _INDEX, _INDEX, _POINTER, _INDEX)

    def generate(context, builder, signature, arguments):
        x, x_row, rows, columns, y, y_row = arguments
        code, width = _Code(builder), _VECTOR.count
        mask, nothing = code.first(columns), ir.Constant(_MASK, [0] * width)
        vectors = []
        for i in range(width):
            there = builder.icmp_signed("<", _SIZE(i), rows)
            vectors.append(code.load(code.at(x, code.times(x_row, i)), builder.select(there, mask, nothing)))
        distance = 1
        while distance < width:  # exchange the blocks beside the diagonal, of 1, 2, 4, ... elements
            for i in (i for i in range(width) if not i & distance):
                upper = [j if not j & distance else width + j - distance for j in range(width)]
                lower = [j + distance if not j & distance else width + j for j in range(width)]
                pair = vectors[i], vectors[i + distance]
                vectors[i], vectors[i + distance] = (
                    builder.shuffle_vector(*pair, ir.Constant(_INDICES, take)) for take in (upper, lower)
                )
            distance *= 2
        full = ir.Constant(_MASK, [1] * width)
        for i in range(width):
            code.store(vectors[i], code.at(y, code.times(y_row, i)), full)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def dots(context, k, alpha, a, a_row, b, c, c_step, first, bias, bias_step, flags):
    """c[i * c_step] = alpha a[i * a_row + ...] . b, i from first on, with bias[i * bias_step] and the flags of a tile."""
    index, pointer = _INDEX, _POINTER
    signature = types.void(index, types.float32, pointer, index, pointer, pointer, index, index, pointer, index, index)

    def generate(context, builder, signature, arguments):
        k, alpha, a, a_row, b, c, c_step, first, bias, bias_step, flags = arguments
        code, width, rows = _Code(builder), _VECTOR.count, range(DOTS)
        zero, infinite = ir.FloatType()(0.0), ir.FloatType()(float("-inf"))
        of_a, of_c, of_bias = (
            [code.at(x, code.times(step, r)) for r in rows] for x, step in ((a, a_row), (c, c_step), (bias, bias_step))
        )

        def step(values):
            offset, *sums = values
            mask = code.first(builder.sub(k, offset))
            vector = code.load(code.at(b, offset), mask)
            sums = [code.multiply_add(code.load(code.at(x, offset), mask), vector, s) for x, s in zip(of_a, sums)]
            return [builder.add(offset, _SIZE(width)), *sums]

        steps = builder.sdiv(builder.add(k, _SIZE(width - 1)), _SIZE(width))
        _, *sums = code.loop(steps, [_SIZE(0), *[_ZERO] * DOTS], step)
        shift = code.choose(code.has(flags, BIAS), lambda: [builder.load(x) for x in of_bias], [zero] * DOTS)
        begin = code.choose(code.has(flags, ACCUMULATE), lambda: [builder.load(x) for x in of_c], [zero] * DOTS)
        least = builder.select(code.has(flags, RELU), zero, infinite)
        for r in rows:
            x = builder.fadd(builder.fmul(code.sum(sums[r]), alpha), builder.fadd(begin[r], shift[r]))
            with builder.if_then(builder.icmp_signed(">=", _SIZE(r), first), likely=True):
                builder.store(builder.select(builder.fcmp_ordered("<", x, least), least, x), of_c[r])
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def pointer(context, array, offset):
    """The pointer to an element of a C-contiguous array or of what a pointer points to, by its offset."""
    signature = types.CPointer(array.dtype)(array, types.intp)

    def generate(context, builder, signature, arguments):
        array, offset = arguments
        return builder.gep(start(context, builder, signature.args[0], array), [offset])

    return signature, generate


@intrinsic
def prefetch(context, array, offset):
    """Ask for the cache line of an element that will be read soon. It may lie outside of the array: then nothing happens."""
    signature = types.void(array, types.intp)

    def generate(context, builder, signature, arguments):
        array, offset = arguments
        place = builder.bitcast(builder.gep(start(context, builder, signature.args[0], array), [offset]), BYTES)
        kind = ir.FunctionType(ir.VoidType(), [BYTES, _INT, _INT, _INT])
        near = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(near, [place, _INT(0), _INT(2), _INT(1)])  # for reading, into the second level, data
        return context.get_dummy_value()

    return signature, generate
