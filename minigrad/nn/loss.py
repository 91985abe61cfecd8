"""Losses: what training makes small. Losses that compare distances and margins stand in ``margin_loss.py``."""

import warnings

from . import functional as F
from .module import Module


class Loss(Module):
    """A function of predictions and targets with ``reduction``: "mean", "sum", or "none" for one loss per element.

    ``size_average`` and ``reduce`` are PyTorch's older names for the same choice.
    """

    def __init__(self, size_average=None, reduce=None, reduction="mean"):
        super().__init__()
        if size_average is not None or reduce is not None:
            mean, reduced = size_average in (None, True), reduce in (None, True)
            reduction = "none" if not reduced else "mean" if mean else "sum"
            warnings.warn(
                f"size_average and reduce args will be deprecated, please use reduction={reduction!r} instead.", stacklevel=4
            )
        self.reduction = reduction


class WeightedLoss(Loss):
    """A loss with a ``weight`` for each class or element: a buffer that moves with the module."""

    def __init__(self, weight=None, size_average=None, reduce=None, reduction="mean"):
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)


class MSELoss(Loss):
    r"""The mean squared error: :math:`\frac{1}{n} \sum_i (x_i - t_i)^2`.

    Args:
        reduction: "mean", "sum" (no 1/n) or "none" (no sum).

    Shape:
        input (\*), target (\*) -> (), or (\*) for "none".

    >>> import minigrad
    >>> minigrad.nn.MSELoss()(minigrad.tensor([1.0, 2.0]), minigrad.tensor([1.0, 4.0]))
    tensor(2.)
    """

    def forward(self, input, target):
        return F.mse_loss(input, target, reduction=self.reduction)


class L1Loss(Loss):
    r"""The mean absolute error: :math:`\frac{1}{n} \sum_i |x_i - t_i|`.

    Args:
        reduction: "mean", "sum" (no 1/n) or "none" (no sum).

    Shape:
        input (\*), target (\*) -> (), or (\*) for "none".

    >>> import minigrad
    >>> minigrad.nn.L1Loss()(minigrad.tensor([1.0, 2.0]), minigrad.tensor([1.0, 4.0]))
    tensor(1.)
    """

    def forward(self, input, target):
        return F.l1_loss(input, target, reduction=self.reduction)


class SmoothL1Loss(Loss):
    r"""A square near 0, an absolute value beyond: :math:`d^2 / 2\beta` where \|d\| < beta, else :math:`|d| - \beta / 2`.

    Girshick, "Fast R-CNN", ICCV 2015.

    Args:
        reduction: "mean", "sum" or "none".
        beta: where the square ends.

    Shape:
        input (\*), target (\*) -> (), or (\*) for "none".

    >>> import minigrad
    >>> minigrad.nn.SmoothL1Loss(reduction="none")(minigrad.tensor([0.5, 3.0]), minigrad.zeros(2))
    tensor([0.1250, 2.5000])
    """

    def __init__(self, size_average=None, reduce=None, reduction="mean", beta=1.0):
        super().__init__(size_average, reduce, reduction)
        self.beta = beta

    def forward(self, input, target):
        return F.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class HuberLoss(Loss):
    r"""A square near 0, a line beyond: :math:`d^2 / 2` where \|d\| <= delta, else :math:`\delta (|d| - \delta / 2)`.

    Huber, "Robust estimation of a location parameter", Annals of Mathematical Statistics 35 (1964).

    Args:
        reduction: "mean", "sum" or "none".
        delta: where the square ends.

    Shape:
        input (\*), target (\*) -> (), or (\*) for "none".

    >>> import minigrad
    >>> minigrad.nn.HuberLoss(reduction="none", delta=2.0)(minigrad.tensor([1.0, 3.0]), minigrad.zeros(2))
    tensor([0.5000, 4.0000])
    """

    def __init__(self, reduction="mean", delta=1.0):
        if not isinstance(delta, (int, float)):
            raise TypeError(f"delta must be a float or int, got: {type(delta)}")
        super().__init__(reduction=reduction)
        self.delta = delta

    def forward(self, input, target):
        return F.huber_loss(input, target, reduction=self.reduction, delta=self.delta)


