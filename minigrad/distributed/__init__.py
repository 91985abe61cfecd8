"""``torch.distributed`` for one process: a program that starts a group of one runs as it is.

minigrad trains in one process. A group of more is refused when it is asked for, with what to set instead.
"""

from .collectives import all_gather as all_gather
from .collectives import all_gather_into_tensor as all_gather_into_tensor
from .collectives import all_gather_object as all_gather_object
from .collectives import all_reduce as all_reduce
from .collectives import all_to_all as all_to_all
from .collectives import all_to_all_single as all_to_all_single
from .collectives import barrier as barrier
from .collectives import broadcast as broadcast
from .collectives import broadcast_object_list as broadcast_object_list
from .collectives import gather as gather
from .collectives import gather_object as gather_object
from .collectives import irecv as irecv
from .collectives import isend as isend
from .collectives import monitored_barrier as monitored_barrier
from .collectives import recv as recv
from .collectives import reduce as reduce
from .collectives import reduce_scatter as reduce_scatter
from .collectives import reduce_scatter_tensor as reduce_scatter_tensor
from .collectives import scatter as scatter
from .collectives import scatter_object_list as scatter_object_list
from .collectives import send as send
from .group import Backend as Backend
from .group import GroupMember as GroupMember
from .group import ProcessGroup as ProcessGroup
from .group import ReduceOp as ReduceOp
from .group import Work as Work
from .group import default_pg_timeout as default_pg_timeout
from .group import destroy_process_group as destroy_process_group
from .group import get_backend as get_backend
from .group import get_global_rank as get_global_rank
from .group import get_group_rank as get_group_rank
from .group import get_node_local_rank as get_node_local_rank
from .group import get_process_group_ranks as get_process_group_ranks
from .group import get_rank as get_rank
from .group import get_world_size as get_world_size
from .group import group as group
from .group import init_process_group as init_process_group
from .group import is_available as is_available
from .group import is_gloo_available as is_gloo_available
from .group import is_initialized as is_initialized
from .group import is_mpi_available as is_mpi_available
from .group import is_nccl_available as is_nccl_available
from .group import is_torchelastic_launched as is_torchelastic_launched
from .group import is_ucc_available as is_ucc_available
from .group import new_group as new_group

reduce_op = ReduceOp
