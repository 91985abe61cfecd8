"""Which of PyTorch's names a program touched."""

import sys

from ..tensor import Tensor
from . import facade


def watch():
    """Note the Tensor methods that the program uses, too. Every attribute of a Tensor takes longer then."""
    plain = object.__getattribute__
    used = facade.USED

    def __getattribute__(self, name):
        if not name.startswith("_") and name not in ("array", "node"):
            caller = sys._getframe(1).f_globals.get("__name__", "")
            if not caller.startswith("minigrad"):
                try:
                    value = plain(self, name)
                except AttributeError:
                    facade.MISSING.setdefault(f"torch.Tensor.{name}")
                    raise
                if hasattr(type(self), name):
                    used.setdefault(f"torch.Tensor.{name}")
                return value
        return plain(self, name)

    Tensor.__getattribute__ = __getattribute__


def show(file=None):
    """Print the names, those that are there and those that are missing, by module."""
    file = file or sys.stderr
    missing = [n for n in facade.MISSING if n not in facade.USED]
    print("\nminigrad run: names of PyTorch that this program touched", file=file)
    for title, names in (("used and there", list(facade.USED)), ("asked for and missing", missing)):
        print(f"{title}: {len(names)}", file=file)
        spaces = {}
        for name in sorted(names):
            space, _, last = name.rpartition(".")
            if space:  # not torch itself
                spaces.setdefault(space, []).append(last)
        for space, lasts in spaces.items():
            print(f"  {space}: {' '.join(lasts)}", file=file)
