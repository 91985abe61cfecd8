"""The operations, one file per family. Importing this package registers them all."""

from . import arithmetic, comparison, creation, elementwise, indexing, linalg, reduction, shape  # noqa: F401
from . import activation, classification, dropout, loss, random, sampling, softmax  # noqa: F401
from . import adaptive, averaging, convolution, pooling, transposed, unfold, upsample  # noqa: F401
from . import bounds, exponential, logical, order, rounding, scan, statistics, trigonometric  # noqa: F401
from . import axes, conversion, filled, joining, padding, rearrange, selecting, splitting  # noqa: F401
