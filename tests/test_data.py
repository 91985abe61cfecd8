"""Datasets, samplers, batches and the DataLoader in one process; ``test_data_workers.py`` has the worker processes."""

import collections
import types

import numpy as np
import pytest
from data_cases import Range, Stream, flat, generator, lists, needs_fork

import minigrad
from minigrad import data
from minigrad.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset, default_collate


# -------------------------------------------------------------------------------------------------------------- datasets
def test_tensor_dataset():
    dataset = TensorDataset(minigrad.arange(6).reshape(3, 2), minigrad.tensor([1.0, 2.0, 3.0]))
    assert len(dataset) == 3
    x, y = dataset[2]
    assert x.tolist() == [4, 5] and y.item() == 3.0
    with pytest.raises(AssertionError, match=r"Size mismatch between tensors.*\(3,\), \(2,\)"):
        TensorDataset(minigrad.zeros(3), minigrad.zeros(2))
    with pytest.raises(TypeError, match="takes Tensors, not ndarray"):
        TensorDataset(np.zeros(3))
    with pytest.raises(ValueError, match="at least one"):
        TensorDataset()


def test_concat_chain_stack_and_subset():
    both = Range(3) + data.Subset(Range(9), [8, 5])
    assert [both[i] for i in range(5)] == [0, 1, 2, 8, 5] and both[-1] == 5 and len(both) == 5
    with pytest.raises(ValueError, match="should not exceed dataset length"):
        both[-6]
    with pytest.raises(IndexError, match="out of range"):
        both[5]
    with pytest.raises(AssertionError, match="should not be an empty iterable"):
        data.ConcatDataset([])
    with pytest.raises(AssertionError, match="does not support IterableDataset"):
        data.ConcatDataset([Stream(2)])
    assert list(Stream(2) + Stream(3)) == [0, 1, 0, 1, 2]
    with pytest.raises(AssertionError, match="only supports IterableDataset"):
        list(data.ChainDataset([Range(2)]))
    assert data.StackDataset(Range(2), "ab")[1] == (1, "b") and len(data.StackDataset(Range(2), "ab")) == 2
    assert data.StackDataset(n=Range(2))[1] == {"n": 1}

    class Short(Range):
        def __getitems__(self, indices):
            return [0]

    with pytest.raises(ValueError, match=r"output size mismatch\. Expected 2, got 1"):
        data.StackDataset(Short(2)).__getitems__([0, 1])
    assert data.StackDataset(n=Range(2), c="ab").__getitems__([1, 0]) == [{"n": 1, "c": "b"}, {"n": 0, "c": "a"}]
    assert data.StackDataset(data.Subset(Range(5), [4, 3]), "ab").__getitems__([1, 0]) == [(3, "b"), (4, "a")]
    for wrong, message in (
        (([], {}), "At least one"),
        (([Range(1)], {"a": Range(1)}), "both types"),
        (([Range(1), Range(2)], {}), "Size mismatch"),
    ):
        with pytest.raises(ValueError, match=message):
            data.StackDataset(*wrong[0], **wrong[1])
    assert Subset(TensorDataset(minigrad.arange(4)), [3, 1])[[0, 1]][0].tolist() == [3, 1]


def test_base_classes_say_what_to_define():
    for call in (lambda: Dataset()[0], lambda: iter(IterableDataset()), lambda: iter(data.Sampler())):
        with pytest.raises(NotImplementedError, match="must define"):
            call()
    assert Dataset[int] and DataLoader[int] and data.Sampler[int]


def test_random_split():
    parts = data.random_split(Range(10), [7, 3], generator())
    assert [len(p) for p in parts] == [7, 3] and sorted(i for p in parts for i in p) == list(range(10))
    again = data.random_split(Range(10), [7, 3], generator())
    assert [list(p) for p in parts] == [list(p) for p in again]
    assert [len(p) for p in data.random_split(Range(11), [0.5, 0.3, 0.2])] == [6, 3, 2]
    with pytest.raises(ValueError, match="Sum of input lengths does not equal the length of the input dataset! 9 is not 10"):
        data.random_split(Range(10), [7, 2])
    with pytest.raises(ValueError, match="Fraction at index 0 is not between 0 and 1"):
        data.random_split(Range(10), [1.5, -0.5])
    with pytest.warns(UserWarning, match="Length of split at index 1 is 0"):
        data.random_split(Range(1), [0.5, 0.5])


