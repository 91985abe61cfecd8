"""How an update rule is run on parameters: in place by a kernel, as array text, or joined for many small parameters."""

from .. import backends, kernels
from ..autograd.engine import recorded
from ..dispatch import apply
from ..dtype import float32
from ..graph import enable_grad, no_grad, owner_of, tracer, writes
from ..views import write

SMALL = 2048  # parameters of up to so many elements are updated together


def update(rule, tensors, params):
    """Run the update ``rule`` for one parameter and write its results into the memory of ``tensors``.

    ``tensors`` are the parameter, its gradient and its state; a state that the settings do not use is None. A kernel that
    accepts the call writes in place, else the rule's text runs on the raw arrays: a step is called so often on small
    parameters that not even Tensors are made. Only under a trace does the rule run as an ordinary operation.
    """
    if tracer.get() is not None:
        return _traced_update(rule, tensors, params)
    arrays = [None if t is None else t.array for t in tensors]
    p = arrays[0]
    xp = backends.by_type.get(p.__class__) or backends.of(p)
    if p.dtype in xp.HALVES:
        _wide_update(xp, rule, arrays, params)
    else:
        _update(xp, rule, arrays, params)
    writes.stamp(p)


def _update(xp, rule, arrays, params):
    kernel = kernels.table(xp.name).get(rule.name)
    if kernel is not None and kernel.accepts(*arrays, **params):
        kernel.run(*arrays, **params)
    elif arrays[0].dtype.kind == "c":
        _complex_update(xp, rule, arrays, params)
    else:
        _store(arrays, getattr(xp, rule.name)(*arrays, **params))


def _wide_update(xp, rule, arrays, params):
    """float16 and bfloat16 are for storage: the rule runs in float32, and each of its results is rounded once."""
    wide = _widened(xp, arrays)
    _update(xp, rule, wide, params)
    for i, (a, w) in enumerate(zip(arrays, wide)):
        if i != 1 and a is not w:
            a[...] = xp.astype(w, dtype=a.dtype)


def _widened(xp, arrays):
    return [xp.astype(a, dtype=float32.dtype) if a is not None and a.dtype in xp.HALVES else a for a in arrays]


def update_together(rule, calls):
    """Run the update ``rule`` once for many small parameters, joined end to end.

    The rules are elementwise, so the numbers are those of one call each; but on a few dozen elements a NumPy function takes
    as long as on a few thousand. ``calls`` are (tensors, settings) of :func:`update`; whatever differs from the first in
    dtype, device or settings is updated alone, as is a parameter in memory that another one has written to.
    """
    (first, settings), joined, alone, seen = calls[0], [], [], set()
    dtype, array_type = first[0].array.dtype, first[0].array.__class__
    for tensors, params in calls:
        p, g = tensors[0].array, tensors[1].array
        same = p.dtype == dtype == g.dtype and p.__class__ is array_type
        memory = id(p if p.base is None else owner_of(p))
        if same and params == settings and memory not in seen:
            joined.append(tensors)
        else:
            alone.append((tensors, params))
        seen.add(memory)
    if len(joined) < 2:
        alone = calls
    else:
        _update_joined(rule, joined, settings)
    for tensors, params in alone:
        update(rule, tensors, params)


def _update_joined(rule, joined, settings):
    xp = backends.of(joined[0][0].array)
    columns = [None if column[0] is None else [t.array for t in column] for column in zip(*joined)]
    flat = [None if column is None else xp.concat(*[a if a.ndim == 1 else a.reshape(-1) for a in column]) for column in columns]
    written = [column for i, column in enumerate(columns) if i != 1 and column is not None]
    for column, result in zip(written, getattr(xp, rule.name)(*_widened(xp, flat), **settings)):
        start, result = 0, xp.astype(result, dtype=column[0].dtype) if column[0].dtype in xp.HALVES else result
        for a in column:
            stop = start + a.size
            part = result[start:stop]
            a[...] = part if a.ndim == 1 else part.reshape(a.shape)
            start = stop
    for tensors in joined:
        writes.stamp(tensors[0].array)


def _store(arrays, results):
    """Results follow the arrays, less the gradient and what is None."""
    arrays[0][...] = results[0]
    i = 1
    for old in arrays[2:]:
        if old is not None:
            old[...] = results[i]
            i += 1


def _complex_update(xp, rule, arrays, params):
    """A complex number is updated as two independent real ones, as in PyTorch."""
    real = [None if a is None else xp.np.ascontiguousarray(a).view(a.real.dtype) for a in arrays]
    results = getattr(xp, rule.name)(*real, **params)
    _store(arrays, [r.view(arrays[0].dtype).reshape(arrays[0].shape) for r in results])


def _traced_update(rule, tensors, params):
    with no_grad():
        results = apply(rule, tuple(tensors), dict(params))
        changed = [t for i, t in enumerate(tensors) if i != 1 and t is not None]
        for old, new in zip(changed, results):
            write(old, new)


def update_recorded(rule, tensors, params):
    """A differentiable step: the rule's text runs on Tensors and is recorded, and its results are written with their history.

    So gradients flow from the new parameter to the old one, to the gradient, to the state and to settings that are Tensors.
    """
    with enable_grad():
        results = rule.body(recorded, *tensors, **params)
        changed = [t for i, t in enumerate(tensors) if i != 1 and t is not None]
        for old, new in zip(changed, results):
            write(old, new)
