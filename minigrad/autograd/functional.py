"""Products with Jacobians and Hessians, and these matrices themselves, under the names of ``torch.autograd.functional``."""

from .. import graph
from ..tensor import Tensor
from .engine import grad
from .forward import push

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]


# ------------------------------------------------------------------------------------------------------- in and out
def _as_tuple(value, what, name):
    """(the tensors as a tuple, whether it was one before)."""
    given = isinstance(value, tuple)
    tensors = value if given else (value,)
    for i, t in enumerate(tensors):
        if not isinstance(t, Tensor):
            of = "" if what == "inputs" else " of the user-provided function"
            raise TypeError(
                f"The {what}{of} given to {name} must be either a Tensor or a tuple of Tensors but the "
                f"{f'value at index {i}' if given else f'given {what}'} has type {type(t)}."
            )
    return tensors, given


def _fresh(inputs, create_graph):
    """Inputs to differentiate by: on the history of the caller's where the result is to be differentiable."""
    made = []
    for t in inputs:
        made.append(t.view_as(t) if create_graph and t.requires_grad else t.detach().requires_grad_())
    return tuple(made)


def _run(func, inputs, name, create_graph):
    inputs, given = _as_tuple(inputs, "inputs", name)
    inputs = _fresh(inputs, create_graph)
    outputs, several = _as_tuple(func(*inputs), "outputs", name)
    return inputs, given, outputs, several


def _check_dependence(outputs, strict):
    for i, o in enumerate(outputs):
        if strict and not o.requires_grad:
            raise RuntimeError(
                f"Output {i} of the user-provided function does not require gradients. The outputs must be computed in a "
                f"differentiable manner from the input when running in strict mode."
            )


def _scalar(outputs, several, name):
    if several or len(outputs) != 1 or outputs[0].numel() != 1 or outputs[0].ndim > 1:
        what = "a single Tensor" if several else "a Tensor with a single element"
        raise RuntimeError(f"The function given to {name} should return {what}")


def _zeros(t):
    from ..op import faces

    return faces["zeros_like"].call(t.detach())


def _gradients(outputs, inputs, upstream, create_graph, strict, name):
    """The gradients of the inputs, zeros where nothing depends on one."""
    pairs = [(o, g) for o, g in zip(outputs, upstream) if o.requires_grad]
    if pairs:
        found = grad([o for o, _ in pairs], inputs, [g for _, g in pairs], retain_graph=True, create_graph=create_graph,
                     allow_unused=True)  # fmt: skip
    else:
        found = [None] * len(inputs)
    for i, g in enumerate(found):
        if strict and g is None:
            raise RuntimeError(
                f"The output of the user-provided function is independent of input {i}. This is not allowed in strict mode. "
                f"({name})"
            )
        if strict and create_graph and not g.requires_grad:
            raise RuntimeError(
                f"While computing the {name}, found that the jacobian of the user-provided function with respect to input {i} is "
                f"independent of the input. This is not allowed in strict mode when create_graph=True: make sure that the "
                f"function is twice differentiable"
            )
    return [_zeros(t) if g is None else g for g, t in zip(found, inputs)]


def _weights(v, like, name, one_allowed):
    if v is None:
        if not one_allowed:
            raise RuntimeError(
                "The vector v can only be None if the user-provided function returns a single Tensor with a single element."
            )
        return [None]
    v, _ = _as_tuple(v, "inputs", name)
    if len(v) != len(like):
        raise RuntimeError(f"v is a tuple of invalid length: should be {len(like)} but got {len(v)}.")
    for i, (a, b) in enumerate(zip(v, like)):
        if a.shape != b.shape:
            raise RuntimeError(f"Entry {i} in v has invalid size: should be {list(b.shape)} but got {list(a.shape)}.")
    return list(v)


def _given_back(tensors, as_tuple, keep):
    """Results as they were given in, without history unless it is asked for."""
    tensors = tuple([t if keep else t.detach() for t in tensors])
    return tensors if as_tuple else tensors[0]


