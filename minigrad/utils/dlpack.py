"""``torch.utils.dlpack``: tensors from and for other array libraries, without a copy."""

from .. import from_dlpack as from_dlpack


def to_dlpack(tensor):
    """The capsule that another library's ``from_dlpack`` takes."""
    return tensor.__dlpack__()
