"""Recording and differentiation."""

from .engine import backward as backward
from .engine import grad as grad