# -------------------------------------------------------------------------------------------------------- products
def vjp(func, inputs, v=None, create_graph=False, strict=False):
    """``(func(inputs), v @ jacobian)``.

    Args:
        func: takes the inputs and returns a tensor or a tuple of tensors.
        inputs: a tensor or a tuple.
        v: of the shape of the outputs; a single output of one element needs none.
        create_graph: make the results differentiable.
        strict: RuntimeError where an output does not depend on an input, instead of zeros.

    >>> import minigrad
    >>> minigrad.autograd.functional.vjp(lambda x: x**2, minigrad.tensor([1.0, 2.0]), minigrad.ones(2))
    (tensor([1., 4.]), tensor([2., 4.]))
    """
    with graph.enable_grad():
        inputs, given, outputs, several = _run(func, inputs, "vjp", create_graph)
        _check_dependence(outputs, strict)
        weights = _weights(v, outputs, "vjp", len(outputs) == 1 and outputs[0].numel() == 1)
        if weights == [None]:
            weights = [_ones(outputs[0])]
        found = _gradients(outputs, inputs, weights, create_graph, strict, "vjp")
    return _given_back(outputs, several, create_graph), _given_back(found, given, create_graph)


def _ones(t):
    from ..op import faces

    return faces["ones_like"].call(t.detach())


def jvp(func, inputs, v=None, create_graph=False, strict=False):
    """``(func(inputs), jacobian @ v)``. Arguments as for :func:`vjp`; ``v`` has the shape of the inputs.

    >>> import minigrad
    >>> minigrad.autograd.functional.jvp(lambda x: x**2, minigrad.tensor([1.0, 2.0]), minigrad.ones(2))
    (tensor([1., 4.]), tensor([2., 4.]))
    """
    with graph.enable_grad():
        inputs, _, outputs, several = _run(func, inputs, "jvp", create_graph)
        _check_dependence(outputs, strict)
        weights = _weights(v, inputs, "jvp", len(inputs) == 1 and inputs[0].numel() == 1)
        if weights == [None]:
            weights = [_ones(inputs[0])]
        pushed = push(outputs, {t.node: w for t, w in zip(inputs, weights)})
        found = [_zeros(o) if d is None else d for o, d in zip(outputs, pushed)]
    return _given_back(outputs, several, create_graph), _given_back(found, several, create_graph)


def vhp(func, inputs, v=None, create_graph=False, strict=False):
    """``(func(inputs), v @ hessian)`` of a function with one value. Arguments as for :func:`vjp`.

    >>> import minigrad
    >>> minigrad.autograd.functional.vhp(lambda x: (x**3).sum(), minigrad.tensor([1.0, 2.0]), minigrad.ones(2))
    (tensor(9.), tensor([ 6., 12.]))
    """
    with graph.enable_grad():
        inputs, given, outputs, several = _run(func, inputs, "vhp", create_graph)
        _check_dependence(outputs, strict)
        _scalar(outputs, several, "vhp")
        first = _gradients(outputs, inputs, [_ones(outputs[0])], True, strict, "vhp")
        weights = _weights(v, inputs, "vhp", len(inputs) == 1 and inputs[0].numel() == 1)
        if weights == [None]:
            weights = [_ones(inputs[0])]
        found = _gradients(first, inputs, weights, create_graph, strict, "vhp")
    return _given_back(outputs, several, create_graph), _given_back(found, given, create_graph)


def hvp(func, inputs, v=None, create_graph=False, strict=False):
    """``(func(inputs), hessian @ v)``: the same as :func:`vhp`, since a Hessian is symmetric.

    >>> import minigrad
    >>> minigrad.autograd.functional.hvp(lambda x: (x**3).sum(), minigrad.tensor([1.0, 2.0]), minigrad.ones(2))
    (tensor(9.), tensor([ 6., 12.]))
    """
    return vhp(func, inputs, v, create_graph, strict)


