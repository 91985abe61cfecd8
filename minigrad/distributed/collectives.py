"""What the processes of a group do together. In a group of one, each value is already everywhere."""

from ..errors import UnsupportedError
from ..graph import no_grad
from .group import ReduceOp, Work, default_group


def _done(async_op, result=None):
    return Work(result) if async_op else None


def _put(target, source):
    with no_grad():
        target.copy_(source)


def all_reduce(tensor, op=ReduceOp.SUM, group=None, async_op=False):
    """The sum (mean, maximum ...) over one process: ``tensor`` as it is."""
    default_group()
    return _done(async_op, [tensor])


def reduce(tensor, dst=None, op=ReduceOp.SUM, group=None, async_op=False, group_dst=None):
    default_group()
    return _done(async_op, [tensor])


def broadcast(tensor, src=None, group=None, async_op=False, group_src=None):
    default_group()
    return _done(async_op, [tensor])


def all_gather(tensor_list, tensor, group=None, async_op=False):
    """Write every process's ``tensor`` into ``tensor_list``, which holds one."""
    default_group()
    _one(tensor_list, "all_gather")
    _put(tensor_list[0], tensor)
    return _done(async_op, tensor_list)


def all_gather_into_tensor(output_tensor, input_tensor, group=None, async_op=False):
    default_group()
    _put(output_tensor, input_tensor.reshape(output_tensor.shape))
    return _done(async_op, [output_tensor])


def reduce_scatter(output, input_list, op=ReduceOp.SUM, group=None, async_op=False):
    default_group()
    _one(input_list, "reduce_scatter")
    _put(output, input_list[0])
    return _done(async_op, [output])


def reduce_scatter_tensor(output, input, op=ReduceOp.SUM, group=None, async_op=False):
    return all_gather_into_tensor(output, input, group, async_op)


def gather(tensor, gather_list=None, dst=None, group=None, async_op=False, group_dst=None):
    default_group()
    if gather_list is None:
        raise ValueError("Argument ``gather_list`` must be specified on destination rank.")
    _one(gather_list, "gather")
    _put(gather_list[0], tensor)
    return _done(async_op, gather_list)


def scatter(tensor, scatter_list=None, src=None, group=None, async_op=False, group_src=None):
    default_group()
    if scatter_list is None:
        raise ValueError("Argument ``scatter_list`` must be specified on source rank.")
    _one(scatter_list, "scatter")
    _put(tensor, scatter_list[0])
    return _done(async_op, [tensor])


def all_to_all(output_tensor_list, input_tensor_list, group=None, async_op=False):
    default_group()
    _one(input_tensor_list, "all_to_all")
    _put(output_tensor_list[0], input_tensor_list[0])
    return _done(async_op, output_tensor_list)


def all_to_all_single(output, input, output_split_sizes=None, input_split_sizes=None, group=None, async_op=False):
    default_group()
    _put(output, input)
    return _done(async_op, [output])


def barrier(group=None, async_op=False, device_ids=None):
    """Wait for the others: there are none."""
    default_group()
    return _done(async_op)


def monitored_barrier(group=None, timeout=None, wait_all_ranks=False):
    default_group()


# ---------------------------------------------------------------------------------------------------------------- objects
def all_gather_object(object_list, obj, group=None):
    default_group()
    _one(object_list, "all_gather_object")
    object_list[0] = obj


def gather_object(obj, object_gather_list=None, dst=None, group=None, group_dst=None):
    all_gather_object(object_gather_list, obj, group)


def broadcast_object_list(object_list, src=None, group=None, device=None, group_src=None):
    default_group()


def scatter_object_list(scatter_object_output_list, scatter_object_input_list=None, src=None, group=None, group_src=None):
    default_group()
    scatter_object_output_list[0] = scatter_object_input_list[0]


# ----------------------------------------------------------------------------------------------------- one process to another
def send(tensor, dst=None, group=None, tag=0, group_dst=None):
    """Raises: there is no other process."""
    default_group()
    raise UnsupportedError("send and recv: the group has one process, there is no other to exchange tensors with")


recv = isend = irecv = send


def _one(tensors, name):
    if len(tensors) != 1:
        raise ValueError(f"{name}: the list holds {len(tensors)} entries for a group of one process")
