"""``torch.onnx``: minigrad writes no ONNX files. Importing it is possible, exporting says what is missing."""

from .errors import UnsupportedError


class OnnxExporterError(RuntimeError):
    """What PyTorch's exporter raises."""


def export(*args, **kwargs):
    """Raises UnsupportedError: there is no exporter."""
    raise UnsupportedError(
        "torch.onnx.export: minigrad does not write ONNX files; save the state dict (torch.save or safetensors), load it into "
        "the same model in PyTorch, and export there"
    )


def is_in_onnx_export():
    return False
