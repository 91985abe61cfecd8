"""Sets that parameters and samples lie in: ``constraint.check(value)`` says where they do.

``is_discrete`` marks a set of separate values, ``event_dim`` how many of the last axes one member takes.
"""

import minigrad

__all__ = [
    "Constraint", "MixtureSameFamilyConstraint", "boolean", "cat", "corr_cholesky", "dependent", "dependent_property",
    "greater_than", "greater_than_eq", "half_open_interval", "independent", "integer_interval", "interval", "is_dependent",
    "less_than", "lower_cholesky", "lower_triangular", "multinomial", "nonnegative", "nonnegative_integer", "one_hot",
    "positive", "positive_definite", "positive_integer", "positive_semidefinite", "real", "real_vector", "simplex",
    "square", "stack", "symmetric", "unit_interval",
]  # fmt: skip


class Constraint:
    """A set of values. A subclass defines ``check(value)``, a bool tensor of the shape of ``value`` less its event axes.

    >>> import minigrad
    >>> from minigrad.distributions import constraints
    >>> constraints.positive.check(minigrad.tensor([-1.0, 1.0]))
    tensor([False,  True])
    """

    is_discrete = False
    event_dim = 0

    def check(self, value):
        raise NotImplementedError(f"{type(self).__name__} must define check()")

    def __repr__(self):
        return type(self).__name__[1:] + "()" if type(self).__name__.startswith("_") else type(self).__name__ + "()"


class _Dependent(Constraint):
    """A set that depends on other values, such as an interval between two parameters: it cannot be checked by itself."""

    def __init__(self, *, is_discrete=NotImplemented, event_dim=NotImplemented):
        self._is_discrete, self._event_dim = is_discrete, event_dim
        super().__init__()

    @property
    def is_discrete(self):
        if self._is_discrete is NotImplemented:
            raise NotImplementedError(".is_discrete cannot be determined statically")
        return self._is_discrete

    @property
    def event_dim(self):
        if self._event_dim is NotImplemented:
            raise NotImplementedError(".event_dim cannot be determined statically")
        return self._event_dim

    def __call__(self, *, is_discrete=NotImplemented, event_dim=NotImplemented):
        return _Dependent(
            is_discrete=self._is_discrete if is_discrete is NotImplemented else is_discrete,
            event_dim=self._event_dim if event_dim is NotImplemented else event_dim,
        )

    def check(self, value):
        raise ValueError("Cannot determine validity of dependent constraint")


def is_dependent(constraint):
    """Whether ``constraint`` depends on other values, so that it cannot be checked."""
    return isinstance(constraint, _Dependent)


class _DependentProperty(property, _Dependent):
    """A property of a distribution that is a constraint: dependent on the class, checkable on an instance."""

    def __init__(self, fn=None, *, is_discrete=NotImplemented, event_dim=NotImplemented):
        property.__init__(self, fn)
        self._is_discrete, self._event_dim = is_discrete, event_dim

    def __call__(self, fn):
        return _DependentProperty(fn, is_discrete=self._is_discrete, event_dim=self._event_dim)


class _Independent(Constraint):
    """Holds where ``base_constraint`` holds for all of the last ``reinterpreted_batch_ndims`` axes."""

    def __init__(self, base_constraint, reinterpreted_batch_ndims):
        self.base_constraint, self.reinterpreted_batch_ndims = base_constraint, reinterpreted_batch_ndims
        super().__init__()

    @property
    def is_discrete(self):
        return self.base_constraint.is_discrete

    @property
    def event_dim(self):
        return self.base_constraint.event_dim + self.reinterpreted_batch_ndims

    def check(self, value):
        result, n = self.base_constraint.check(value), self.reinterpreted_batch_ndims
        if result.dim() < n:
            expected = self.base_constraint.event_dim + n
            raise ValueError(f"Expected value.dim() >= {expected} but got {value.dim()}")
        return result.reshape(tuple(result.shape[: result.dim() - n]) + (-1,)).all(-1)

    def __repr__(self):
        return f"IndependentConstraint({self.base_constraint!r}, {self.reinterpreted_batch_ndims})"


