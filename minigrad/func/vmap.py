"""``vmap``: a function of one sample as a function of a batch."""

import functools

from .. import graph
from ..tensor import Tensor
from .batching import ENTER, LEAVE, Batched, Level, seal
from .tree import broadcast_prefix, leaves, unflatten


def vmap(func, in_dims=0, out_dims=0, randomness="error", *, chunk_size=None):
    """A function that applies ``func`` to every sample of a batch, and computes all samples at once.

    Args:
        func: takes and returns tensors, or containers of them.
        in_dims: which dimension of each input is the batch; None for an input that all samples share. A number for all
            inputs, or a tuple (nested like the inputs) with one for each.
        out_dims: where the batch dimension stands in each output; None for an output that does not depend on the sample.
        randomness: what random operations do inside: ``"error"``, ``"same"`` numbers for all samples, or ``"different"``.
        chunk_size: so many samples at a time; None for all.

    Raises:
        ValueError: where ``in_dims`` or ``out_dims`` do not fit, or the batch sizes differ.
        RuntimeError: where ``func`` asks for the value of a tensor, or has a result whose shape depends on values.

    >>> import minigrad
    >>> x = minigrad.arange(6.0).view(3, 2)
    >>> minigrad.vmap(minigrad.dot)(x, x)
    tensor([ 1., 13., 41.])
    """
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(f"Only allowed values for randomness are 'error', 'different', or 'same'. Got {randomness}")
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")

    @functools.wraps(func)
    def wrapped(*args, **kwargs):
        dims = _in_dims(func, in_dims, args)
        flat = leaves(args)
        size = _batch_size(func, in_dims, flat, dims)
        pieces = range(0, size, chunk_size) if chunk_size and chunk_size < size else (0,)
        results = [
            _run(func, args, kwargs, _piece(flat, dims, size, at, chunk_size), dims, out_dims, randomness) for at in pieces
        ]
        return results[0][0] if len(results) == 1 else _joined(results)

    return wrapped


def _piece(flat, dims, size, start, chunk_size):
    if chunk_size is None or chunk_size >= size:
        return flat
    length = min(chunk_size, size - start)
    return [x if d is None else x.narrow(d, start, length) for x, d in zip(flat, dims)]


def _joined(results):
    from ..op import faces

    trees, dims = [r for r, _ in results], results[0][1]
    parts = zip(*map(leaves, trees))
    return unflatten(trees[0], [p[0] if d is None else faces["cat"].call(list(p), d) for p, d in zip(parts, dims)])


def _run(func, args, kwargs, flat, dims, out_dims, randomness):
    """One batch. Returns the result and the flat ``out_dims``."""
    size = next(x.shape[d] for x, d in zip(flat, dims) if d is not None)
    level = Level(size, randomness)
    inside = [x if d is None else ENTER(x if d == 0 else x.movedim(d, 0), level) for x, d in zip(flat, dims)]
    token = graph.levels.set((*graph.levels.get(), level))
    try:
        out = func(*unflatten(args, inside), **kwargs)
    finally:
        graph.levels.reset(token)
    where = _out_dims(func, out_dims, out)
    results = leaves(out)
    seal([r for r in results if isinstance(r, Tensor)], level)
    return unflatten(out, [_left(r, d, level, func) for r, d in zip(results, where)]), where


def _left(r, dim, level, func):
    if dim is None:
        if isinstance(r.array, Batched) and r.array.level is level:
            raise ValueError(
                f"vmap({_name(func)}, ...): `{_name(func)}` can not return a BatchedTensor when out_dim is None: the output "
                f"differs from sample to sample"
            )
        return r
    out = LEAVE(r, level)
    if not -out.ndim <= dim < out.ndim:
        raise IndexError(
            f"vmap: Dimension out of range (expected to be in range of [{-out.ndim}, {out.ndim - 1}], but got {dim}) in out_dims"
        )
    return out if dim == 0 else out.movedim(0, dim)


