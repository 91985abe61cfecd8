"""Schedules that go up and down: restarts, triangles and one cycle."""

import functools
import math
import types

from .schedule import LRScheduler, check_optimizer, per_group, schedule, set_value


class CosineAnnealingWarmRestarts(LRScheduler):
    r"""A cosine from the initial learning rate down to ``eta_min``, again and again, in ever longer periods.

    .. math:: \gamma_t = \gamma_{min} + \tfrac12 (\gamma_0 - \gamma_{min}) \left(1 + \cos \frac{T_{cur} \pi}{T_i}\right)

    Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017. ``step`` takes fractions of an
    epoch too: ``scheduler.step(epoch + i / batches)``.

    Args:
        optimizer: the optimizer whose learning rates it sets.
        T_0: number of epochs of the first period.
        T_mult: each period is this many times as long as the one before.
        eta_min: lowest learning rate.
        last_epoch: -1, or the last epoch of a saved run.

    >>> import minigrad
    >>> optimizer = minigrad.optim.SGD([minigrad.ones(1, requires_grad=True)], lr=1.0)
    >>> scheduler = minigrad.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=2)
    >>> rates = []
    >>> for epoch in range(4):
    ...     rates.append(round(scheduler.get_last_lr()[0], 4))
    ...     optimizer.step(); scheduler.step()
    >>> rates
    [1.0, 0.5, 1.0, 0.5]
    """

    def __init__(self, optimizer, T_0, T_mult=1, eta_min=0.0, last_epoch=-1):
        if T_0 <= 0 or not isinstance(T_0, int):
            raise ValueError(f"Expected positive integer T_0, but got {T_0}")
        if T_mult < 1 or not isinstance(T_mult, int):
            raise ValueError(f"Expected integer T_mult >= 1, but got {T_mult}")
        if not isinstance(eta_min, float | int):
            raise ValueError(f"Expected float or int eta_min, but got {eta_min} of type {type(eta_min)}")
        self.T_0 = self.T_i = T_0
        self.T_mult, self.eta_min, self.T_cur = T_mult, eta_min, last_epoch
        super().__init__(optimizer, last_epoch)

    @schedule
    def get_lr(self):
        height = (1 + math.cos(math.pi * self.T_cur / self.T_i)) / 2
        return [self.eta_min + (base - self.eta_min) * height for base in self.base_lrs]

    def step(self, epoch=None):
        """Set the next learning rates, or those of ``epoch``, which may be a fraction."""
        if epoch is None and self.last_epoch < 0:
            epoch = 0
        if epoch is None:
            epoch = self.last_epoch + 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur %= self.T_i
                self.T_i *= self.T_mult
        else:
            self._jump(epoch)
        self.last_epoch = math.floor(epoch)
        self._get_lr_called_within_step = True
        try:
            self._set_lrs(self.get_lr())
        finally:
            self._get_lr_called_within_step = False

    def _jump(self, epoch):
        if epoch < 0:
            raise ValueError(f"Expected non-negative epoch, but got {epoch}")
        if epoch < self.T_0:
            self.T_i, self.T_cur = self.T_0, epoch
        elif self.T_mult == 1:
            self.T_cur = epoch % self.T_0
        else:
            n = int(math.log(epoch / self.T_0 * (self.T_mult - 1) + 1, self.T_mult))
            self.T_cur = epoch - self.T_0 * (self.T_mult**n - 1) / (self.T_mult - 1)
            self.T_i = self.T_0 * self.T_mult**n


class _Momentum:
    """The momentum (or Adam's first beta) that some schedules move against the learning rate."""

    def _start_momentum(self, optimizer, base_momentum, max_momentum, last_epoch):
        """Set every group's momentum to its highest value; the lowest and the highest ones, one per group."""
        if "momentum" not in optimizer.defaults and "betas" not in optimizer.defaults:
            raise ValueError("optimizer must support momentum or beta1 with `cycle_momentum` option enabled")
        self.use_beta1 = "betas" in optimizer.defaults
        lows = per_group("base_momentum", optimizer, base_momentum)
        highs = per_group("max_momentum", optimizer, max_momentum)
        if last_epoch == -1:
            for group, low, high in zip(optimizer.param_groups, lows, highs, strict=True):
                self._set_momentum(group, high)
                group["max_momentum"], group["base_momentum"] = high, low
        return lows, highs

    def _set_momentum(self, group, momentum):
        if self.use_beta1:
            group["betas"] = (momentum, *group["betas"][1:])
        else:
            group["momentum"] = momentum


