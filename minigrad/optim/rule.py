"""What the optimizers have in common whose step is one update operation: settings, state, and the loop over parameters."""

from .. import backends
from ..dispatch import apply, tracer
from ..dtype import float32, float64, get_default_dtype
from ..graph import enable_grad, no_grad, runtime
from ..op import registry
from ..tensor import Tensor, wrap
from ..views import write
from .optimizer import Optimizer
from .update import SMALL, update, update_recorded, update_together


# --------------------------------------------------------------------------------------------------- settings and state
def number(value):
    """A setting that may be a one-element Tensor, such as the learning rate, as a Python float."""
    if value.__class__ is float:
        return value
    trace = tracer.get()
    return float(value) if trace is None or not isinstance(value, Tensor) else trace.as_number(value)


def at_least(bound, value):
    """``max(bound, value)``, also of numbers that a traced step reads anew at each call."""
    return _of_numbers("maximum", max, bound, value)


def at_most(bound, value):
    return _of_numbers("minimum", min, bound, value)


def _of_numbers(word, function, bound, value):
    anew = isinstance(value, Tensor) or isinstance(bound, Tensor)
    return apply(registry[word], (value, bound), {}) if anew else function(bound, value)


def is_above(bound, value):
    """Whether ``value > bound``; of a number that is read anew, 1 or 0 as another such number."""
    return at_most(1.0, at_least(0.0, (value - bound) * 1e300)) if isinstance(value, Tensor) else value > bound


def chosen(xp, flag, like, a, b):
    """In a rule: ``a()`` where a flag of :func:`is_above` holds, else ``b()``; arrays like ``like`` where it is read anew."""
    if not hasattr(flag, "dtype"):
        return a() if flag else b()
    return xp.where(xp.greater(xp.zeros_like(like) + flag, 0), a(), b())


def check(valid, what, value):
    """ValueError with PyTorch's words for a setting out of its range."""
    if not valid:
        raise ValueError(f"Invalid {what}: {value}")


def check_at_least(bound, what, value):
    if not bound <= value:
        raise ValueError(f"{what} should be >= {bound:g} but is: {value}")


def check_one_element(lr):
    if isinstance(lr, Tensor) and lr.numel() != 1:
        raise ValueError("Tensor lr must be 1-element")


def check_lr(lr):
    check_one_element(lr)
    check(0.0 <= number(lr), "learning rate", lr)


def check_betas(betas):
    for i, beta in enumerate(betas):
        check(0.0 <= number(beta) < 1.0, f"beta parameter at index {i}", beta)


def zeros(p, value: complex = 0.0):
    """A state of the shape, dtype and device of ``p``."""
    return wrap(backends.of(p.array).full_like(p.array, value=value))


def counter(value=0.0):
    """A number in the state, such as the step count: a 0-d tensor on the CPU, as in PyTorch's state dicts."""
    return wrap(backends.numpy.np.full((), value, (float64 if get_default_dtype() is float64 else float32).dtype))


def renewed(state, key, change):
    """Replace the number ``state[key]`` by ``change`` of it, and return it as a Python float."""
    value = state[key]
    if value.__class__ is not Tensor:  # a state dict of an old version: a plain number
        value = state[key] = counter(float(value))
    trace = tracer.get()
    if trace is not None:
        with no_grad():
            return trace.as_number(write(value, change(value)))
    array = value.array
    array[...] = change(array)
    return float(array)


def advance(state):
    """Count one more step, and return how many there have been."""
    step = state["step"]
    if step.__class__ is Tensor and tracer.get() is None:
        array = step.array
        array += 1
        return float(array)
    return renewed(state, "step", lambda step: step + 1)


def check_hints(foreach=None, fused=None, differentiable=False):
    """PyTorch's options about how a step is run. Groups keep them for state dicts; one way of running is enough here."""
    if fused and differentiable:
        raise RuntimeError("`fused` does not support `differentiable`")
    if fused and foreach:
        raise RuntimeError("`fused` and `foreach` cannot be `True` together.")


def check_tensor_settings(lr, betas, foreach, capturable):
    """PyTorch's rules of where a learning rate or the betas may be Tensors."""
    if isinstance(lr, Tensor) and foreach and not capturable:
        raise ValueError("lr as a Tensor is not supported for capturable=False and foreach=True")
    kinds = {isinstance(beta, Tensor) for beta in betas}
    if len(kinds) > 1:
        raise ValueError("betas must be either both floats or both Tensors")
    for i, beta in enumerate(betas):
        if isinstance(beta, Tensor):
            if foreach and not capturable:
                raise ValueError(f"betas[{i}] as a Tensor is not supported for capturable=False and foreach=True")
            if beta.numel() != 1:
                raise ValueError(f"Tensor betas[{i}] must be 1-element")


def setting(group, key):
    """A setting of a group as a number; in a differentiable step a Tensor stays one, so that gradients reach it."""
    value = group[key]
    if value.__class__ is float or value.__class__ is int:
        return float(value)
    return value if group.get("differentiable") and isinstance(value, Tensor) else number(value)


class RuleOptimizer(Optimizer):
    """An optimizer whose step is one update operation for each parameter that has a gradient.

    A subclass names its ``rule`` and defines ``start(p, group)``, the first state of a parameter as a dict, and
    ``arguments(p, group, state)``: the state tensors that the rule reads after parameter and gradient, and its settings.
    """

    rule = None
    elementwise = True  # whether small parameters may be joined end to end for one update

    def start(self, p, group):
        raise NotImplementedError

    def arguments(self, p, group, state):
        raise NotImplementedError

    def step(self, closure=None):
        """Update every parameter that has a gradient.

        Args:
            closure: function that computes the loss again, with its gradients, and returns it.

        Returns:
            what the closure returned, or None.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        trace = tracer.get()
        for group in self.param_groups:
            small, current = [], _as_of_now(group, self._changing)
            recording = _checked_way(group)
            joined = SMALL if self.elementwise and trace is None else -1
            for p in group["params"]:
                g = p.grad
                if g is None:
                    continue
                state = self.state.get(p)
                if not state:
                    state = self.start(p, group) if trace is None else trace.start(self, p, group)
                    if state:
                        self.state[p] = state
                tensors, settings = self.arguments(p, current, state)
                if recording:
                    update_recorded(self.rule, (p, g, *tensors), settings)
                elif p.array.size <= joined and p.array.dtype.kind != "c":
                    small.append(((p, g, *tensors), settings))
                else:
                    update(self.rule, (p, g, *tensors), settings)
            if small:
                update_together(self.rule, small)
        return loss


def _checked_way(group):
    """Whether the steps of a group are recorded. AssertionError for ways of running that its parameters cannot take."""
    if group.get("capturable") and any(p.device.type == "cpu" for p in group["params"]):
        raise AssertionError(
            "If capturable=True, params and state_steps must be on supported devices: ['cuda']; use capturable=False on the CPU"
        )
    if group.get("differentiable") and group.get("foreach"):
        raise AssertionError("_foreach ops don't support autograd: give differentiable=True without foreach=True")
    return group.get("differentiable", False)


def _as_of_now(group, changing):
    """The settings of a group; in a traced step the learning rate and what is ``changing`` are read anew at each call."""
    trace = tracer.get()
    if trace is None:
        return group
    current = {**group, "lr": runtime(group, "lr")}
    for key in changing & group.keys():
        value = group[key]
        if value.__class__ is float and value != 0:
            current[key] = runtime(group, key)
        elif value.__class__ is tuple and all(v.__class__ is float for v in value):
            current[key] = trace.numbers_in(group, key)
    return current