def _name(func):
    return getattr(func, "__name__", repr(func))


def _in_dims(func, in_dims, args):
    """``in_dims`` with one entry for every leaf of the arguments, none of them negative."""
    name = _name(func)
    call = f"vmap({name}, in_dims={in_dims}, ...)(<inputs>)"
    if not isinstance(in_dims, int | tuple | list):
        raise ValueError(
            f"{call}: expected `in_dims` to be int or a (potentially nested) tuple matching the structure of inputs, got: "
            f"{type(in_dims)}."
        )
    if not args:
        raise ValueError(
            f"vmap({name})(<inputs>): got no inputs. Maybe you forgot to add inputs, or you are trying to vmap over a function "
            f"with no inputs. The latter is unsupported."
        )
    dims = broadcast_prefix(tuple(in_dims) if isinstance(in_dims, list) else in_dims, args)
    if dims is None:
        raise ValueError(
            f"{call}: in_dims is not compatible with the structure of `inputs`: it must have an entry for each of the "
            f"{len(args)} inputs"
        )
    checked = []
    for x, d in zip(leaves(args), dims):
        if d is not None and (not isinstance(d, int) or isinstance(d, bool)):
            raise ValueError(f"{call}: Got in_dim={d} for an input but in_dim must be either an integer dimension or None.")
        if d is not None and not isinstance(x, Tensor):
            raise ValueError(
                f"{call}: Got in_dim={d} for an input but the input is of type {type(x)}. We cannot vmap over non-Tensor "
                f"arguments, please use None as the respective in_dim"
            )
        if d is not None and not -x.ndim <= d < x.ndim:
            raise ValueError(
                f"{call}: Got in_dim={d} for some input, but that input is a Tensor of dimensionality {x.ndim} so expected "
                f"in_dim to satisfy -{x.ndim} <= in_dim < {x.ndim}."
            )
        checked.append(None if d is None else d % x.ndim)
    return checked


def _batch_size(func, in_dims, flat, dims):
    sizes = [x.shape[d] for x, d in zip(flat, dims) if d is not None]
    if not sizes:
        raise ValueError(f"vmap({_name(func)}, in_dims={in_dims}, ...)(<inputs>): at least one input must have a batch axis")
    if len(set(sizes)) > 1:
        raise ValueError(
            f"vmap: Expected all tensors to have the same size in the mapped dimension, got sizes {sizes} for the mapped "
            f"dimension"
        )
    return sizes[0]


def _out_dims(func, out_dims, out):
    name = _name(func)
    for r in leaves(out):
        if not isinstance(r, Tensor):
            raise ValueError(
                f"vmap({name}, ...): `{name}` must only return Tensors, got type {type(r)}. Did you mean to set out_dims= "
                f"to None for output?"
            )
    dims = broadcast_prefix(out_dims, out)
    if dims is None and isinstance(out_dims, tuple) and len(out_dims) == 1 and isinstance(out, Tensor):
        dims = list(out_dims)
    if dims is None:
        raise ValueError(
            f"vmap({name}, ..., out_dims={out_dims})(<inputs>): out_dims is not compatible with the structure of `outputs`."
        )
    for d in dims:
        if d is not None and not isinstance(d, int):
            raise ValueError(
                f"vmap({name}, ..., out_dims={out_dims}): `out_dims` must be an int, None or a python collection of ints "
                f"representing where in the outputs the vmapped dimension should appear."
            )
    return dims


def over_samples(function, *tensors):
    """``function`` of every row of some tensors at once, for the library's own use: ``vmap`` with nothing to check."""
    level = Level(tensors[0].array.shape[0], "error")
    token = graph.levels.set((*graph.levels.get(), level))
    try:
        out = function(*[ENTER(t, level) for t in tensors])
    finally:
        graph.levels.reset(token)
    results = [r for r in out if r is not None]
    seal(results, level)
    return tuple([None if r is None else LEAVE(r, level) for r in out])
