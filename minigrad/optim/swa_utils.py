"""Averages of a model's weights: stochastic weight averaging and exponential moving averages."""

import copy
import math
from itertools import chain

from ..graph import no_grad
from ..nn.module import Module
from ..nn.normalization import _BatchNorm
from ..ops.creation import tensor
from .schedule import LRScheduler, check_optimizer, per_group, schedule, values

__all__ = [
    "AveragedModel",
    "SWALR",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]


def _check_decay(decay):
    if not 0.0 <= decay <= 1.0:
        raise ValueError(f"Invalid decay value {decay} provided. Please provide a value in [0,1] range.")


def get_ema_avg_fn(decay=0.999):
    """An ``avg_fn`` for :class:`AveragedModel`: ``decay * average + (1 - decay) * new``, for one parameter.

    Raises:
        ValueError: for a decay outside [0, 1].

    >>> from minigrad.optim.swa_utils import get_ema_avg_fn
    >>> get_ema_avg_fn(0.75)(0.0, 1.0, 3)
    0.25
    """
    _check_decay(decay)

    @no_grad()
    def ema_update(ema_param, current_param, num_averaged):
        return decay * ema_param + (1 - decay) * current_param

    return ema_update


def get_ema_multi_avg_fn(decay=0.999):
    """A ``multi_avg_fn`` for :class:`AveragedModel`: the same as :func:`get_ema_avg_fn` in place, for a list of parameters.

    >>> import minigrad
    >>> from minigrad.optim.swa_utils import get_ema_multi_avg_fn
    >>> average = minigrad.zeros(2)
    >>> get_ema_multi_avg_fn(0.75)([average], [minigrad.ones(2)], 3)
    >>> average
    tensor([0.2500, 0.2500])
    """
    _check_decay(decay)

    @no_grad()
    def ema_update(ema_param_list, current_param_list, num_averaged):
        for average, current in zip(ema_param_list, current_param_list):
            if average.is_floating_point() or average.is_complex():
                average.lerp_(current, 1 - decay)
            else:
                average.copy_(average * decay + current * (1 - decay))

    return ema_update


def get_swa_avg_fn():
    """An ``avg_fn`` for :class:`AveragedModel`: the mean of all that it was given, for one parameter.

    >>> from minigrad.optim.swa_utils import get_swa_avg_fn
    >>> get_swa_avg_fn()(1.0, 4.0, 2)
    2.0
    """

    @no_grad()
    def swa_update(averaged_param, current_param, num_averaged):
        return averaged_param + (current_param - averaged_param) / (num_averaged + 1)

    return swa_update


def get_swa_multi_avg_fn():
    """A ``multi_avg_fn`` for :class:`AveragedModel`: the mean of all that it was given, in place, for a list of parameters.

    >>> import minigrad
    >>> from minigrad.optim.swa_utils import get_swa_multi_avg_fn
    >>> average = minigrad.ones(2)
    >>> get_swa_multi_avg_fn()([average], [minigrad.full((2,), 4.0)], 2)
    >>> average
    tensor([2., 2.])
    """

    @no_grad()
    def swa_update(averaged_param_list, current_param_list, num_averaged):
        for average, current in zip(averaged_param_list, current_param_list):
            if average.is_floating_point() or average.is_complex():
                average.lerp_(current, 1 / (float(num_averaged) + 1))
            else:
                average.copy_(average + (current - average) / (num_averaged + 1))

    return swa_update


