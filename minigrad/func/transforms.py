"""Derivatives of functions: ``grad``, ``vjp``, ``jvp`` and the Jacobians made of them.

Each transform runs the function on inputs of its own, which take part in the history of what the caller gave: so transforms
nest, and a result can be differentiated by anything that it depends on.
"""

import contextlib
import functools

from .. import graph
from ..autograd import engine
from ..autograd.forward import push, reaches_outside, settled
from ..errors import describe
from ..tensor import Tensor, wrap
from .batching import refuse_in_trace
from .tree import leaves, tree_map, unflatten
from .vmap import over_samples


def fresh(t):
    """The same values as an input of one transform: a new leaf, or a new node on the history that ``t`` has."""
    if not isinstance(t, Tensor):
        return t
    own = wrap(t.array)
    if t.node is not None:
        from ..op import registry

        same, shape = registry["reshape"], tuple(t.array.shape)
        kept = same.save((True,), own.array, (t.array,))
        own.node = graph.Node(same, (t.node,), kept, {"shape": shape}, graph.serial(), shape)
    elif t.is_floating_point() or t.is_complex():
        own.node = graph.leaf(own)
    return own


class _Inputs:
    """The inputs of one transform: trees of tensors, each leaf replaced by a fresh one."""

    def __init__(self, trees, name):
        refuse_in_trace(f"minigrad.func.{name}() was called")
        self.given = trees
        flat = leaves(trees)
        for t in flat:
            if not isinstance(t, Tensor):
                raise ValueError(f"{name}: Thing passed to transform API must be Tensor, got {type(t)} ({describe(t)})")
            if not (t.is_floating_point() or t.is_complex()):
                raise RuntimeError(f"{name}: only Tensors of floating point dtype can be differentiated by, not {describe(t)}")
        self.flat = [fresh(t) for t in flat]
        self.trees = unflatten(trees, self.flat)
        self.leaves = {t.node for t in self.flat if t.node.op is graph.LEAF}
        self.recorded = graph.recording()

    def settle(self, tree):
        """Results for the caller: without the history that ends in the fresh leaves."""
        return tree_map(lambda t: settled(t, self.leaves, self.recorded), tree)

    def pulled(self, outputs, cotangents, retain=True):
        """The gradients of the flat inputs; zeros where an output does not depend on one."""
        pairs = [(o, c) for o, c in zip(outputs, cotangents) if o.node is not None and c is not None]
        if not pairs:
            return [_zeros(t) for t in self.flat]
        keep = self.recorded or graph.recording()
        higher = keep and any((c is not None and c.node is not None) or reaches_outside(o, self.leaves) for o, c in pairs)
        with graph.enable_grad():
            found = engine.grad([o for o, _ in pairs], self.flat, [c for _, c in pairs], retain_graph=retain or higher,
                                create_graph=higher, materialize_grads=True)  # fmt: skip
        return found


@contextlib.contextmanager
def _running():
    """While a transform runs its function: the history may be differentiated in ways that a compiled module does not offer."""
    token = graph.transforming.set(True)
    try:
        with graph.enable_grad():
            yield
    finally:
        graph.transforming.reset(token)


def _zeros(t):
    from ..op import faces

    return faces["zeros_like"].call(t.detach())


def _checked_outputs(name, out):
    flat = leaves(out)
    for o in flat:
        if not isinstance(o, Tensor):
            raise RuntimeError(f"{name}: Expected f to return only Tensors, got an output of type {type(o)}")
    if not flat:
        raise RuntimeError(f"{name}: Expected f to be a function that has non-empty output (got output = {out!r})")
    return flat


def _with_aux(name, out, has_aux):
    if not has_aux:
        return out, None
    if not (isinstance(out, tuple) and len(out) == 2):
        raise RuntimeError(
            f"{name}: output of function f should be a tuple: (output, aux) if has_aux is True, got {type(out).__name__}"
        )
    return out