class MixtureSameFamilyConstraint(Constraint):
    """The set of a mixture's samples: those of its components, which have one batch axis more."""

    def __init__(self, base_constraint):
        if not isinstance(base_constraint, Constraint):
            raise AssertionError(f"base_constraint must be a Constraint, got {type(base_constraint).__name__}")
        self.base_constraint = base_constraint
        super().__init__()

    @property
    def is_discrete(self):
        return self.base_constraint.is_discrete

    @property
    def event_dim(self):
        return self.base_constraint.event_dim

    def check(self, value):
        result = self.base_constraint.check(value.unsqueeze(-1 - self.event_dim))
        if value.dim() < self.event_dim:
            raise ValueError(f"Expected value.dim() >= {self.event_dim} but got {value.dim()}")
        n = value.dim() - self.event_dim
        return result.reshape(tuple(result.shape[:n]) + (-1,)).all(-1)

    def __repr__(self):
        return f"MixtureSameFamilyConstraint({self.base_constraint!r})"


def _named(name, check, *, is_discrete=False, event_dim=0):
    """A class of one constraint without settings."""
    return type(
        name, (Constraint,), {"is_discrete": is_discrete, "event_dim": event_dim, "check": lambda self, value: check(value)}
    )


def _bounded(name, names, check, *, is_discrete=False, aliases=None):
    """A class of constraints with bounds, ``check(value, *bounds)``."""

    def __init__(self, *bounds):
        for key, bound in zip(names, bounds, strict=True):
            setattr(self, key, bound)
        Constraint.__init__(self)

    def __repr__(self):
        return f"{name}({', '.join(f'{key}={getattr(self, key)}' for key in names)})"

    return type(
        name,
        (Constraint,),
        {
            "is_discrete": is_discrete,
            "__init__": __init__,
            "__repr__": __repr__,
            "check": lambda self, value: check(value, *[getattr(self, key) for key in names]),
        },
    )


def _whole(value):
    return value % 1 == 0


def _is_square(value):
    return minigrad.full(value.shape[:-2], value.shape[-2] == value.shape[-1], dtype=minigrad.bool, device=value.device)


def _is_symmetric(value):
    return (
        _is_square(value) if value.shape[-2] != value.shape[-1] else _all2((value - value.mT).abs() <= 1e-6 + 1e-5 * value.abs())
    )


def _all2(flags):
    """All of the last two axes."""
    return flags.all(-1).all(-1)


def _is_semidefinite(value):
    symmetric = _is_symmetric(value)
    return minigrad.linalg.eigvalsh(value).ge(0).all(-1) if bool(symmetric.all()) else symmetric


def _is_definite(value):
    symmetric = _is_symmetric(value)
    return minigrad.linalg.eigvalsh(value).gt(0).all(-1) if bool(symmetric.all()) else symmetric


def _is_lower_cholesky(value):
    return _all2(value.tril() == value) & (value.diagonal(dim1=-2, dim2=-1) > 0).all(-1)


def _is_corr_cholesky(value):
    tolerance = minigrad.finfo(value.dtype).eps * value.shape[-1] * 10  # 10 for what rounding adds
    return _is_lower_cholesky(value) & ((value.detach().norm(dim=-1) - 1).abs() <= tolerance).all(-1)


