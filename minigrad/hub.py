"""``torch.hub``: it fetches programs and weights from the network, and runs what it fetched. minigrad does not."""

import os

from .errors import UnsupportedError

_dir = [os.path.join(os.path.expanduser("~"), ".cache", "torch", "hub")]


def _refuse(name):
    def call(*args, **kwargs):
        raise UnsupportedError(
            f"torch.hub.{name}: minigrad fetches nothing from the network; download the file yourself and read it with "
            f"torch.load or safetensors"
        )

    call.__name__ = call.__qualname__ = name
    call.__doc__ = "Raises UnsupportedError: minigrad fetches nothing from the network."
    return call


load, list, help = _refuse("load"), _refuse("list"), _refuse("help")
download_url_to_file, load_state_dict_from_url = _refuse("download_url_to_file"), _refuse("load_state_dict_from_url")


def get_dir():
    """The folder that PyTorch would keep downloads in."""
    return _dir[0]


def set_dir(d):
    _dir[0] = os.fspath(d)
