"""Schedules in which the learning rate is a factor of the one before: steps, exponentials, lines and the cosine."""

import math
from bisect import bisect_right
from collections import Counter

from .schedule import FunctionScheduler, LRScheduler, schedule, values

_EXAMPLE = """

    >>> import minigrad
    >>> optimizer = minigrad.optim.SGD([minigrad.ones(1, requires_grad=True)], lr=1.0)
    >>> scheduler = minigrad.optim.lr_scheduler.{call}
    >>> rates = []
    >>> for epoch in range(4):
    ...     rates.append(round(scheduler.get_last_lr()[0], 4))
    ...     optimizer.step(); scheduler.step()
    >>> rates
    {rates}
    """


def _example(call, rates):
    """Append a runnable example to a schedule's docstring."""

    def add(cls):
        cls.__doc__ = cls.__doc__.rstrip() + _EXAMPLE.format(call=call, rates=rates)
        return cls

    return add


@_example("LambdaLR(optimizer, lambda epoch: 1 / (epoch + 1))", "[1.0, 0.5, 0.3333, 0.25]")
class LambdaLR(FunctionScheduler):
    """The initial learning rate times a function of the epoch.

    Args:
        optimizer: the optimizer whose learning rates it sets.
        lr_lambda: function of the epoch, or a list with one function per parameter group.
        last_epoch: -1, or the last epoch of a saved run.
    """

    @schedule
    def get_lr(self):
        return [lr * f(self.last_epoch) for f, lr in zip(self.lr_lambdas, self.base_lrs, strict=True)]


@_example("MultiplicativeLR(optimizer, lambda epoch: 0.5)", "[1.0, 0.5, 0.25, 0.125]")
class MultiplicativeLR(FunctionScheduler):
    """The last learning rate times a function of the epoch.

    Args:
        optimizer: the optimizer whose learning rates it sets.
        lr_lambda: function of the epoch, or a list with one function per parameter group.
        last_epoch: -1, or the last epoch of a saved run.
    """

    @schedule
    def get_lr(self):
        rates = values(self.optimizer, "lr")
        return rates if self._is_initial else [lr * f(self.last_epoch) for f, lr in zip(self.lr_lambdas, rates, strict=True)]


