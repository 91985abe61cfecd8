"""The base of learning rate schedules."""

import functools
import types
import warnings

from ..graph import no_grad, tracer
from ..tensor import Tensor
from ..views import write
from .optimizer import Optimizer

EPOCH_WARNING = (
    "The epoch parameter in `scheduler.step()` was not necessary and is being deprecated where possible. Please use "
    "`scheduler.step()` to step the scheduler: with an epoch, the closed form is used instead of the chainable one."
)
ORDER_WARNING = (
    "Detected call of `lr_scheduler.step()` before `optimizer.step()`. Call them in the opposite order: `optimizer.step()` "
    "before `lr_scheduler.step()`. Failure to do this will skip the first value of the learning rate schedule."
)
OVERRIDDEN_WARNING = (
    "Seems like `optimizer.step()` has been overridden after learning rate scheduler initialization. Please, make sure to call "
    "`optimizer.step()` before `lr_scheduler.step()`."
)


def values(optimizer, key):
    """One value per parameter group; a learning rate that is a Tensor is copied."""
    found = [group[key] for group in optimizer.param_groups]
    return [v.detach().clone() if isinstance(v, Tensor) else v for v in found]


def set_value(group, key, value):
    """``group[key] = value``; a learning rate that is a Tensor is written in place."""
    if isinstance(group[key], Tensor):
        with no_grad():
            write(group[key], float(value))
    else:
        group[key] = value


def per_group(name, optimizer, value):
    """A list with one value per parameter group, from such a list or from one value for all."""
    n = len(optimizer.param_groups)
    if not isinstance(value, list | tuple):
        return [value] * n
    if len(value) != n:
        raise ValueError(
            f"{name} must have the same length as optimizer.param_groups. {name} has {len(value)} values, param_groups has {n}."
        )
    return list(value)


def check_optimizer(optimizer):
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")


def schedule(get_lr):
    """Decorates ``get_lr``: called by a user, outside of ``step()``, it would step the schedule in his head only."""

    @functools.wraps(get_lr)
    def checked(self):
        if not self._get_lr_called_within_step:
            warnings.warn(
                "To get the last learning rate computed by the scheduler, please use `get_last_lr()`.", UserWarning, stacklevel=2
            )
        return get_lr(self)

    return checked


def _after_a_traced_call(step):
    """``step`` of a class. In a compiled function it runs, as it is, when each call has ended."""

    @functools.wraps(step)
    def call(self, *args, **kwargs):
        trace = tracer.get()
        if trace is None:
            return step(self, *args, **kwargs)
        return trace.defer(functools.partial(call, self, *args, **kwargs), f"{type(self).__name__}.step", *args, *kwargs.values())

    return call