# -------------------------------------------------------------------------------------------------------------- samplers
def test_random_sampler():
    assert sorted(data.RandomSampler(Range(9))) == list(range(9))
    g = generator()
    first, second = list(data.RandomSampler(Range(50), generator=g)), list(data.RandomSampler(Range(50), generator=g))
    assert first != second and first == list(data.RandomSampler(Range(50), generator=generator()))
    many = list(data.RandomSampler(Range(4), num_samples=11))
    assert sorted(many[:4]) == sorted(many[4:8]) == [0, 1, 2, 3] and len(many) == 11
    drawn = list(data.RandomSampler(Range(3), replacement=True, num_samples=3000))
    assert len(drawn) == 3000 and all(900 < drawn.count(i) < 1100 for i in range(3))
    minigrad.manual_seed(1)
    a = list(data.RandomSampler(Range(9)))
    minigrad.manual_seed(1)
    assert a == list(data.RandomSampler(Range(9)))
    with pytest.raises(TypeError, match="replacement should be a boolean"):
        data.RandomSampler(Range(3), replacement=1)
    with pytest.raises(ValueError, match="num_samples should be a positive integer value, but got num_samples=0"):
        data.RandomSampler(Range(0))


def test_other_samplers():
    assert sorted(data.SubsetRandomSampler([4, 2, 9], generator())) == [2, 4, 9] and len(data.SubsetRandomSampler([1, 2])) == 2
    drawn = list(data.WeightedRandomSampler([1.0, 3.0, 0.0], 4000, generator=generator()))
    assert drawn.count(2) == 0 and 2850 < drawn.count(1) < 3150
    assert sorted(data.WeightedRandomSampler(minigrad.tensor([0.2, 0.5, 0.3]), 3, replacement=False)) == [0, 1, 2]
    with pytest.raises(ValueError, match="num_samples should be a positive"):
        data.WeightedRandomSampler([1.0], True)
    with pytest.raises(ValueError, match="replacement should be a boolean"):
        data.WeightedRandomSampler([1.0], 1, replacement=0)
    with pytest.raises(ValueError, match=r"1d sequence but given weights have shape \(1, 2\)"):
        data.WeightedRandomSampler(minigrad.ones(1, 2), 1)
    assert list(data.BatchSampler(range(5), 2, True)) == [[0, 1], [2, 3]] and len(data.BatchSampler(range(5), 2, True)) == 2
    assert len(data.BatchSampler(range(5), 2, False)) == 3
    with pytest.raises(ValueError, match="batch_size should be a positive integer"):
        data.BatchSampler(range(5), 0, False)
    with pytest.raises(ValueError, match="drop_last should be a boolean"):
        data.BatchSampler(range(5), 1, 1)


# --------------------------------------------------------------------------------------------------------------- collate
Pair = collections.namedtuple("Pair", "image label")
BATCHES = [
    [1, 2], [1.5, 2.5], [True, False], [np.float32(1), np.float32(2)], [np.int16(1), np.int16(2)],
    [np.bool_(True), np.bool_(False)],
    ["a", "b"], [b"a", b"b"], [np.zeros((2, 3), np.float32), np.ones((2, 3), np.float32)], [np.array(1.0), np.array(2.0)],
    [(1, "a"), (2, "b")], [[1, 2.0], [3, 4.0]], [{"x": 1, "y": [1, 2]}, {"x": 2, "y": [3, 4]}],
    [Pair(1, "a"), Pair(2, "b")], [types.MappingProxyType({"x": 1}), types.MappingProxyType({"x": 2})],
    [collections.OrderedDict(a=1, b=2.0), collections.OrderedDict(a=3, b=4.0)],
    [collections.UserList([1, 2]), collections.UserList([3, 4])],
    [range(2), range(2)], [((1, 2), {"k": np.uint8(3)}), ((4, 5), {"k": np.uint8(6)})],
]  # fmt: skip


def same(ours, theirs):
    if isinstance(ours, minigrad.Tensor):
        assert str(ours.dtype).split(".")[1] == str(theirs.dtype).split(".")[1] and ours.tolist() == theirs.tolist()
    elif isinstance(ours, collections.abc.Mapping):
        assert type(ours) is type(theirs) and list(ours) == list(theirs)
        for k in ours:
            same(ours[k], theirs[k])
    elif isinstance(ours, str | bytes) or not isinstance(ours, collections.abc.Sequence):
        assert ours == theirs
    else:
        assert type(ours) is type(theirs) and len(ours) == len(theirs)
        for a, b in zip(ours, theirs):
            same(a, b)


