"""The handwritten digits that come with minigrad."""

import functools
import importlib.resources

import numpy as np

from ..tensor import wrap
from .dataset import TensorDataset

DIGITS_SOURCE = (
    "Optical Recognition of Handwritten Digits. E. Alpaydin and C. Kaynak (1998), UCI Machine Learning Repository, "
    "https://doi.org/10.24432/C50P49, licence CC BY 4.0. The 1,797 images of its test set, 8x8 pixels of 0 to 16."
)


def digits():
    """The 1,797 handwritten digits of the UCI repository, as a training and a test set.

    The test set is always the same: every fifth image of each digit. See ``DIGITS_SOURCE`` for authors and licence.

    Returns:
        two TensorDatasets of images, float32 (N, 1, 8, 8) from 0 to 1, and labels, int64 (N,) from 0 to 9.

    >>> import minigrad
    >>> train, test = minigrad.data.digits()
    >>> len(train), len(test), train[0][0].shape
    (1438, 359, minigrad.Size([1, 8, 8]))
    """
    images, labels = _arrays()
    place = np.zeros(len(labels), np.int64)  # the how-many-th image of its digit
    for digit in range(10):
        place[labels == digit] = np.arange((labels == digit).sum())
    test = place % 5 == 2
    return tuple(
        TensorDataset(wrap((images[part] / np.float32(16))[:, None]), wrap(labels[part].astype(np.int64)))
        for part in (~test, test)
    )


@functools.cache
def _arrays():
    """images float32 (1797, 8, 8), labels uint8 (1797,)"""
    with importlib.resources.files("minigrad.data").joinpath("resources/digits.npz").open("rb") as file:
        with np.load(file, allow_pickle=False) as saved:
            return saved["images"].astype(np.float32), saved["labels"]