class LRScheduler:
    """The base of learning rate schedules: a subclass defines ``get_lr()``, the next learning rate of each group.

    Call ``scheduler.step()`` after ``optimizer.step()``, usually once per epoch. Creating a scheduler takes the first step
    and so sets the optimizer's learning rates: load saved states after that.

    Args:
        optimizer: the optimizer whose parameter groups' ``"lr"`` it sets.
        last_epoch: -1 to begin; to go on from a saved run, the number of its last epoch.

    Raises:
        TypeError: for anything that is no Optimizer.
        KeyError: for ``last_epoch`` other than -1 where the groups have no ``"initial_lr"``.

    >>> import minigrad
    >>> class Halving(minigrad.optim.lr_scheduler.LRScheduler):
    ...     def get_lr(self):
    ...         return [lr / 2**self.last_epoch for lr in self.base_lrs]
    >>> optimizer = minigrad.optim.SGD([minigrad.ones(1, requires_grad=True)], lr=1.0)
    >>> scheduler = Halving(optimizer)
    >>> optimizer.step(); scheduler.step()
    >>> scheduler.get_last_lr()
    [0.5]
    """

    _get_lr_called_within_step = False
    _is_initial = False

    def __init__(self, optimizer, last_epoch=-1):
        check_optimizer(optimizer)
        self.optimizer = optimizer
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                lr = group["lr"]
                group.setdefault("initial_lr", lr.detach().clone() if isinstance(lr, Tensor) else lr)
            elif "initial_lr" not in group:
                raise KeyError(
                    f"param 'initial_lr' is not specified in param_groups[{i}] when resuming scheduler with last_epoch >= 0: "
                    f"load the optimizer's state dict first, or leave last_epoch at -1"
                )
        self.base_lrs = values(optimizer, "initial_lr")
        self.last_epoch = last_epoch
        if "_opt_called" not in optimizer.__dict__ or not getattr(optimizer, "_has_scheduler", False):
            optimizer._opt_called = False  # what was called before there was a schedule does not count
            optimizer._has_scheduler = True
        self._initial_step()

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "step" in cls.__dict__:
            cls.step = _after_a_traced_call(cls.step)

    def _initial_step(self):
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def get_lr(self):
        """The next learning rate of each parameter group. For the current ones see :meth:`get_last_lr`."""
        raise NotImplementedError(f"{type(self).__name__} must define get_lr()")

    def get_last_lr(self):
        """The learning rates that the last step has set, one per parameter group."""
        return self._last_lr

    @_after_a_traced_call
    def step(self, epoch=None):
        """Set the next learning rates."""
        if self._step_count == 1:
            if not hasattr(self.optimizer.step, "hooked"):
                warnings.warn(OVERRIDDEN_WARNING, UserWarning, stacklevel=2)
            elif not self.optimizer._opt_called:
                warnings.warn(ORDER_WARNING, UserWarning, stacklevel=2)
        self._step_count += 1
        if epoch is not None:
            warnings.warn(EPOCH_WARNING, UserWarning, stacklevel=2)
        self._update_lr(epoch)

    def _update_lr(self, epoch=None):
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        self._get_lr_called_within_step = True
        try:
            closed_form = getattr(self, "_get_closed_form_lr", None)
            lrs = self.get_lr() if epoch is None or closed_form is None else closed_form()
        finally:
            self._get_lr_called_within_step = False
        self._set_lrs(lrs)

    def _set_lrs(self, lrs):
        for group, lr in zip(self.optimizer.param_groups, lrs, strict=True):
            set_value(group, "lr", lr)
        self._last_lr = values(self.optimizer, "lr")

    def state_dict(self):
        """Everything but the optimizer, as a dict."""
        return {k: v for k, v in self.__dict__.items() if k != "optimizer"}

    def load_state_dict(self, state_dict):
        """Continue from a :meth:`state_dict`."""
        self.__dict__.update(state_dict)


class FunctionScheduler(LRScheduler):
    """The base of schedules made of a function of the epoch, or of one such function per parameter group."""

    def __init__(self, optimizer, lr_lambda, last_epoch=-1):
        check_optimizer(optimizer)
        n = len(optimizer.param_groups)
        if not isinstance(lr_lambda, list | tuple):
            lr_lambda = [lr_lambda] * n
        elif len(lr_lambda) != n:
            raise ValueError(f"Expected {n} lr_lambdas, but got {len(lr_lambda)}")
        for f in lr_lambda:
            if not callable(f):
                raise TypeError(f"lr_lambda should be a function, but got {type(f).__name__}")
        self.lr_lambdas = list(lr_lambda)
        super().__init__(optimizer, last_epoch)

    def state_dict(self):
        """Everything but the optimizer and the functions; of callable objects that are no functions, their attributes."""
        state = {k: v for k, v in self.__dict__.items() if k not in ("optimizer", "lr_lambdas")}
        state["lr_lambdas"] = [None if isinstance(f, types.FunctionType) else dict(f.__dict__) for f in self.lr_lambdas]
        return state

    def load_state_dict(self, state_dict):
        """Continue from a :meth:`state_dict`; the functions stay those of this object."""
        self.__dict__.update({k: v for k, v in state_dict.items() if k != "lr_lambdas"})
        for f, attributes in zip(self.lr_lambdas, state_dict["lr_lambdas"]):
            if attributes is not None:
                f.__dict__.update(attributes)
