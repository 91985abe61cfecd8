"""The Kullback-Leibler divergence between two distributions, under PyTorch's name for the module; it loads all closed forms."""

from . import kl_mixed as kl_mixed
from . import kl_same as kl_same
from .divergence import _KL_REGISTRY as _KL_REGISTRY
from .divergence import kl_divergence as kl_divergence
from .divergence import register_kl as register_kl
