"""The named tuples that functions with several outputs return."""

from operator import itemgetter

classes: dict[tuple, type] = {}  # (name, fields) -> the class of a function's named results


class Results(tuple):
    """What a named tuple is, without the half millisecond that ``collections.namedtuple`` takes to make one."""

    __slots__ = ()
    _fields = ()

    def __new__(cls, *values):
        if len(values) == 1 and len(cls._fields) > 1:  # as PyTorch's, from one sequence
            (values,) = values
        return tuple.__new__(cls, values)

    def _asdict(self):
        return dict(zip(self._fields, self))

    def _replace(self, **changes):
        return type(self)(*{**self._asdict(), **changes}.values())

    def __getnewargs__(self):
        return tuple(self)


def return_type(name, fields):
    """The named tuple that a function with several outputs returns, printed as in PyTorch."""

    def __repr__(self):
        from .printing import tuple_text

        return tuple_text(name, self._asdict())

    space = {"__repr__": __repr__, "__slots__": (), "__module__": "minigrad.return_types", "_fields": tuple(fields)}
    made = type(name, (Results,), {**space, **{field: property(itemgetter(i)) for i, field in enumerate(fields)}})
    return classes.setdefault((name, tuple(fields)), made)


def __getattr__(name):
    """``torch.return_types.max`` and its kin."""
    for (known, _), made in classes.items():
        if known == name:
            return made
    raise AttributeError(f"module 'minigrad.return_types' has no attribute {name!r}: no function has named results of that name")
