"""Tracing: a function's calls as a graph that prints, runs again, and becomes code.

* :func:`trace`: one run of a function as a :class:`Graph`. :func:`trace_step`: a training step that repeats from its graph.
* :func:`runtime`: a Python number that is read anew at each call. Every other Python value of a trace is frozen.
* :func:`simplify`, :func:`verify`: passes and checks. ``step.graph(stage)``, ``step.source()`` and ``step.report()``
  show what became of a step.
* :class:`Step`: a function that is traced, guarded against all that it depends on, and repeated. The package itself can be
  called: ``minigrad.compile(fn)`` makes one; see ``minigrad/compiler.py``.
"""

import sys as _sys
import types as _types

from ..graph import runtime as runtime
from .checks import verify as verify
from .ir import Graph as Graph
from .ir import Instruction as Instruction
from .simplify import simplify as simplify
from .step import Step as Step
from .step import trace_step as trace_step
from .trace import trace as trace


class _Callable(_types.ModuleType):
    """This package, which can be called as ``torch.compile`` is, but raises what cannot be compiled (``fullgraph=True``)."""

    def __call__(self, model=None, *, fullgraph=True, **settings):
        from ..compiler import compile

        return compile(model, fullgraph=fullgraph, **settings)


_sys.modules[__name__].__class__ = _Callable
