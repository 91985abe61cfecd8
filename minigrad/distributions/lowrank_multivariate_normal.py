"""The multivariate normal distribution with a covariance of low rank."""

import math

import minigrad

from . import constraints
from .distribution import Distribution
from .multivariate_normal import batch_mv, mahalanobis
from .utils import _standard_normal, lazy_property


class LowRankMultivariateNormal(Distribution):
    r"""The normal distribution of vectors with :math:`\Sigma = W W^T + D`, D diagonal.

    Inverse and determinant are those of a small matrix, by the lemmas of Woodbury and Sylvester.

    Args:
        loc: mean, (..., d).
        cov_factor: W, (..., d, r).
        cov_diag: the diagonal of D, (..., d).
        validate_args: see :class:`Distribution`.

    >>> import minigrad
    >>> d = minigrad.distributions.LowRankMultivariateNormal(minigrad.zeros(2), minigrad.ones(2, 1), minigrad.ones(2))
    >>> d.covariance_matrix
    tensor([[2., 1.],
            [1., 2.]])
    """

    arg_constraints = {
        "loc": constraints.real_vector,
        "cov_factor": constraints.independent(constraints.real, 2),
        "cov_diag": constraints.independent(constraints.positive, 1),
    }
    support = constraints.real_vector
    has_rsample = True
    _expanded = {"loc": 1, "cov_diag": 1, "cov_factor": 2}
    _copied = ("_unbroadcasted_cov_factor", "_unbroadcasted_cov_diag", "_capacitance_tril")

    def __init__(self, loc, cov_factor, cov_diag, validate_args=None):
        if loc.dim() < 1:
            raise ValueError("loc must be at least one-dimensional.")
        event_shape = loc.shape[-1:]
        if cov_factor.dim() < 2:
            raise ValueError("cov_factor must be at least two-dimensional, with optional leading batch dimensions")
        if cov_factor.shape[-2:-1] != event_shape:
            raise ValueError(f"cov_factor must be a batch of matrices with shape {event_shape[0]} x m")
        if cov_diag.shape[-1:] != event_shape:
            raise ValueError(f"cov_diag must be a batch of vectors with shape {event_shape}")
        batch_shape = minigrad.broadcast_shapes(loc.shape[:-1], cov_factor.shape[:-2], cov_diag.shape[:-1])
        self.loc, self.cov_diag = loc.expand((*batch_shape, -1)), cov_diag.expand((*batch_shape, -1))
        self.cov_factor = cov_factor.expand((*batch_shape, -1, -1))
        self._unbroadcasted_cov_factor, self._unbroadcasted_cov_diag = cov_factor, cov_diag
        self._capacitance_tril = minigrad.linalg.cholesky(self._capacitance())
        super().__init__(batch_shape, event_shape, validate_args=validate_args)

    def _scaled(self):
        """W^T D^-1, (..., r, d)."""
        return self._unbroadcasted_cov_factor.mT / self._unbroadcasted_cov_diag.unsqueeze(-2)

    def _capacitance(self):
        """I + W^T D^-1 W."""
        k = minigrad.matmul(self._scaled(), self._unbroadcasted_cov_factor)
        return k + minigrad.eye(k.shape[-1], dtype=k.dtype, device=k.device)

    @property
    def mean(self):
        return self.loc

    @property
    def mode(self):
        return self.loc

    @lazy_property
    def variance(self):
        total = self._unbroadcasted_cov_factor.pow(2).sum(-1) + self._unbroadcasted_cov_diag
        return total.expand(self._batch_shape + self._event_shape)

    def _whole(self, matrix):
        n = self._event_shape[0]
        return matrix.expand((*self._batch_shape, n, n))

    @lazy_property
    def scale_tril(self):
        root = self._unbroadcasted_cov_diag.sqrt().unsqueeze(-1)
        scaled = self._unbroadcasted_cov_factor / root
        k = minigrad.matmul(scaled, scaled.mT)
        k = k + minigrad.eye(k.shape[-1], dtype=k.dtype, device=k.device)
        return self._whole(root * minigrad.linalg.cholesky(k))

    @lazy_property
    def covariance_matrix(self):
        w = self._unbroadcasted_cov_factor
        return self._whole(minigrad.matmul(w, w.mT) + minigrad.diag_embed(self._unbroadcasted_cov_diag))

    @lazy_property
    def precision_matrix(self):
        a = minigrad.linalg.solve_triangular(self._capacitance_tril, self._scaled(), upper=False)
        return self._whole(minigrad.diag_embed(self._unbroadcasted_cov_diag.reciprocal()) - minigrad.matmul(a.mT, a))

    def rsample(self, sample_shape=()):
        shape = self._extended_shape(sample_shape)
        low = _standard_normal((*shape[:-1], self.cov_factor.shape[-1]), self.loc.dtype, self.loc.device)
        own = _standard_normal(shape, self.loc.dtype, self.loc.device)
        return self.loc + batch_mv(self._unbroadcasted_cov_factor, low) + self._unbroadcasted_cov_diag.sqrt() * own

    def _log_det(self):
        small = 2 * self._capacitance_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        return small + self._unbroadcasted_cov_diag.log().sum(-1)

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        d = value - self.loc
        m = (d.pow(2) / self._unbroadcasted_cov_diag).sum(-1) - mahalanobis(self._capacitance_tril, batch_mv(self._scaled(), d))
        return -0.5 * (self._event_shape[0] * math.log(2 * math.pi) + self._log_det() + m)

    def entropy(self):
        h = 0.5 * (self._event_shape[0] * (1.0 + math.log(2 * math.pi)) + self._log_det())
        return h if len(self._batch_shape) == 0 else h.expand(self._batch_shape)