@_example("StepLR(optimizer, step_size=2)", "[1.0, 1.0, 0.1, 0.1]")
class StepLR(LRScheduler):
    """Every ``step_size`` epochs the learning rate is multiplied by ``gamma``.

    Args:
        optimizer: the optimizer whose learning rates it sets.
        step_size: number of epochs.
        gamma: factor.
        last_epoch: -1, or the last epoch of a saved run.
    """

    def __init__(self, optimizer, step_size, gamma=0.1, last_epoch=-1):
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    @schedule
    def get_lr(self):
        rates = values(self.optimizer, "lr")
        return rates if self.last_epoch == 0 or self.last_epoch % self.step_size else [lr * self.gamma for lr in rates]

    def _get_closed_form_lr(self):
        return [lr * self.gamma ** (self.last_epoch // self.step_size) for lr in self.base_lrs]


@_example("MultiStepLR(optimizer, milestones=[1, 3], gamma=0.5)", "[1.0, 0.5, 0.5, 0.25]")
class MultiStepLR(LRScheduler):
    """At each milestone the learning rate is multiplied by ``gamma``.

    Args:
        optimizer: the optimizer whose learning rates it sets.
        milestones: epochs.
        gamma: factor.
        last_epoch: -1, or the last epoch of a saved run.
    """

    def __init__(self, optimizer, milestones, gamma=0.1, last_epoch=-1):
        self.milestones, self.gamma = Counter(milestones), gamma
        super().__init__(optimizer, last_epoch)

    @schedule
    def get_lr(self):
        rates = values(self.optimizer, "lr")
        if self.last_epoch not in self.milestones:
            return rates
        return [lr * self.gamma ** self.milestones[self.last_epoch] for lr in rates]

    def _get_closed_form_lr(self):
        passed = bisect_right(sorted(self.milestones.elements()), self.last_epoch)
        return [lr * self.gamma**passed for lr in self.base_lrs]


@_example("ExponentialLR(optimizer, gamma=0.5)", "[1.0, 0.5, 0.25, 0.125]")
class ExponentialLR(LRScheduler):
    """Every epoch the learning rate is multiplied by ``gamma``.

    Args:
        optimizer: the optimizer whose learning rates it sets.
        gamma: factor.
        last_epoch: -1, or the last epoch of a saved run.
    """

    def __init__(self, optimizer, gamma, last_epoch=-1):
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    @schedule
    def get_lr(self):
        rates = values(self.optimizer, "lr")
        return rates if self._is_initial else [lr * self.gamma for lr in rates]

    def _get_closed_form_lr(self):
        return [lr * self.gamma**self.last_epoch for lr in self.base_lrs]


@_example("ConstantLR(optimizer, factor=0.5, total_iters=2)", "[0.5, 0.5, 1.0, 1.0]")
class ConstantLR(LRScheduler):
    """The learning rate times ``factor`` for the first ``total_iters`` epochs.

    Args:
        optimizer: the optimizer whose learning rates it sets.
        factor: number from 0 to 1.
        total_iters: number of epochs.
        last_epoch: -1, or the last epoch of a saved run.
    """

    def __init__(self, optimizer, factor=1.0 / 3, total_iters=5, last_epoch=-1):
        if factor > 1.0 or factor < 0:
            raise ValueError("Constant multiplicative factor expected to be between 0 and 1.")
        self.factor, self.total_iters = factor, total_iters
        super().__init__(optimizer, last_epoch)

    @schedule
    def get_lr(self):
        rates = values(self.optimizer, "lr")
        if self.last_epoch == 0:
            return [lr * self.factor for lr in rates]
        return rates if self.last_epoch != self.total_iters else [lr * (1.0 / self.factor) for lr in rates]

    def _get_closed_form_lr(self):
        return [lr * (1.0 if self.last_epoch >= self.total_iters else self.factor) for lr in self.base_lrs]


@_example("LinearLR(optimizer, start_factor=0.25, total_iters=3)", "[0.25, 0.5, 0.75, 1.0]")
class LinearLR(LRScheduler):
    """The learning rate times a factor that goes in a line from ``start_factor`` to ``end_factor``: a warm-up.

    Args:
        optimizer: the optimizer whose learning rates it sets.
        start_factor: factor of the first epoch.
        end_factor: factor from epoch ``total_iters`` on.
        total_iters: number of epochs in which the factor changes.
        last_epoch: -1, or the last epoch of a saved run.
    """

    def __init__(self, optimizer, start_factor=1.0 / 3, end_factor=1.0, total_iters=5, last_epoch=-1):
        if start_factor > 1.0 or start_factor <= 0:
            raise ValueError("Starting multiplicative factor expected to be greater than 0 and less or equal to 1.")
        if end_factor > 1.0 or end_factor < 0:
            raise ValueError("Ending multiplicative factor expected to be between 0 and 1.")
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer, last_epoch)

    @schedule
    def get_lr(self):
        rates, rise = values(self.optimizer, "lr"), self.end_factor - self.start_factor
        if self.last_epoch == 0:
            return [lr * self.start_factor for lr in rates]
        if self._is_initial or self.last_epoch > self.total_iters:
            return rates
        factor = 1.0 + rise / (self.total_iters * self.start_factor + (self.last_epoch - 1) * rise)
        return [lr * factor for lr in rates]

    def _get_closed_form_lr(self):
        rise, epoch = self.end_factor - self.start_factor, min(self.total_iters, self.last_epoch)
        return [lr * (self.start_factor + rise * epoch / self.total_iters) for lr in self.base_lrs]


@_example("PolynomialLR(optimizer, total_iters=4)", "[1.0, 0.75, 0.5, 0.25]")
class PolynomialLR(LRScheduler):
    """The learning rate times ``(1 - epoch / total_iters) ** power``, down to zero.

    Args:
        optimizer: the optimizer whose learning rates it sets.
        total_iters: number of epochs until zero.
        power: exponent; 1 is a line.
        last_epoch: -1, or the last epoch of a saved run.
    """

    def __init__(self, optimizer, total_iters=5, power=1.0, last_epoch=-1):
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer, last_epoch)

    @schedule
    def get_lr(self):
        rates, n = values(self.optimizer, "lr"), self.total_iters
        if self._is_initial or self.last_epoch > n:
            return rates
        factor = ((1.0 - self.last_epoch / n) / (1.0 - (self.last_epoch - 1) / n)) ** self.power
        return [lr * factor for lr in rates]

    def _get_closed_form_lr(self):
        left = 1.0 - min(self.total_iters, self.last_epoch) / self.total_iters
        return [lr * left**self.power for lr in self.base_lrs]


@_example("CosineAnnealingLR(optimizer, T_max=4)", "[1.0, 0.8536, 0.5, 0.1464]")
class CosineAnnealingLR(LRScheduler):
    r"""The learning rate follows half a cosine down to ``eta_min`` in ``T_max`` epochs, and up again after that.

    .. math:: \gamma_t = \gamma_{min} + \tfrac12 (\gamma_0 - \gamma_{min}) \left(1 + \cos \frac{t \pi}{T_{max}}\right)

    Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017.

    Args:
        optimizer: the optimizer whose learning rates it sets.
        T_max: number of epochs of half a cosine.
        eta_min: lowest learning rate.
        last_epoch: -1, or the last epoch of a saved run.
    """

    def __init__(self, optimizer, T_max, eta_min=0.0, last_epoch=-1):
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    @schedule
    def get_lr(self):
        rates, t, half, low = values(self.optimizer, "lr"), self.last_epoch, self.T_max, self.eta_min
        if self._is_initial:
            return rates
        if self._step_count == 1 and t > 0:
            return self._get_closed_form_lr()
        if (t - 1 - half) % (2 * half) == 0:  # the factor below would divide by zero
            rise = (1 - math.cos(math.pi / half)) / 2
            return [lr + (base - low) * rise for base, lr in zip(self.base_lrs, rates, strict=True)]
        factor = (1 + math.cos(math.pi * t / half)) / (1 + math.cos(math.pi * (t - 1) / half))
        return [factor * (lr - low) + low for lr in rates]

    def _get_closed_form_lr(self):
        height = (1 + math.cos(math.pi * self.last_epoch / self.T_max)) / 2
        return [self.eta_min + (base - self.eta_min) * height for base in self.base_lrs]
