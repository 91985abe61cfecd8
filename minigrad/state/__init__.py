"""Saving and loading: ``.safetensors`` files, and checkpoints from which a run continues exactly."""

from .checkpoint import load_checkpoint as load_checkpoint
from .checkpoint import save_checkpoint as save_checkpoint
from .safetensors import load as load
from .safetensors import read_metadata as read_metadata
from .safetensors import save as save
