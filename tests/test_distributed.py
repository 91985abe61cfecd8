"""``minigrad.distributed``: a group of one process, in which every exchange gives back what it was given."""

import pytest

import minigrad
from minigrad import distributed as dist


@pytest.fixture
def one():
    dist.init_process_group("GLOO", rank=0, world_size=1)
    yield dist.group.WORLD
    if dist.is_initialized():
        dist.destroy_process_group()


def test_the_group_of_one(one):
    assert dist.is_available() and dist.is_initialized() and (one.rank(), one.size(), one.name()) == (0, 1, "gloo")
    assert (dist.get_rank(), dist.get_world_size(), dist.get_backend()) == (0, 1, "gloo")
    assert dist.get_process_group_ranks(one) == [0]
    assert dist.get_global_rank(one, 0) == 0 and dist.get_group_rank(one, 0) == 0
    assert dist.new_group([0], backend="mpi").name() == "mpi" and dist.new_group().name() == "gloo"
    assert dist.new_group([]) == dist.GroupMember.NON_GROUP_MEMBER
    with pytest.raises(ValueError, match=r"ranks is \[0, 1\]"):
        dist.new_group([0, 1])
    with pytest.raises(ValueError, match="twice"):
        dist.init_process_group("gloo")
    dist.destroy_process_group(dist.new_group())
    assert dist.is_initialized()  # another group ended, not the world
    dist.destroy_process_group()
    assert not dist.is_initialized() and dist.group.WORLD is None


def test_what_there_is_not(monkeypatch):
    assert dist.is_gloo_available() and not (dist.is_nccl_available() or dist.is_mpi_available() or dist.is_ucc_available())
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    assert not dist.is_torchelastic_launched()
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "7")
    assert dist.is_torchelastic_launched()
    assert dist.get_node_local_rank(3) == 3
    monkeypatch.setenv("LOCAL_RANK", "2")
    assert dist.get_node_local_rank(3) == 2
    with pytest.raises(ValueError, match="not been initialized"):
        dist.get_rank()
    with pytest.raises(NotImplementedError, match="number 1 of 4"):
        dist.init_process_group(rank=1, world_size=4)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(NotImplementedError, match="number 0 of 2"):
        dist.init_process_group("gloo")
    with pytest.raises(ValueError, match="string-ish"):
        dist.Backend(3)


def test_reductions_leave_the_tensor(one):
    x = minigrad.tensor([1.0, 2.0])
    assert dist.all_reduce(x) is None and dist.reduce(x, 0) is None and dist.broadcast(x, 0) is None and x.tolist() == [1.0, 2.0]
    work = dist.all_reduce(x, dist.ReduceOp.MAX, async_op=True)
    assert work.wait() and work.is_completed() and work.is_success() and work.get_future() is work
    assert work.result() == [x]
    assert dist.barrier() is None and dist.monitored_barrier() is None and dist.barrier(async_op=True).result() is None


@pytest.mark.parametrize(
    "call",
    [
        lambda out, x: dist.all_gather([out], x),
        lambda out, x: dist.all_gather_into_tensor(out, x),
        lambda out, x: dist.all_gather_into_tensor(out, x.reshape(1, 3)),
        lambda out, x: dist.reduce_scatter(out, [x]),
        lambda out, x: dist.reduce_scatter_tensor(out, x),
        lambda out, x: dist.gather(x, [out]),
        lambda out, x: dist.scatter(out, [x]),
        lambda out, x: dist.all_to_all([out], [x]),
        lambda out, x: dist.all_to_all_single(out, x),
    ],
)
def test_what_is_sent_arrives(one, call):
    x, out = minigrad.tensor([1.0, 2.0, 3.0], requires_grad=True), minigrad.zeros(3)
    assert call(out, x) is None
    assert out.tolist() == [1.0, 2.0, 3.0] and not out.requires_grad


def test_asynchronous_calls_hold_their_result(one):
    x, out = minigrad.tensor([4.0]), minigrad.zeros(1)
    assert dist.all_gather([out], x, async_op=True).result()[0] is out
    assert dist.gather(x, [out], async_op=True).result()[0] is out
    assert dist.scatter(out, [x], async_op=True).result()[0] is out
    assert dist.all_to_all([out], [x], async_op=True).result()[0] is out
    assert dist.broadcast(x, async_op=True).result()[0] is x and dist.reduce(x, async_op=True).result()[0] is x


def test_objects(one):
    found = [None]
    dist.all_gather_object(found, {"a": 1})
    assert found == [{"a": 1}]
    dist.gather_object("text", found, dst=0)
    assert found == ["text"]
    dist.broadcast_object_list(found, src=0)
    assert found == ["text"]
    dist.scatter_object_list(found, [5], src=0)
    assert found == [5]


def test_mistakes(one):
    x = minigrad.zeros(1)
    with pytest.raises(ValueError, match="2 entries for a group of one"):
        dist.all_gather([x, x], x)
    with pytest.raises(ValueError, match="gather_list"):
        dist.gather(x)
    with pytest.raises(ValueError, match="scatter_list"):
        dist.scatter(x)
    for call in (dist.send, dist.recv, dist.isend, dist.irecv):
        with pytest.raises(NotImplementedError, match="no other"):
            call(x, 1)