def _positions(argnums, count, name):
    single = isinstance(argnums, int)
    numbers = (argnums,) if single else tuple(argnums)
    for n in numbers:
        if not isinstance(n, int):
            raise RuntimeError(f"{name}: argnums must be int or Tuple[int, ...], got {argnums!r}")
        if not -count <= n < count:
            raise RuntimeError(f"Got argnum={n}, but only {count} positional inputs")
    numbers = tuple([n % count for n in numbers])
    if len(set(numbers)) < len(numbers):
        raise RuntimeError(f"argnums elements must be unique, got {argnums}")
    if not numbers:
        raise RuntimeError("argnums must be non-empty")
    return single, numbers


def _replaced(args, numbers, values):
    args = list(args)
    for n, v in zip(numbers, values):
        args[n] = v
    return args


def grad_and_value(func, argnums=0, has_aux=False):
    """A function that returns the gradient of ``func`` and its value: ``(gradient, value)``.

    Arguments as for :func:`grad`; with ``has_aux`` the result is ``(gradient, (value, aux))``.

    >>> import minigrad
    >>> minigrad.func.grad_and_value(lambda x: x**3)(minigrad.tensor(2.0))
    (tensor(12.), tensor(8.))
    """

    @functools.wraps(func)
    def wrapped(*args, **kwargs):
        single, numbers = _positions(argnums, len(args), "grad")
        inputs = _Inputs([args[n] for n in numbers], "grad")
        with _running():
            out = func(*_replaced(args, numbers, inputs.trees), **kwargs)
        out, aux = _with_aux("grad_and_value(f)(*args)", out, has_aux)
        if not isinstance(out, Tensor):
            raise RuntimeError(f"grad_and_value(f)(*args): Expected f(*args) to return a single tensor, got {type(out).__name__}")
        if out.ndim:
            raise RuntimeError(
                f"Expected f(*args) to return a scalar tensor, got tensor with {out.ndim} dims. Maybe you wanted to use the vjp "
                f"or jacrev APIs instead?"
            )
        found = inputs.settle(unflatten(inputs.given, inputs.pulled([out], [_one(out)], retain=has_aux)))
        gradient = found[0] if single else tuple(found)
        value = inputs.settle(out)
        return (gradient, (value, inputs.settle(aux))) if has_aux else (gradient, value)

    return wrapped


def _one(out):
    from ..op import faces

    return faces["ones_like"].call(out.detach())


def grad(func, argnums=0, has_aux=False):
    """A function that returns the gradient of ``func``, which returns a 0-d tensor.

    Args:
        func: takes tensors or containers of them.
        argnums: which argument to differentiate by; several numbers give a tuple of gradients.
        has_aux: ``func`` returns ``(value, aux)``, and the result is ``(gradient, aux)``.

    Raises:
        RuntimeError: where ``func`` does not return one 0-d tensor.

    >>> import minigrad
    >>> minigrad.func.grad(minigrad.func.grad(minigrad.sin))(minigrad.tensor(1.0))
    tensor(-0.8415)
    """
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    def wrapped(*args, **kwargs):
        gradient, value = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return wrapped


def vjp(func, *primals, has_aux=False):
    """``(func(*primals), pull)``, where ``pull(cotangents)`` is the tuple of gradients by the primals.

    >>> import minigrad
    >>> out, pull = minigrad.func.vjp(minigrad.sin, minigrad.zeros(2))
    >>> pull(minigrad.tensor([1.0, 2.0]))
    (tensor([1., 2.]),)
    """
    inputs = _Inputs(primals, "vjp")
    with _running():
        out = func(*inputs.trees)
    out, aux = _with_aux("vjp(f, *primals)", out, has_aux)
    flat = _checked_outputs("vjp(f, *primals)", out)

    def pull(cotangents, retain_graph=True, create_graph=None):
        given = _cotangents(flat, cotangents)
        return tuple(inputs.settle(unflatten(inputs.given, inputs.pulled(flat, given, retain_graph))))

    result = inputs.settle(out)
    return (result, pull, inputs.settle(aux)) if has_aux else (result, pull)


