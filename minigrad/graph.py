"""What is recorded while tensors compute: nodes, the modes that switch recording, and the serial numbers that order it all."""

import contextvars
import functools
import inspect
import itertools
import math
import weakref

from .backends.layouts import owner_of

_recording = contextvars.ContextVar("minigrad_recording", default=True)
_inference = contextvars.ContextVar("minigrad_inference", default=False)
recording = _recording.get  # per thread, as every context variable
tracer = contextvars.ContextVar("minigrad_tracer", default=None)  # the Trace being made in this thread, or None
transforming = contextvars.ContextVar("minigrad_transforming", default=False)  # whether a transform of func runs its function
levels = contextvars.ContextVar("minigrad_levels", default=())  # the vmaps that this thread is in, the innermost last
serial = itertools.count(1).__next__
changes = [0]  # how often a module was changed, or a hook of any kind was registered or removed: see compile/guards.py


def runtime(owner, name):
    """The Python number ``owner.name`` (or ``owner[name]`` of a dict) that changes from call to call, such as a learning rate.

    In a traced function every Python number is frozen at the value that it had, but for those read through here: while a
    trace runs the result is a 0-d Tensor, an input of the graph that is read anew at each call. It takes part in
    arithmetic as the number would. To change the number inside, assign the result of Tensor arithmetic:
    ``self.steps = runtime(self, "steps") + 1``.

    >>> import minigrad
    >>> class Settings: lr = 0.1
    >>> minigrad.compile.runtime(Settings, "lr")
    0.1
    """
    trace = tracer.get()
    if trace is not None:
        return trace.number(owner, name)
    return owner[name] if isinstance(owner, dict) else getattr(owner, name)


class Node:
    """One recorded call.

    It keeps arrays and parent nodes, never Tensors: a write in place gives a Tensor a new node, and the past must not move.

    * ``parents``: the node of each array input, or None where the input has no history.
    * ``saved``: the arrays that the rules which will run have named, laid out as the op's ``layout`` says; behind them what a
      kernel has left for its own backward.
    * ``serial``: one global count. It orders the backward sweep, and a write in place that is younger than the node, to an
      array that the node keeps, is an error.
    * ``as_function``: set by :func:`show_as` alone.
    * ``extra``: None, or a dict for what is rare: hooks, the Tensor of a leaf.
    """

    __slots__ = ("op", "parents", "saved", "params", "serial", "shape", "extra", "as_function", "__weakref__")

    def __init__(self, op, parents, saved, params, serial, shape):
        self.op = op
        self.parents = parents
        self.saved = saved
        self.params = params
        self.serial = serial
        self.shape = shape
        self.extra = None

    def name(self):
        """The name that PyTorch would print, such as ``MulBackward0``."""
        return _node_name(self)

    @property
    def next_functions(self):
        """The nodes that this node's gradient flows to, as PyTorch lists them: (node or None, output number)."""
        function = getattr(self, "as_function", None)
        if function is not None:
            return tuple([(n if n is None else shown(n), n.params if n is not None and n.op is PICK else 0) for n in function[1]])
        parents = [self.parents[i] for i in self.extra["tensors"]] if self.extra and "tensors" in self.extra else self.parents
        return tuple([(p if p is None else shown(p), p.params if p is not None and p.op is PICK else 0) for p in parents])

    @property
    def metadata(self):
        """A dict for whoever looks at the graph."""
        return self._extra().setdefault("metadata", {})

    @property
    def variable(self):
        """The leaf whose gradient is accumulated here."""
        if self.op is not LEAF:
            raise AttributeError(f"'{self.name()}' object has no attribute 'variable'")
        return self.extra["tensor"]()

    def register_hook(self, fn):
        """Call ``fn(grad_inputs, grad_outputs)`` after this node has run; what it returns replaces ``grad_inputs``."""
        return Handle.add(self, "posthooks", fn)

    def register_prehook(self, fn):
        """Call ``fn(grad_outputs)`` before this node runs; what it returns replaces ``grad_outputs``."""
        return Handle.add(self, "prehooks", fn)

    def _extra(self):
        if self.extra is None:
            self.extra = {}
        return self.extra

    def __repr__(self):
        return f"<{self.name()}>" if self.op.kind != "function" else f"<{self.name()} object>"


