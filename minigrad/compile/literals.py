"""Loops that differ in extents and strides alone become one function, and the integers in which they differ its arguments.

The layers of a network repeat the same loops at other sizes. Each compiled function costs a cold start more than the known
extent of a loop gains, so in large steps only the integers that all such loops have in common stay in the text. A function
that is called with ever other shapes has all integers as arguments, and numbers that may come from a shape, such as the
count in a mean: then one text serves all of its programs.
"""

import re
from collections import defaultdict

_INTEGER = re.compile(r"(?<![\w.+\-])\d+(?![\w.])")
FLOAT = re.compile(r"(?<![\w.])\d+\.\d+(?:e[+-]?\d+)?(?![\w.])")
_PLACES = re.compile(r"\[[^\]]*\]|range\([^)]*\)")  # where an integer is an index or an extent, not a number of the computation
_TYPED = re.compile(r"\b[fiu]\d\(\d+\)")  # f4(1) is a number
_NUMBERS = re.compile(_PLACES.pattern + r"|(?<=\bf\d\()-?\d+\.\d+(?:e[+-]?\d+)?(?=\))")  # and that in f4(0.25)


def lifted(line, place):
    """The line with ``place(integer)``, a text, for each of its integers."""
    kept = _TYPED.findall(line)
    parts = [_INTEGER.sub(lambda m: place(int(m.group())), part) for part in _TYPED.split(line)]
    return "".join(a + b for a, b in zip(parts, [*kept, ""]))


def unify(loops, everything=False):
    """For each (parameters, lines): (parameters, lines, numbers), where the numbers are further arguments of a call.

    >>> from minigrad.compile.literals import unify
    >>> lines = ["for i in range(4):", "    x[2 * i] = f4(2)"], ["for i in range(5):", "    x[2 * i] = f4(2)"]
    >>> unify([(["x"], lines[0]), (["x"], lines[1])])[0]
    (['x', 'n0'], ['for i in range(n0):', '    x[2 * i] = f4(2)'], [4])
    >>> unify([(["x"], lines[0])], everything=True)[0]
    (['x', 'n0', 'n1'], ['for i in range(n0):', '    x[n1 * i] = f4(2)'], [4, 2])
    """
    opened = [(tuple(parameters), *_opened(lines, everything)) for parameters, lines in loops]
    groups = defaultdict(list)
    for parameters, text, integers in opened:
        groups[parameters, text].append(integers)
    return [_call(*one, list(zip(*groups[one[:2]])), everything) for one in opened]


def _call(parameters, text, integers, columns, everything):
    """``columns``: for each integer of the text its values in all loops. Equal columns are one argument."""
    names, words, arguments = {}, [], []
    for k, column in enumerate(columns):
        key = k if everything else column
        if everything or len(set(column)) > 1:
            if key not in names:
                names[key] = f"n{len(names)}"
                arguments.append(integers[k])
            words.append(names[key])
        else:
            words.append(str(integers[k]))
    parts = text.split("#")
    text = "".join(a + b for a, b in zip(parts, [*words, ""]))
    return [*parameters, *names.values()], text.split("\n"), arguments


def _opened(lines, everything):
    """(the text with # for each integer in an index or a range and, of ``everything``, for each number; these)."""
    found = []

    def take(m, read=int):
        found.append(read(m.group()))
        return "#"

    def open_one(m):
        if m.group()[0] in "[r":
            return _INTEGER.sub(take, m.group())
        return m.group() if float(m.group()) in (0, 1) else take(m, float)

    return (_NUMBERS if everything else _PLACES).sub(open_one, "\n".join(lines)), tuple(found)
