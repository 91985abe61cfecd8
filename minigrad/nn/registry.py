"""Where a Module keeps what was assigned to it."""

from collections.abc import MutableMapping

from ..graph import changes


class Registry(dict):
    """The parameters, buffers or submodules of a module by name.

    Each entry is an ordinary attribute of the module too: so reading ``self.weight`` costs 25 ns. A look-up in
    ``__getattr__``, which Python only tries after the ordinary one has failed, costs 800.
    """

    __slots__ = ("attributes",)  # the module's __dict__

    def __init__(self, attributes, entries=()):
        self.attributes = attributes
        self.update(entries)

    def __setitem__(self, name, value):
        dict.__setitem__(self, name, value)
        self.attributes[name] = value
        changes[0] += 1

    def __delitem__(self, name):
        dict.__delitem__(self, name)
        self.attributes.pop(name, None)
        changes[0] += 1

    def pop(self, name, *default):
        if name in self:
            self.attributes.pop(name, None)
        changes[0] += 1
        return dict.pop(self, name, *default)

    # dict's own would write past the methods above; these are made from them.
    popitem = MutableMapping.popitem
    clear = MutableMapping.clear
    update = MutableMapping.update
    setdefault = MutableMapping.setdefault

    def __reduce__(self):
        return dict, (dict(self),)