_Real = _named("Real", lambda x: x == x)  # NaN is no real number
_Boolean = _named("Boolean", lambda x: (x == 0) | (x == 1), is_discrete=True)
_OneHot = _named("OneHot", lambda x: ((x == 0) | (x == 1)).all(-1) & (x.sum(-1) == 1), is_discrete=True, event_dim=1)
_Simplex = _named("Simplex", lambda x: (x >= 0).all(-1) & ((x.sum(-1) - 1).abs() < 1e-6), event_dim=1)
_LowerTriangular = _named("LowerTriangular", lambda x: _all2(x.tril() == x), event_dim=2)
_LowerCholesky = _named("LowerCholesky", _is_lower_cholesky, event_dim=2)
_CorrCholesky = _named("CorrCholesky", _is_corr_cholesky, event_dim=2)
_Square = _named("Square", _is_square, event_dim=2)
_Symmetric = _named("Symmetric", _is_symmetric, event_dim=2)
_PositiveSemidefinite = _named("PositiveSemidefinite", _is_semidefinite, event_dim=2)
_PositiveDefinite = _named("PositiveDefinite", _is_definite, event_dim=2)
greater_than = _bounded("GreaterThan", ["lower_bound"], lambda x, low: x > low)
greater_than_eq = _bounded("GreaterThanEq", ["lower_bound"], lambda x, low: x >= low)
less_than = _bounded("LessThan", ["upper_bound"], lambda x, high: x < high)
interval = _bounded("Interval", ["lower_bound", "upper_bound"], lambda x, low, high: (x >= low) & (x <= high))
half_open_interval = _bounded("HalfOpenInterval", ["lower_bound", "upper_bound"], lambda x, low, high: (x >= low) & (x < high))
integer_interval = _bounded(
    "IntegerInterval", ["lower_bound", "upper_bound"], lambda x, low, high: _whole(x) & (x >= low) & (x <= high), is_discrete=True
)
_IntegerGreaterThan = _bounded("IntegerGreaterThan", ["lower_bound"], lambda x, low: _whole(x) & (x >= low), is_discrete=True)


class multinomial(Constraint):
    """Counts (..., K) that are not negative and whose sum is at most ``upper_bound``."""

    is_discrete = True
    event_dim = 1

    def __init__(self, upper_bound):
        self.upper_bound = upper_bound

    def check(self, value):
        return (value >= 0).all(-1) & (value.sum(-1) <= self.upper_bound)

    def __repr__(self):
        return "Multinomial()"


class cat(Constraint):
    """``cseq[i]`` holds for the i-th part, ``lengths[i]`` long, along ``dim``."""

    def __init__(self, cseq, dim=0, lengths=None):
        self.cseq, self.dim = list(cseq), dim
        self.lengths = [1] * len(self.cseq) if lengths is None else list(lengths)
        super().__init__()

    @property
    def is_discrete(self):
        return any(c.is_discrete for c in self.cseq)

    @property
    def event_dim(self):
        return max(c.event_dim for c in self.cseq)

    def check(self, value):
        parts = value.split(self.lengths, self.dim)
        return minigrad.cat([c.check(part) for c, part in zip(self.cseq, parts, strict=True)], self.dim)

    def __repr__(self):
        return "Cat()"


class stack(Constraint):
    """``cseq[i]`` holds for the i-th slice along ``dim``."""

    def __init__(self, cseq, dim=0):
        self.cseq, self.dim = list(cseq), dim
        super().__init__()

    @property
    def is_discrete(self):
        return any(c.is_discrete for c in self.cseq)

    @property
    def event_dim(self):
        most = max(c.event_dim for c in self.cseq)
        return most if self.dim + most < 0 else most + 1

    def check(self, value):
        parts = value.unbind(self.dim)
        return minigrad.stack([c.check(part) for c, part in zip(self.cseq, parts, strict=True)], self.dim)

    def __repr__(self):
        return "Stack()"


dependent, dependent_property = _Dependent(), _DependentProperty
independent = _Independent
real, boolean, one_hot, simplex = _Real(), _Boolean(), _OneHot(), _Simplex()
real_vector = independent(real, 1)
nonnegative_integer, positive_integer = _IntegerGreaterThan(0), _IntegerGreaterThan(1)
positive, nonnegative, unit_interval = greater_than(0.0), greater_than_eq(0.0), interval(0.0, 1.0)
lower_triangular, lower_cholesky, corr_cholesky = _LowerTriangular(), _LowerCholesky(), _CorrCholesky()
square, symmetric = _Square(), _Symmetric()
positive_semidefinite, positive_definite = _PositiveSemidefinite(), _PositiveDefinite()
