"""PyTorch's ``torch.utils``: the data part of it lives in :mod:`minigrad.data`."""

from . import data as data
