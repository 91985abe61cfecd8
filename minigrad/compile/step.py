"""A function that is traced once for each kind of arguments and then repeated from its graph."""

import copy
import functools
import inspect
import itertools
import warnings
from collections.abc import Collection
from dataclasses import fields, is_dataclass
from types import MethodType

import numpy as np

from .. import kernels, random, settings, threads
from ..device import default as default_device
from ..dispatch import anomaly, autocast, packing
from ..dtype import get_default_dtype
from ..errors import MinigradError, TraceError, describe
from ..graph import LEAF, PICK, is_inference_mode_enabled, levels, recording, tracer
from ..tensor import Tensor
from . import turns
from .conditions import Conditions
from .guards import hooks_of
from .replay import Arena
from .report import report
from .trace import Trace
from .watch import Watch

PATIENCE = 2  # so many traces with one signature may change what they depend on, or make tensors that stay in use
SOME, VARIANTS = 2, 4  # signatures, programs of one: from there on a text reads sizes and numbers at run time and fits others
TEXTS = 16  # modules that are compiled for one function, which would else be compiled for ever
_LAZY = (inspect.isgeneratorfunction, inspect.iscoroutinefunction, inspect.isasyncgenfunction)
KINDS = 256  # signatures that are kept for one function
LIMIT = 8  # programs that are kept for one signature