class AveragedModel(Module):
    """A copy of a model whose parameters are a running average of the model's: call ``update_parameters(model)``.

    Args:
        model: the model; ``averaged.module`` is the copy.
        device: where the copy is kept.
        avg_fn: function ``(average, new, how many there were)`` of one parameter that returns the new average.
        multi_avg_fn: function of two lists of parameters and that number that writes into the first. Without either, the
            mean of all.
        use_buffers: average buffers too, such as the running statistics of batch norm; else they are copied from the model.

    Izmailov et al., "Averaging weights leads to wider optima and better generalization", UAI 2018; Polyak and Juditsky,
    "Acceleration of stochastic approximation by averaging" (1992).

    >>> import minigrad
    >>> model = minigrad.nn.Linear(1, 1, bias=False)
    >>> averaged = minigrad.optim.swa_utils.AveragedModel(model)
    >>> for value in (1.0, 3.0):
    ...     _ = minigrad.nn.init.constant_(model.weight, value)
    ...     averaged.update_parameters(model)
    >>> averaged.module.weight.item()
    2.0
    """

    def __init__(self, model, device=None, avg_fn=None, multi_avg_fn=None, use_buffers=False):
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = copy.deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", tensor(0, device=device))
        self.avg_fn, self.multi_avg_fn, self.use_buffers = avg_fn, multi_avg_fn, use_buffers

    def forward(self, *args, **kwargs):
        return self.module(*args, **kwargs)

    @no_grad()
    def update_parameters(self, model):
        """Take the parameters of ``model`` into the average; the first time they are the average."""

        def averaged(m):
            return chain(m.parameters(), m.buffers()) if self.use_buffers else m.parameters()

        pairs = [(a, p.detach().to(a.device)) for a, p in zip(averaged(self.module), averaged(model))]
        if self.n_averaged == 0:
            for average, new in pairs:
                average.copy_(new)
        elif self.avg_fn is not None:
            for average, new in pairs:
                average.copy_(self.avg_fn(average.detach(), new, self.n_averaged.to(average.device)))
        else:
            function = self.multi_avg_fn or get_swa_multi_avg_fn()
            alike = {}
            for average, new in pairs:
                alike.setdefault((average.device, average.dtype), []).append((average.detach(), new))
            for group in alike.values():
                function([a for a, _ in group], [p for _, p in group], self.n_averaged.to(group[0][0].device))
        if not self.use_buffers:
            for mine, theirs in zip(self.module.buffers(), model.buffers()):
                mine.copy_(theirs.detach().to(mine.device))
        self.n_averaged += 1


@no_grad()
def update_bn(loader, model, device=None):
    """Compute the running statistics of the batch norms in ``model`` anew, from all batches of ``loader``.

    An averaged model needs it: its weights have never seen data. The first element of a batch that is a list or tuple is
    the input.

    >>> import minigrad
    >>> model = minigrad.nn.BatchNorm1d(1)
    >>> minigrad.optim.swa_utils.update_bn([minigrad.tensor([[1.0], [3.0]])], model)
    >>> model.running_mean
    tensor([2.])
    """
    momenta = {}
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            module.reset_running_stats()
            momenta[module] = module.momentum
    if not momenta:
        return
    was_training = model.training
    model.train()
    for module in momenta:
        module.momentum = None  # the plain mean over the batches
    for batch in loader:
        x = batch[0] if isinstance(batch, list | tuple) else batch
        model(x if device is None else x.to(device))
    for module, momentum in momenta.items():
        module.momentum = momentum
    model.train(was_training)


class SWALR(LRScheduler):
    """The learning rate goes to ``swa_lr`` within ``anneal_epochs`` and stays there, for the phase in which weights are averaged.

    Args:
        optimizer: the optimizer whose learning rates it sets.
        swa_lr: the constant learning rate, a number or one per parameter group.
        anneal_epochs: number of epochs on the way there.
        anneal_strategy: ``"cos"`` or ``"linear"``.
        last_epoch: -1, or the last epoch of a saved run.

    >>> import minigrad
    >>> optimizer = minigrad.optim.SGD([minigrad.ones(1, requires_grad=True)], lr=1.0)
    >>> scheduler = minigrad.optim.swa_utils.SWALR(optimizer, swa_lr=0.5, anneal_epochs=2, anneal_strategy="linear")
    >>> rates = []
    >>> for epoch in range(4):
    ...     rates.append(scheduler.get_last_lr()[0])
    ...     optimizer.step(); scheduler.step()
    >>> rates
    [1.0, 0.75, 0.5, 0.5]
    """

    def __init__(self, optimizer, swa_lr, anneal_epochs=10, anneal_strategy="cos", last_epoch=-1):
        check_optimizer(optimizer)
        for group, rate in zip(optimizer.param_groups, per_group("swa_lr", optimizer, swa_lr), strict=True):
            group["swa_lr"] = rate
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy must by one of 'cos' or 'linear', instead got {anneal_strategy}")
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        self._anneal_strategy, self.anneal_epochs = anneal_strategy, anneal_epochs
        super().__init__(optimizer, last_epoch)

    def _weight(self, step):
        """How much of ``swa_lr`` there is in the learning rate."""
        done = max(0, min(1, step / max(1, self.anneal_epochs)))
        return (1 - math.cos(math.pi * done)) / 2 if self._anneal_strategy == "cos" else done

    @schedule
    def get_lr(self):
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._weight(step - 1), self._weight(step)
        rates = []
        for lr, group in zip(values(self.optimizer, "lr"), self.optimizer.param_groups):
            end = group["swa_lr"]
            start = end if before == 1 else (lr - before * end) / (1 - before)  # what the annealing began with
            rates.append(end * now + start * (1 - now))
        return rates
