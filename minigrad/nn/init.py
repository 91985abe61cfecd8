"""First values of parameters: each function fills a tensor in place, outside the recorded graph, and returns it."""

import functools
import math
import warnings

from .. import backends, randn, randperm
from ..graph import no_grad
from ..random import default_generator
from ..tensor import wrap


def _in_place(fill):
    """The function without recording, so that it may write into a parameter."""

    @functools.wraps(fill)
    def unrecorded(*args, **kwargs):
        with no_grad():
            return fill(*args, **kwargs)

    return unrecorded


_LINEAR = ("linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d")


def calculate_gain(nonlinearity, param=None):
    """The factor by which an activation wants its layer's weights scaled; ``param`` is the slope of ``leaky_relu``.

    >>> from minigrad.nn import init
    >>> init.calculate_gain("tanh"), init.calculate_gain("linear")
    (1.6666666666666667, 1)
    """
    if nonlinearity in _LINEAR or nonlinearity == "sigmoid":
        return 1
    if nonlinearity == "tanh":
        return 5.0 / 3
    if nonlinearity == "relu":
        return math.sqrt(2.0)
    if nonlinearity == "selu":
        return 3.0 / 4  # found by trial, as in PyTorch
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, (int, float)):
            raise ValueError(f"negative_slope {param} not a valid number")
        return math.sqrt(2.0 / (1 + slope**2))
    raise ValueError(
        f"Unsupported nonlinearity {nonlinearity}; use one of {', '.join(_LINEAR)}, sigmoid, tanh, relu, leaky_relu, selu"
    )


@_in_place
def uniform_(tensor, a=0.0, b=1.0, generator=None):
    """Draw from the uniform distribution U(a, b).

    >>> import minigrad
    >>> w = minigrad.nn.init.uniform_(minigrad.empty(100), -2.0, 2.0)
    >>> bool((w.abs() <= 2).all())
    True
    """
    return tensor.uniform_(a, b, generator=generator)


@_in_place
def normal_(tensor, mean=0.0, std=1.0, generator=None):
    """Draw from the normal distribution N(mean, std^2)."""
    return tensor.normal_(mean, std, generator=generator)


@_in_place
def trunc_normal_(tensor, mean=0.0, std=1.0, a=-2.0, b=2.0, generator=None):
    """Draw from N(mean, std^2) and draw again what falls outside [a, b].

    >>> import minigrad
    >>> w = minigrad.nn.init.trunc_normal_(minigrad.empty(100), std=0.5, a=-1.0, b=1.0)
    >>> bool((w.abs() <= 1).all())
    True
    """

    def below(x):  # the normal distribution function
        return (1.0 + math.erf((x - mean) / (std * math.sqrt(2.0)))) / 2.0

    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. The distribution of values may be incorrect.",
            stacklevel=4,
        )
    if below(b) - below(a) > 0.3:

        def draw():
            x = tensor.detach().clone().normal_(mean, std, generator=generator)
            return x, (x < a).logical_or(x > b)
    else:  # too little of the normal distribution lies in [a, b]: thin out the uniform one by the density

        def draw():
            x = tensor.detach().clone().uniform_(a, b, generator=generator)
            log_density = ((x - mean) / std) ** 2 * -0.5 + 0.5 * ((max(a, min(mean, b)) - mean) / std) ** 2
            return x, x.clone().uniform_(generator=generator).log() > log_density

    values, rejected = draw()
    while bool(rejected.any()):
        again, out = draw()
        values, rejected = again.where(rejected, values), rejected.logical_and(out)
    return tensor.copy_(values)


@_in_place
def constant_(tensor, val):
    """Fill with ``val``."""
    return tensor.fill_(val)


@_in_place
def ones_(tensor):
    """Fill with 1."""
    return tensor.fill_(1.0)


@_in_place
def zeros_(tensor):
    """Fill with 0."""
    return tensor.zero_()


@_in_place
def eye_(tensor):
    """Make a matrix the identity, or as much of it as fits: a linear layer that passes its inputs on.

    >>> import minigrad
    >>> minigrad.nn.init.eye_(minigrad.empty(2, 3))
    tensor([[1., 0., 0.],
            [0., 1., 0.]])
    """
    if tensor.ndim != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    tensor.zero_()
    for i in range(min(tensor.shape)):
        tensor[i, i] = 1.0
    return tensor


@_in_place
def dirac_(tensor, groups=1):
    """Make the weight of a convolution one that passes as many of its channels on as possible, in every group."""
    if tensor.ndim not in (3, 4, 5):
        raise ValueError("Only tensors with 3, 4, or 5 dimensions are supported")
    if tensor.shape[0] % groups:
        raise ValueError("dim 0 must be divisible by groups")
    per_group = tensor.shape[0] // groups
    centre = [n // 2 for n in tensor.shape[2:]]
    tensor.zero_()
    for group in range(groups):
        for d in range(min(per_group, tensor.shape[1])):
            tensor[(group * per_group + d, d, *centre)] = 1.0
    return tensor


def _calculate_fan_in_and_fan_out(tensor):
    """How many inputs each output sums over, and the other way round."""
    if tensor.ndim < 2:
        raise ValueError(
            f"Fan in and fan out can not be computed for tensor with fewer than 2 dimensions, here {tuple(tensor.shape)}"
        )
    field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field


def xavier_uniform_(tensor, gain=1.0, generator=None):
    r"""Draw from U(-a, a) with :math:`a = gain \sqrt{6 / (fan_{in} + fan_{out})}`.

    Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", AISTATS 2010.
    """
    bound = gain * math.sqrt(6.0 / sum(_calculate_fan_in_and_fan_out(tensor)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor, gain=1.0, generator=None):
    r"""Draw from :math:`N(0, \sigma^2)` with :math:`\sigma = gain \sqrt{2 / (fan_{in} + fan_{out})}`.

    See :func:`xavier_uniform_`.
    """
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / sum(_calculate_fan_in_and_fan_out(tensor))), generator)


