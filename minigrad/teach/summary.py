"""A table of a model's layers with the shapes that flow through them."""

from ..graph import no_grad
from ..nn.evaluating import evaluating
from ..tensor import Tensor


def summary(model, *inputs):
    """Run ``inputs`` through ``model`` and describe every layer that does something itself.

    Args:
        model: an ``nn.Module``. It runs in eval mode and without gradients, and is left as it was.
        inputs: what it is called with, batch included.

    Returns:
        str: one line for each call of a layer, with its name in the model, its output shape and its number of parameters
        (those of a layer that is called again are counted once), and the total.

    >>> import minigrad
    >>> from minigrad import nn
    >>> print(minigrad.teach.summary(nn.Sequential(nn.Linear(4, 2), nn.ReLU()), minigrad.zeros(3, 4)))
    layer       output shape    parameters
    0  Linear   (3, 2)                  10
    1  ReLU     (3, 2)                   0
    total                               10
    """
    rows, handles, counted = [("layer", "output shape", "parameters")], [], set()

    def watch(name):
        def record(module, _, output):
            new = [p for p in module.parameters(recurse=False) if id(p) not in counted]
            counted.update(map(id, new))
            rows.append((f"{name}  {type(module).__name__}".strip(), _shapes(output), f"{sum(p.numel() for p in new):,}"))

        return record

    for name, module in model.named_modules():
        if not list(module.children()) or list(module.parameters(recurse=False)):
            handles.append(module.register_forward_hook(watch(name)))
    try:
        with evaluating(model), no_grad():
            model(*inputs)
    finally:
        for handle in handles:
            handle.remove()
    rows.append(("total", "", f"{sum(p.numel() for p in model.parameters()):,}"))
    names, shapes = (max(len(row[i]) for row in rows) for i in (0, 1))
    return "\n".join(f"{name:{names}}   {shape:{shapes}}    {count:>10}" for name, shape, count in rows)


def _shapes(output):
    """The shape of a tensor, or those in a tuple or list of them, as a recurrent layer returns."""
    if isinstance(output, Tensor):
        return str(tuple(output.shape))
    if isinstance(output, tuple | list):
        return " ".join(_shapes(o) for o in output if o is not None)
    return type(output).__name__
