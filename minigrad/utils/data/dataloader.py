"""``torch.utils.data.dataloader``: the loader under its module's name."""

from ...data import DataLoader as DataLoader
from ...data import default_collate as default_collate
