"""Views and writes in place.

A view remembers its base, the op that made it and that op's parameters. A write into ``t`` runs as the pure operation it
stands for; then its result is copied into the memory, and history moves: ``t`` now is the result, each base up the chain
is "the base with this value put in" (every view op names the op that does so, ``put``), and every live view of the root is
derived again. A write that would make a recorded gradient wrong is found by serial numbers when that gradient is computed.
"""

from . import backends
from .dispatch import apply, cast
from .dtype import category
from .errors import DtypeError, InplaceError, ShapeError, broadcast_message, describe, leaf_written, scalar_type
from .graph import LEAF, Node, owner_of, recording, serial, tracer, writes
from .op import registry
from .tensor import Tensor


def write(t, value, since=None):
    """The memory of ``t`` takes ``value`` (a Tensor or a number), and its history moves on. Returns ``t``.

    ``since``: the serial number at which the operation in place began that computed ``value``; None for a value from elsewhere.
    """
    if not isinstance(t, Tensor):
        raise TypeError(f"a write in place needs a Tensor, not {describe(t)}")
    trace = tracer.get()
    if t._base is not None:
        parent, op, params = t._base
        op.put[1](params, parent.array.shape)  # raises for windows that overlap, before anything is written
    if 0 in t.array.strides and overlaps(t.array):
        raise InplaceError(
            "unsupported operation: more than one element of the written-to tensor refers to a single memory location "
            "(it was expanded); please clone() the tensor before writing to it"
        )
    if trace is None and not recording() and value.__class__ is Tensor and value.array.dtype == t.array.dtype:
        if value.array.shape == t.array.shape:  # an optimizer step, a buffer: no history on either side
            t.array[...] = value.array
            writes.stamp(t.array)
            return t
    if recording():
        root = root_of(t)
        if root.node is not None and root.node.op is LEAF:
            raise leaf_written(root is not t)
        if root.node is not None and root is not t:
            _refuse_one_of_many(t)
        if root.node is not None and t.node is None:
            raise InplaceError(
                "a view was created in no_grad mode and is being modified in place with grad mode enabled, while its base has a "
                "history: make the view outside of no_grad(), or write inside of it"
            )
    given, value = value, _fitted(t, value)
    if since is None and value is given and value.node is not None:  # t needs a node of its own: hooks, and a leaf stays a leaf
        value = apply(registry["reshape"], (value,), {"shape": tuple(value.array.shape)})
    if trace is not None:
        _write_traced(t, value, copied=since is None)
        return t
    if since is not None and value.node is not None:
        rescue(value.node, since, t.array)
    t.array[...] = value.array
    writes.stamp(t.array)
    if recording() and (value.node is not None or t.node is not None):
        move(t, value.node, copied=since is None)
    return t


def _refuse_one_of_many(t):
    """As in PyTorch, the views that one function returned together (``unbind``, ``split``) are not written in place."""
    view = t
    while view._base is not None:
        if view._many is not None:
            raise InplaceError(
                f"Output of {view._many} is a view and is being modified inplace. This view is the output of a function that "
                f"returns multiple views. Such functions do not allow the output views to be modified inplace. You should "
                f"replace the inplace operation by an out-of-place one, or index the tensor: x[i] may be written"
            )
        view = view._base[0]


def rescue(node, since, array):
    """The nodes that this very write recorded may keep the memory that is about to change: they get a copy of it."""
    owner, copies, stack = owner_of(array), {}, [node]

    def kept(a):
        if a.__class__ is tuple:
            return tuple([kept(v) for v in a])
        if a.__class__ is not array.__class__ or owner_of(a) is not owner:
            return a
        if id(a) not in copies:
            copies[id(a)] = a.copy()
        return copies[id(a)]

    while stack:
        n = stack.pop()
        if n is not None and n.serial > since and n.saved is not None:
            n.saved = kept(n.saved)
            stack.extend(n.parents)


def overlaps(array):
    """Whether some step of 0 makes several elements one; a dimension of size 1 may have any step."""
    return array.size > 0 and any(step == 0 and n > 1 for step, n in zip(array.strides, array.shape))


