"""Repeating a traced run: with the values that captured tensors, gradients and numbers have now, and writing them back."""

import contextlib
import gc
import importlib.util
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np

from .. import backends, graph, kernels
from ..errors import TraceError
from .guards import share_memory
from .ir import Graph, as_array
from .plan import ALIGNMENT
from .simplify import simplify


class Unsuited(Exception):
    """A program cannot be bound to the tensors of now as machine code."""


def get(owner, name):
    """``owner.name``, or ``owner[name]`` of a dict such as a parameter group."""
    return owner[name] if isinstance(owner, dict) else getattr(owner, name)


def put(owner, name, value):
    if isinstance(owner, dict):
        owner[name] = value
    else:
        setattr(owner, name, value)


@dataclass
class Effect:
    """What happens after a call: ``function(arguments, value)``, with the value of the output of that number, or None.

    ``writes``: the input of the graph whose memory the function writes to. ``owner``: arguments -> the Tensor whose gradient
    the function sets.
    """

    function: Callable
    output: int | None
    writes: Any = None
    owner: Callable | None = None


class Arena:
    """Memory for values in between, which the programs of one function take turns to use."""

    def __init__(self):
        self.block, self.turn = np.empty(0, np.uint8), Lock()

    def take(self, size):
        """``size`` bytes from the beginning. What was taken before stays as it is, in an older block perhaps."""
        if size > self.block.size:
            room = max(size, self.block.size * 3 // 2)
            memory = np.empty(room + ALIGNMENT, np.uint8)
            start = -memory.ctypes.data % ALIGNMENT
            self.block = memory[start : start + room]
        return self.block[:size]


class Program:
    """A graph with all that a call needs besides.

    * ``readers``: per input of the graph, arguments -> array or number; ``sources``: what it is, if simple (Trace.input).
    * ``build``: (values, arguments) -> what the function returns.
    * ``effects``: what happens after a call.
    * ``depends``: the Guards, under which the graph is right.
    """

    def __init__(self, graph: Graph):
        self.graph, self.simple, self.executable, self.depends = graph, None, None, None
        self.written_arguments = []  # the positions of arguments that the program writes to
        self.on_host = True  # whether all inputs are NumPy's arrays and numbers
        self.growing = False  # whether the function is called with ever other shapes
        self.texts = set()  # of the modules that the function's programs were compiled to
        self.arena = Arena()  # shared with the function's other programs
        self.readers, self.sources, self.effects, self.build = [], [], [], None

    def refuse_shared(self, args):
        """TraceError where an argument that is written shares memory with another, which a graph does not know of."""
        for k in self.written_arguments:
            for other, t in enumerate(args):
                if other != k and share_memory(args[k].array, t.array):
                    raise TraceError(
                        f"arguments {k + 1} and {other + 1} of a compiled function share memory, and it writes to argument "
                        f"{k + 1} in place: pass x.clone() for the other"
                    )

    def replay(self, args):
        """One call with the values of now: as machine code, or call by call where there is no compiler or it fails."""
        self.refuse_shared(args)
        if not kernels.enabled():
            return self.run(args)
        executable = self.machine() if self.executable is None else self.executable
        if executable:
            try:
                return executable(args)
            except Unsuited:
                self.executable = False
        return self.run(args)

    def machine(self):
        """The Executable, made when it is first asked for; False where there is none."""
        if self.executable is None:
            with _seldom_collecting():
                self.executable = self._compiled()
        return self.executable

    def passes(self):
        """The Executable to look into; where nothing is compiled, one that was never loaded. None on a GPU."""
        found = self.machine()
        if not found and importlib.util.find_spec("numba") is not None:
            from .executable import is_possible

            found = self.code() if is_possible(self) else None
        return found or None

    def run(self, args):
        """One call with the values of now, call by call of the simplified graph."""
        for k in self.written_arguments if self.on_host else ():
            refuse_unwritable(args[k].array)
        if self.simple is None:
            self.simple = simplify(self.graph, self.on_host)
        inputs = [read(args) for read in self.readers]
        return self.finish(self.simple.run(*inputs), inputs, args)

    def code(self):
        """An Executable that is not loaded yet."""
        from .executable import Executable

        return Executable(self)

    def _compiled(self):
        """The machine code; False where Numba is missing or switched off, the arrays lie elsewhere, or compiling fails."""
        if not has_compiler():
            return False
        from .executable import is_possible

        if not is_possible(self):
            return False
        try:
            executable = self.code()
            self.texts.add(executable.source)
            return executable.load()
        except Exception as error:
            warnings.warn(
                f"this step runs without machine code, slower, because compiling it failed ({type(error).__name__}: {error}); "
                "please report it with the output of python -m minigrad info",
                RuntimeWarning,
                stacklevel=4,
            )
            return False

    def finish(self, values, inputs, args):
        """Write back what the run changed, and build its result."""
        constants = [n.params["value"] for n in self.graph.nodes if n.op == "constant"]
        values = _of_their_own(values, [*inputs, *constants])
        for effect in self.effects:
            effect.function(args, None if effect.output is None else values[effect.output])
        return self.build(values, args)


def has_compiler():
    """Whether Numba is there and switched on."""
    return importlib.util.find_spec("numba") is not None and os.environ.get("NUMBA_DISABLE_JIT", "0") in ("", "0")


@contextlib.contextmanager
def _seldom_collecting():
    """Nearly all that is imported and loaded meanwhile stays: looking for garbage among it took a sixth of a warm start."""
    first, *others = gc.get_threshold()
    gc.set_threshold(first and max(first, 50_000), *others)
    try:
        yield
    finally:
        gc.set_threshold(first, *others)


def refuse_unwritable(a):
    """ValueError for an argument or a gradient that is to be written to and cannot be."""
    shared = a.size and any(n > 1 and not step for n, step in zip(a.shape, a.strides))  # an empty array has no steps either
    if shared or not a.flags.writeable:
        why = "elements that share memory" if shared else "read-only memory"
        raise ValueError(f"a compiled function writes in place to a tensor of shape {a.shape} with {why}: pass x.clone()")


def _of_their_own(values, others):
    """The values, copied where they share memory with each other or with ``others``: some are about to be written to."""
    taken = {id(graph.owner_of(a)) for a in others if hasattr(a, "dtype")}
    result = []
    for v in values:
        if hasattr(v, "dtype"):
            v = as_array(v, backends.numpy)
            if id(graph.owner_of(v)) in taken or not getattr(v.flags, "writeable", True):
                v = v.copy()
            taken.add(id(graph.owner_of(v)))
        result.append(v)
    return result