@pytest.mark.parity
@pytest.mark.parametrize("batch", BATCHES, ids=lambda b: type(b[0]).__name__)
def test_collate_equals_pytorch(batch):
    from torch.utils.data import default_collate as theirs
    from torch.utils.data import default_convert

    same(default_collate(batch), theirs(batch))
    same(data.default_convert(batch[0]), default_convert(batch[0]))


@pytest.mark.parametrize("batch", BATCHES, ids=lambda b: type(b[0]).__name__)
def test_collate_keeps_the_structure(batch):
    result = default_collate(batch)
    if isinstance(batch[0], dict):
        assert type(result) is type(batch[0]) and list(result) == list(batch[0])
    data.default_convert(batch[0])


def test_collate_values_and_errors():
    out = default_collate([{"x": minigrad.ones(2), "y": (1, "a")}, {"x": minigrad.zeros(2), "y": (2, "b")}])
    assert out["x"].tolist() == [[1.0, 1.0], [0.0, 0.0]] and out["y"][0].tolist() == [1, 2] and list(out["y"][1]) == ["a", "b"]
    assert default_collate([1.0, 2.0]).dtype is minigrad.float64 and default_collate([1, 2]).dtype is minigrad.int64
    assert isinstance(default_collate([Pair(1, 2), Pair(3, 4)]), Pair)
    with pytest.raises(
        TypeError,
        match="default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found <class 'object'>",
    ):
        default_collate([object()])
    with pytest.raises(TypeError, match="found <U1"):
        default_collate([np.array(["a"])])
    with pytest.raises(RuntimeError, match=r"equal size: their lengths are \[1, 2\]"):
        default_collate([[1], [1, 2]])
    with pytest.raises(RuntimeError, match="equal size"):
        default_collate([minigrad.ones(2), minigrad.ones(3)])
    converted = data.default_convert({"x": np.float32(2), "names": np.array(["a"]), "t": minigrad.ones(1)})
    assert converted["x"].dtype is minigrad.float32 and isinstance(converted["names"], np.ndarray)


# ----------------------------------------------------------------------------------------------------- loading, one process
def test_batches():
    assert lists(DataLoader(Range(5), batch_size=2)) == [[0, 1], [2, 3], [4]]
    assert lists(DataLoader(Range(5), batch_size=2, drop_last=True)) == [[0, 1], [2, 3]]
    assert list(DataLoader(Range(3), batch_size=None)) == [0, 1, 2]
    assert lists(DataLoader(Range(4), batch_sampler=[[3, 0], [1]])) == [[3, 0], [1]]
    assert lists(DataLoader(Range(4), sampler=[2, 1], batch_size=2)) == [[2, 1]]
    assert list(DataLoader(Range(4), batch_size=2, collate_fn=sum)) == [1, 5]
    assert lists(DataLoader([5, 6, 7], batch_size=2)) == [[5, 6], [7]]
    assert lists(DataLoader(Stream(5), batch_size=2)) == [[0, 1], [2, 3], [4]]
    assert lists(DataLoader(Stream(5), batch_size=2, drop_last=True)) == [[0, 1], [2, 3]]
    assert list(DataLoader(Stream(3), batch_size=None)) == [0, 1, 2]


def test_lengths():
    assert [len(DataLoader(Range(5), batch_size=2, drop_last=d)) for d in (False, True)] == [3, 2]
    assert len(DataLoader(Range(5), batch_size=None)) == 5 and len(iter(DataLoader(Range(5), batch_size=2))) == 3
    stream = Stream(5)
    with pytest.raises(TypeError):
        len(DataLoader(stream))
    Sized = type("Sized", (Stream,), {"__len__": lambda self: self.n})
    assert [len(DataLoader(Sized(5), batch_size=b, drop_last=d)) for b, d in ((2, False), (2, True), (None, False))] == [3, 2, 5]


