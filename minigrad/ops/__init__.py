"""The operations, one file per family. Importing this package registers them all."""

from . import arithmetic, comparison, creation, elementwise, indexing, linalg, reduction, shape  # noqa: F401
from . import activation, dropout, random, sampling, softmax  # noqa: F401
from . import adaptive, averaging, convolution, pooling, unfold, upsample  # noqa: F401
from . import bounds, exponential, logical, rounding, trigonometric  # noqa: F401
from . import axes, conversion, filled, joining, padding, rearrange, splitting  # noqa: F401
