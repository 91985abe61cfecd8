"""What is recorded while tensors compute: nodes, the modes that switch recording, and the serial numbers that order it all."""

import contextvars
import functools
import itertools
import math
import weakref

_recording = contextvars.ContextVar("minigrad_recording", default=True)
_inference = contextvars.ContextVar("minigrad_inference", default=False)
recording = _recording.get  # per thread, as every context variable
tracer = contextvars.ContextVar("minigrad_tracer", default=None)  # the Trace being made in this thread, or None
serial = itertools.count(1).__next__


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
    * ``saved``: the arrays that the rules which will run have named, laid out as the op's ``layout`` says.
    * ``serial``: one global count. It orders the backward sweep, and a write in place that is younger than the node, to an
      array that the node keeps, is an error.
    * ``extra``: None, or a dict for what is rare: hooks, a kernel's residual, the Tensor of a leaf.
    """

    __slots__ = ("op", "parents", "saved", "params", "serial", "shape", "extra", "__weakref__")

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
        if self.op is LEAF:
            return "AccumulateGrad"
        op = self.parents[0].op if self.op is PICK else self.op
        return f"{op.backward_name}Backward0"

    @property
    def next_functions(self):
        """The nodes that this node's gradient flows to, as PyTorch lists them: (node or None, output number)."""
        found = []
        for p in self.parents:
            if p is not None and p.op is PICK:
                found.append((p.parents[0], p.params))
            else:
                found.append((p, 0))
        return tuple(found)

    def __repr__(self):
        return f"<{self.name()}>"


class _Marker:
    """Stands where a node has no operation: a leaf, or one output of an operation with several."""

    outputs = 1
    backward = None

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
        self.entries = {}  # id(owner) -> [serial, count of writes, weak reference that removes the entry]
        self.last = 0

    def stamp(self, array):
        owner = owner_of(array)
        key = id(owner)
        self.last = now = serial()
        entry = self.entries.get(key)
        if entry is None:
            self.entries[key] = [now, 1, weakref.ref(owner, lambda _: self.entries.pop(key, None))]
        else:
            entry[0] = now
            entry[1] += 1

    def when(self, array):
        entry = self.entries.get(id(owner_of(array)))
        return entry[0] if entry else 0

    def count(self, array):
        entry = self.entries.get(id(owner_of(array)))
        return entry[1] if entry else 0


def owner_of(array):
    """The array that owns the memory behind a view."""
    base = getattr(array, "base", None)
    while base is not None:
        if base.__class__ is array.__class__:
            array = base
        elif base.__class__.__name__ != "DummyArray":  # as_strided puts one of these between a view and its base
            break
        base = base.base
    return array


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

        @functools.wraps(function)
        def wrapped(*args, **kwargs):
            with mode():
                return function(*args, **kwargs)

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

        @functools.wraps(function)
        def wrapped(*args, **kwargs):
            with inference_mode(flag):
                return function(*args, **kwargs)

        return wrapped


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
        mode = self.mode

        @functools.wraps(function)
        def wrapped(*args, **kwargs):
            with set_grad_enabled(mode):
                return function(*args, **kwargs)

        return wrapped


def is_grad_enabled():
    """Whether operations are being recorded in this thread."""
    return _recording.get()


def is_inference_mode_enabled():
    """Whether this thread is inside :class:`inference_mode`."""
    return _inference.get()
