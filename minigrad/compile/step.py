"""A training step that is traced once and then repeated from its graph."""

from ..errors import describe
from ..graph import recording, tracer
from ..tensor import Tensor
from .trace import Trace


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
