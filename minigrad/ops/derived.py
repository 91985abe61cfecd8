"""The rule of a composed operation, taken from its own text."""

import inspect

from .. import graph
from ..autograd.engine import grad, recorded
from ..tensor import Tensor, wrap


def derived(body, *, wrt):
    """A rule for input ``wrt`` of an operation with the text ``body``: run the text on Tensors and differentiate.

    Right at every order and never out of step with the text, but slower than a written rule. The result names every input
    and static parameter of ``body``, as a written rule would.

    ``vjp=(derived(_gelu, wrt="x"),)``
    """
    parameters = list(inspect.signature(body).parameters.values())[1:]
    names = [p.name for p in parameters]

    def rule(xp, g, *values):
        given = dict(zip(names, values))
        boxed = isinstance(g, Tensor)
        token = graph._recording.set(True)
        try:
            arrays = {n: given[n] for n in names if hasattr(given[n], "shape")}
            tensors = {n: a if boxed else wrap(a) for n, a in arrays.items()}
            if not boxed:
                tensors[wrt] = wrap(arrays[wrt]).requires_grad_()
            positional = [tensors.get(p.name, given[p.name]) for p in parameters if p.kind is not p.KEYWORD_ONLY]
            statics = {p.name: given[p.name] for p in parameters if p.kind is p.KEYWORD_ONLY}
            out = body(recorded, *positional, **statics)
            (d,) = grad(out, tensors[wrt], g if boxed else wrap(g), create_graph=boxed)
        finally:
            graph._recording.reset(token)
        return d if boxed else d.array

    rule.names = tuple(names)
    return rule
