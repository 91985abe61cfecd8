"""Saving and loading: ``.safetensors`` files, and checkpoints from which a run continues exactly."""

from .checkpoint import load_checkpoint as load_checkpoint
from .checkpoint import save_checkpoint as save_checkpoint
from .safe import add_safe_globals as add_safe_globals
from .safe import clear_safe_globals as clear_safe_globals
from .safe import get_safe_globals as get_safe_globals
from .safe import safe_globals as safe_globals
from .safetensors import load as load
from .safetensors import read_metadata as read_metadata
from .safetensors import save as save
