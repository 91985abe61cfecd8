"""The classes and functions of a program that ``load`` may make and call although it reads plain values alone."""

import contextlib

_safe = {}  # the name that a file gives -> the class or function


def add_safe_globals(safe_globals):
    """From now on, ``load`` makes these classes, and calls these functions where a file asks for it.

    Args:
        safe_globals: list of classes and functions, or of pairs of one and the name under which files know it.

    >>> import minigrad
    >>> class Settings:
    ...     rate = 0.1
    >>> minigrad.state.add_safe_globals([Settings])
    >>> minigrad.state.get_safe_globals() == [Settings]
    True
    >>> minigrad.state.clear_safe_globals()
    """
    _safe.update(map(_named, safe_globals))


def get_safe_globals():
    """What :func:`add_safe_globals` was given and is still in force."""
    return list(_safe.values())


def clear_safe_globals():
    """Take back all that :func:`add_safe_globals` allowed."""
    _safe.clear()


@contextlib.contextmanager
def safe_globals(safe_globals):
    """:func:`add_safe_globals` inside a ``with`` block.

    >>> import minigrad
    >>> with minigrad.state.safe_globals([minigrad.nn.Linear]):
    ...     len(minigrad.state.get_safe_globals())
    1
    >>> minigrad.state.get_safe_globals()
    []
    """
    before = dict(_safe)
    add_safe_globals(safe_globals)
    try:
        yield
    finally:
        _safe.clear()
        _safe.update(before)


def allowed(module, name, found=None):
    """The class or function that a file names, if it is allowed; ``found`` is what the program has under that name."""
    named = _safe.get(f"{module}.{name}")
    return found if named is None and any(found is one for one in _safe.values()) else named


def _named(one):
    if isinstance(one, tuple):
        return one[1], one[0]
    return f"{one.__module__}.{one.__qualname__}", one
