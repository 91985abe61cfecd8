"""The part of torchvision that small programs use: three data sets from local files, common transforms, picture grids.

On NumPy and Pillow, which loads on first use. ``python -m minigrad run`` gives it to a program that imports torchvision.
"""

from . import datasets as datasets
from . import transforms as transforms
from . import utils as utils

__version__ = "0.28.0+minigrad"


def __getattr__(name):
    raise AttributeError(
        f"minigrad has no torchvision.{name}: it has datasets (MNIST, FashionMNIST, CIFAR10, ...), transforms and utils; "
        f"pretrained models and detection operators need torchvision itself"
    )


def set_image_backend(backend):
    """Accepted for "PIL", which is the only one."""
    if backend != "PIL":
        raise ValueError(f"set_image_backend: minigrad reads pictures with Pillow alone, not {backend!r}")


def get_image_backend():
    """The library that reads pictures."""
    return "PIL"