class CyclicLR(_Momentum, LRScheduler):
    """The learning rate goes up and down between two bounds; step it after every batch.

    Smith, "Cyclical learning rates for training neural networks", WACV 2017.

    Args:
        optimizer: the optimizer whose learning rates it sets.
        base_lr, max_lr: bounds, a number or one per parameter group.
        step_size_up, step_size_down: number of steps up and down; down is as up if None.
        mode: ``"triangular"``; ``"triangular2"``: the height is halved every cycle; ``"exp_range"``: it is ``gamma ** step``.
        gamma: factor of ``exp_range``.
        scale_fn: a function of the cycle or of the step in place of ``mode``.
        scale_mode: ``"cycle"`` or ``"iterations"``, what ``scale_fn`` is a function of.
        cycle_momentum: move the momentum the other way, between ``base_momentum`` and ``max_momentum``.
        last_epoch: -1, or the last step of a saved run.

    >>> import minigrad
    >>> optimizer = minigrad.optim.SGD([minigrad.ones(1, requires_grad=True)], lr=1.0, momentum=0.9)
    >>> scheduler = minigrad.optim.lr_scheduler.CyclicLR(optimizer, base_lr=0.0, max_lr=1.0, step_size_up=2)
    >>> rates = []
    >>> for step in range(5):
    ...     rates.append(scheduler.get_last_lr()[0])
    ...     optimizer.step(); scheduler.step()
    >>> rates
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """

    def __init__(self, optimizer, base_lr, max_lr, step_size_up=2000, step_size_down=None, mode="triangular", gamma=1.0,
                 scale_fn=None, scale_mode="cycle", cycle_momentum=True, base_momentum=0.8, max_momentum=0.9,
                 last_epoch=-1):  # fmt: skip
        check_optimizer(optimizer)
        base_lrs = per_group("base_lr", optimizer, base_lr)
        if last_epoch == -1:
            for lr, group in zip(base_lrs, optimizer.param_groups, strict=True):
                set_value(group, "lr", lr)
        self.max_lrs = per_group("max_lr", optimizer, max_lr)
        up = float(step_size_up)
        down = up if step_size_down is None else float(step_size_down)
        self.total_size = up + down
        self.step_ratio = up / self.total_size
        if mode not in ("triangular", "triangular2", "exp_range") and scale_fn is None:
            raise ValueError("mode is invalid and scale_fn is None: use 'triangular', 'triangular2' or 'exp_range'")
        self.mode, self.gamma, self._scale_fn_custom = mode, gamma, scale_fn
        self.scale_mode = scale_mode if scale_fn is not None else "iterations" if mode == "exp_range" else "cycle"
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self.base_momentums, self.max_momentums = self._start_momentum(optimizer, base_momentum, max_momentum, last_epoch)
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs

    def scale_fn(self, x):
        """The height of the triangle in cycle ``x`` (or at step ``x``)."""
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        return {"triangular": 1.0, "triangular2": 1 / 2.0 ** (x - 1), "exp_range": self.gamma**x}[self.mode]

    @schedule
    def get_lr(self):
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle
        height = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        scale = self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            for group, low, high in zip(self.optimizer.param_groups, self.base_momentums, self.max_momentums, strict=True):
                self._set_momentum(group, high - (high - low) * height * scale)
        return [low + (high - low) * height * scale for low, high in zip(self.base_lrs, self.max_lrs, strict=True)]

    def state_dict(self):
        """Everything but the optimizer; of a ``scale_fn`` that is a callable object and no function, its attributes."""
        state, f = super().state_dict(), self._scale_fn_custom
        del state["_scale_fn_custom"]
        state["_scale_fn_custom"] = None if f is None or isinstance(f, types.FunctionType) else dict(f.__dict__)
        return state

    def load_state_dict(self, state_dict):
        """Continue from a :meth:`state_dict`; a ``scale_fn`` stays that of this object."""
        attributes = state_dict.get("_scale_fn_custom")
        super().load_state_dict({k: v for k, v in state_dict.items() if k != "_scale_fn_custom"})
        if attributes is not None:
            self._scale_fn_custom.__dict__.update(attributes)


def _cosine(start, end, done):
    return end + (start - end) / 2.0 * (math.cos(math.pi * done) + 1)


def _line(start, end, done):
    return (end - start) * done + start


