"""Calls of a step that run from Python, as in eager mode: kernels with a backward of their own keep what that reads."""

from .. import kernels
from ..op import registry
from .kernels import vjp_values
from .whole import filled


class Calls:
    """The functions behind such calls; ``residuals``: what a forward call has left for its backward."""

    def __init__(self, graph):
        self.graph, self.residuals = graph, {}
        self.forward_of = {n: self._forward(n) for n in graph.nodes if n.op.endswith("_vjp")}
        self.awaited = set(self.forward_of.values())

    def function(self, n):
        """values -> result of the call."""
        name = n.op.removesuffix("_vjp")
        kernel = kernels.table("numpy").get(name)
        if kernel is None or not kernel.backward:
            return n.call
        if n.op.endswith("_vjp"):
            return self._backward(n, name, kernel) if self.forward_of[n] is not None else n.call
        return self._keeping(n, kernel) if n in self.awaited else n.call

    def _keeping(self, n, kernel):
        def run(values):
            if not kernel.takes(*values, **n.params):
                return n.call(values)
            found, residual = kernel.run(*values, **n.params)
            self.residuals[n] = (residual,)
            return found

        return run

    def _backward(self, n, name, kernel):
        op, forward, needed, params = registry[name], self.forward_of[n], n.params["needed"], dict(n.params["params"])
        given = dict(zip(op.arrays, forward.inputs))
        if any(kept is None and given.get(slot) is not None for slot, kept in zip(op.layout, n.params["layout"])):
            return n.call  # where few gradients are wanted, the rules kept less than the kernel reads

        def run(values):
            residual = self.residuals.pop(forward, None)
            if residual is None:
                return n.call(values)
            g = values[0] if op.outputs == 1 else list(values[: op.outputs])
            rest = iter(values[op.outputs :])
            saved = [filled(kept, rest) for kept in n.params["layout"]]
            saved = dict(zip(op.layout, saved))
            if op.outputs > 1:
                saved.setdefault("y", tuple([saved.get(f"y{i}") for i in range(op.outputs)]))
            found = kernel.gradients(g, saved, residual[0], needed, params)
            return [d for i, (d, wanted) in enumerate(zip(found, needed)) if wanted and op.rule(i) is not None]

        return run

    def _forward(self, n):
        """The call that a backward call belongs to, or None."""
        name = n.op.removesuffix("_vjp")
        op, names = registry[name], vjp_values(n, name)
        for slot, value in names.items():
            value = value[0] if value.__class__ is tuple else value
            if slot.startswith("y") and (value.inputs[0] if value.op == "pick" else value).op == name:
                return value.inputs[0] if value.op == "pick" else value
        for m in self.graph.nodes:
            if m.op == name and all(names.get(a, i) is i for a, i in zip(op.arrays, m.inputs)):
                return m
        return None
