"""The operations, one file per family. Importing this package registers them all."""

from . import arithmetic, comparison, creation, elementwise, indexing, linalg, reduction, shape  # noqa: F401
from . import activation, attention, batch_norm, classification, decomposition, distance, dropout, einsum, likelihood, loss  # noqa: F401
from . import normalization, products, random, sampling, smooth, softmax, solving, spectral  # noqa: F401
from . import adaptive, averaging, convolution, pooling, quantized, recurrent, transposed, unfold, upsample, vision  # noqa: F401
from . import bounds, exponential, extremes, logical, order, rounding, scan, statistics, trigonometric  # noqa: F401
from . import axes, conversion, coordinates, embedding, filled, gather, joining, masking, padding, rearrange, searching, selecting, sorting, splitting  # noqa: F401
