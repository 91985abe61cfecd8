"""Values of one library as values of the other, and whether two of them are the same."""

import math
import types

import numpy as np
import torch

import minigrad

RELATIVE = {"float64": 1e-7, "float32": 2e-4, "float16": 2e-2, "bfloat16": 5e-2, "complex64": 2e-4, "complex128": 1e-7}


class Difference(Exception):
    """What differs (``values``, ``dtypes``, ``gradients`` ...) and how."""

    def __init__(self, what, text):
        super().__init__(text)
        self.what = what


def dtype_name(dtype):
    return str(dtype).removeprefix("torch.").removeprefix("minigrad.")


def mapped(value, leaf):
    """A tree of lists, tuples and dicts with ``leaf`` applied to what is in it."""
    if isinstance(value, torch.Size):
        return leaf(value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*[mapped(v, leaf) for v in value])
    if isinstance(value, list | tuple):
        return type(value)([mapped(v, leaf) for v in value])
    if isinstance(value, dict):
        return {k: mapped(v, leaf) for k, v in value.items()}
    return leaf(value)


def leaves(value):
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple) and not isinstance(value, torch.Size | minigrad.Size):
        for v in value:
            yield from leaves(v)
    else:
        yield value


def tensors(value):
    return [v for v in leaves(value) if isinstance(v, torch.Tensor | minigrad.Tensor)]


def fresh(value):
    """Copies of PyTorch's tensors, leaves that require a gradient where the originals do."""

    def leaf(v):
        return v.detach().clone().requires_grad_(v.requires_grad) if isinstance(v, torch.Tensor) else v

    return mapped(value, leaf)


def ours(value, grad=False):
    """PyTorch's value as minigrad's; what shares memory there shares it here."""
    memory = {}  # address of a storage that several tensors look into -> its numbers
    owners = [v.untyped_storage().data_ptr() for v in tensors(value) if isinstance(v, torch.Tensor) and v.layout == torch.strided]

    def leaf(v):
        if isinstance(v, torch.Tensor):
            several = v.layout == torch.strided and v.numel() and owners.count(v.untyped_storage().data_ptr()) > 1
            if (several and not (grad and v.requires_grad)) or (v.layout == torch.strided and has_overlaps(v)):
                return our_view(v, memory)
            return our_tensor(v, grad)
        if isinstance(v, torch.nn.Module):
            return our_layer(v)
        if type(v).__name__ == "tensortype":  # torch.FloatTensor and its kind
            return getattr(minigrad, v.__name__)
        if isinstance(v, torch.dtype | torch.memory_format | torch.layout):
            return getattr(minigrad, dtype_name(v))
        if isinstance(v, torch.device):
            return minigrad.device(str(v))
        if isinstance(v, torch.Size):
            return minigrad.Size(v)
        if isinstance(v, torch.Generator):
            return minigrad.Generator()
        return v

    return mapped(value, leaf)


def has_overlaps(t):
    """Whether an element of memory is several elements of a tensor that requires no gradient."""
    return not t.requires_grad and t.numel() > 0 and any(s == 0 and n > 1 for s, n in zip(t.stride(), t.shape))


