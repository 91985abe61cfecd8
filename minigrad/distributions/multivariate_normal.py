"""The multivariate normal distribution."""

import math

import minigrad

from . import constraints
from .distribution import Distribution
from .utils import _standard_normal, lazy_property


def batch_mv(matrix, vector):
    """``matrix @ vector`` for batches."""
    return minigrad.matmul(matrix, vector.unsqueeze(-1)).squeeze(-1)


def mahalanobis(scale_tril, difference):
    """The squared length of :math:`L^{-1} d`; the batch axes broadcast."""
    solved = minigrad.linalg.solve_triangular(scale_tril, difference.unsqueeze(-1), upper=False)
    return solved.squeeze(-1).pow(2).sum(-1)


def precision_to_scale_tril(precision):
    """The Cholesky factor of the inverse of ``precision``, by way of the reversed matrix."""
    factor = minigrad.linalg.cholesky(minigrad.flip(precision, (-2, -1)))
    upper = minigrad.transpose(minigrad.flip(factor, (-2, -1)), -2, -1)
    eye = minigrad.eye(precision.shape[-1], dtype=precision.dtype, device=precision.device)
    return minigrad.linalg.solve_triangular(upper, eye, upper=False)


class MultivariateNormal(Distribution):
    r"""The normal distribution of vectors, :math:`N(\mu, \Sigma)` with :math:`\Sigma = L L^T`.

    .. math:: \ln p(x) = -\tfrac12 \left(d \ln 2 \pi + |L^{-1}(x - \mu)|^2\right) - \ln \det L

    Args:
        loc: mean, (..., d).
        covariance_matrix: :math:`\Sigma`, (..., d, d).
        precision_matrix: :math:`\Sigma^{-1}`.
        scale_tril: :math:`L`, lower triangular with a positive diagonal. Give one of the three.
        validate_args: see :class:`Distribution`.

    >>> import minigrad
    >>> minigrad.distributions.MultivariateNormal(minigrad.zeros(2), minigrad.eye(2)).log_prob(minigrad.zeros(2))
    tensor(-1.8379)
    """

    arg_constraints = {
        "loc": constraints.real_vector,
        "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky,
    }
    support = constraints.real_vector
    has_rsample = True
    _expanded = {"loc": 1, "covariance_matrix": 2, "scale_tril": 2, "precision_matrix": 2, "_unbroadcasted_scale_tril": 2}

    def __init__(self, loc, covariance_matrix=None, precision_matrix=None, scale_tril=None, validate_args=None):
        given = {"covariance_matrix": covariance_matrix, "precision_matrix": precision_matrix, "scale_tril": scale_tril}
        given = {name: matrix for name, matrix in given.items() if matrix is not None}
        if loc.dim() < 1:
            raise ValueError("loc must be at least one-dimensional.")
        if len(given) != 1:
            raise ValueError("Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified.")
        ((name, matrix),) = given.items()
        if matrix.dim() < 2:
            raise ValueError(f"{name} must be at least two-dimensional, with optional leading batch dimensions")
        batch_shape = minigrad.broadcast_shapes(matrix.shape[:-2], loc.shape[:-1])
        setattr(self, name, matrix.expand((*batch_shape, -1, -1)))
        self.loc = loc.expand((*batch_shape, -1))
        super().__init__(batch_shape, self.loc.shape[-1:], validate_args=validate_args)
        if scale_tril is not None:
            self._unbroadcasted_scale_tril = scale_tril
        elif covariance_matrix is not None:
            self._unbroadcasted_scale_tril = minigrad.linalg.cholesky(covariance_matrix)
        else:
            self._unbroadcasted_scale_tril = precision_to_scale_tril(precision_matrix)

    def expand(self, batch_shape, _instance=None):
        new = super().expand(batch_shape, _instance)
        new._unbroadcasted_scale_tril = self._unbroadcasted_scale_tril
        return new

    def _whole(self, matrix):
        n = self._event_shape[0]
        return matrix.expand((*self._batch_shape, n, n))

    @lazy_property
    def scale_tril(self):
        return self._whole(self._unbroadcasted_scale_tril)

    @lazy_property
    def covariance_matrix(self):
        return self._whole(minigrad.matmul(self._unbroadcasted_scale_tril, self._unbroadcasted_scale_tril.mT))

    @lazy_property
    def precision_matrix(self):
        return self._whole(minigrad.cholesky_inverse(self._unbroadcasted_scale_tril))

    @property
    def mean(self):
        return self.loc

    @property
    def mode(self):
        return self.loc

    @property
    def variance(self):
        return self._unbroadcasted_scale_tril.pow(2).sum(-1).expand(self._batch_shape + self._event_shape)

    def rsample(self, sample_shape=()):
        noise = _standard_normal(self._extended_shape(sample_shape), self.loc.dtype, self.loc.device)
        return self.loc + batch_mv(self._unbroadcasted_scale_tril, noise)

    def _half_log_det(self):
        return self._unbroadcasted_scale_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        m = mahalanobis(self._unbroadcasted_scale_tril, value - self.loc)
        return -0.5 * (self._event_shape[0] * math.log(2 * math.pi) + m) - self._half_log_det()

    def entropy(self):
        h = 0.5 * self._event_shape[0] * (1.0 + math.log(2 * math.pi)) + self._half_log_det()
        return h if len(self._batch_shape) == 0 else h.expand(self._batch_shape)