# -------------------------------------------------------------------------------------------------------- matrices
def jacobian(func, inputs, create_graph=False, strict=False, vectorize=False, strategy="reverse-mode"):
    """The Jacobian of ``func``: for each output and input a tensor of shape (shape of the output, shape of the input).

    Args:
        func, inputs, create_graph, strict: as for :func:`vjp`.
        vectorize: all rows at once by ``vmap``, instead of one by one; the same values.
        strategy: ``"reverse-mode"``, or with ``vectorize`` also ``"forward-mode"``: by columns.

    Returns:
        A tensor; a tuple of them for several inputs or outputs; a tuple of tuples for several of both.

    >>> import minigrad
    >>> minigrad.autograd.functional.jacobian(lambda x: x**2, minigrad.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    if strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError(
            f'Expected strategy to be either "forward-mode" or "reverse-mode". Hint: If your function has more outputs than '
            f'inputs, "forward-mode" tends to be more performant. Got {strategy!r}'
        )
    if strategy == "forward-mode" and not vectorize:
        raise NotImplementedError(
            'torch.autograd.functional.jacobian: `vectorize=False` and `strategy="forward-mode"` are not both supported '
            "together: use vectorize=True"
        )
    if vectorize and strict:
        raise RuntimeError(
            "torch.autograd.functional.jacobian: `strict=True` and `vectorized=True` are not supported together. Please either "
            "set `strict=False` or `vectorize=False`."
        )
    with graph.enable_grad():
        inputs, given, outputs, several = _run(func, inputs, "jacobian", create_graph)
        _check_dependence(outputs, strict)
        if vectorize:
            rows = _forward_blocks(outputs, inputs) if strategy == "forward-mode" else _row_blocks(outputs, inputs, create_graph)
        else:
            rows = [_rows(o, inputs, create_graph, strict) for o in outputs]
    rows = tuple([_given_back(row, given, create_graph) for row in rows])
    return rows if several else rows[0]


def _rows(o, inputs, create_graph, strict):
    """d o / d input for every input, one backward pass for each element of ``o``."""
    from ..op import faces

    if not o.requires_grad or not o.numel():
        return [_zeros(t).expand((*o.shape, *t.shape)) for t in inputs]
    found = [
        _gradients([e], inputs, [_ones(e)], create_graph, strict, "jacobian")
        for e in (o.reshape(-1)[i] for i in range(o.numel()))
    ]
    return [faces["stack"].call(list(gs)).reshape((*o.shape, *t.shape)) for gs, t in zip(zip(*found), inputs)]


def _row_blocks(outputs, inputs, create_graph):
    from ..func.transforms import unit_vectors
    from ..func.vmap import over_samples

    blocks = []
    for o in outputs:
        found = over_samples(lambda g, o=o: _gradients([o], inputs, [g], create_graph, False, "jacobian"), unit_vectors(o))
        blocks.append([f.reshape((*o.shape, *t.shape)) for f, t in zip(found, inputs)])
    return blocks


def _forward_blocks(outputs, inputs):
    from ..func.transforms import jacobian_columns

    return list(zip(*[jacobian_columns(outputs, t) for t in inputs]))


def hessian(func, inputs, create_graph=False, strict=False, vectorize=False, outer_jacobian_strategy="reverse-mode"):
    """The second derivatives of a function with one value. Arguments and result as for :func:`jacobian`.

    >>> import minigrad
    >>> minigrad.autograd.functional.hessian(lambda x: (x**3).sum(), minigrad.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    if outer_jacobian_strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError('Expected strategy to be either "forward-mode" or "reverse-mode".')
    inputs, given = _as_tuple(inputs, "inputs", "hessian")

    def checked(*x):
        out = func(*x)
        outputs, several = _as_tuple(out, "outputs", "hessian")
        _check_dependence(outputs, strict)
        _scalar(outputs, several, "hessian")
        return out.reshape(())

    def gradient(*x):
        if outer_jacobian_strategy == "forward-mode":
            x = tuple([t.view_as(t) for t in x])
        found = jacobian(checked, x, create_graph=True, strict=strict)
        return found

    found = jacobian(gradient, inputs, create_graph, strict, vectorize, outer_jacobian_strategy)
    return found if given else found[0][0]