def our_view(t, memory):
    """The same steps through the same memory: of tensors that overlap, and of an expanded one."""
    if t.dtype == torch.bfloat16 or t.is_complex():
        return our_tensor(t)
    storage = t.untyped_storage()
    flat = torch.empty(0, dtype=t.dtype).set_(storage, 0, (storage.nbytes() // t.element_size(),), (1,))
    row = memory.setdefault((storage.data_ptr(), t.dtype), flat.numpy().copy())
    steps = [s * t.element_size() for s in t.stride()]
    return minigrad.from_numpy(np.ndarray(t.shape, row.dtype, row, t.storage_offset() * t.element_size(), steps))


def our_layer(layer):
    """A layer without parameters, with the same settings, as the one of the same name here."""
    made = getattr(minigrad.nn, type(layer).__name__)()
    settings = {k: v for k, v in vars(layer).items() if not k.startswith("_") and isinstance(v, bool | int | float | str)}
    made.__dict__.update(settings)
    return made


def our_tensor(t, grad=False):
    """The same elements in memory of the same layout."""
    if t.layout != torch.strided:
        raise NotImplementedError("a sparse sample")
    flat = t.detach().resolve_conj().resolve_neg()
    wide = flat.float() if flat.dtype == torch.bfloat16 else flat
    array = wide.contiguous().numpy().copy() if wide.is_contiguous() else wide.numpy().copy(order="K")
    out = minigrad.from_numpy(array)
    out = out.to(minigrad.bfloat16) if flat.dtype == torch.bfloat16 else out
    return out.requires_grad_(True) if grad and t.requires_grad else out


def array(t):
    t = t.detach()
    if isinstance(t, torch.Tensor):
        t = t.resolve_conj().resolve_neg()
        return (t.float() if t.dtype == torch.bfloat16 else t).numpy(force=True)
    return np.asarray((t.to(minigrad.float32) if t.dtype is minigrad.bfloat16 else t).numpy())


def rebound(f):
    """A small Python function of PyTorch's test database, with minigrad where it says torch."""
    if not isinstance(f, types.FunctionType):
        return None
    world = {**f.__globals__, "torch": minigrad, "F": minigrad.nn.functional, "wrapper_set_seed": seeded}
    return types.FunctionType(f.__code__, world, f.__name__, f.__defaults__, f.__closure__)


def seeded(f, *args, **kwargs):
    """What the database calls random functions with: PyTorch's stream from the seed 42, and the stream as it was after it."""
    state = minigrad.get_rng_state()
    try:
        minigrad.manual_seed(42, engine="mt19937")
        return f(*args, **kwargs)
    finally:
        minigrad.set_rng_state(state)


def same(mine, theirs, where, what="values", tolerance=None):
    """Raises :class:`Difference` unless ``mine`` is what PyTorch has."""
    if isinstance(theirs, torch.Tensor):
        _same_tensor(mine, theirs, where, what, tolerance)
    elif isinstance(theirs, float):
        if not (mine == theirs or math.isclose(mine, theirs, rel_tol=1e-6, abs_tol=1e-9) or (mine != mine and theirs != theirs)):
            raise Difference(what, f"{where}: {mine!r}, PyTorch {theirs!r}")
    elif isinstance(theirs, np.ndarray):
        if mine.dtype != theirs.dtype or not np.allclose(mine, theirs, equal_nan=True):
            raise Difference(what, f"{where}: {mine!r}, PyTorch {theirs!r}")
    elif isinstance(theirs, bool | int | complex | str | type(None) | torch.Size):
        if mine != theirs and not (isinstance(mine, str) and mine.replace("minigrad.", "torch.") == theirs):
            raise Difference(what, f"{where}: {mine!r}, PyTorch {theirs!r}")
    elif isinstance(theirs, torch.dtype | torch.device | torch.layout) and dtype_name(mine) != dtype_name(theirs):
        raise Difference(what, f"{where}: {mine!r}, PyTorch {theirs!r}")


def _same_tensor(mine, theirs, where, what, tolerance):
    if not isinstance(mine, minigrad.Tensor):
        raise Difference(what, f"{where}: {type(mine).__name__}, PyTorch has a Tensor")
    if mine.dtype.name != dtype_name(theirs.dtype):
        raise Difference("dtypes", f"{where}: {mine.dtype.name}, PyTorch {dtype_name(theirs.dtype)}")
    if tuple(mine.shape) != tuple(theirs.shape):
        raise Difference(what, f"{where}: shape {tuple(mine.shape)}, PyTorch {tuple(theirs.shape)}")
    x, y = array(mine), array(theirs)
    bound = tolerance or RELATIVE.get(dtype_name(theirs.dtype), 0)
    finite = np.abs(y[np.isfinite(y)]) if y.dtype.kind in "fc" else np.zeros(0)
    scale = min(max(1.0, float(finite.max()) if finite.size else 1.0), 1e3)
    if not (np.allclose(x, y, rtol=bound, atol=bound * scale, equal_nan=True) if bound else np.array_equal(x, y)):
        raise Difference(what, f"{where}: {x.ravel()[:6]}, PyTorch {y.ravel()[:6]}, shape {y.shape}")
