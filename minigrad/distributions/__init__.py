"""``torch.distributions``: what can be sampled and has a density."""

from .categorical import Categorical as Categorical
from .distribution import Distribution as Distribution