class Step:
    """A function that is traced at its first call and repeated from its graph afterwards.

    Tensors among the arguments, also inside tuples, lists and dicts, are its inputs. What it reads from outside (parameters,
    buffers, gradients, generators, learning rates, :func:`runtime` numbers) is read anew at each call, and what it writes is
    written. Everything else is frozen in a trace and guarded: other arguments, modes of modules, settings of optimizers,
    globals, closure variables, attributes and entries of them. Where one of these has changed, and for other shapes or
    dtypes, the function is traced again; a trace whose guards hold again is used again.

    Not seen: functions of libraries that are replaced, what is written into a module's ``__dict__`` past ``setattr``, and side
    effects (a file that is written, a log), which happen in a trace only. ``print()`` and the clock are refused.

    A call is also traced again after one that made tensors which stay in use, such as the momentum of SGD.

    Raises:
        TraceError: where the function asks for a value of a tensor, draws from Python's or NumPy's random numbers, prints, or
            changes in every call a number that it depends on: ``minigrad.compile.runtime(owner, "name")`` makes it an input.
        TypeError: for an argument that is neither made of tensors nor hashable.

    >>> import minigrad
    >>> w = minigrad.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = minigrad.optim.SGD([w], lr=0.25)
    >>> def train(x):
    ...     optimizer.zero_grad()
    ...     loss = (w * x).sum()
    ...     loss.backward()
    ...     optimizer.step()
    ...     return loss
    >>> step = minigrad.compile.Step(train)
    >>> [step(minigrad.ones(2)).item() for _ in range(3)]
    [3.0, 2.5, 2.0]
    """

    def __init__(self, fn, fullgraph=True):
        functools.update_wrapper(self, fn, updated=())
        if fullgraph and any(is_lazy(f) for f in (fn, getattr(fn, "forward", fn), fn.__call__) for is_lazy in _LAZY):
            raise TypeError(f"compile: {_name(fn)}() is a generator or a coroutine: a call of it runs nothing")
        self.fn, self.fullgraph = fn, fullgraph
        self.programs = {}  # signature -> Programs, which differ in their guards; the latest first
        self.traces = 0
        self.result = None  # of the latest call
        self.eager = set()  # signatures, or all where None is among them, for which the function runs as it is
        self.texts, self.arena = set(), Arena()  # the modules that its programs were compiled to; their memory
        self._restless = {}  # signature -> how many traces were of no use for a second call
        self._warned = set()  # what was warned of: each is said once
        self._before = None  # the program of the latest call that took the long way
        self._latest = None  # how the latest calls looked, and their program: nearly all calls are like the one before

    def __call__(self, *args, **kwargs):
        if tracer.get() is not None or levels.get() or None in self.eager:
            return self.fn(*args, **kwargs)
        latest = self._latest
        if latest is not None and not kwargs and latest.is_like(args):
            program = latest.program
            turns.begin()
            try:
                if program.depends.hold(args):
                    memory = program.depends.memory
                    for t in args:
                        if id(t.array) in memory or t.array.base is not None:
                            program.depends.refuse_shared(t.array)
                    self.result = result = program.replay(args)
                    return result
            finally:
                turns.end()
        if not self.fullgraph:
            return self._lenient(args, kwargs)
        self.result = result = self._run(*self._signature(args, kwargs), args, kwargs)
        return result

    # ------------------------------------------------------------------------------------------------------ to look into
    @property
    def program(self):
        """The program of the latest trace: of the signature traced last.

        Raises:
            TraceError: where nothing was traced yet that can run again.
        """
        latest = next((kept for kept in reversed(self.programs.values()) if kept), None)
        if latest is None:
            raise TraceError(f"{_name(self.fn)}() has no program yet: call it, twice where its first call begins something")
        return latest[0]

    def graph(self, stage="simplify"):
        """The graph after a pass: ``"trace"`` as it was written down, ``"choose"``, or ``"simplify"`` as it is compiled.

        >>> import minigrad
        >>> double = minigrad.compile(lambda x: x * 1.0 + x)
        >>> y = double(minigrad.ones(2))
        >>> print(double.graph())
        %0 = input("argument 0")  # float32[2]
        %1 = add(%0, %0)  # float32[2]
        return %1
        """
        stages = self._machine().stages
        if stage not in stages:
            raise ValueError(f"graph: there is no stage {stage!r}; the stages are {', '.join(map(repr, stages))}")
        return stages[stage]

    def source(self):
        """The text of the generated module: its loops, and the step that calls them."""
        return self._machine().source

    def report(self):
        """What was fused, what went to matrix products and kernels, and what stayed with Python and why.

        >>> import minigrad
        >>> step = minigrad.compile(lambda x: (x * 2.0).exp().sum())
        >>> y = step(minigrad.ones(3))
        >>> print(step.report())
        1 loop of 3 calls, 0 matrix products, 0 kernels inside, 0 calls from Python
        0.00 MiB for values in between; 0 values need no memory
        loop [3]: multiply, exp, sum
        """
        return report(self._machine())

    def _machine(self):
        found = self.program.passes()
        if found is None:
            raise TraceError(f"{_name(self.fn)}() runs call by call: there is no text to look into without Numba or on a GPU")
        return found

    def __get__(self, owner, cls=None):
        """As a method: ``owner`` is the first argument."""
        return self if owner is None else functools.partial(self, owner)

    def __reduce__(self):
        return type(self), (self.fn, self.fullgraph)  # a copy traces again

    def reset(self):
        """Forget all programs."""
        self.programs.clear()
        self.eager.clear()
        self.texts, self.arena = set(), Arena()
        self._restless.clear()
        self._before = self._latest = None

    def _signature(self, args, kwargs):
        if not kwargs and _are_plain(args):
            layout = []
            for a in args:
                x = a.array
                layout += x.__class__, x.shape, x.dtype
            return (_modes(), *layout), args
        tensors = []
        layout = [_layout(v, tensors, f"argument {i + 1}") for i, v in enumerate(args)]
        named = tuple([(k, _layout(v, tensors, f"argument {k!r}")) for k, v in kwargs.items()]) if kwargs else None
        self._refuse_hooks(tensors)
        return (_modes(), tuple(layout), named), tensors

    def _run(self, key, tensors, args, kwargs):
        turns.begin()
        try:
            program = self._that_holds(key, tensors)
            if program is not None:
                again = program is self._before and not kwargs and _are_plain(args)
                self._before, self._latest = program, Latest(program, key[0], args) if again else None
                return program.replay(tensors)
        finally:
            turns.end()
        with turns.alone():
            program = self._that_holds(key, tensors)
            if program is not None:  # another thread has traced it meanwhile
                return program.replay(tensors)
            return self._trace(key, tensors, args, kwargs)

    def _that_holds(self, key, tensors):
        """A program for this signature whose guards hold, or None."""
        for program in self.programs.get(key, ()):
            if program.depends.hold(tensors):
                if program.depends.memory:
                    for t in tensors:
                        program.depends.refuse_shared(t.array)
                return program
        return None

    def _lenient(self, args, kwargs):
        """As ``torch.compile``: what cannot be traced runs as it is, and a result keeps its history."""
        try:
            key, tensors = self._signature(args, kwargs)
        except (TypeError, MinigradError):
            return self.fn(*args, **kwargs)
        if key in self.eager:
            return self.fn(*args, **kwargs)
        try:
            self.result = result = self._run(key, tensors, args, kwargs)
            return result
        except HistoryError:
            self.eager.add(key)
            return self.fn(*args, **kwargs)
        except Exception as error:
            result = self.fn(*args, **kwargs)  # if it fails here too, this is the error that the program expects
            self.eager.add(None)
            warnings.warn(f"{_name(self.fn)}() runs without being compiled: {error}", RuntimeWarning, stacklevel=3)
            return result

    def _refuse_hooks(self, tensors):
        if any(t.node is not None and hooks_of(t.node) for t in tensors):
            raise TraceError("an argument of a compiled function has hooks, which it would not call: register them inside")

    def _follower(self):
        return Trace()

    def _returned(self, result):
        """What a run of the function has returned, as a replay can give it."""
        return _without_history(result)

    def _trace(self, key, tensors, args, kwargs):
        if key not in self.programs and (len(self.programs) >= KINDS or len(self.texts) >= TEXTS):
            return self._uncompiled(args, kwargs)
        often = self._restless.get(key, 0)
        run, watch = self._follower(), Watch(self.fn, strict=often >= PATIENCE)
        run.begins = not often

        def call(*shells):
            standing = {id(t): s for t, s in zip(tensors, shells)}
            given, named = [_rebuilt(a, standing) for a in args], {k: _rebuilt(v, standing) for k, v in kwargs.items()}
            del standing, shells
            return self._returned(self.fn(*given, **named))

        program, result = run.follow(call, tensors, strict=often >= PATIENCE, watch=watch)
        self.traces += 1
        many = len(self.programs) >= SOME or len(self.programs.get(key, ())) >= VARIANTS
        program.depends, program.growing = watch.guards, many
        program.texts, program.arena = self.texts, self.arena
        if run.outlived or watch.changed:
            self._restless[key] = often + 1
            return result
        kept = self.programs.setdefault(key, [])
        if len(kept) >= LIMIT:
            self._warn(kept)
            kept.pop()
        kept.insert(0, program)
        return result

    def _uncompiled(self, args, kwargs):
        if "kinds" not in self._warned:
            self._warned.add("kinds")
            warnings.warn(
                f"{_name(self.fn)}() was called with {len(self.programs)} kinds of arguments and runs as it is for any others: "
                "give its tensors fixed shapes, for instance by padding, and pass numbers that change as tensors",
                RuntimeWarning,
                stacklevel=5,
            )
        return self.fn(*args, **kwargs)

    def _warn(self, kept):
        if "traces" not in self._warned:
            self._warned.add("traces")
            warnings.warn(
                f"{_name(self.fn)}() was traced {self.traces} times, which is slow: {kept[0].depends.why()}. "
                'A number that changes often is read by minigrad.compile.runtime(owner, "name"), or is a tensor that is written '
                "by copy_()",
                stacklevel=4,
            )