def _cotangents(outputs, cotangents):
    given = leaves(cotangents)
    if len(given) != len(outputs):
        raise RuntimeError(
            f"Expected pytree structure of cotangents to be the same as pytree structure of outputs to the function: "
            f"{len(outputs)} tensors, got {len(given)}"
        )
    return given


def _tangents(primals, tangents, name):
    if not isinstance(tangents, tuple | list) or len(leaves(tangents)) != len(leaves(primals)):
        raise RuntimeError(f"{name}: Expected primals and tangents to have the same python structure")
    for p, t in zip(leaves(primals), leaves(tangents)):
        if not isinstance(t, Tensor):
            raise ValueError(f"{name}: Expected tangents to be Tensors, got {describe(t)}")
        if t.shape != p.shape:
            raise RuntimeError(f"{name}: a tangent of shape {list(t.shape)} for a primal of shape {list(p.shape)}")
    return leaves(tangents)


def jvp(func, primals, tangents, *, strict=False, has_aux=False):
    """``(func(*primals), tangent)``: the value, and its derivative along ``tangents``.

    Args:
        primals, tangents: tuples of the same structure.
        strict: RuntimeError where an output does not depend on the inputs.

    >>> import minigrad
    >>> minigrad.func.jvp(minigrad.sin, (minigrad.zeros(2),), (minigrad.tensor([1.0, 2.0]),))
    (tensor([0., 0.]), tensor([1., 2.]))
    """
    name = "jvp(f, primals, tangents)"
    if not isinstance(primals, tuple):
        raise RuntimeError(f"{name}: Expected primals to be a tuple. E.g. it should be valid to call f(*primals).")
    given = _tangents(primals, tangents, name)
    inputs = _Inputs(primals, "jvp")
    with _running():
        out = func(*inputs.trees)
    out, aux = _with_aux(name, out, has_aux)
    flat = _checked_outputs(name, out)
    pushed = push(flat, {t.node: d for t, d in zip(inputs.flat, given)})
    if strict and any(d is None for d in pushed):
        raise RuntimeError("jvp(f, primals, tangents, strict=True): The output of f is independent of the inputs")
    pushed = [_zeros(o) if d is None else d for o, d in zip(flat, pushed)]
    result = inputs.settle(out), inputs.settle(unflatten(out, pushed))
    return (*result, inputs.settle(aux)) if has_aux else result


def linearize(func, *primals):
    """``(func(*primals), push)``, where ``push(*tangents)`` is the derivative along them; ``func`` runs only once.

    >>> import minigrad
    >>> out, along = minigrad.func.linearize(minigrad.sin, minigrad.zeros(2))
    >>> along(minigrad.tensor([1.0, 2.0]))
    tensor([1., 2.])
    """
    inputs = _Inputs(primals, "linearize")
    with _running():
        out = func(*inputs.trees)
    flat = _checked_outputs("linearize", out)

    def along(*tangents):
        given = _tangents(primals, tangents, "linearize")
        pushed = push(flat, {t.node: d for t, d in zip(inputs.flat, given)})
        return inputs.settle(unflatten(out, [_zeros(o) if d is None else d for o, d in zip(flat, pushed)]))

    return inputs.settle(out), along


def unit_vectors(t):
    """The unit vectors of the shape of ``t``: (n, *shape)."""
    from ..op import faces

    n = graph.size_of(t.shape)
    unit = faces["eye"].call(n, dtype=t.dtype, device=t.device)
    return unit.reshape((n, *t.shape))


def _by_rows(function, rows, chunk_size):
    """``function`` of the rows, all at once or so many at a time: a tuple of tensors with a row for each."""
    from ..op import faces

    step = chunk_size or max(len(rows), 1)
    parts = [over_samples(function, rows[at : at + step]) for at in range(0, len(rows), step)]
    return parts[0] if len(parts) == 1 else tuple([faces["cat"].call(list(p), 0) for p in zip(*parts)])


