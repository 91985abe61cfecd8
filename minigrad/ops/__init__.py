"""The operations, one file per family. Importing this package registers them all."""

from . import arithmetic, comparison, creation, elementwise, indexing, linalg, reduction, shape  # noqa: F401
from . import random  # noqa: F401
