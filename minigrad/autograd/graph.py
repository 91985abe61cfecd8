"""Looking at the recorded graph and stepping in: hooks on saved tensors, edges, hooks on several gradients."""

import contextlib
from typing import NamedTuple

from .. import backends, dispatch, graph
from ..dtype import get_default_dtype
from ..errors import GradError, describe
from ..graph import PICK, Handle, Node
from ..op import registry
from ..tensor import Tensor, wrap
from . import engine

__all__ = [
    "GradientEdge", "Node", "allow_mutation_on_saved_tensors", "disable_saved_tensors_hooks", "get_gradient_edge",
    "increment_version", "register_multi_grad_hook", "save_on_cpu", "saved_tensors_hooks",
]  # fmt: skip

_disabled = []  # why saved_tensors_hooks may not be used now
_ONE, _SEVERAL = "one", "several"  # what a slot of a node held: an array, or those of a variadic tail


# ----------------------------------------------------------------------------------------------------- saved tensors
class _Packer:
    """What is called with each recorded node while hooks are on."""

    def __init__(self, pack, unpack):
        self.pack, self.unpack = pack, unpack

    def __call__(self, node):
        if node.saved and any(map(_has_arrays, node.saved)):
            kept = _Packed(self, node.saved)
            if node.extra is None:
                node.extra = {}
            node.extra["packed"] = kept
            node.saved = kept.empty(node.saved)

    def arrays(self, arrays):
        """What a user's Function saves."""
        return _Packed(self, arrays)


def _is_array(value):
    return hasattr(value, "dtype") and hasattr(value, "shape")


def _has_arrays(value):
    return _is_array(value) or (value.__class__ is tuple and any(map(_is_array, value)))


class _Packed:
    """What the hooks took of one node."""

    def __init__(self, packer, saved):
        self.unpack = packer.unpack
        with graph.no_grad():
            self.taken = tuple([self._take(packer.pack, v) for v in saved])

    def _take(self, pack, value):
        if value.__class__ is tuple and _has_arrays(value):
            return _SEVERAL, [self._take(pack, v) for v in value]
        return (_ONE, pack(wrap(value))) if _is_array(value) else None

    @staticmethod
    def empty(saved):
        """The node's layout without the arrays."""
        return tuple([None if _has_arrays(v) else v for v in saved])

    def array(self, position):
        """One array, given back."""
        return self._give(self.taken[position])

    def _give(self, taken):
        kind, value = taken
        if kind is _SEVERAL:
            return tuple([None if v is None else self._give(v) for v in value])
        t = self.unpack(value)
        if not isinstance(t, Tensor):
            raise TypeError(
                f"Output of saved tensor unpack_hook expected to be a Tensor but got result of type {type(t).__name__}"
            )
        return t.array

    def restore(self, saved):
        """The node's layout with the arrays given back."""
        return tuple([v if k is None else self._give(k) for v, k in zip(saved, self.taken)])


class saved_tensors_hooks:
    """Inside, every tensor that is saved for a backward pass goes through ``pack_hook``, and back through ``unpack_hook``.

    >>> import minigrad
    >>> x = minigrad.tensor([1.0, 2.0], requires_grad=True)
    >>> with minigrad.autograd.graph.saved_tensors_hooks(lambda t: t.numpy(), minigrad.from_numpy):
    ...     y = (x * x).sum()
    >>> y.backward(); x.grad
    tensor([2., 4.])
    """

    def __init__(self, pack_hook, unpack_hook):
        self.pack_hook, self.unpack_hook = pack_hook, unpack_hook
        self._tokens = []

    def __enter__(self):
        if _disabled:
            raise RuntimeError(_disabled[-1])
        dispatch.enter_special_mode(registry.values())
        self._tokens.append(dispatch.packing.set(_Packer(self.pack_hook, self.unpack_hook)))

    def __exit__(self, *_):
        dispatch.packing.reset(self._tokens.pop())
        dispatch.leave_special_mode()


class save_on_cpu(saved_tensors_hooks):
    """Inside, tensors saved for a backward pass wait for it in the memory of the host.

    >>> import minigrad
    >>> x = minigrad.ones(2, requires_grad=True)
    >>> with minigrad.autograd.graph.save_on_cpu():
    ...     y = x.exp().sum()
    >>> y.backward(); x.grad
    tensor([2.7183, 2.7183])
    """

    def __init__(self, pin_memory=False, device_type="cuda"):
        super().__init__(lambda t: (t.device, t.cpu()), lambda kept: kept[1].to(kept[0]))


