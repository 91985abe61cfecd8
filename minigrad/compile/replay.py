"""Repeating a traced run: with the values that captured tensors, gradients and numbers have now, and writing them back."""

from .. import backends, graph
from ..errors import describe
from ..graph import recording, tracer
from ..tensor import Tensor
from .ir import Graph, as_array
from .simplify import simplify


def get(owner, name):
    """``owner.name``, or ``owner[name]`` of a dict such as a parameter group."""
    return owner[name] if isinstance(owner, dict) else getattr(owner, name)


def put(owner, name, value):
    if isinstance(owner, dict):
        owner[name] = value
    else:
        setattr(owner, name, value)


class Program:
    """A graph with all that a call needs besides.

    * ``readers``: per input of the graph, arguments -> array or number.
    * ``build``: (values, arguments) -> what the function returns.
    * ``effects``: (function, number of its output or None); after a call ``function(arguments, value)`` runs.
    * ``guards``: (arguments -> Tensor, whether it had a gradient): the graph is right only where that is so.
    """

    def __init__(self, graph: Graph):
        self.graph, self.simple = graph, None
        self.readers, self.effects, self.guards, self.build = [], [], [], None

    def fits(self, args):
        return all((slot(args)._grad is not None) == had for slot, had in self.guards)

    def replay(self, args):
        """One call with the values of now, call by call of the simplified graph."""
        if self.simple is None:
            self.simple = simplify(self.graph)
        inputs = [read(args) for read in self.readers]
        return self.finish(self.simple.run(*inputs), inputs, args)

    def finish(self, values, inputs, args):
        """Write back what the run changed, and build its result."""
        constants = [n.params["value"] for n in self.graph.nodes if n.op == "constant"]
        values = _of_their_own(values, [*inputs, *constants])
        for function, output in self.effects:
            function(args, None if output is None else values[output])
        return self.build(values, args)


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


class Step:
    """A function of Tensors that is traced at its first call and repeated from its graph afterwards.

    What it reads from outside (parameters, buffers, gradients, generators, :func:`runtime` numbers) is read anew at each
    call, and what it writes is written; every other Python value keeps what it was when the function was traced. It is
    traced again for other shapes or dtypes, for gradients that are there or not, and after a call that made tensors which
    stay in use, such as an optimizer's state in its first step.

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

    PATIENCE = 2  # so many traces with one signature may make tensors that stay in use

    def __init__(self, fn):
        self.fn = fn
        self.programs = {}  # signature -> Programs, which differ in their guards
        self.traces = 0
        self._restless = {}  # signature -> how many traces made tensors that stay in use
        self.result = None  # of the latest call

    def __call__(self, *args):
        if tracer.get() is not None:
            return self.fn(*args)
        key = _signature(args)
        program = next((p for p in self.programs.get(key, ()) if p.fits(args)), None)
        self.result = self._trace(key, args) if program is None else program.replay(args)
        return self.result

    def _trace(self, key, args):
        from .trace import Trace

        run = Trace()
        program, result = run.follow(self.fn, args, strict=self._restless.get(key, 0) >= self.PATIENCE)
        self.traces += 1
        if run.outlived:
            self._restless[key] = self._restless.get(key, 0) + 1
        else:
            self.programs.setdefault(key, []).append(program)
        return result


def trace_step(fn, *examples):
    """Trace ``fn`` on ``examples``, which runs its first step, and return the :class:`Step` that repeats it.

    ``step.result`` is what the first step returned.
    """
    step = Step(fn)
    step(*examples)
    return step


def _signature(args):
    for a in args:
        if not isinstance(a, Tensor):
            raise TypeError(f"a traced step takes Tensors, not {describe(a)}; bind other values with functools.partial")
    return (recording(), *((a.array.__class__, tuple(a.array.shape), a.array.dtype, a.node is not None) for a in args))
