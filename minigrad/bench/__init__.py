"""How fast this machine is, and how much of that the operations reach: ``python -m minigrad bench``.

* :func:`roofline`: what the machine can do at most, a copy's bytes per second and a matrix product's operations per second.
* :func:`run`: every hot operation as NumPy text, Numba kernel, compiled and, where there is a GPU, with CuPy, at several sizes.
* :func:`compare`: two runs side by side, and which differences are more than noise. :func:`load`, :func:`save`: runs as JSON.
* :func:`table`, :func:`crossovers`, :func:`page`: a run as text and as an HTML page with plots.

Of an operation that moves ``bytes`` and makes ``flops`` operations no version can take less time than the larger of
bytes / bandwidth and flops / peak. That time over the measured one is its share of the roofline: Williams, Waterman and
Patterson, "Roofline: an insightful visual performance model for multicore architectures", 2009.
"""

from .comparing import compare as compare
from .files import load as load
from .files import save as save
from .limits import roofline as roofline
from .page import page as page
from .rows import OPERATIONS as OPERATIONS
from .rows import SIZES as SIZES
from .running import WAYS as WAYS
from .running import run as run
from .tables import crossovers as crossovers
from .tables import table as table
