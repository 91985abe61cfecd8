"""Conditions that are asked before every call, as one Python expression: some hundredths of a microsecond for each of them."""

import functools
from types import FunctionType


class Conditions:
    """Conditions on objects and on the arguments of a call, which are asked in the order in which they were added.

    >>> from minigrad.compile.conditions import Conditions
    >>> box = {"a": "first"}
    >>> conditions = Conditions()
    >>> conditions.add("{0}['a'] is {1}", box, box["a"])
    >>> conditions.add("args[0] > {0}", 3)
    >>> hold = conditions.function()
    >>> hold((4,)), hold((2,))
    (True, False)
    """

    def __init__(self):
        self.texts, self.values = [], []

    def add(self, text, *values):
        """``text``: an expression, in which {0}, {1}, ... are the ``values`` and ``args`` the arguments of the call."""
        self.texts.append((text, len(values)))
        self.values += values

    def function(self):
        """args -> whether all hold. A condition may raise, for instance where an entry is gone."""
        return FunctionType(_code(tuple(self.texts)), {}, "hold", tuple(self.values))


@functools.lru_cache(maxsize=256)
def _code(texts):
    """The code of conditions of this form, whatever their objects are, which become the defaults of its parameters."""
    names, parts = [], []
    for text, count in texts:
        own = [f"v{len(names) + k}" for k in range(count)]
        names += own
        parts.append(f"({text.format(*own)})")
    text = f"lambda args, {', '.join(names)}: {' and '.join(parts) or True}"
    return eval(compile(text, "<conditions>", "eval"), {}).__code__
