"""A table of a model's layers with the shapes that flow through them."""

from ..graph import no_grad


def summary(model, example):
    """Run ``example`` through ``model`` and describe every layer that does something itself.

    Args:
        model: an ``nn.Module``.
        example: an input tensor, batch included.

    Returns:
        str: one line per layer with its output shape and its number of parameters, and the total.

    >>> import minigrad
    >>> from minigrad import nn
    >>> print(minigrad.teach.summary(nn.Sequential(nn.Linear(4, 2), nn.ReLU()), minigrad.zeros(3, 4)))
    layer    output shape    parameters
    Linear   (3, 2)                  10
    ReLU     (3, 2)                   0
    total                            10
    """
    rows, handles = [], []

    def record(module, _, output):
        own = sum(p.numel() for p in module.parameters(recurse=False))
        rows.append((type(module).__name__, str(tuple(output.shape)), own))

    for module in model.modules():
        if not list(module.children()):
            handles.append(module.register_forward_hook(record))
    training = model.training
    try:
        model.eval()
        with no_grad():
            model(example)
    finally:
        model.train(training)
        for handle in handles:
            handle.remove()
    total = sum(p.numel() for p in model.parameters())
    names = max(len("layer"), *(len(r[0]) for r in rows))
    shapes = max(len("output shape"), *(len(r[1]) for r in rows))
    lines = [f"{'layer':{names}}   {'output shape':{shapes}}    parameters"]
    lines += [f"{name:{names}}   {shape:{shapes}}    {count:>10,}" for name, shape, count in rows]
    lines.append(f"{'total':{names}}   {'':{shapes}}    {total:>10,}")
    return "\n".join(lines)