def test_shuffle_is_repeatable_and_differs_between_epochs():
    loader = DataLoader(Range(20), batch_size=6, shuffle=True, generator=generator(5))
    first, second = lists(loader), lists(loader)
    assert first != second and flat(first) == flat(second) == list(range(20))
    assert lists(DataLoader(Range(20), batch_size=6, shuffle=True, generator=generator(5))) == first
    runs = []
    for _ in range(2):
        minigrad.manual_seed(3)
        runs.append(lists(DataLoader(Range(20), batch_size=6, shuffle=True)))
    assert runs[0] == runs[1]


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "int8", "bool"])
def test_whole_batches_equal_single_samples(dtype):
    values = np.random.default_rng(0).integers(0, 2, (9, 2, 3))
    tensors = minigrad.tensor(values).to(getattr(minigrad, dtype)), minigrad.arange(9)
    dataset = TensorDataset(*tensors)
    for d in (dataset, Subset(dataset, [8, 0, 3, 3]), Subset(Subset(dataset, range(8)), [7, 2, 5])):
        fast = list(DataLoader(d, batch_size=2))
        slow = list(DataLoader(d, batch_size=2, collate_fn=lambda batch: default_collate(batch)))
        for a, b in zip(fast, slow, strict=True):
            assert isinstance(a, list) and [t.dtype for t in a] == [t.dtype for t in b]
            assert [t.tolist() for t in a] == [t.tolist() for t in b] and [t.shape for t in a] == [t.shape for t in b]


def test_tensors_on_the_device(device):
    x = minigrad.arange(8.0).reshape(4, 2).to(device)
    dataset = Subset(TensorDataset(x, minigrad.arange(4)), [3, 1, 0])
    batches = list(DataLoader(dataset, batch_size=2))
    assert [b[0].device.type for b in batches] == [minigrad.device(device).type] * 2
    assert [b[0].cpu().tolist() for b in batches] == [[[6.0, 7.0], [2.0, 3.0]], [[0.0, 1.0]]]
    assert default_collate([x[0], x[1]]).device.type == minigrad.device(device).type


def test_batches_are_copies():
    x = minigrad.zeros(4)
    (batch,) = next(iter(DataLoader(TensorDataset(x), batch_size=4)))
    batch.add_(1)
    assert x.tolist() == [0.0] * 4


def test_a_subclass_is_asked_for_its_own_samples():
    class Augmented(TensorDataset):
        def __getitem__(self, i):
            (x,) = super().__getitem__(i)
            return (x + 100,)

    class Doubled(Subset):
        def __getitem__(self, i):
            return self.dataset[self.indices[i]][0] * 2

    dataset = TensorDataset(minigrad.arange(3))
    assert next(iter(DataLoader(Augmented(minigrad.arange(3)), batch_size=3)))[0].tolist() == [100, 101, 102]
    assert next(iter(DataLoader(Subset(Augmented(minigrad.arange(3)), [2, 0]), batch_size=2)))[0].tolist() == [102, 100]
    assert next(iter(DataLoader(Doubled(dataset, [2, 1]), batch_size=2))).tolist() == [4, 2]


