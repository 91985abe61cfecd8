"""What all distributions share: shapes, validation, expansion, and the words that a subclass fills in."""

import warnings

import minigrad

from ..graph import no_grad, tracer
from ..tensor import Size, Tensor
from . import constraints
from .utils import lazy_property


class Distribution:
    """A distribution over tensors.

    A sample has shape ``sample_shape + batch_shape + event_shape``: independent draws, then the parameters' own batch, then
    the shape of one draw.

    Args:
        batch_shape: the shape of the parameters.
        event_shape: the shape of one draw.
        validate_args: whether parameters and values are checked; None for the default, which is yes.

    Raises:
        ValueError: for a parameter outside of its set in ``arg_constraints``.

    >>> import minigrad
    >>> d = minigrad.distributions.Normal(minigrad.zeros(3), 1.0)
    >>> d.batch_shape, d.event_shape, d.sample((2,)).shape
    (minigrad.Size([3]), minigrad.Size([]), minigrad.Size([2, 3]))
    """

    has_rsample = False
    has_enumerate_support = False
    _validate_args = __debug__
    _expanded: dict = {}  # attributes with the batch shape: how many event axes each has
    _copied: tuple = ()  # attributes that an expanded copy takes as they are

    @staticmethod
    def set_default_validate_args(value):
        """Whether distributions check their arguments where ``validate_args`` is left out."""
        if value not in (True, False):
            raise ValueError(f"set_default_validate_args: expected True or False, got {value!r}")
        Distribution._validate_args = value

    def __init__(self, batch_shape=(), event_shape=(), validate_args=None):
        self._batch_shape, self._event_shape = Size(batch_shape), Size(event_shape)
        if validate_args is not None:
            self._validate_args = validate_args
        if self._validate_args and tracer.get() is None:  # a traced step cannot ask for values
            self._check_parameters()
        super().__init__()

    def _check_parameters(self):
        try:
            arg_constraints = self.arg_constraints
        except NotImplementedError:
            warnings.warn(
                f"{self.__class__} does not define `arg_constraints`. Please set `arg_constraints = {{}}` or initialize the "
                f"distribution with `validate_args=False` to turn off validation.",
                stacklevel=3,
            )
            return
        for param, constraint in arg_constraints.items():
            if constraints.is_dependent(constraint):
                continue
            if param not in self.__dict__ and isinstance(getattr(type(self), param), lazy_property):
                continue
            value = getattr(self, param)
            if not bool(constraint.check(value).all()):
                raise ValueError(
                    f"Expected parameter {param} ({type(value).__name__} of shape {tuple(value.shape)}) of distribution {self!r} "
                    f"to satisfy the constraint {constraint!r}, but found invalid values:\n{value}"
                )

    def expand(self, batch_shape, _instance=None):
        """A distribution with the parameters expanded to ``batch_shape``; no memory is copied."""
        new, batch_shape = self._get_checked_instance(type(self), _instance), Size(batch_shape)
        for name, event_dims in self._expanded.items():
            value = self.__dict__.get(name)
            if value is not None:
                new.__dict__[name] = value.expand((*batch_shape, *value.shape[value.dim() - event_dims :]))
        for name in self._copied:
            if name in self.__dict__:
                new.__dict__[name] = self.__dict__[name]
        self._fill(new, batch_shape)
        Distribution.__init__(new, batch_shape, self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    def _fill(self, new, batch_shape):
        """What else an expanded copy needs, for a subclass to say."""

    @property
    def batch_shape(self):
        """The shape of the parameters."""
        return self._batch_shape

    @property
    def event_shape(self):
        """The shape of one draw."""
        return self._event_shape

    @property
    def arg_constraints(self):
        """Parameter names and the sets that they must lie in."""
        raise NotImplementedError(f"{type(self).__name__} does not define arg_constraints")

    @property
    def support(self):
        """The set that draws lie in, a constraint."""
        raise NotImplementedError(f"{type(self).__name__} does not define a support")

    @property
    def mean(self):
        raise NotImplementedError(f"the mean of {type(self).__name__} is not defined")

    @property
    def mode(self):
        """The likeliest value."""
        raise NotImplementedError(f"{self.__class__} does not implement mode")

    @property
    def variance(self):
        raise NotImplementedError(f"the variance of {type(self).__name__} is not defined")

    @property
    def stddev(self):
        """The root of the variance."""
        return self.variance.sqrt()

    def sample(self, sample_shape=()):
        """Draws, without a gradient."""
        with no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape=()):
        """Draws through which gradients flow to the parameters."""
        raise NotImplementedError(f"{type(self).__name__} has no rsample: its draws are discrete; use sample() and log_prob()")

    def sample_n(self, n):
        """``n`` draws: the old name of ``sample((n,))``."""
        warnings.warn("sample_n(n) will be deprecated. Use .sample((n,)) instead", FutureWarning, stacklevel=2)
        return self.sample(Size((n,)))

    def log_prob(self, value):
        """The logarithm of the density, or probability, at ``value``."""
        raise NotImplementedError(f"{type(self).__name__}.log_prob is not defined")

    def cdf(self, value):
        """The probability of draws up to ``value``."""
        raise NotImplementedError(f"{type(self).__name__}.cdf is not defined")

    def icdf(self, value):
        """The value up to which draws have probability ``value``."""
        raise NotImplementedError(f"{type(self).__name__}.icdf is not defined")

    def enumerate_support(self, expand=True):
        """All values of a discrete distribution along a new first axis."""
        raise NotImplementedError(f"{type(self).__name__}.enumerate_support is not defined")

    def entropy(self):
        """The mean of ``-log_prob`` over draws, in nats."""
        raise NotImplementedError(f"{type(self).__name__}.entropy is not defined")

    def perplexity(self):
        """``exp(entropy)``."""
        return minigrad.exp(self.entropy())

    def _extended_shape(self, sample_shape=()):
        return Size(tuple(sample_shape) + tuple(self._batch_shape) + tuple(self._event_shape))

    def _enumerated(self, values, expand):
        """``values`` (n,) along a new first axis, before the batch axes."""
        values = values.view((-1, *(1,) * len(self._batch_shape)))
        return values.expand((-1, *self._batch_shape)) if expand else values

    def _validate_sample(self, value):
        if not isinstance(value, Tensor):
            raise ValueError("The value argument to log_prob must be a Tensor")
        first = value.dim() - len(self._event_shape)
        if tuple(value.shape[first:]) != tuple(self._event_shape):
            raise ValueError(f"The right-most size of value must match event_shape: {value.size()} vs {self._event_shape}.")
        actual, expected = value.size(), self._batch_shape + self._event_shape
        for i, j in zip(reversed(actual), reversed(expected)):
            if i != 1 and j != 1 and i != j:
                raise ValueError(f"Value is not broadcastable with batch_shape+event_shape: {actual} vs {expected}.")
        if tracer.get() is not None:
            return
        try:
            support = self.support
        except NotImplementedError:
            warnings.warn(
                f"{self.__class__} does not define `support` to enable sample validation. Please initialize the distribution "
                f"with `validate_args=False` to turn off validation.",
                stacklevel=3,
            )
            return
        if not bool(support.check(value).all()):
            raise ValueError(
                f"Expected value argument ({type(value).__name__} of shape {tuple(value.shape)}) to be within the support "
                f"({support!r}) of the distribution {self!r}, but found invalid values:\n{value}"
            )

    def _get_checked_instance(self, cls, _instance=None):
        if _instance is None and type(self).__init__ != cls.__init__:
            raise NotImplementedError(
                f"Subclass {type(self).__name__} of {cls.__name__} that defines a custom __init__ method must also define a "
                f"custom .expand() method."
            )
        return self.__new__(type(self)) if _instance is None else _instance

    def __repr__(self):
        shown = [(k, self.__dict__[k]) for k in self.arg_constraints if k in self.__dict__]
        return f"{type(self).__name__}({', '.join(f'{k}: {v if v.numel() == 1 else v.size()}' for k, v in shown)})"
