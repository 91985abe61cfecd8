"""The operations, one file per family. Importing this package registers them all."""

from . import arithmetic, comparison, creation, elementwise, indexing, linalg, reduction, shape  # noqa: F401
from . import activation, attention, classification, decomposition, distance, dropout, loss, normalization, products  # noqa: F401
from . import random, sampling, softmax, solving  # noqa: F401
from . import adaptive, averaging, convolution, pooling, quantized, recurrent, transposed, unfold, upsample, vision  # noqa: F401
from . import bounds, exponential, extremes, logical, order, rounding, scan, statistics, trigonometric  # noqa: F401
from . import axes, conversion, coordinates, embedding, filled, gather, joining, masking, padding, rearrange, searching, selecting, sorting, splitting  # noqa: F401