def _fitted(t, value):
    """``value`` as a Tensor of the dtype and shape of ``t``."""
    array = t.array
    if not isinstance(value, Tensor):
        value = apply(registry["full_like"], (t.detach(),), {"value": value})
    if value.array.dtype != array.dtype:
        if category(value.array.dtype) > category(array.dtype):
            raise DtypeError(
                f"result type {scalar_type(value.dtype)} can't be cast to the desired output type {scalar_type(t.dtype)}: "
                f"write x = x.float() first, or use an operation out of place"
            )
        value = cast(value, array.dtype)
    if value.array.shape != array.shape:
        try:
            value = apply(registry["broadcast_to"], (value,), {"shape": tuple(array.shape)})
        except RuntimeError:
            shapes = tuple(array.shape), tuple(value.array.shape)
            if (message := broadcast_message(shapes)) is not None:
                raise ShapeError(message) from None
            raise ShapeError(
                f"output with shape {list(t.shape)} doesn't match the broadcast shape of the value, {list(value.shape)}: "
                f"a write in place cannot grow the tensor"
            ) from None
    return value


def root_of(t):
    """The tensor whose history a write through ``t`` changes. A detached alias shares memory, but no history."""
    while t._base is not None and t._base[1].differentiable and not (t.node is not None and t.node.op is LEAF):
        t = t._base[0]
    return t


def move(t, node, copied=False):
    """Give ``t`` a new history, its bases the matching ``put``, and every live view of the root a fresh one.

    ``copied``: the value came from elsewhere, and is not computed from what ``t`` was.
    """
    if t.node is not None and (node is None or copied) and _covers_root(t):  # as in PyTorch, the past stays, with zero gradients
        node = _put_node("slice_put", (t.node, node), (t.array, t.array), {"key": (...,)}, tuple(t.array.shape))
    child = t
    while child._base is not None and child._base[1].differentiable:
        parent, op, params = child._base
        put, make_params = op.put
        shape = tuple(parent.array.shape)
        if len(registry[put].arrays) == 1:  # a view of every element: its inverse view is the whole history
            nodes, arrays = (node,), (child.array,)
        else:
            nodes, arrays = (parent.node, node), (parent.array, child.array)
        node = _put_node(put, nodes, arrays, make_params(params, shape), shape)
        child = parent
    if child.node is not None and child.node.extra is not None:
        keep_retained(child.node, node)
    child.node = node
    refresh(child)


def keep_retained(old, node):
    """``retain_grad`` is for what a tensor is, and follows it from write to write; a hook stays where it was registered."""
    if "retain" in old.extra and node is not None and old.op is not LEAF:
        node._extra()["retain"] = old.extra.pop("retain")


def _covers_root(t):
    """Whether a write into ``t`` writes every element of its root."""
    while t._base is not None and t._base[1].differentiable:
        if len(registry[t._base[1].put[0]].arrays) > 1:
            return False
        t = t._base[0]
    return True


def _put_node(name, nodes, arrays, params, shape):
    put = registry[name]
    return Node(put, nodes, put.save(tuple(n is not None for n in nodes), arrays[0], arrays), params, serial(), shape)


def refresh(parent):
    """Derive the history of every live view again."""
    for v in live_views(parent):
        _, op, params = v._base
        if parent.node is not None and op.differentiable:
            v.node = Node(op, (parent.node,), op.save((True,), v.array, (parent.array,)), params, serial(), v.array.shape)
        else:
            v.node = None
        refresh(v)


def live_views(parent):
    """The views of ``parent`` that are in use and still look into it."""
    for reference in parent._views or ():
        v = reference()
        if v is not None and v._base is not None and v._base[0] is parent:
            yield v


def _write_traced(t, value, copied):
    """Under a trace there is no memory: the root's array becomes the pure result, and its views are derived again."""
    trace = tracer.get()
    trace.lift((t, value))
    keeps_history = recording() and (value.node is not None or t.node is not None)
    child, array = t, value.array
    while child._base is not None:
        parent, op, params = child._base
        trace.lift((parent,))
        put, make_params = op.put
        put_params = make_params(params, tuple(parent.array.shape))
        word = getattr(backends.of(parent.array), put)
        array = word(array, **put_params) if len(registry[put].arrays) == 1 else word(parent.array, array, **put_params)
        child = parent
    child.array = array
    _derive_arrays(child)
    if keeps_history:
        move(t, value.node, copied)


def _derive_arrays(parent):
    for v in live_views(parent):
        _, op, params = v._base
        v.array = getattr(backends.of(parent.array), op.name)(parent.array, **params)
        _derive_arrays(v)