def test_gradients_flow_through_a_batch():
    w = minigrad.arange(4.0).requires_grad_()
    (batch,) = next(iter(DataLoader(TensorDataset(w), sampler=[1, 3, 1], batch_size=3)))
    (batch * minigrad.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert w.grad.tolist() == [0.0, 4.0, 0.0, 2.0]


def test_getitems_is_used():
    class Many(Range):
        def __getitems__(self, indices):
            return [i * 10 for i in indices]

    assert lists(DataLoader(Many(3), batch_size=3)) == [[0, 10, 20]]


ERRORS = [
    ({"num_workers": -1}, "num_workers option should be non-negative"),
    ({"timeout": -1}, "timeout option should be non-negative"),
    ({"prefetch_factor": 2}, "prefetch_factor option could only be specified in multiprocessing"),
    ({"prefetch_factor": -1, "num_workers": 1}, "prefetch_factor option should be"),
    ({"persistent_workers": True}, "persistent_workers option needs num_workers > 0"),
    ({"sampler": [0], "shuffle": True}, "sampler option is mutually exclusive with shuffle"),
    ({"batch_sampler": [[0]], "batch_size": 2}, "batch_sampler option is mutually exclusive with batch_size"),
    ({"batch_size": None, "drop_last": True}, "batch_size=None option disables auto-batching"),
    ({"batch_size": 0}, "batch_size should be a positive integer value"),
    ({"multiprocessing_context": "fork"}, "multiprocessing_context can only be used with multi-process loading"),
    ({"multiprocessing_context": "x", "num_workers": 1}, "should specify a valid start method"),
]


@pytest.mark.parametrize("options, message", ERRORS)
def test_options_that_do_not_fit(options, message):
    with pytest.raises(ValueError, match=message):
        DataLoader(Range(3), **options)


@pytest.mark.parity
@pytest.mark.parametrize("options, message", ERRORS)
def test_messages_are_pytorchs(options, message):
    import torch

    with pytest.raises(ValueError, match=message.split(" specified in")[0]):
        torch.utils.data.DataLoader(list(range(3)), **options)


def test_more_options_that_do_not_fit():
    for options in ({"shuffle": True}, {"sampler": [0]}, {"batch_sampler": [[0]]}):
        with pytest.raises(ValueError, match=f"expected unspecified {next(iter(options))} option"):
            DataLoader(Stream(3), **options)
    with pytest.raises(TypeError, match="valid context object"):
        DataLoader(Range(3), num_workers=1, multiprocessing_context=1)
    with pytest.raises(ValueError, match="batch_size attribute should not be set after DataLoader is initialized"):
        DataLoader(Range(3)).batch_size = 2
    with pytest.warns(UserWarning, match="will create 1000 worker processes in total"):
        DataLoader(Range(3), num_workers=1000)
    DataLoader(Range(3), pin_memory=True, pin_memory_device="cuda")


# -------------------------------------------------------------------------------------------------------------- resuming
@pytest.mark.parametrize("own_generator", [True, False])
@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=needs_fork)])
@pytest.mark.parametrize("stop", [0, 2, 4])
def test_a_stopped_epoch_goes_on_behind_its_last_batch(own_generator, workers, stop):
    def loader(seed):
        minigrad.manual_seed(seed)
        return DataLoader(
            Range(22), batch_size=5, shuffle=True, generator=generator(seed) if own_generator else None, num_workers=workers
        )

    whole = loader(1)
    expected = [lists(whole), lists(whole)]
    first = loader(1)
    begun = iter(first)
    given = [next(begun).tolist() for _ in range(stop)]
    saved, numbers = first.state_dict(), minigrad.get_rng_state()
    second = loader(77)
    minigrad.set_rng_state(numbers)
    second.load_state_dict(saved)
    if not stop:  # nothing was given: that epoch begins, and is not left out
        minigrad.set_rng_state(saved["epoch_start"])
        second.load_state_dict(saved)
    assert [given + lists(second), lists(second)] == expected


def test_between_epochs():
    loader = DataLoader(Range(9), shuffle=True, generator=generator())
    lists(loader)
    saved = loader.state_dict()
    other = DataLoader(Range(9), shuffle=True, generator=generator(5))
    other.load_state_dict(saved)
    assert saved["batches"] == 0 and lists(other) == lists(loader)


def test_a_stream_goes_on():
    loader = DataLoader(Stream(7), batch_size=2)
    begun = iter(loader)
    next(begun)
    other = DataLoader(Stream(7), batch_size=2)
    other.load_state_dict(loader.state_dict())
    assert other.state_dict()["batches"] == 1
    assert lists(other) == [[2, 3], [4, 5], [6]]


# ---------------------------------------------------------------------------------------------------------------- digits
def test_digits():
    train, test = data.digits()
    images, labels = test.tensors
    assert (len(train), len(test)) == (1438, 359) and images.shape == (359, 1, 8, 8)
    assert images.dtype is minigrad.float32 and labels.dtype is minigrad.int64
    assert float(images.min()) == 0.0 and float(images.max()) == 1.0
    for part, share in ((train, 0.8), (test, 0.2)):
        counts = np.bincount(part.tensors[1].array, minlength=10)
        assert abs(counts - share * 179.7).max() < 6
    minigrad.manual_seed(5)
    assert bool((data.digits()[1].tensors[0] == images).all())
    assert "10.24432/C50P49" in data.DIGITS_SOURCE and "CC BY 4.0" in data.DIGITS_SOURCE


def test_digits_are_those_of_scikit_learn():
    datasets = pytest.importorskip("sklearn.datasets")
    from minigrad.data.digits import _arrays

    theirs = datasets.load_digits()
    images, labels = _arrays()
    np.testing.assert_array_equal(images, theirs.images)
    np.testing.assert_array_equal(labels, theirs.target)


def test_under_pytorchs_path():
    import minigrad.utils.data

    assert minigrad.utils.data.DataLoader is DataLoader and minigrad.utils.data.Dataset is Dataset