def _node_name(node):
    if node.op is LEAF:
        return "torch::autograd::AccumulateGrad"
    if node.op is PICK:
        node = node.parents[0]
    op, params = node.op, node.params or {}
    function = getattr(node, "as_function", None)
    if function is not None:
        return function[0]
    if op.kind == "function":
        return f"{op.backward_name}Backward"
    name, form = op.backward_name, 0
    if op.name == "matmul":
        ranks = [
            len(p.shape) if p is not None else getattr(a, "ndim", 2) for p, a in zip(node.parents, (node.saved or (0,) * 3)[1:])
        ]
        name = {(1, 1): "Dot", (2, 1): "Mv", (3, 3): "Bmm"}.get(tuple(ranks), name)
    elif op.name in ("sum", "mean", "prod") and params.get("axis") is not None:
        form = 1
    elif op.name in ("max", "min"):
        name, form = (name, 1) if params.get("axis") is None else (f"A{op.name}", 0)
    elif op.name == "clamp":  # between two numbers, or two tensors
        form = int(sum(hasattr(a, "dtype") for a in node.saved or ()) < 2)
    elif op.name in ("remainder", "fmod", "lerp"):  # the last a number, or a tensor
        form = int(node.parents[-1] is not None)
    elif op.name == "power":  # x ** 2, x ** y, 2 ** y
        form = 2 if node.parents[0] is None else 0 if node.parents[1] is None else 1
    elif op.name == "slice":  # several steps in PyTorch, of which the last is shown
        last = next((k for k in reversed(params.get("key", ())) if k is None or k.__class__ is int or k != slice(None)), 0)
        name = "Unsqueeze" if last is None else "Select" if last.__class__ is int else name
    elif op.name == "slice_put":
        return "torch::autograd::CopySlices"
    return f"{name}Backward{form}"


def show_as(t, name, *inputs):
    """``t``, whose node says that it is PyTorch's one function ``name`` of the ``inputs``, of however many it is made here."""
    if t.node is not None:
        t.node.as_function = name, [i.node for i in inputs if i is not None]
    return t


def _saved(node, name):
    """An array that the node keeps, under PyTorch's name for it."""
    what = name.removeprefix("_saved_")
    if node.saved is None:
        from .errors import freed

        raise freed(node.op.name)
    inputs = [slot for slot in node.op.layout if slot != "y" and not slot.endswith(("_shape", "_dtype"))]
    for slot, value in zip(node.op.layout, node.saved):
        known = {"y": ("result",), "x": ("self", "input"), "a": ("self", "input"), "b": ("other", "exponent", "mat2")}
        if value is not None and (what in known.get(slot, ()) or what == slot):
            return _boxed(value) if hasattr(value, "dtype") else value
    if what in (node.params or {}):
        return node.params[what]
    raise AttributeError(f"'{type(node).__name__}' object has no attribute {name!r}; it keeps {inputs}")


_boxed = None  # an array as a Tensor: tensor.py fills it
_node_classes = {}


class ShownNode(Node):
    """A node that a user has looked at. ``Node`` has no ``__getattr__``: with one, every attribute of it is slower to read."""

    __slots__ = ()

    def __getattr__(self, name):
        """What PyTorch's nodes show of what they keep (``_saved_self``), and the attributes of a user's ``ctx``."""
        ctx = self.extra.get("ctx") if self.extra else None
        if ctx is not None and hasattr(ctx, name):
            return getattr(ctx, name)
        if name.startswith("_saved_") and self.op.kind != "function":
            return _saved(self, name)
        raise AttributeError(f"'{type(self).__name__}' object has no attribute {name!r}")


def shown(node):
    """A node for users: of a class whose name is that of the node, as in PyTorch."""
    if node.op is PICK:
        node = node.parents[0]
    if node.__class__ is Node:
        name = node.name().rpartition("::")[2]
        if name not in _node_classes:
            _node_classes[name] = type(name, (ShownNode,), {"__slots__": ()})
        node.__class__ = _node_classes[name]
    return node


class Handle:
    """What registering a hook returns: ``handle.remove()`` takes the hook away. It is a context manager too."""

    def __init__(self, hooks, key):
        self._hooks, self.id = hooks, key
        changes[0] += 1

    @classmethod
    def add(cls, node, kind, hook):
        hooks = node._extra().setdefault(kind, {})
        key = serial()
        hooks[key] = hook
        return cls(hooks, key)

    def remove(self):
        self._hooks.pop(self.id, None)
        changes[0] += 1

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.remove()


class _Marker:
    """Stands where a node has no operation: a leaf, or one output of an operation with several."""

    outputs = 1
    backward = None
    layout = ()

    def __init__(self, name):
        self.name = name
        self.kind = name


LEAF, PICK = _Marker("leaf"), _Marker("pick")


def pick(node, index, array):
    """The history of output ``index`` of a node with several outputs."""
    return Node(PICK, (node,), (), index, node.serial + 0.5, array.shape)


def leaf(tensor):
    node = Node(LEAF, (), (), None, serial(), tensor.array.shape)
    node.extra = {"tensor": weakref.ref(tensor)}
    return node


def size_of(shape):
    return math.prod(shape)


