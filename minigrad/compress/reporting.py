"""What quantization gained and what it cost."""

import pathlib
import tempfile
from dataclasses import dataclass

from .. import cat, state
from ..graph import no_grad
from ..nn.evaluating import evaluating
from .layers import Quantized

BATCH = 256


@dataclass(frozen=True)
class Report:
    """The figures of :func:`report`; ``print`` it for a table.

    Pairs are (before, after). ``agreement`` is the share of inputs on which both models choose the same class. ``worst_layer``
    is the layer whose output differs most, given the float model's own input to it, and ``worst_error`` the length of that
    difference relative to the float output.
    """

    memory: tuple
    file: tuple
    accuracy: tuple
    agreement: float
    worst_layer: str
    worst_error: float

    def __str__(self):
        change = f"{100 * (self.accuracy[1] - self.accuracy[0]):+.2f} points"
        rows = [
            ("", "float", "int8", ""),
            ("bytes in memory", *(f"{n:,}" for n in self.memory), f"{self.memory[1] / self.memory[0]:.2f} of it"),
            ("bytes in the file", *(f"{n:,}" for n in self.file), f"{self.file[1] / self.file[0]:.2f} of it"),
            ("accuracy", *(f"{a:.4f}" for a in self.accuracy), change),
        ]
        lines = [f"{a:17}  {b:>11}  {c:>11}   {d}".rstrip() for a, b, c, d in rows]
        lines.append(f"same class on {100 * self.agreement:.2f} % of the inputs")
        lines.append(f"worst layer: {self.worst_layer}, its output moves by {100 * self.worst_error:.2f} % of its length")
        return "\n".join(lines)

    __repr__ = __str__


def report(model, quantized, inputs, labels):
    """Size and accuracy of a model before and after :func:`minigrad.quantize`, on data that neither was trained on.

    Args:
        model: the float model.
        quantized: the model made of it.
        inputs: (N, ...) tensor.
        labels: (N,) or (N, ...) class numbers, for outputs (N, classes) or (N, classes, ...).

    Returns:
        a :class:`Report`.

    >>> import minigrad
    >>> model = minigrad.nn.Linear(64, 10)
    >>> x = minigrad.randn(100, 64)
    >>> print(minigrad.compress.report(model, minigrad.quantize(model), x, model(x).argmax(1)))
                             float         int8
    bytes in memory          2,600          720   0.28 of it
    bytes in the file        ...
    accuracy                1.0000       ...
    same class on ... % of the inputs
    worst layer: the model, its output moves by ... % of its length
    """
    before, after = _classes(model, inputs), _classes(quantized, inputs)
    name, error = _worst_layer(model, quantized, inputs[:BATCH])
    return Report(
        memory=(_memory(model), _memory(quantized)),
        file=(_file_size(model), _file_size(quantized)),
        accuracy=(_share(before == labels), _share(after == labels)),
        agreement=_share(before == after),
        worst_layer=name,
        worst_error=error,
    )


def _share(flags):
    return flags.float().mean().item()


def _classes(model, inputs):
    with evaluating(model), no_grad():
        return cat([model(inputs[i : i + BATCH]).argmax(1) for i in range(0, len(inputs), BATCH)])


def _memory(model):
    """Bytes of all parameters and buffers, shared ones once."""
    return sum(t.nbytes for t in (*model.parameters(), *model.buffers()))


def _file_size(model):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "model.safetensors"
        state.save(model.state_dict(), path)
        return path.stat().st_size


def _worst_layer(model, quantized, inputs):
    """(name, relative error) of the int8 layer whose output is furthest from the float layer's on the same input."""
    errors, handles = {}, []
    small = dict(quantized.named_modules())

    def compare(name):
        def hook(layer, args, kwargs, output):
            difference = (small[name](*args, **kwargs) - output).float().norm().item()
            errors[name] = max(errors.get(name, 0.0), difference / (output.float().norm().item() or 1.0))

        return hook

    for name, layer in model.named_modules():
        if isinstance(small.get(name), Quantized) and not isinstance(layer, Quantized):
            handles.append(layer.register_forward_hook(compare(name), with_kwargs=True))
    try:
        with evaluating(model), evaluating(quantized), no_grad():
            model(inputs)
    finally:
        for handle in handles:
            handle.remove()
    error, name = max(((error, name) for name, error in errors.items()), default=(0.0, ""))
    return name or "the model", error
