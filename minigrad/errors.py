"""Every error class and every long message.

Nothing here runs until something has already failed, so the checks cost the hot path nothing. A message says what failed,
shows the values, and says what to do. The classes derive from the exceptions that PyTorch raises in the same place.
"""


class MinigradError(Exception):
    """The base of minigrad's own error classes."""


class ShapeError(MinigradError, RuntimeError, ValueError):
    """Shapes that do not fit together."""


class DtypeError(MinigradError, TypeError, RuntimeError):
    """An element type that an operation cannot take."""


class UnsupportedError(DtypeError, NotImplementedError):
    """An operation that has no meaning for this element type."""


class NotDense(UnsupportedError, AttributeError):
    """An operation that a sparse tensor does not have."""


class DimError(MinigradError, IndexError):
    """A dimension that the tensor does not have."""


class BoundsError(DimError, RuntimeError):
    """An index outside the tensor; PyTorch raises IndexError in some functions and RuntimeError in others."""


class DeviceError(MinigradError, RuntimeError):
    """Tensors on different devices, or a device that is not there."""


class NoCudaError(DeviceError, AssertionError):
    """A GPU is asked for and cannot be used. PyTorch without CUDA raises AssertionError, with CUDA and no GPU RuntimeError."""


class GradError(MinigradError, RuntimeError):
    """A gradient that cannot be computed as asked."""


class InplaceError(GradError):
    """A write in place that would make a gradient wrong."""


class LinAlgError(MinigradError, RuntimeError):
    """A matrix that a solver or a factorization cannot take: singular, or not positive definite."""


class TraceError(MinigradError, RuntimeError):
    """Something that a traced function cannot do."""


class FileError(MinigradError, RuntimeError):
    """A file that is damaged, foreign or unsafe."""


_SCALAR_TYPES = {
    "float32": "Float", "float64": "Double", "float16": "Half", "bfloat16": "BFloat16", "uint8": "Byte", "int8": "Char",
    "int16": "Short", "int32": "Int", "int64": "Long", "bool": "Bool", "complex64": "ComplexFloat", "complex128": "ComplexDouble",
}  # fmt: skip


def scalar_type(dtype):
    """How PyTorch's messages name an element type: ``Float``, ``Long``."""
    return _SCALAR_TYPES.get(dtype.name, dtype.name)


def describe(value):
    """One argument as it appears in a message."""
    if hasattr(value, "array"):
        where = "" if value.device.type == "cpu" else f", device={value.device}"
        return f"Tensor(shape={tuple(value.array.shape)}, dtype={value.array.dtype}{where})"
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"{type(value).__name__}(shape={tuple(value.shape)}, dtype={value.dtype})"
    text = repr(value)
    return text if len(text) < 80 else f"{text[:77]}..."


def explain(op, error, args, params):
    """Turn a backend's exception into one that names the operation, the arguments and the remedy."""
    if isinstance(error, MinigradError) or getattr(error, "explained", False):
        return error
    tensors = [a for a in args if hasattr(a, "array")]
    shapes = [tuple(a.array.shape) for a in tensors]
    devices = {str(a.device) for a in tensors}
    if len(devices) > 1:
        new = DeviceError(
            f"{op.name}: expected all tensors to be on the same device, but found {' and '.join(sorted(devices))}; "
            f"move them with x.to(device) or model.to(device)"
        )
    elif type(error).__name__ == "AxisError" and shapes:
        new = dim_error(op.name, params.get("axis"), len(shapes[0]))
    elif "zero-size array" in str(error):  # the largest or smallest of no elements
        new = _no_elements(op.public_name or op.name, params.get("axis"), shapes[0])
    elif "duplicate value in 'axis'" in str(error):
        dims = [d % len(shapes[0]) for d in params["axis"]]
        twice = next(d for d in dims if dims.count(d) > 1)
        new = ShapeError(f"dim {twice} appears multiple times in the list of dims {params['axis']}")
    elif isinstance(error, TypeError) and tensors and ("not supported" in str(error) or "Wrong type" in str(error)):
        kinds = " and ".join(dict.fromkeys(str(a.array.dtype) for a in tensors))
        new = UnsupportedError(f'"{op.public_name or op.name}" not implemented for {kinds}; convert the tensor with .to(dtype)')
    elif op.name == "matmul" and len(shapes) == 2:
        new = ShapeError(matmul_message(*shapes))
    elif op.broadcasts and len(shapes) > 1 and (message := broadcast_message(shapes)):
        new = ShapeError(message)
    else:
        kind = (
            type(error)
            if type(error) in (ValueError, TypeError, IndexError, RuntimeError, KeyError, MemoryError)
            else RuntimeError
        )
        new = (ShapeError if kind is ValueError else kind)(str(error))
        new.explained = True
    arguments = ", ".join(map(describe, args)) + "".join(f", {k}={v!r}" for k, v in params.items())
    new.args = (
        f"{op.name}: {new.args[0] if new.args else error}\n  arguments: {arguments}".replace(
            f"{op.name}: {op.name}:", f"{op.name}:"
        ),
    )
    return new


def _no_elements(name, axis, shape):
    if axis is None:
        return ShapeError(
            f"{name}(): Expected reduction dim to be specified for input.numel() == 0. "
            f"Specify the reduction dim with the 'dim' argument."
        )
    empty = next((d for d in (axis if isinstance(axis, tuple) else (axis,)) if shape[d] == 0), axis)
    return DimError(f"{name}(): Expected reduction dim {empty} to have non-zero size.")


