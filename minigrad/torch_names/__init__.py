"""minigrad under PyTorch's name: the import hook, :func:`as_torch`, and how a program is run with it."""

import sys

from .. import house, random
from . import facade, finder, workers

_ROOTS = (*facade.table.ROOTS, *facade.table.GAPS)
_active = []  # every as_torch that is in force, the oldest first
_installed = []  # what the first of them has put in place


class _Installed:
    """The import hook, in place; what was there before is kept."""

    def __init__(self, engine):
        self.name, house.name = house.name, "torch"
        self.modules = {n: sys.modules.pop(n) for n in list(sys.modules) if n.partition(".")[0] in _ROOTS}
        self.finder = finder.Finder()
        sys.meta_path.insert(0, self.finder)
        self.start = workers.patch(engine)

    def remove(self):
        sys.meta_path.remove(self.finder)
        for name in [n for n in sys.modules if n.partition(".")[0] in _ROOTS]:
            del sys.modules[name]
        sys.modules.update(self.modules)
        workers.restore(self.start)
        house.name = self.name
        facade.forget()


class as_torch:
    """Let ``import torch`` give minigrad from here on, in this process and in the workers that it starts.

    The random numbers become those of PyTorch's CPU generator. ``undo()`` puts everything back: what was imported under the
    name torch before, and the random engine. With ``with`` that happens at the end.

    Args:
        engine: ``"mt19937"`` for PyTorch's random numbers, ``"philox"`` for minigrad's own.

    >>> import minigrad
    >>> with minigrad.as_torch():
    ...     import torch
    ...     from torch.nn import functional as F
    ...     F.relu(torch.tensor([-1.0, 2.0])), torch.float32
    (tensor([0., 2.]), torch.float32)
    """

    def __init__(self, engine="mt19937"):
        self._engine = random.set_default_engine(engine)  # the one before
        if not _active:
            _installed.append(_Installed(engine))
        _active.append(self)

    def undo(self):
        """Put back what was there before, as soon as no other ``as_torch`` is in force. A second call does nothing."""
        if self not in _active:
            return
        place = _active.index(self)
        _active.remove(self)
        if place < len(_active):  # a later one goes on, and puts back what was before this one
            _active[place]._engine = self._engine
        else:
            random.set_default_engine(self._engine)
        if not _active:
            _installed.pop().remove()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.undo()

    def __repr__(self):
        return f"<minigrad as torch{'' if self in _active else ', undone'}>"


def active():
    """Whether ``import torch`` gives minigrad."""
    return bool(_active)
