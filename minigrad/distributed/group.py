"""The process group of one process."""

import enum
import os
from datetime import timedelta

from ..errors import UnsupportedError

default_pg_timeout = timedelta(minutes=30)


class ReduceOp(enum.Enum):
    """How ``all_reduce`` joins values; of one value each gives that value."""

    SUM, AVG, PRODUCT, MIN, MAX, BAND, BOR, BXOR, PREMUL_SUM = range(9)


class Backend(str):
    """The name of a way to communicate."""

    UNDEFINED, GLOO, NCCL, UCC, MPI, XCCL = "undefined", "gloo", "nccl", "ucc", "mpi", "xccl"

    def __new__(cls, name):
        if not isinstance(name, str):
            raise ValueError(f"Backend constructor parameter must be string-ish: {name!r}")
        return str.__new__(cls, name.lower())


class ProcessGroup:
    """A group of one."""

    def __init__(self, backend):
        self.backend = backend

    def rank(self):
        return 0

    def size(self):
        return 1

    def name(self):
        return self.backend


class GroupMember:
    """What stands for a group that this process is not in."""

    WORLD = None
    NON_GROUP_MEMBER = -100


class _World(type):
    @property
    def WORLD(cls):
        return _state["group"]


class group(metaclass=_World):
    """``group.WORLD``: the group of all processes."""


class Work:
    """A call with ``async_op=True``: done."""

    def __init__(self, result=None):
        self._result = result

    def wait(self, timeout=None):
        return True

    def is_completed(self):
        return True

    def is_success(self):
        return True

    def result(self):
        return self._result

    def get_future(self):
        return self


_state = {"group": None}


def is_available():
    """Whether there is a ``torch.distributed``: this one, for a single process."""
    return True


def is_initialized():
    """Whether :func:`init_process_group` was called."""
    return _state["group"] is not None


def is_gloo_available():
    return True


def is_nccl_available():
    return False


def is_mpi_available():
    return False


def is_ucc_available():
    return False


def is_torchelastic_launched():
    return "TORCHELASTIC_RUN_ID" in os.environ


def init_process_group(backend=None, init_method=None, timeout=None, world_size=-1, rank=-1, store=None, group_name="",
                       pg_options=None, device_id=None):  # fmt: skip
    """Start the group of one process.

    Args:
        backend: any of PyTorch's; nothing is sent.
        world_size, rank: 1 and 0, from here or from the environment's WORLD_SIZE and RANK.
        init_method, timeout, store, group_name, pg_options, device_id: kept for PyTorch's signature.

    Raises:
        UnsupportedError: for more than one process.

    >>> from minigrad import distributed as dist
    >>> dist.init_process_group("gloo", rank=0, world_size=1)
    >>> dist.get_rank(), dist.get_world_size()
    (0, 1)
    >>> dist.destroy_process_group()
    """
    if is_initialized():
        raise ValueError("trying to initialize the default process group twice!")
    size = int(os.environ.get("WORLD_SIZE", 1)) if world_size in (-1, None) else int(world_size)
    number = int(os.environ.get("RANK", 0)) if rank in (-1, None) else int(rank)
    if size != 1 or number != 0:
        raise UnsupportedError(
            f"init_process_group: minigrad trains in one process, and this is number {number} of {size}; start the program "
            f"without a launcher, or with world_size=1 and rank=0"
        )
    _state["group"] = ProcessGroup(Backend(backend or "gloo"))


def destroy_process_group(group=None):
    """End the group."""
    default_group()
    if group is None or group is _state["group"]:
        _state["group"] = None


def default_group():
    if _state["group"] is None:
        raise ValueError("Default process group has not been initialized, please make sure to call init_process_group.")
    return _state["group"]


def get_rank(group=None):
    """The number of this process: 0."""
    default_group()
    return 0


def get_world_size(group=None):
    """The number of processes: 1."""
    default_group()
    return 1


def get_backend(group=None):
    """The backend that :func:`init_process_group` was given."""
    return (group or default_group()).backend


def new_group(ranks=None, timeout=None, backend=None, pg_options=None, use_local_synchronization=False, group_desc=None,
              device_id=None):  # fmt: skip
    """Another group of this process."""
    mine = default_group()
    if ranks is not None and list(ranks) not in ([0], []):
        raise ValueError(f"new_group: the world has the one process 0, and ranks is {list(ranks)}")
    return ProcessGroup(Backend(backend or mine.backend)) if ranks is None or list(ranks) else GroupMember.NON_GROUP_MEMBER


def get_process_group_ranks(group=None):
    default_group()
    return [0]


def get_global_rank(group, group_rank):
    return group_rank


def get_group_rank(group, global_rank):
    return global_rank


def get_node_local_rank(fallback_rank=None):
    return int(os.environ.get("LOCAL_RANK", fallback_rank or 0))
