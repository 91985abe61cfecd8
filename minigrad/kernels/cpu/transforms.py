"""Transforms M X M' of small tiles of vectors, which Winograd's convolution is made of."""

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import lower_builtin, type_callable

from .simd import BYTES, element_at, indices, lanes_of, loop, multiply_add, pointer_to, read, vector_of

_A, _I = types.Array, types.Integer


def tile_transform(matrix):
    """A function (source, places, at, step, i, target, into, to, jump, j): M X M' of a tile of vectors, M = ``matrix``.

    X[r, s] is the vector source[places[at + r * columns + s] * step + i], and element (r, s) of the result becomes the vector
    target[into[to + r * rows + s] * jump + j]; ``places`` and ``into`` are int64.
    """
    matrix = np.array(matrix)
    rows, columns = matrix.shape

    def transform(source, places, at, step, i, target, into, to, jump, j):
        lanes = np.arange(lanes_of(source))
        tile = source[places[at : at + columns**2, None] * step + i + lanes].reshape(columns, columns, -1)
        for k, vector in enumerate(np.einsum("rs,stl,ut->rul", matrix, tile, matrix).reshape(-1, lanes.size)):
            target[into[to + k] * jump + j + lanes] = vector

    @type_callable(transform)
    def _(context):
        return lambda source, places, at, step, i, target, into, to, jump, j: types.none

    @lower_builtin(transform, _A, _A, _I, _I, _I, _A, _A, _I, _I, _I)
    def _(context, builder, signature, args):
        """Columns first, into memory, then rows: two small loops compile faster than all of it in a line, and run as fast."""
        source, places, at, step, i, target, into, to, jump, j = indices(context, builder, signature, args)
        kinds = signature.args
        vector = vector_of(context.get_value_type(kinds[0].dtype), kinds[0].dtype)
        half = cgutils.alloca_once(builder, ir.ArrayType(vector, rows * columns))
        half.align = BYTES

        def number(n):
            return ir.Constant(step.type, n)

        def pointer(which, array, table, k, step, shift):
            place = builder.load(element_at(context, builder, kinds[which + 1], table, k))
            return pointer_to(context, builder, kinds[which], array, builder.add(builder.mul(place, step), shift))

        def between(r, s):
            return builder.gep(half, [number(0), builder.add(builder.mul(r, number(columns)), s)])

        with loop(builder, number(columns)) as s:
            taken = [builder.add(builder.add(at, s), number(r * columns)) for r in range(columns)]
            line = [read(builder, pointer(0, source, places, k, step, i)) for k in taken]
            for r, value in enumerate(_times(builder, matrix, line)):
                builder.store(value, between(number(r), s))
        with loop(builder, number(rows)) as r:
            line = [builder.load(between(r, number(s))) for s in range(columns)]
            first = builder.add(to, builder.mul(r, number(rows)))
            for s, value in enumerate(_times(builder, matrix, line)):
                builder.store(value, pointer(5, target, into, builder.add(first, number(s)), jump, j), align=4)
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
                total = builder.fadd(total, vector) if factor == 1 else multiply_add(builder, vector, number, total)
    return total
