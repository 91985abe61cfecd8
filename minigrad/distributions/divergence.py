"""Which function computes the Kullback-Leibler divergence of two classes of distributions."""

import functools

from .distribution import Distribution

_KL_REGISTRY: dict = {}


def register_kl(type_p, type_q):
    """Decorator: the function is ``kl_divergence(p, q)`` for these classes and what is derived from them.

    Raises:
        TypeError: for anything that is no class of distributions.

    >>> from minigrad.distributions import Normal, register_kl
    >>> class Mine(Normal):
    ...     pass
    >>> @register_kl(Mine, Mine)
    ... def kl(p, q):
    ...     return p.loc - q.loc
    """
    for what, kind in (("type_p", type_p), ("type_q", type_q)):
        if not isinstance(kind, type) or not issubclass(kind, Distribution):
            raise TypeError(f"Expected {what} to be a Distribution subclass but got {kind}")

    def decorator(function):
        _KL_REGISTRY[type_p, type_q] = function
        _dispatch.cache_clear()
        return function

    return decorator


@functools.cache
def _dispatch(type_p, type_q):
    """The registered function of the nearest classes: p's class counts first."""
    near = [
        (type_p.__mro__.index(a), type_q.__mro__.index(b), function)
        for (a, b), function in _KL_REGISTRY.items()
        if issubclass(type_p, a) and issubclass(type_q, b)
    ]
    return min(near, key=lambda entry: entry[:2])[2] if near else None


def kl_divergence(p, q):
    r"""The divergence :math:`D(p \| q) = E_p[\ln p(x) - \ln q(x)]`, of the batch shape.

    Args:
        p: a distribution.
        q: a distribution over the same values.

    Raises:
        NotImplementedError: where no closed form is registered for the two classes.

    Kullback and Leibler, "On information and sufficiency", Annals of Mathematical Statistics 22 (1951).

    >>> import minigrad
    >>> from minigrad.distributions import Normal, kl_divergence
    >>> kl_divergence(Normal(1.0, 1.0), Normal(0.0, 1.0))
    tensor(0.5000)
    """
    function = _dispatch(type(p), type(q))
    if function is None:
        raise NotImplementedError(
            f"No KL(p || q) is implemented for p type {p.__class__.__name__} and q type {q.__class__.__name__}"
        )
    return function(p, q)
