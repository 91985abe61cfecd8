"""minigrad under PyTorch's name: the import hook, :func:`as_torch`, and how a program is run with it."""

import sys

from .. import house, random
from . import facade, finder, workers

_ROOTS = (*facade.table.ROOTS, *facade.table.GAPS)
_active = []  # at most one Finder


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
        self._undone = False
        self._engine = random.set_default_engine(engine)
        self._outer = bool(_active)
        if self._outer:
            return
        self._name, house.name = house.name, "torch"
        self._modules = {n: sys.modules.pop(n) for n in list(sys.modules) if n.partition(".")[0] in _ROOTS}
        self._finder = finder.Finder()
        sys.meta_path.insert(0, self._finder)
        self._start = workers.patch(engine)
        _active.append(self)

    def undo(self):
        """Put back what was there before. A second call does nothing."""
        if self._undone:
            return
        self._undone = True
        random.set_default_engine(self._engine)
        if self._outer:
            return
        _active.remove(self)
        sys.meta_path.remove(self._finder)
        for name in [n for n in sys.modules if n.partition(".")[0] in _ROOTS]:
            del sys.modules[name]
        sys.modules.update(self._modules)
        workers.restore(self._start)
        house.name = self._name
        facade.forget()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.undo()

    def __repr__(self):
        return f"<minigrad as torch{', undone' if self._undone else ''}>"


def active():
    """Whether ``import torch`` gives minigrad."""
    return bool(_active)