# ----------------------------------------------------------------------------------------------------------------- writes
class _Writes:
    """Which memory was written in place, and when.

    Entries are by the identity of the array that owns the memory, so a write through any view, ``.data`` or ``detach()``
    is seen. ``last`` is the youngest write of all: a node that is younger needs no look-up, which is every node of an
    ordinary training step.
    """

    def __init__(self):
        # id(owner) -> [serial, count of writes, weak reference that removes the entry, the groups that it belongs to]
        self.entries = {}
        self.last = 0

    def stamp(self, array):
        entry = self._entry(array)
        entry[0] = self.last = serial()
        entry[1] += 1

    def _entry(self, array):
        owner = owner_of(array)
        key = id(owner)
        entry = self.entries.get(key)
        if entry is None:
            entry = self.entries[key] = [0, 0, weakref.ref(owner, lambda _: self.entries.pop(key, None)), ()]
        return entry

    def group(self, arrays):
        """A group of arrays that are always written together: one stamp serves them all."""
        made = [0, 0]
        for array in arrays:
            entry = self._entry(array)
            entry[3] = (*entry[3], made)
        return made

    def ungroup(self, group, arrays):
        for array in arrays:
            entry = self._entry(array)
            entry[3] = tuple([g for g in entry[3] if g is not group])

    def stamp_group(self, group):
        group[0] = self.last = serial()
        group[1] += 1

    def when(self, array):
        entry = self.entries.get(id(owner_of(array)))
        return max(entry[0], *[g[0] for g in entry[3]], 0) if entry else 0

    def count(self, array):
        entry = self.entries.get(id(owner_of(array)))
        return entry[1] + sum(g[1] for g in entry[3]) if entry else 0


writes = _Writes()


# ------------------------------------------------------------------------------------------------------------------ modes
class _Mode:
    """A context manager that is a decorator too; it may be entered several times and in several threads."""

    flags = ()

    def __init__(self):
        self._tokens = []

    def __enter__(self):
        self._tokens.append([(variable, variable.set(value)) for variable, value in self.flags])

    def __exit__(self, *_):
        for variable, token in self._tokens.pop():
            variable.reset(token)

    def __call__(self, function):
        mode = type(self)

        return _decorated(function, mode)


def _decorated(function, mode):
    """``function`` under ``mode()``: an ordinary function, a generator function, or a class (then its methods made new)."""
    if inspect.isclass(function):
        function.__init__ = _decorated(function.__init__, mode)
        return function
    if inspect.isgeneratorfunction(function):
        return _decorated_generator(function, mode)

    @functools.wraps(function)
    def wrapped(*args, **kwargs):
        with mode():
            return function(*args, **kwargs)

    return wrapped


def _decorated_generator(function, mode):
    """Every step of the generator runs under ``mode()``; between the steps the caller's mode holds."""

    @functools.wraps(function)
    def wrapped(*args, **kwargs):
        generator = function(*args, **kwargs)
        step, value = generator.send, None
        while True:
            try:
                with mode():
                    out = step(value)
            except StopIteration as stop:
                return stop.value
            try:
                step, value = generator.send, (yield out)
            except GeneratorExit:
                with mode():
                    generator.close()
                raise
            except BaseException as error:
                step, value = generator.throw, error

    return wrapped


def _bare_decorator(cls):
    """Let ``@no_grad`` stand without parentheses, as in PyTorch."""

    def new(klass, function=None):
        mode = object.__new__(klass)
        if function is None:
            return mode
        klass.__init__(mode)
        return mode(function)

    cls.__new__ = new
    return cls


@_bare_decorator
class no_grad(_Mode):
    """Nothing is recorded inside: ``with no_grad():`` or ``@no_grad()``.

    >>> import minigrad
    >>> w = minigrad.ones(2, requires_grad=True)
    >>> with minigrad.no_grad():
    ...     (w * 2).requires_grad
    False
    """

    flags = ((_recording, False),)


@_bare_decorator
class enable_grad(_Mode):
    """Operations are recorded inside, even within :class:`no_grad`.

    >>> import minigrad
    >>> w = minigrad.ones(2, requires_grad=True)
    >>> with minigrad.no_grad(), minigrad.enable_grad():
    ...     (w * 2).requires_grad
    True
    """

    flags = ((_recording, True),)


class inference_mode(_Mode):
    """Like :class:`no_grad`; tensors made inside say ``is_inference()``. ``inference_mode(False)`` records again.

    >>> import minigrad
    >>> with minigrad.inference_mode():
    ...     minigrad.is_inference_mode_enabled()
    True
    """

    def __new__(cls, mode=True):
        self = object.__new__(cls)
        if callable(mode):
            self.__init__()
            return self(mode)
        return self

    def __init__(self, mode=True):
        super().__init__()
        self.flags = ((_recording, not mode), (_inference, bool(mode)))

    def __call__(self, function):
        flag = self.flags[1][1]
        return _decorated(function, lambda: inference_mode(flag))


class set_grad_enabled(_Mode):
    """Switch recording to ``mode`` at once; used with ``with``, the old mode comes back at the end.

    >>> import minigrad
    >>> w = minigrad.ones(2, requires_grad=True)
    >>> with minigrad.set_grad_enabled(False):
    ...     (w * 2).requires_grad
    False
    """

    def __init__(self, mode):
        super().__init__()
        self.mode = bool(mode)
        self._outer = _recording.get()
        _recording.set(self.mode)

    def __enter__(self):
        pass

    def __exit__(self, *_):
        _recording.set(self._outer)

    def __call__(self, function):
        _recording.set(self._outer)  # as a decorator it acts only inside the function
        return _decorated(function, lambda: set_grad_enabled(self.mode))


def is_grad_enabled():
    """Whether operations are being recorded in this thread."""
    return _recording.get()


def is_inference_mode_enabled():
    """Whether this thread is inside :class:`inference_mode`."""
    return _inference.get()
