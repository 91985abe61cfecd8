"""For each constraint a map from unconstrained numbers onto its set: ``transform_to`` and, one to one, ``biject_to``."""

from . import constraints, transforms


class ConstraintRegistry:
    """Constraints and the maps onto them: ``registry(constraint)`` is a :class:`Transform`.

    >>> import minigrad
    >>> from minigrad.distributions import constraints, transform_to
    >>> transform_to(constraints.positive)(minigrad.tensor(0.0))
    tensor(1.)
    """

    def __init__(self):
        self._registry = {}

    def register(self, constraint, factory=None):
        """Register ``factory(constraint)`` for a constraint or a class of them; without ``factory``, as a decorator."""
        if factory is None:
            return lambda factory: self.register(constraint, factory)
        if isinstance(constraint, constraints.Constraint):
            constraint = type(constraint)
        if not isinstance(constraint, type) or not issubclass(constraint, constraints.Constraint):
            raise TypeError(f"Expected constraint to be either a Constraint subclass or instance, but got {constraint}")
        self._registry[constraint] = factory
        return factory

    def __call__(self, constraint):
        factory = self._registry.get(type(constraint))
        if factory is None:
            raise NotImplementedError(f"Cannot transform {type(constraint).__name__} constraints")
        return factory(constraint)


biject_to, transform_to = ConstraintRegistry(), ConstraintRegistry()


def _everywhere(*kinds):
    def add(factory):
        for kind in kinds:
            biject_to.register(kind, factory)
            transform_to.register(kind, factory)
        return factory

    return add


@_everywhere(constraints.real)
def _(constraint):
    return transforms.identity_transform


@_everywhere(constraints.positive, constraints.nonnegative)
def _(constraint):
    return transforms.ExpTransform()


@_everywhere(constraints.greater_than, constraints.greater_than_eq)
def _(constraint):
    return transforms.ComposeTransform([transforms.ExpTransform(), transforms.AffineTransform(constraint.lower_bound, 1)])


@_everywhere(constraints.less_than)
def _(constraint):
    return transforms.ComposeTransform([transforms.ExpTransform(), transforms.AffineTransform(constraint.upper_bound, -1)])


@_everywhere(constraints.interval, constraints.half_open_interval)
def _(constraint):
    low, high = constraint.lower_bound, constraint.upper_bound
    if isinstance(low, float | int) and isinstance(high, float | int) and (low, high) == (0, 1):
        return transforms.SigmoidTransform()
    return transforms.ComposeTransform([transforms.SigmoidTransform(), transforms.AffineTransform(loc=low, scale=high - low)])


@biject_to.register(constraints.independent)
def _(constraint):
    return transforms.IndependentTransform(biject_to(constraint.base_constraint), constraint.reinterpreted_batch_ndims)


@transform_to.register(constraints.independent)
def _(constraint):
    return transforms.IndependentTransform(transform_to(constraint.base_constraint), constraint.reinterpreted_batch_ndims)


@biject_to.register(constraints.simplex)
def _(constraint):
    return transforms.StickBreakingTransform()


@transform_to.register(constraints.simplex)
def _(constraint):
    return transforms.SoftmaxTransform()


@_everywhere(constraints.lower_cholesky)
def _(constraint):
    return transforms.LowerCholeskyTransform()


@_everywhere(constraints.positive_definite, constraints.positive_semidefinite)
def _(constraint):
    return transforms.PositiveDefiniteTransform()


@_everywhere(constraints.corr_cholesky)
def _(constraint):
    return transforms.CorrCholeskyTransform()


@biject_to.register(constraints.cat)
def _(constraint):
    return transforms.CatTransform([biject_to(c) for c in constraint.cseq], constraint.dim, constraint.lengths)


@transform_to.register(constraints.cat)
def _(constraint):
    return transforms.CatTransform([transform_to(c) for c in constraint.cseq], constraint.dim, constraint.lengths)


@biject_to.register(constraints.stack)
def _(constraint):
    return transforms.StackTransform([biject_to(c) for c in constraint.cseq], constraint.dim)


@transform_to.register(constraints.stack)
def _(constraint):
    return transforms.StackTransform([transform_to(c) for c in constraint.cseq], constraint.dim)
