"""Following one run of a function: forward, backward and the optimizer's update land in one graph.

The eager tape above works as always; only the arrays are :class:`Traced`. A Tensor from outside (a parameter, a buffer, a
constant) is captured by identity: its array becomes an input of the graph, its views are derived again, and if it is
written, its last array becomes an output. When the trace ends, every Tensor gets its own memory back, and the outputs are
written into it: the traced run was a real one.
"""

import gc

import numpy as np

from .. import backends, dispatch, graph
from ..errors import TraceError
from ..graph import tracer
from ..op import registry
from ..tensor import Tensor, wrap
from ..views import live_views
from . import results
from .arrays import MASK_REMEDY, Traced, TracedNumber, refuse, words_for
from .ir import Graph, Instruction
from .results import Effects


def trace(fn, *examples):
    """Run ``fn`` once on ``examples`` (Tensors) and write down what it computes.

    Returns:
        ``(graph, result)``: the :class:`Graph`, and what ``fn`` returned, without history. The graph's first outputs are
        the Tensors in ``result``, the others what became of captured Tensors and gradients.

    Raises:
        TraceError: where ``fn`` asks for the value of a tensor, or makes one whose shape depends on values.

    >>> import minigrad
    >>> w = minigrad.tensor([1.0, 2.0])
    >>> graph, y = minigrad.compile.trace(lambda x: x @ w, minigrad.ones(2))
    >>> y
    tensor(3.)
    >>> print(graph)
    %0 = input("argument 0")  # float32[2]
    %1 = input("captured")  # float32[2]
    %2 = matmul(%0, %1)  # float32[]
    return %2
    """
    run = Trace(examples)
    result = run.follow(fn, examples)
    return run.graph, result


class Trace:
    """One run that is being followed. While it lasts, it is ``graph.tracer``."""

    def __init__(self, examples):
        self.graph = Graph()
        self.readers = []  # per input of the graph: arguments -> the real array of a later call
        self.held = {}  # id(tensor) -> (tensor, array, node) as they were before
        self.captured = {}  # id(tensor) -> (tensor, its input), for the roots among them
        self.gradients = {}  # id(tensor) -> (tensor, its .grad when first met)
        self.gradient_owners = {}  # id(a .grad from before) -> the tensor it belongs to
        self.numbers = {}  # (id(owner), name) -> (owner, name, value, traced Tensor)
        self.constants = {}  # id(array) -> (array, its instruction): kept, so that ids stay unique
        self.before = {id(t): t for t in _all_tensors()}
        self.shells = [self._shell(k, t) for k, t in enumerate(examples)]
        self.effects = None
        self.outlived = []  # tensors made inside that something still holds afterwards

    # --------------------------------------------------------------------------------------------------------- the run
    def follow(self, fn, examples):
        """Run ``fn``; returns what it returned, and writes what it changed."""
        if tracer.get() is not None:
            raise TraceError("a trace is already running in this thread: call the function itself inside a traced function")
        dispatch.enter_special_mode(registry.values())
        token = tracer.set(self)
        try:
            result = fn(*self.shells)
            self.template = results.template(result, self)
            self.effects = Effects(self)
            values = [t.array.value for t in self.effects.tensors]
        finally:
            tracer.reset(token)
            dispatch.leave_special_mode()
            self._restore()
        del result
        self.effects.tensors = None
        self._settle_outlived()
        arguments = [t.array for t in examples]
        read = [arguments[i.params["position"]] if "position" in i.params else None for i in self.graph.inputs]
        values = self.effects.separate(values, [a for _, a, _ in self.held.values()] + [a for a in read if a is not None], self.graph)
        self.effects.apply(values, examples)
        return results.build(self.template, values, examples)