def _name(fn):
    return getattr(fn, "__qualname__", None) or repr(fn)


def trace_step(fn, *examples):
    """Trace ``fn`` on ``examples``, which runs its first step, and return the :class:`Step` that repeats it.

    ``step.result`` is what the first step returned.
    """
    step = Step(fn)
    step(*examples)
    return step


# -------------------------------------------------------------------------------------------------------------- signature
class Latest:
    """The shape of a call with plain arguments, which the next call is likely to have as well."""

    def __init__(self, program, modes, args):
        """``is_like``: arguments -> whether a call with them is of this shape."""
        conditions = Conditions()
        conditions.add("len(args) == {0}", len(args))
        if len(args) > 3:
            conditions.add("len({{*map(id, args)}}) == {0}", len(args))
        else:
            for j, k in itertools.combinations(range(len(args)), 2):
                conditions.add(f"args[{j}] is not args[{k}]")
        for k, a in enumerate(args):
            conditions.add(f"args[{k}].__class__ is {{0}} and args[{k}].node is None", Tensor)
            array = a.array.__class__, a.array.shape, a.array.dtype
            conditions.add(f"(x := args[{k}].array).__class__ is {{0}} and x.shape == {{1}} and x.dtype is {{2}}", *array)
        conditions.add("{0}() == {1}", _modes, modes)
        self.program, self.is_like = program, conditions.function()


