"""Fashion-MNIST: 70,000 pictures of clothes, from a folder, a Debian package or a download."""

import pathlib

from ..errors import FileError, missing_extra
from .dataset import TensorDataset
from .idx import read_idx

FASHION_MNIST_SOURCE = (
    "Fashion-MNIST. H. Xiao, K. Rasul and R. Vollgraf (2017), Zalando SE, arXiv:1708.07747, "
    "https://github.com/zalandoresearch/fashion-mnist, licence MIT. 60,000 + 10,000 images of 28x28 pixels."
)
FASHION_MNIST_CLASSES = ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot")

DEBIAN = "/usr/share/datasets/fashion-mnist"
URL = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
# SHA-256 of the authors' files. Debian's were packed anew, without the file's name, and have other sums.
FILES = {
    "train-images-idx3-ubyte": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    "train-labels-idx1-ubyte": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    "t10k-images-idx3-ubyte": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    "t10k-labels-idx1-ubyte": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
}


def fashion_mnist(folder=None):
    """Fashion-MNIST, or any data set in MNIST's four files, as a training and a test set.

    See ``FASHION_MNIST_SOURCE`` for authors and licence, ``FASHION_MNIST_CLASSES`` for the names of the ten classes.

    Args:
        folder: with the four IDX files, as they are or compressed (``.gz``). Without it they come from Debian's package
            ``dataset-fashion-mnist``, and where that is not installed from a download (31 MB, once, with checksums; it needs
            the extra ``data``).

    Returns:
        two TensorDatasets of images, float32 (N, 1, H, W) from 0 to 1, and labels, int64 (N,).

    Raises:
        FileNotFoundError: where a file is not in the folder.
        FileError: for a damaged file, or files that do not fit together.
        ImportError: for a download without the package pooch.

    >>> import minigrad
    >>> train, test = minigrad.data.fashion_mnist("fashion")              # doctest: +SKIP
    >>> len(train), len(test), train[0][0].shape                          # doctest: +SKIP
    (60000, 10000, minigrad.Size([1, 28, 28]))
    """
    if folder is None and pathlib.Path(DEBIAN).is_dir():
        folder = DEBIAN
    paths = [_download(name) if folder is None else _find(folder, name) for name in FILES]
    return _dataset(*paths[:2]), _dataset(*paths[2:])


def _find(folder, name):
    for path in (pathlib.Path(folder, name), pathlib.Path(folder, f"{name}.gz")):
        if path.is_file():
            return path
    raise FileNotFoundError(
        f"no file {name} or {name}.gz in the folder {folder}; it must hold {', '.join(FILES)}. Debian and Ubuntu have them in "
        f"the package dataset-fashion-mnist (in {DEBIAN}); without a folder they are downloaded"
    )


def _download(name):
    """The path of one of the authors' files, fetched unless it is in the cache folder already."""
    try:
        import pooch
    except ImportError:
        raise missing_extra("pooch", "data", "downloading Fashion-MNIST") from None
    return pooch.retrieve(
        f"{URL}{name}.gz", known_hash=f"sha256:{FILES[name]}", fname=f"{name}.gz", path=pooch.os_cache("minigrad")
    )


def _dataset(image_path, label_path):
    images, labels = read_idx(image_path), read_idx(label_path)  # (N, H, W), (N,)
    if images.ndim != 3 or labels.ndim != 1 or len(images) != len(labels):
        raise FileError(
            f"{image_path} and {label_path} do not fit together: images must be (N, height, width) and labels (N,), "
            f"but the shapes are {tuple(images.shape)} and {tuple(labels.shape)}"
        )
    return TensorDataset(images.float().div_(255).unsqueeze(1), labels.long())
