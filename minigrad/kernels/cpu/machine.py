"""What generated code says to the machine: typed pointers, sums that may be reordered, extremes that keep NaN.

Generated loops read and write through pointers, ``x[i]``, whose indices the compiler of minigrad has computed: there is no
shape to look up, no negative index to wrap around, and little for Numba and LLVM to chew on. All of these work only inside
compiled code.
"""

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

_ELEMENTS = (
    types.float32, types.float64, types.int64, types.int32, types.uint32, types.uint64, types.uint8, types.uint16,
)  # fmt: skip


def data_of(context, builder, kind, array):
    """The pointer to an array's first element. Numba's ``make_array`` looks for other kinds of arrays first, each time."""
    return builder.extract_value(array, context.data_model_manager[kind].get_field_position("data"))


def _pointer_to(element):
    pointer = types.CPointer(element)

    @intrinsic
    def at(context, place):
        """The typed pointer to an address, or to the first element of an array."""
        if isinstance(place, types.Array):

            def generate(context, builder, signature, arguments):
                return builder.bitcast(data_of(context, builder, place, arguments[0]), context.get_value_type(pointer))
        else:

            def generate(context, builder, signature, arguments):
                return builder.inttoptr(arguments[0], context.get_value_type(pointer))

        return pointer(place), generate

    return at


f4_at, f8_at, i8_at, i4_at, u4_at, u8_at, u1_at, u2_at = [_pointer_to(kind) for kind in _ELEMENTS]


@intrinsic
def shaped(context, place, shape):
    """The C-contiguous array of a shape at a typed pointer. Numba's ``carray`` is a function to compile for each such type."""
    kind, count = types.Array(place.dtype, len(shape), "C"), len(shape)

    def generate(context, builder, signature, arguments):
        size = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(place.dtype)))
        lengths, strides = cgutils.unpack_tuple(builder, arguments[1], count), [size]
        for length in lengths[:0:-1]:
            strides.insert(0, builder.mul(strides[0], length))
        from numba.np.arrayobj import make_array, populate_array  # a twentieth of a warm start

        array = make_array(kind)(context, builder)
        populate_array(array, data=arguments[0], shape=lengths, strides=strides, itemsize=size, meminfo=None)
        return array._getvalue()

    return kind(place, types.UniTuple(types.intp, count)), generate


@intrinsic
def apart(context):
    """Says of the function it stands in: the pointers it is given lead to memory of their own, and it stays a function.

    Without the first LLVM compares every two pointers before each loop, and gives up vectorising where there are many.
    Without the second it would compile each loop again inside its caller.
    """

    def generate(context, builder, signature, arguments):
        for argument in builder.function.args:
            if isinstance(argument.type, ir.PointerType) and "noalias" not in argument.attributes:
                argument.add_attribute("noalias")
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def unknown(context, number):
    """The same integer, which LLVM then cannot compute with: a loop of so many steps stays a loop."""

    def generate(context, builder, signature, arguments):
        kind = arguments[0].type
        return builder.asm(ir.FunctionType(kind, [kind]), "", "=r,0", arguments, False)

    return types.int64(types.int64), generate


@intrinsic
def plus(context, total, x):
    """``total + x`` where the order of the additions is free, which is what lets a sum use vector registers."""
    return total(total, total), lambda context, builder, signature, arguments: builder.fadd(
        *arguments, flags=("reassoc", "contract")
    )


@intrinsic
def times(context, product, x):
    """``product * x`` where the order of the multiplications is free."""
    return product(product, product), lambda context, builder, signature, arguments: builder.fmul(*arguments, flags=("reassoc",))


def _extreme(name):
    @intrinsic
    def extreme(context, a, b):
        """The larger (or smaller) of two floats; NaN where either is NaN."""

        def generate(context, builder, signature, arguments):
            kind = arguments[0].type
            function = builder.module.declare_intrinsic(f"llvm.{name}", [kind], ir.FunctionType(kind, [kind, kind]))
            return builder.call(function, arguments)

        return a(a, a), generate

    return extreme


largest, smallest = _extreme("maximum"), _extreme("minimum")