def dim_error(name, dim, ndim):
    low, high = (-ndim, ndim - 1) if ndim else (-1, 0)
    return DimError(f"{name}: Dimension out of range (expected to be in range of [{low}, {high}], but got {dim})")


def matmul_message(a, b):
    if not a or not b:
        return f"matmul: both arguments need at least one dimension, got shapes {a} and {b}; use * to scale by a number"
    rows = b[-2] if len(b) > 1 else b[-1]
    hint = ""
    if len(b) > 1 and a[-1] == b[-1]:
        hint = "; did you mean x @ w.T?"
    elif len(a) > 1 and a[-2] == rows:
        hint = "; did you mean x.T @ w?"
    return (
        f"matmul: mat1 and mat2 shapes cannot be multiplied ({'x'.join(map(str, a))} and {'x'.join(map(str, b))}): "
        f"the last size of the first ({a[-1]}) must equal the {'second last' if len(b) > 1 else 'only'} size "
        f"of the second ({rows}){hint}"
    )


def broadcast_message(shapes):
    """None where the shapes do broadcast."""
    ndim = max(map(len, shapes))
    for d in range(ndim - 1, -1, -1):
        sizes = [s[d - ndim + len(s)] for s in shapes if d - ndim + len(s) >= 0]
        wide = [n for n in sizes if n != 1]
        if any(n != wide[0] for n in wide):
            other = next(n for n in wide if n != wide[0])
            return (
                f"The size of tensor a ({wide[0]}) must match the size of tensor b ({other}) at non-singleton dimension {d}: "
                f"shapes {' and '.join(map(str, shapes))}; a dimension of size 1 would broadcast, see x.unsqueeze(dim)"
            )
    return None


def not_a_tensor(op, value, position):
    kind = type(value).__name__
    remedy = "wrap it in minigrad.tensor(...)" if kind in ("list", "tuple", "ndarray", "float", "int") else "pass a Tensor"
    return TypeError(f"{op}(): argument {position} must be Tensor or a number, not {kind} ({describe(value)}); {remedy}")


def only_tensors(op, value, position):
    kind = type(value).__name__
    return TypeError(f"{op}(): argument {position} must be Tensor, not {kind} ({describe(value)}); wrap it with tensor(...)")


_INVERT = "If you are trying to invert a mask, use the `~` or `logical_not()` operator instead"


def no_bool(op, both=False):
    if op in ("sub", "subtract"):
        return UnsupportedError(
            f"Subtraction, the `-` operator, with {'two bool tensors' if both else 'a bool tensor'} is not supported. "
            + ("Use the `^` or `logical_xor()` operator instead" if both else _INVERT)
            + "; to count, convert with .int() or .float()"
        )
    if op in ("neg", "negative"):
        return UnsupportedError(f"Negation, the `-` operator, on a bool tensor is not supported. {_INVERT}")
    return UnsupportedError(
        f"\"{op}\" not implemented for 'Bool': convert with .int() or .float(), or use logical_and, logical_or"
    )


def no_history():
    return GradError(
        "element 0 of tensors does not require grad and does not have a grad_fn: nothing it was computed from has "
        "requires_grad=True. Create the parameters with requires_grad=True (nn.Parameter does), and do not compute under "
        "no_grad() or through .detach(), .item() or NumPy"
    )


def not_scalar(shape):
    return GradError(
        f"grad can be implicitly created only for scalar outputs, but this tensor has shape {tuple(shape)}; "
        f"reduce it first (loss.mean() or loss.sum()), or pass backward(gradient) of the same shape"
    )


def not_real(dtype):
    return GradError(
        f"grad can be implicitly created only for real scalar outputs but got {dtype}; take .real, .imag or .abs() of the loss, "
        f"or pass backward(gradient)"
    )


def gradient_shape(got, expected):
    return ShapeError(
        f"Mismatch in shape: grad_output[0] has a shape of torch.Size({list(got)}) and output[0] has a shape of "
        f"torch.Size({list(expected)}); they must be equal"
    )


def written(op, which):
    return InplaceError(
        f"one of the variables needed for gradient computation has been modified by an inplace operation: the gradient of {op} "
        f"needs its {which}, which was written after {op} ran. Write `x = x + 1` in place of `x += 1`, "
        f"or write before {op} reads "
        f"it, or .clone() it first"
    )


def leaf_written(view):
    return InplaceError(
        f"{'a view of ' * view}a leaf Variable that requires grad is being used in an in-place operation. "
        "Its gradient would have no meaning. "
        "Wrap the write in `with minigrad.no_grad():` (as an optimizer step does), or write to a copy: y = x.clone()"
    )


def freed(op):
    return GradError(
        f"Trying to backward through the graph a second time (or directly access saved tensors after they have already been "
        f"freed): the saved arrays of {op} were freed when you called .backward() or autograd.grad(). Specify "
        f"retain_graph=True in the first call, or compute the loss again for each backward"
    )


def not_float(dtype):
    return GradError(
        f"only Tensors of floating point and complex dtype can require gradients, but this one is {dtype}; "
        f"write 1.0 in place of 1, or convert with .float()"
    )


def unused_input(index):
    return GradError(
        f"The differentiated Tensor at index {index} appears to not have been used in the graph. "
        f"Set allow_unused=True to get None for it"
    )


def nan_gradient(name, index, where):
    return GradError(
        f"Function {name!r} returned nan values in its {index}th output. The forward call that it belongs to was:\n{where}"
        f"Look for 0/0, log(0), sqrt(0) or an overflow there; clamp the input or add a small eps"
    )


def missing_extra(package, extra, why):
    return ImportError(
        f"{why} needs the package {package!r}, which is not installed; in the clone run: pip install -e '.[{extra}]'"
    )