def kaiming_uniform_(tensor, a=0, mode="fan_in", nonlinearity="leaky_relu", generator=None):
    r"""Draw from U(-bound, bound) with :math:`bound = gain \sqrt{3 / fan}`.

    Args:
        tensor: a weight of two dimensions or more.
        a: the negative slope, for ``leaky_relu``.
        mode: ``fan_in`` keeps the variance in the forward pass, ``fan_out`` in the backward pass.
        nonlinearity: as in :func:`calculate_gain`.

    He et al., "Delving deep into rectifiers", ICCV 2015.
    """
    std = _kaiming_std(tensor, a, mode, nonlinearity)
    return tensor if std is None else uniform_(tensor, -math.sqrt(3.0) * std, math.sqrt(3.0) * std, generator)


def kaiming_normal_(tensor, a=0, mode="fan_in", nonlinearity="leaky_relu", generator=None):
    r"""Draw from :math:`N(0, \sigma^2)` with :math:`\sigma = gain / \sqrt{fan}`; see :func:`kaiming_uniform_`."""
    std = _kaiming_std(tensor, a, mode, nonlinearity)
    return tensor if std is None else normal_(tensor, 0.0, std, generator)


def _kaiming_std(tensor, a, mode, nonlinearity):
    if 0 in tensor.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=3)
        return None
    mode = mode.lower()
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"Mode {mode} not supported, please use one of ['fan_in', 'fan_out']")
    fan = _calculate_fan_in_and_fan_out(tensor)[mode == "fan_out"]
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


@_in_place
def orthogonal_(tensor, gain=1, generator=None):
    """Make the rows (or columns, where there are fewer) of the tensor, as a matrix of ``shape[0]`` rows, orthonormal.

    Saxe et al., "Exact solutions to the nonlinear dynamics of learning in deep linear neural networks", ICLR 2014.

    >>> import minigrad
    >>> w = minigrad.nn.init.orthogonal_(minigrad.empty(3, 5))
    >>> bool(((w @ w.T - minigrad.eye(3)).abs() < 1e-5).all())
    True
    """
    if tensor.ndim < 2:
        raise ValueError("Only tensors with 2 or more dimensions are supported")
    if tensor.numel() == 0:
        return tensor
    rows = tensor.shape[0]
    cols = tensor.numel() // rows
    shape = (max(rows, cols), min(rows, cols))
    turned = shape != (rows, cols) and (generator or default_generator).engine == "mt19937"  # as PyTorch lays the numbers out
    flat = randn(shape[::-1] if turned else shape, generator=generator, dtype=tensor.dtype, device=tensor.device)
    xp = backends.of(flat.array)
    q, r = xp.qr(xp.matrix_transpose(flat.array) if turned else flat.array)
    # With positive diagonal entries in R the distribution of Q is uniform: Mezzadri, arXiv:math-ph/0609050.
    q = q * xp.sign(xp.diagonal(r))
    return tensor.copy_(wrap(xp.reshape(q if rows >= cols else xp.matrix_transpose(q), shape=tensor.array.shape))).mul_(gain)


@_in_place
def sparse_(tensor, sparsity, std=0.01, generator=None):
    """Draw a matrix from N(0, std^2) and set the fraction ``sparsity`` of every column to zero.

    Martens, "Deep learning via Hessian-free optimization", ICML 2010.
    """
    if tensor.ndim != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    rows, columns = tensor.shape
    tensor.normal_(0.0, std, generator=generator)
    if (generator or default_generator).engine == "mt19937":
        generator = None  # PyTorch takes these from the default generator
    for column in range(columns):
        tensor[randperm(rows, generator=generator, device=tensor.device)[: math.ceil(sparsity * rows)], column] = 0.0
    return tensor


def _older(fill):
    """The name without ``_``, as PyTorch had it before 0.4: it warns and does the same."""

    @functools.wraps(fill)
    def older(*args, **kwargs):
        message = f"`nn.init.{older.__name__}` is now deprecated in favor of `nn.init.{fill.__name__}`."
        warnings.warn(message, FutureWarning, stacklevel=2)
        return fill(*args, **kwargs)

    older.__name__ = older.__qualname__ = fill.__name__.removesuffix("_")
    older.__doc__ = f"PyTorch's first name of :func:`{fill.__name__}`."
    return older


uniform, normal, constant, eye, dirac, sparse = map(_older, (uniform_, normal_, constant_, eye_, dirac_, sparse_))
xavier_uniform, xavier_normal, orthogonal = map(_older, (xavier_uniform_, xavier_normal_, orthogonal_))
kaiming_uniform, kaiming_normal = map(_older, (kaiming_uniform_, kaiming_normal_))


def _older(fill):
    """PyTorch's older name of a function, without the underscore and with its warning."""
    name = fill.__name__.rstrip("_")

    @functools.wraps(fill)
    def call(*args, **kwargs):
        warnings.warn(f"`nn.init.{name}` is now deprecated in favor of `nn.init.{name}_`.", FutureWarning, stacklevel=2)
        return fill(*args, **kwargs)

    call.__name__ = call.__qualname__ = name
    return call


uniform, normal, constant, eye, dirac = map(_older, (uniform_, normal_, constant_, eye_, dirac_))
xavier_uniform, xavier_normal = _older(xavier_uniform_), _older(xavier_normal_)
kaiming_uniform, kaiming_normal = _older(kaiming_uniform_), _older(kaiming_normal_)
orthogonal, sparse = _older(orthogonal_), _older(sparse_)