def jacrev(func, argnums=0, *, has_aux=False, chunk_size=None, _preallocate_and_copy=False):
    """A function that returns the Jacobian of ``func``, a row for each output: one backward pass, over all rows at once.

    Args:
        func: takes and returns tensors or containers of them.
        argnums: which argument to differentiate by; several numbers give a tuple.
        has_aux: ``func`` returns ``(output, aux)``, and the result is ``(jacobian, aux)``.
        chunk_size: so many rows at a time; None for all.

    Returns:
        For an output of shape (m...) and an input of shape (n...) a tensor of shape (m..., n...).

    >>> import minigrad
    >>> minigrad.func.jacrev(minigrad.square)(minigrad.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError("jacrev: `chunk_size` should be greater than 0.")

    @functools.wraps(func)
    def wrapped(*args, **kwargs):
        single, numbers = _positions(argnums, len(args), "jacrev")
        inputs = _Inputs([args[n] for n in numbers], "jacrev")
        with _running():
            out = func(*_replaced(args, numbers, inputs.trees), **kwargs)
        out, aux = _with_aux("jacrev(f)(*args)", out, has_aux)
        blocks = [_jacobian_rows(inputs, o, chunk_size) for o in _checked_outputs("jacrev(f)(*args)", out)]
        trees = [unflatten(inputs.given, block) for block in blocks]
        trees = inputs.settle([t[0] if single else tuple(t) for t in trees])
        result = trees[0] if isinstance(out, Tensor) else unflatten(out, trees)
        return (result, inputs.settle(aux)) if has_aux else result

    return wrapped


def _jacobian_rows(inputs, o, chunk_size):
    """d o / d input for every flat input."""
    rows = _by_rows(lambda row: inputs.pulled([o], [row]), unit_vectors(o), chunk_size)
    return [r.reshape((*o.shape, *t.shape)) for r, t in zip(rows, inputs.flat)]


def jacfwd(func, argnums=0, has_aux=False, *, randomness="error"):
    """The Jacobian of ``func`` as :func:`jacrev` gives it, computed by columns: pushed forward for all columns at once.

    >>> import minigrad
    >>> minigrad.func.jacfwd(minigrad.square)(minigrad.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """

    @functools.wraps(func)
    def wrapped(*args, **kwargs):
        single, numbers = _positions(argnums, len(args), "jacfwd")
        inputs = _Inputs([args[n] for n in numbers], "jacfwd")
        with _running():
            out = func(*_replaced(args, numbers, inputs.trees), **kwargs)
        out, aux = _with_aux("jacfwd(f)(*args)", out, has_aux)
        flat = _checked_outputs("jacfwd(f)(*args)", out)
        columns = [jacobian_columns(flat, t) for t in inputs.flat]  # by input, then by output
        trees = [unflatten(inputs.given, block) for block in zip(*columns)]
        trees = inputs.settle([t[0] if single else tuple(t) for t in trees])
        result = trees[0] if isinstance(out, Tensor) else unflatten(out, trees)
        return (result, inputs.settle(aux)) if has_aux else result

    return wrapped


def jacobian_columns(outputs, t):
    """d output / d t for every flat output."""
    columns = over_samples(lambda column: push(outputs, {t.node: column}), unit_vectors(t))
    made = []
    for o, c in zip(outputs, columns):
        if c is None:
            c = _zeros(o).expand((graph.size_of(t.shape), *o.shape))
        made.append(c.movedim(0, -1).reshape((*o.shape, *t.shape)))
    return made


def hessian(func, argnums=0):
    """A function that returns the matrix of second derivatives of ``func``, which returns a 0-d tensor.

    >>> import minigrad
    >>> minigrad.func.hessian(lambda x: (x**3).sum())(minigrad.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    return jacrev(jacrev(func, argnums), argnums)


def functionalize(func, *, remove="mutations"):
    """``func`` itself: minigrad records writes in place as the pure operations that they stand for.

    >>> import minigrad
    >>> minigrad.func.functionalize(lambda x: x.clone().add_(1))(minigrad.zeros(2))
    tensor([1., 1.])
    """
    if remove not in ("mutations", "mutations_and_views"):
        raise RuntimeError(f"functionalize(f, remove='mutations'): expected 'mutations' or 'mutations_and_views', got {remove!r}")
    return func
