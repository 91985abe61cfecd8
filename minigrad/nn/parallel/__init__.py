"""``torch.nn.parallel``: wrappers that run their module in this process, on its own device."""

from .data_parallel import DataParallel as DataParallel
from .data_parallel import data_parallel as data_parallel
from .data_parallel import gather as gather
from .data_parallel import parallel_apply as parallel_apply
from .data_parallel import replicate as replicate
from .data_parallel import scatter as scatter
from .distributed import DistributedDataParallel as DistributedDataParallel
