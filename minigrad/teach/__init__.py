"""Seeing what a network does: its layers, and one step of backpropagation with real numbers."""

from .explain import explain_step as explain_step
from .summary import summary as summary
