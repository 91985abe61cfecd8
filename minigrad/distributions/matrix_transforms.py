"""Maps onto simplices, triangular and positive definite matrices."""

import math

import minigrad
from minigrad.nn.functional import pad, softplus

from ..tensor import Size
from . import constraints
from .maps import Transform
from .utils import tril_matrix_to_vec, vec_to_tril_matrix


class _Fixed(Transform):
    """A map without settings: two are equal when their classes are."""

    def __eq__(self, other):
        return type(other) is type(self)

    def __hash__(self):
        return id(self)


class SoftmaxTransform(_Fixed):
    """:math:`y = \\operatorname{softmax}(x)` over the last axis; it has no Jacobian determinant."""

    domain, codomain = constraints.real_vector, constraints.simplex

    def _call(self, x):
        probs = (x - x.max(-1, True)[0]).exp()
        return probs / probs.sum(-1, True)

    def _inverse(self, y):
        return y.log()

    def forward_shape(self, shape):
        return _at_least(1, shape)

    inverse_shape = forward_shape


def _at_least(n, shape):
    if len(shape) < n:
        raise ValueError("Too few dimensions on input")
    return shape


class StickBreakingTransform(_Fixed):
    """From K - 1 real numbers onto the simplex of K: each breaks its part off what is left of a stick."""

    domain, codomain = constraints.real_vector, constraints.simplex
    bijective = True

    @staticmethod
    def _offset(x):
        """ln of how many pieces are still to come, so that x = 0 gives equal pieces."""
        n = x.shape[-1]
        return x.new_tensor([math.log(n - i) for i in range(n)])

    def _call(self, x):
        info = minigrad.finfo(x.dtype)
        z = minigrad.clamp(minigrad.sigmoid(x - self._offset(x)), min=info.tiny, max=1.0 - info.eps)
        left = (1 - z).cumprod(-1)
        return pad(z, [0, 1], value=1) * pad(left, [1, 0], value=1)

    def _inverse(self, y):
        cut = y[..., :-1]
        left = minigrad.clamp(1 - cut.cumsum(-1), min=minigrad.finfo(y.dtype).tiny)
        return cut.log() - left.log() + self._offset(cut)

    def log_abs_det_jacobian(self, x, y):
        x = x - self._offset(x)
        return (-x + minigrad.nn.functional.logsigmoid(x) + y[..., :-1].log()).sum(-1)

    def forward_shape(self, shape):
        return Size((*_at_least(1, shape)[:-1], shape[-1] + 1))

    def inverse_shape(self, shape):
        return Size((*_at_least(1, shape)[:-1], shape[-1] - 1))


class LowerCholeskyTransform(_Fixed):
    """From square matrices onto lower triangular ones with a positive diagonal."""

    domain, codomain = constraints.independent(constraints.real, 2), constraints.lower_cholesky

    def _call(self, x):
        return x.tril(-1) + x.diagonal(dim1=-2, dim2=-1).exp().diag_embed()

    def _inverse(self, y):
        return y.tril(-1) + y.diagonal(dim1=-2, dim2=-1).log().diag_embed()


class PositiveDefiniteTransform(_Fixed):
    """From square matrices onto positive definite ones."""

    domain, codomain = constraints.independent(constraints.real, 2), constraints.positive_definite

    def _call(self, x):
        lower = LowerCholeskyTransform()(x)
        return lower @ lower.mT

    def _inverse(self, y):
        return LowerCholeskyTransform().inv(minigrad.linalg.cholesky(y))


class CorrCholeskyTransform(_Fixed):
    """From D (D - 1) / 2 real numbers onto Cholesky factors of correlation matrices: tanh gives the partial correlations."""

    domain, codomain = constraints.real_vector, constraints.corr_cholesky
    bijective = True

    def _call(self, x):
        eps = minigrad.finfo(x.dtype).eps
        r = vec_to_tril_matrix(minigrad.tanh(x).clamp(min=-1 + eps, max=1 - eps), diag=-1)
        left = (1 - r**2).sqrt().cumprod(-1)
        r = r + minigrad.eye(r.shape[-1], dtype=r.dtype, device=r.device)
        return r * pad(left[..., :-1], [1, 0], value=1)

    def _inverse(self, y):
        left = pad((1 - (y * y).cumsum(-1))[..., :-1], [1, 0], value=1)
        t = tril_matrix_to_vec(y, diag=-1) / tril_matrix_to_vec(left, diag=-1).sqrt()
        return (t.log1p() - t.neg().log1p()) / 2

    def log_abs_det_jacobian(self, x, y, intermediates=None):
        left = tril_matrix_to_vec((1 - (y * y).cumsum(-1)), diag=-2)
        stretched = 0.5 * left.log().sum(-1)
        return stretched - 2 * (x + softplus(-2 * x) - math.log(2.0)).sum(-1)

    def forward_shape(self, shape):
        n = _at_least(1, shape)[-1]
        d = round((0.25 + 2 * n) ** 0.5 + 0.5)
        if d * (d - 1) // 2 != n:
            raise ValueError("Input is not a flattened lower-diagonal number")
        return Size((*shape[:-1], d, d))

    def inverse_shape(self, shape):
        if _at_least(2, shape)[-2] != shape[-1]:
            raise ValueError("Input is not square")
        return Size((*shape[:-2], shape[-1] * (shape[-1] - 1) // 2))
