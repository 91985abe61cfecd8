"""Python's operators for classes that stand for arrays: texts write ``a * b`` as well as ``xp.multiply(a, b)``."""

import functools

_INFIX = dict(add="add", sub="subtract", mul="multiply", truediv="divide", floordiv="floor_divide", mod="remainder", pow="power",
              matmul="matmul", lshift="bitwise_left_shift", rshift="bitwise_right_shift")  # fmt: skip
_INFIX.update({"and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor"})
_COMPARISONS = dict(eq="equal", ne="not_equal", lt="less", le="less_equal", gt="greater", ge="greater_equal")
_UNARY = dict(neg="negative", abs="abs", invert="bitwise_invert")


def give_operators(cls, call):
    """Let ``a + b`` of ``cls`` be ``call("add", a, b)`` and so on; what holds an array itself, a Tensor, is left to its own."""

    def infix(word, swapped=False):
        if swapped:
            return lambda a, b: NotImplemented if hasattr(b, "array") else call(word, b, a)
        return lambda a, b: NotImplemented if hasattr(b, "array") else call(word, a, b)

    for name, word in _INFIX.items():
        setattr(cls, f"__{name}__", infix(word))
        setattr(cls, f"__r{name}__", infix(word, swapped=True))
    for name, word in _COMPARISONS.items():
        setattr(cls, f"__{name}__", infix(word))
    for name, word in _UNARY.items():
        setattr(cls, f"__{name}__", functools.partialmethod(lambda self, word: call(word, self), word))
    cls.__pos__ = lambda self: self
    cls.__hash__ = object.__hash__
