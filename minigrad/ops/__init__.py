"""The operations, one file per family. Importing this package registers them all."""

from . import arithmetic, comparison, creation, elementwise, indexing, linalg, reduction, shape  # noqa: F401
from . import dropout, random, sampling  # noqa: F401
from . import convolution, unfold  # noqa: F401
