"""Modules that find their input sizes in the first call."""

import itertools

from .parameter import is_lazy


class LazyModule:
    """A mixin that stands before the class it makes lazy: ``class LazyLinear(LazyModule, Linear)``.

    The first call runs ``initialize_parameters(*inputs)``, which the class defines and which gives every parameter its shape;
    then the module becomes one of the class ``becomes``.
    """

    becomes = None

    def has_uninitialized_params(self):
        """Whether some parameter or buffer has no shape yet."""
        return any(is_lazy(t) for t in itertools.chain(self._parameters.values(), self._buffers.values()))

    def reset_parameters(self):
        """Draw the parameters anew, as soon as there are any."""
        if not self.has_uninitialized_params():
            super().reset_parameters()

    def __call__(self, *args, **kwargs):
        if self.has_uninitialized_params():
            self.initialize_parameters(*args, **kwargs)
            self.reset_parameters()
        self.__class__ = self.becomes
        return self(*args, **kwargs)
