"""Matrices that stay orthogonal: functions from free parameters onto the orthogonal matrices.

Lezcano-Casado and Martinez-Rubio, "Cheap orthogonal constraints in neural networks", ICML 2019 (the matrix exponential);
Lezcano-Casado, "Trivializations for gradient-based optimization on manifolds", NeurIPS 2019 (the base point); Householder
reflections and the Cayley transform as in Golub and Van Loan, "Matrix computations", 5.1 and 2.
"""

from ... import cat, eye, geqrf, orgqr
from ...graph import no_grad
from ...ops.decomposition import qr
from ...ops.matrix_functions import public_matrix_exp
from ...ops.solving import _solve
from ...tensor import Tensor
from ..module import Module
from .parametrize import register_parametrization

_MAPS = ("matrix_exp", "cayley", "householder")


def _orthogonal_factor(a):
    """The orthogonal factor of ``a`` = QR, with a positive diagonal of R."""
    q, r = qr(a)
    return q * r.diagonal(dim1=-2, dim2=-1).sign().unsqueeze(-2)


def _is_orthogonal(q):
    """Whether the columns of ``q`` are orthonormal, up to rounding."""
    k = q.shape[-1]
    one = eye(k, dtype=q.dtype, device=q.device)
    error = 10.0 * k * (2.0**-52 if q.dtype.itemsize == 8 else 2.0**-23)
    return bool(((q.mT @ q - one).abs() <= error).all())


def _of_skew(x, name):
    """The orthogonal (n, n) matrix of the skew-symmetric one that the lower triangle of ``x`` (n, k) makes."""
    n, k = x.shape[-2:]
    lower = x.tril()
    if n != k:
        lower = cat([lower, x.new_zeros(*x.shape[:-2], n, n - k)], -1)
    skew = lower - lower.mT
    if name == "matrix_exp":
        return public_matrix_exp(skew)
    one = eye(n, dtype=x.dtype, device=x.device)
    return _solve(one - skew * 0.5, one + skew * 0.5)


def _of_reflections(x):
    """The first k columns of the product of k reflections, whose vectors stand below the diagonal of ``x`` (n, k)."""
    below = x.tril(-1)
    tau = 2.0 / (1.0 + (below * below).sum(-2))
    signs = x.detach().diagonal(dim1=-2, dim2=-1).trunc()  # 1 and -1: not trained
    return orgqr(below, tau) * signs.unsqueeze(-2)


class _Orthogonal(Module):
    def __init__(self, weight, orthogonal_map, use_trivialization):
        super().__init__()
        self.orthogonal_map = orthogonal_map
        self.shape = tuple(weight.shape)
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, x):
        wide = x.shape[-2] < x.shape[-1]
        x = x.mT if wide else x  # (n, k) with n >= k
        q = _of_reflections(x) if self.orthogonal_map == "householder" else _of_skew(x, self.orthogonal_map)[..., : x.shape[-1]]
        if "base" in self._buffers:
            q = self.base @ q
        return q.mT if wide else q

    @no_grad()
    def right_inverse(self, weight):
        if tuple(weight.shape) != self.shape:
            raise ValueError(
                f"Expected a matrix or batch of matrices of shape {self.shape}. Got a tensor of shape {tuple(weight.shape)}."
            )
        wide = weight.shape[-2] < weight.shape[-1]
        q = weight.mT if wide else weight
        if "base" not in self._buffers:
            x = self._parameters_of(q)
            return x.mT if wide else x
        n, k = q.shape[-2:]
        if n != k:
            q = _orthogonal_factor(cat([q, q.new_empty(*q.shape[:-2], n, n - k).normal_()], -1))
        elif not _is_orthogonal(q):
            q = _orthogonal_factor(q)
        self.base = q.clone()
        start = weight.new_zeros(weight.shape)
        start.diagonal(dim1=-2, dim2=-1).fill_(-1.0)  # what every map takes to the first columns of the identity
        return start

    def _parameters_of(self, q):
        if self.orthogonal_map != "householder":
            raise NotImplementedError(
                "It is not possible to assign to the matrix exponential or the Cayley parametrizations when "
                "use_trivialization=False."
            )
        x, tau = geqrf(q)
        signs = x.diagonal(dim1=-2, dim2=-1).sign()
        signs = signs.where(tau != 0, -signs)
        x = x.clone()
        x.diagonal(dim1=-2, dim2=-1).copy_(signs)
        return x


def orthogonal(module, name="weight", orthogonal_map=None, *, use_trivialization=True):
    """Keep a weight's columns orthonormal, or its rows where it is wider than high. Returns the module.

    Args:
        module: the layer.
        name: of its weight, a matrix or a batch of them.
        orthogonal_map: how free parameters become an orthogonal matrix: "matrix_exp", "cayley" or "householder"; None: the
            first for a square weight, else the last.
        use_trivialization: count from a base point, a buffer, at which the weight starts: it trains better.

    >>> import minigrad
    >>> from minigrad import nn
    >>> layer = nn.utils.parametrizations.orthogonal(nn.Linear(3, 5))
    >>> bool((layer.weight.T @ layer.weight - minigrad.eye(3)).abs().max() < 1e-5)
    True
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    if weight.ndim < 2:
        raise ValueError(f"Expected a matrix or batch of matrices. Got a tensor of {weight.ndim} dimensions.")
    if orthogonal_map is None:
        orthogonal_map = "matrix_exp" if weight.shape[-2] == weight.shape[-1] else "householder"
    if orthogonal_map not in _MAPS:
        raise ValueError(f'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". Got: {orthogonal_map}')
    register_parametrization(module, name, _Orthogonal(weight, orthogonal_map, use_trivialization), unsafe=True)
    return module
