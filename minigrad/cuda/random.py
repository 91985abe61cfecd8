"""``torch.cuda.random``: seeding. minigrad has one generator for all devices."""

from . import manual_seed as manual_seed
from . import manual_seed_all as manual_seed_all
