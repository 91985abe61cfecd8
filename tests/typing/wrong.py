"""Mistakes that an editor should underline, one a line; test_typing.py checks that pyright finds each."""

import minigrad
from minigrad.nn import functional as F

x = minigrad.ones(2, 3)
x.sum(dims=0)
x.squeze()
minigrad.matmull(x, x)
F.rellu(x)
rows: str = x.dim()
