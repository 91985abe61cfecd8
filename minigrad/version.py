"""``torch.version``, and a version that compares as numbers do."""

import re

from . import __version__ as __version__

cuda = hip = rocm = xpu = None
debug = False
git_version = "unknown"


class TorchVersion(str):
    """A version such as ``"2.13.0+minigrad"``. It compares with strings and tuples number by number, not letter by letter.

    >>> from minigrad.version import TorchVersion
    >>> TorchVersion("2.13.0+minigrad") >= "2.9", TorchVersion("2.13.0") < (2, 14)
    (True, True)
    """

    __slots__ = ()

    def __lt__(self, other):
        return self._compare(other) < 0

    def __le__(self, other):
        return self._compare(other) <= 0

    def __gt__(self, other):
        return self._compare(other) > 0

    def __ge__(self, other):
        return self._compare(other) >= 0

    def __eq__(self, other):
        return str.__eq__(self, other) if isinstance(other, str) else self._compare(other) == 0

    def __ne__(self, other):
        return not self == other

    __hash__ = str.__hash__

    def _compare(self, other):
        mine, its = _numbers(self), _numbers(other)
        length = max(len(mine), len(its)) if isinstance(other, str) else len(its)
        mine, its = ((v + (0,) * length)[:length] for v in (mine, its))
        return (mine > its) - (mine < its)


def _numbers(version):
    """The numbers in front: ``(2, 13, 0)`` of ``"2.13.0+minigrad"``."""
    if isinstance(version, str):
        return tuple(int(n) for n in re.match(r"v?(\d+(?:\.\d+)*)", version)[1].split("."))
    return tuple(int(n) for n in version)