def _are_plain(args):
    """Whether arguments are different Tensors that need no gradients, and nothing else."""
    for a in args:
        if a.__class__ is not Tensor or a.node is not None:
            return False
    return len({*map(id, args)}) == len(args)


def _modes():
    """The settings that a trace depends on."""
    casts = autocast.get()
    return (
        recording(), is_inference_mode_enabled(), get_default_dtype(), default_device["device"], kernels.enabled(),
        threads._chosen, settings._set["deterministic"], settings._set["precision"], random.default_generator.engine,
        anomaly.get(), packing.get(), casts if casts is None else tuple(casts.items()),
    )  # fmt: skip


def _layout(value, tensors, name):
    """What a program depends on of an argument, hashable. Its tensors are appended to ``tensors``."""
    if isinstance(value, Tensor):
        return _tensor_layout(value, tensors)
    if isinstance(value, tuple | list):
        return (value.__class__, *[_layout(v, tensors, name) for v in value])
    if isinstance(value, dict):
        parts = [(_plain_layout(k, name), _layout(v, tensors, f"{name}[{k!r}]")) for k, v in value.items()]
        return (value.__class__, tuple(parts))
    return _plain_layout(value, name)


def _plain_layout(value, name):
    """What a program depends on of a value whose tensors, if it has any, are not inputs."""
    cls = value.__class__
    if cls is int or cls is str or cls is bool or value is None:
        return (cls, value)
    if cls is float:
        return (cls, value.hex())
    try:
        hash(value)
    except TypeError:
        if hasattr(value, "__dict__") and cls.__module__ != "builtins" and not isinstance(value, Collection | np.ndarray):
            return (cls, _Itself(value))
        raise TypeError(
            f"a compiled function takes tensors and hashable values, but {name} is {describe(value)}: pass a tensor"
        ) from None
    if isinstance(value, tuple):
        return (cls, *[_plain_layout(v, name) for v in value])
    if isinstance(value, frozenset):
        return (cls, frozenset([_plain_layout(v, name) for v in value]))
    if cls.__eq__ is object.__eq__ or isinstance(value, Tensor | MethodType):
        return (cls, value)
    if is_dataclass(cls):  # without the value: a comparison of two would compare the tensors in them by their elements
        return (cls, *[_plain_layout(v, name) if compared else repr(v) for compared, v in _fields(value)])
    shown = repr(value) if cls.__repr__ is not object.__repr__ else repr(getattr(value, "__dict__", None))
    return (cls, value, shown)  # equal values need not be the same: Decimal("1.0") and Decimal("1.00")


class _Itself:
    """Stands for an object that compares by what it holds, such as a dataclass: what is read of it is guarded."""

    def __init__(self, value):
        self.value = value

    def __hash__(self):
        return id(self.value)

    def __eq__(self, other):
        return other.__class__ is _Itself and other.value is self.value


def _fields(value):
    return [(f.compare, getattr(value, f.name)) for f in fields(value)]


def _tensor_layout(t, tensors):
    for i, other in enumerate(tensors):
        if other is t:
            return i
    tensors.append(t)
    a = t.array
    return (t.__class__, a.__class__, a.shape, a.dtype, t.node if t.node is None else t.node.op is LEAF)


def _rebuilt(value, shells):
    """An argument with the tensors of ``shells`` (id -> Tensor) in the places of its own."""
    if isinstance(value, Tensor):
        return shells[id(value)]
    if isinstance(value, tuple | list):
        parts = [_rebuilt(v, shells) for v in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    if isinstance(value, dict):
        made = copy.copy(value)
        made.update((k, _rebuilt(v, shells)) for k, v in value.items())
        return made
    return value


class HistoryError(TraceError):
    """A result has history, which no replay could give."""


def _without_history(result):
    """The result, whose tensors have no history that a later backward pass could want."""
    if isinstance(result, Tensor):
        node = result.node
        if node is not None and node.op is not LEAF and recording():
            if (node.parents[0] if node.op is PICK else node).saved is not None:  # backward() has not been here
                remedy = "call backward() inside, call the function under no_grad(), return x.detach(), or compile the module"
                raise HistoryError(f"a compiled function returns a tensor with history, {describe(result)}: {remedy}")
    elif isinstance(result, tuple | list):
        for r in result:
            _without_history(r)
    elif isinstance(result, dict):
        _without_history(list(result.values()))
    return result