class OneCycleLR(_Momentum, LRScheduler):
    """One rise to ``max_lr`` and a long way down, far below where it began; step it after every batch.

    Smith and Topin, "Super-convergence: very fast training of neural networks using large learning rates" (2018).

    Args:
        optimizer: the optimizer whose learning rates it sets.
        max_lr: highest learning rate, a number or one per parameter group.
        total_steps: number of steps, or give ``epochs`` and ``steps_per_epoch``.
        pct_start: the part of the steps in which the rate rises.
        anneal_strategy: ``"cos"`` or ``"linear"``.
        cycle_momentum: move the momentum the other way, between ``base_momentum`` and ``max_momentum``.
        div_factor: the first rate is ``max_lr / div_factor``.
        final_div_factor: the last rate is the first divided by this.
        three_phase: go down as steeply as up, then to the end, in place of straight to the end.
        last_epoch: -1, or the last step of a saved run.

    >>> import minigrad
    >>> optimizer = minigrad.optim.SGD([minigrad.ones(1, requires_grad=True)], lr=1.0, momentum=0.9)
    >>> scheduler = minigrad.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=5, pct_start=0.4, div_factor=4)
    >>> rates = []
    >>> for step in range(5):
    ...     rates.append(round(scheduler.get_last_lr()[0], 4))
    ...     optimizer.step()
    ...     if step < 4:
    ...         scheduler.step()
    >>> rates
    [0.25, 1.0, 0.75, 0.25, 0.0]
    """

    def __init__(self, optimizer, max_lr, total_steps=None, epochs=None, steps_per_epoch=None, pct_start=0.3,
                 anneal_strategy="cos", cycle_momentum=True, base_momentum=0.85, max_momentum=0.95, div_factor=25.0,
                 final_div_factor=1e4, three_phase=False, last_epoch=-1):  # fmt: skip
        check_optimizer(optimizer)
        self.total_steps = _total(total_steps, epochs, steps_per_epoch)
        if pct_start < 0 or pct_start > 1 or not isinstance(pct_start, float):
            raise ValueError(f"Expected float between 0 and 1 pct_start, but got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}")
        self._schedule_phases = _phases(self.total_steps, pct_start, three_phase)
        self._anneal_func_type = anneal_strategy
        if last_epoch == -1:
            for group, high in zip(optimizer.param_groups, per_group("max_lr", optimizer, max_lr), strict=True):
                group["initial_lr"] = high / div_factor
                group["max_lr"] = high
                group["min_lr"] = group["initial_lr"] / final_div_factor
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self._start_momentum(optimizer, base_momentum, max_momentum, last_epoch)
        super().__init__(optimizer, last_epoch)

    @schedule
    def get_lr(self):
        now = self.last_epoch
        if now > self.total_steps:
            raise ValueError(f"Tried to step {now} times. The specified number of total steps is {self.total_steps}")
        anneal = _cosine if self._anneal_func_type == "cos" else _line
        start = 0.0
        for phase in self._schedule_phases[:-1]:
            if now <= phase["end_step"]:
                break
            start = phase["end_step"]
        else:
            phase = self._schedule_phases[-1]
        value = functools.partial(anneal, done=(now - start) / (phase["end_step"] - start))
        rates = []
        for group in self.optimizer.param_groups:
            rates.append(value(group[phase["start_lr"]], group[phase["end_lr"]]))
            if self.cycle_momentum:
                self._set_momentum(group, value(group[phase["start_momentum"]], group[phase["end_momentum"]]))
        return rates


def _total(total_steps, epochs, steps_per_epoch):
    def whole(name, n):
        if n <= 0 or not isinstance(n, int):
            raise ValueError(f"Expected positive integer {name}, but got {n}")
        return n

    if total_steps is not None:
        return whole("total_steps", total_steps)
    if epochs is None or steps_per_epoch is None:
        raise ValueError("You must define either total_steps OR (epochs AND steps_per_epoch)")
    return whole("epochs", epochs) * whole("steps_per_epoch", steps_per_epoch)


def _phases(total_steps, pct_start, three_phase):
    def phase(end, *names):
        return {"end_step": end, **dict(zip(("start_lr", "end_lr", "start_momentum", "end_momentum"), names))}

    up = phase(float(pct_start * total_steps) - 1, "initial_lr", "max_lr", "max_momentum", "base_momentum")
    if not three_phase:
        return [up, phase(total_steps - 1, "max_lr", "min_lr", "base_momentum", "max_momentum")]
    down = phase(float(2 * pct_start * total_steps) - 2, "max_lr", "initial_lr", "base_momentum", "max_momentum")
    return [up, down, phase(total_steps - 1, "initial_lr", "min_lr", "max_momentum", "max_momentum")]