class CrossEntropyLoss(WeightedLoss):
    r"""The cross-entropy of a softmax over the classes: :math:`-\ln \frac{e^{x_t}}{\sum_c e^{x_c}}`, averaged over the samples.

    It takes the raw outputs of the last layer (logits): do not put a softmax in front.

    Args:
        weight: (C,), one factor for each class; "mean" divides by the sum of the factors used.
        ignore_index: a target that does not count.
        reduction: "mean", "sum" or "none".
        label_smoothing: the part of each target that is spread over all classes. Szegedy et al., CVPR 2016.

    Shape:
        input (N, C, \*) or (C,); target (N, \*) or () of class numbers in int64, or of the input's shape with
        probabilities -> (), or (N, \*) for "none".

    >>> import minigrad
    >>> logits = minigrad.zeros(3, 4, requires_grad=True)
    >>> minigrad.nn.CrossEntropyLoss()(logits, minigrad.tensor([0, 1, 3])).item()  # ln 4
    1.3862943649291992
    """

    def __init__(self, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean", label_smoothing=0.0):
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def forward(self, input, target):
        return F.cross_entropy(
            input, target, weight=self.weight, ignore_index=self.ignore_index, reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )  # fmt: skip


class NLLLoss(WeightedLoss):
    r"""Minus the value at the target class: :math:`-x_t`, for inputs that are log-probabilities (see :class:`LogSoftmax`).

    Args:
        weight: (C,), one factor for each class; "mean" divides by the sum of the factors used.
        ignore_index: a target that does not count.
        reduction: "mean", "sum" or "none".

    Shape:
        input (N, C, \*) or (C,); target (N, \*) or () in int64 -> (), or (N, \*) for "none".

    >>> import minigrad
    >>> minigrad.nn.NLLLoss()(minigrad.tensor([[-1.0, -0.5]]), minigrad.tensor([1]))
    tensor(0.5000)
    """

    def __init__(self, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean"):
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index

    def forward(self, input, target):
        return F.nll_loss(input, target, weight=self.weight, ignore_index=self.ignore_index, reduction=self.reduction)


class BCELoss(WeightedLoss):
    r"""The binary cross-entropy of probabilities: :math:`-t \ln x - (1 - t) \ln(1 - x)`; logarithms are cut at -100.

    :class:`BCEWithLogitsLoss` is more exact where the probabilities come from a sigmoid.

    Args:
        weight: a factor for each element; it broadcasts.
        reduction: "mean", "sum" or "none".

    Shape:
        input (\*) in [0, 1], target (\*) -> (), or (\*) for "none".

    >>> import minigrad
    >>> minigrad.nn.BCELoss()(minigrad.tensor([0.5]), minigrad.tensor([1.0]))
    tensor(0.6931)
    """

    def forward(self, input, target):
        return F.binary_cross_entropy(input, target, weight=self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(WeightedLoss):
    r"""The binary cross-entropy of a sigmoid: :math:`-p\,t \ln \sigma(x) - (1 - t) \ln(1 - \sigma(x))`, without overflow.

    Args:
        weight: a factor for each element; it broadcasts.
        reduction: "mean", "sum" or "none".
        pos_weight: p, a factor for the positive targets; it broadcasts.

    Shape:
        input (\*), target (\*) -> (), or (\*) for "none".

    >>> import minigrad
    >>> minigrad.nn.BCEWithLogitsLoss()(minigrad.tensor([0.0]), minigrad.tensor([1.0]))
    tensor(0.6931)
    """

    def __init__(self, weight=None, size_average=None, reduce=None, reduction="mean", pos_weight=None):
        super().__init__(weight, size_average, reduce, reduction)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input, target):
        return F.binary_cross_entropy_with_logits(
            input, target, self.weight, pos_weight=self.pos_weight, reduction=self.reduction
        )


class NLLLoss2d(NLLLoss):
    """The older name of :class:`NLLLoss` for images; it warns.

    Args:
        weight, ignore_index, reduction: as of :class:`NLLLoss`.

    Shape:
        input (N, C, H, W) of log-probabilities, target (N, H, W) of classes -> ().

    >>> import warnings
    >>> import minigrad
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     loss = minigrad.nn.NLLLoss2d()
    >>> loss(minigrad.zeros(1, 2, 1, 1), minigrad.zeros(1, 1, 1, dtype=minigrad.int64)).item()
    0.0
    """

    def __init__(self, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean"):
        warnings.warn(
            "`NLLLoss2d` has been deprecated. Please use `NLLLoss` instead as a drop-in replacement", FutureWarning, stacklevel=2
        )
        super().__init__(weight, size_average, ignore_index, reduce, reduction)


class CTCLoss(Loss):
    r"""The loss of sequences of log-probabilities against shorter sequences of labels, over all ways to align the two.

    Graves et al., "Connectionist temporal classification", ICML 2006.

    Args:
        blank: the class that stands for no label.
        reduction: "mean" (of the losses over the numbers of their labels), "sum" or "none".
        zero_infinity: losses of targets that no alignment reaches are 0.

    Shape:
        log_probs (T, N, C) or (T, C), targets (N, L) or all labels one after another, input_lengths (N,),
        target_lengths (N,) -> (), or (N,) for "none".

    >>> import minigrad
    >>> log_p = minigrad.full((2, 1, 2), 0.5).log()
    >>> minigrad.nn.CTCLoss()(log_p, minigrad.tensor([[1]]), minigrad.tensor([2]), minigrad.tensor([1]))
    tensor(0.2877)
    """

    def __init__(self, blank=0, reduction="mean", zero_infinity=False):
        super().__init__(reduction=reduction)
        self.blank = blank
        self.zero_infinity = zero_infinity

    def forward(self, log_probs, targets, input_lengths, target_lengths):
        return F.ctc_loss(log_probs, targets, input_lengths, target_lengths, self.blank, self.reduction, self.zero_infinity)


class KLDivLoss(Loss):
    r"""The divergence of two distributions: :math:`t (\ln t - x)`, for an input x of log-probabilities.

    Kullback and Leibler, "On information and sufficiency", Annals of Mathematical Statistics 22 (1951).

    Args:
        reduction: "batchmean" (the sum divided by N: the divergence proper), "mean" (over all elements), "sum" or "none".
        log_target: the target holds log-probabilities too.

    Shape:
        input (\*), target (\*) -> (), or (\*) for "none".

    >>> import minigrad
    >>> p = minigrad.tensor([[0.5, 0.5]])
    >>> minigrad.nn.KLDivLoss(reduction="batchmean")(p.log(), p)
    tensor(0.)
    """

    def __init__(self, size_average=None, reduce=None, reduction="mean", log_target=False):
        super().__init__(size_average, reduce, reduction)
        self.log_target = log_target

    def forward(self, input, target):
        return F.kl_div(input, target, reduction=self.reduction, log_target=self.log_target)


class PoissonNLLLoss(Loss):
    r"""Minus the log-likelihood of counts: :math:`e^x - t x`, or :math:`x - t \ln(x + \epsilon)` with ``log_input=False``.

    Args:
        log_input: the input is the logarithm of the rate.
        full: add Stirling's approximation of :math:`\ln t!`.
        eps: keeps the logarithm finite.
        reduction: "mean", "sum" or "none".

    Shape:
        input (\*), target (\*) -> (), or (\*) for "none".

    >>> import minigrad
    >>> minigrad.nn.PoissonNLLLoss()(minigrad.tensor([0.0]), minigrad.tensor([3.0]))
    tensor(1.)
    """

    def __init__(self, log_input=True, full=False, size_average=None, eps=1e-8, reduce=None, reduction="mean"):
        super().__init__(size_average, reduce, reduction)
        self.log_input = log_input
        self.full = full
        self.eps = eps

    def forward(self, log_input, target):
        return F.poisson_nll_loss(
            log_input, target, log_input=self.log_input, full=self.full, eps=self.eps, reduction=self.reduction
        )


class GaussianNLLLoss(Loss):
    r"""Minus the log-likelihood of a normal distribution: :math:`\frac{1}{2} (\ln \sigma^2 + (x - t)^2 / \sigma^2)`.

    Nix and Weigend, "Estimating the mean and variance of the target probability distribution", ICNN 1994.

    Args:
        full: add the constant :math:`\frac{1}{2} \ln 2\pi`.
        eps: the least variance.
        reduction: "mean", "sum" or "none".

    Shape:
        input (\*), target (\*), variance (\*) or with a last size of 1 -> (), or (\*) for "none".

    >>> import minigrad
    >>> minigrad.nn.GaussianNLLLoss()(minigrad.tensor([1.0]), minigrad.tensor([3.0]), minigrad.tensor([1.0]))
    tensor(2.)
    """

    def __init__(self, *, full=False, eps=1e-6, reduction="mean"):
        super().__init__(reduction=reduction)
        self.full = full
        self.eps = eps

    def forward(self, input, target, var):
        return F.gaussian_nll_loss(input, target, var, full=self.full, eps=self.eps, reduction=self.reduction)