@contextlib.contextmanager
def disable_saved_tensors_hooks(error_message):
    """Inside, using :class:`saved_tensors_hooks` raises RuntimeError with this message.

    >>> import minigrad
    >>> with minigrad.autograd.graph.disable_saved_tensors_hooks("not here"):
    ...     y = minigrad.ones(1, requires_grad=True) * 2
    """
    _disabled.append(error_message)
    try:
        yield
    finally:
        _disabled.pop()


class _Kept:
    """A stand-in context of :func:`allow_mutation_on_saved_tensors`."""

    def clear(self):
        """Nothing is kept apart from the nodes."""


@contextlib.contextmanager
def allow_mutation_on_saved_tensors():
    """Inside, tensors that a backward pass needs may be written in place: it gets the values of before, from copies.

    >>> import minigrad
    >>> x = minigrad.tensor([1.0, 2.0], requires_grad=True)
    >>> with minigrad.autograd.graph.allow_mutation_on_saved_tensors():
    ...     h = x * 1
    ...     y = (h * h).sum()
    ...     _ = h.zero_()
    ...     y.backward()
    >>> x.grad
    tensor([2., 4.])
    """
    with saved_tensors_hooks(lambda t: t.clone(), lambda t: t):
        yield _Kept()


def increment_version(tensor):
    """Count a write into a tensor (or several) that happened elsewhere.

    >>> import minigrad
    >>> x = minigrad.ones(2)
    >>> minigrad.autograd.graph.increment_version(x); x._version
    1
    """
    for t in (tensor,) if isinstance(tensor, Tensor) else tensor:
        graph.writes.stamp(t.array)


# -------------------------------------------------------------------------------------------------------------- edges
class GradientEdge(NamedTuple):
    """One output of a node: what gradients are asked of, or started from, where no tensor is at hand."""

    node: Node
    output_nr: int
    ownership_token: object = None

    def as_tensor(self):
        """A Tensor without values that stands at this place of the graph."""
        history = self.ownership_token or self.node
        shape = history.shape
        array = backends.numpy.full(backends.numpy.asarray(0), shape=tuple(shape), dtype=get_default_dtype().dtype)
        return wrap(array, history)


def get_gradient_edge(tensor):
    """The edge at which the gradient of ``tensor`` arrives.

    >>> import minigrad
    >>> x = minigrad.ones(2, requires_grad=True)
    >>> minigrad.autograd.graph.get_gradient_edge(x * 2).node
    <MulBackward0>
    """
    if tensor.node is None:
        raise GradError("It is not possible to get the gradient edge for a Tensor that does not require gradients")
    node = tensor.node
    return GradientEdge(graph.shown(node), node.params if node.op is PICK else 0, node)


class _Handles(Handle):
    """Several hooks that are removed together."""

    def __init__(self, handles):
        super().__init__({}, graph.serial())
        self._handles = handles

    def remove(self):
        for handle in self._handles:
            handle.remove()


def register_multi_grad_hook(tensors, fn, *, mode="all"):
    """Call ``fn`` when the gradients of several tensors have been computed.

    Args:
        fn: with ``mode="all"`` it gets a tuple of the gradients, None for those that one backward pass does not reach; with
            ``mode="any"`` the first gradient that arrives.

    Returns:
        A handle with ``remove()``.

    >>> import minigrad
    >>> a, b = minigrad.ones(1, requires_grad=True), minigrad.ones(1, requires_grad=True)
    >>> handle = minigrad.autograd.graph.register_multi_grad_hook([a, b], print)
    >>> (a * 2 + b * 3).backward()
    (tensor([2.]), tensor([3.]))
    """
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    tensors = list(tensors)
    for t in tensors:
        if not isinstance(t, Tensor) or t.node is None:
            raise GradError(f"cannot register a hook on a tensor that doesn't require gradient: {describe(t)}")
    state = _Collected(tensors, fn, mode)
    return _Handles([t.register_hook(state.hook(i)) for i, t in enumerate(tensors)])


class _Collected:
    """The gradients of several tensors in one backward pass."""

    def __init__(self, tensors, fn, mode):
        self.nodes, self.fn, self.mode = [t.node for t in tensors], fn, mode
        self.reached = None

    def hook(self, index):
        engine.watching[0] = True

        def arrived(gradient):
            reached = engine.reached.get()
            if reached is not self.reached:
                self.reached, self.found = reached, [None] * len(self.nodes)
                self.waiting = sum(n in reached for n in self.nodes)
                self.called = False
            self.found[index] = gradient
            self.waiting -= 1
            if self.mode == "any":
                if not self.called:
                    self.called = True
                    self.fn(gradient)
            elif self.waiting == 0:
                self.fn(tuple(self.found))

        return arrived
