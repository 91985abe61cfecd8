"""Files of ``torch.save``, read and written without PyTorch, and never executed."""

import argparse
import collections
import dataclasses
import datetime
import enum
import gc
import io
import os
import pathlib
import pickle
import types
import zipfile

import numpy as np
import pytest

import minigrad
from minigrad import nn
from minigrad.errors import FileError

DATA = pathlib.Path(__file__).parent / "data"
BOTH = pytest.mark.parametrize("name", ["torch_file.pth", "torch_file_legacy.pth"])  # written by PyTorch 2.13


@BOTH
def test_a_file_of_pytorch(name):
    found = minigrad.load(DATA / name)
    assert found["weight"].tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]] and found["weight"].dtype is minigrad.float32
    assert found["half"].dtype is minigrad.bfloat16 and found["half"].tolist() == [1.0, 1.0]
    assert found["long"].item() == 7 and found["empty"].shape == (0, 2) and found["bool"].tolist() == [True, False]
    assert isinstance(found["parameter"], nn.Parameter) and found["parameter"].requires_grad
    assert found["epoch"] == 3 and found["rates"] == [0.1, (0.9, 0.999)] and found["none"] is None
    assert found["size"] == minigrad.Size([2, 3]) and found["dtype"] is minigrad.float16


@BOTH
def test_memory_that_was_shared_is_shared_again(name):
    found = minigrad.load(DATA / name)
    found["weight"][0, 1] = 9.0
    assert found["column"].tolist() == [9.0, 4.0]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 3)
        self.encoder = nn.TransformerEncoderLayer(4, 2, 8, activation=nn.functional.gelu)
        self.register_buffer("scale", minigrad.ones(2))

    def forward(self, x):
        return self.layer(x * self.scale)


def sample():
    w = minigrad.arange(6.0).reshape(2, 3)
    return {
        "weight": w, "row": w[1], "turned": w.t(), "half": minigrad.ones(2, dtype=minigrad.bfloat16), "0-d": minigrad.tensor(2),
        "empty": minigrad.zeros(0, 2), "parameter": nn.Parameter(minigrad.ones(2), requires_grad=False),
        "numbers": [1, (2.5, None)],
        "size": minigrad.Size([1]), "dtype": minigrad.int64, "device": minigrad.device("cpu"), "text": "é", "set": {1, 2},
        "args": argparse.Namespace(lr=0.1), "again": w,
    }  # fmt: skip


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".ckpt", ".bin"])
def test_what_is_written_comes_back(tmp_path, suffix):
    path = tmp_path / f"all{suffix}"
    minigrad.save(sample(), path)
    assert zipfile.is_zipfile(path)
    found = minigrad.load(path)
    assert list(found) == list(sample())
    for key, value in sample().items():
        if isinstance(value, minigrad.Tensor):
            assert found[key].dtype is value.dtype and found[key].requires_grad == value.requires_grad
            np.testing.assert_array_equal(found[key].numpy(), value.numpy())
        else:
            assert found[key] == value
    assert found["again"] is found["weight"]
    found["weight"][1, 0] = 7.0
    assert found["row"][0] == 7 and found["turned"][0, 1] == 7


def test_optimizer_states_load_and_history_is_left_behind(tmp_path):
    model = nn.Linear(2, 2)
    optimizer = minigrad.optim.Adam(model.parameters())
    model(minigrad.ones(1, 2)).sum().backward()
    optimizer.step()
    minigrad.save({"optimizer": optimizer.state_dict(), "history": model.weight * 2}, tmp_path / "o.pt")
    found = minigrad.load(tmp_path / "o.pt")
    other = minigrad.optim.Adam(model.parameters())
    other.load_state_dict(found["optimizer"])
    assert found["history"].is_leaf and found["history"].requires_grad
    assert other.state_dict()["state"][0]["exp_avg"].tolist() == optimizer.state_dict()["state"][0]["exp_avg"].tolist()


def test_whole_modules_need_a_word_of_trust(tmp_path):
    model = Net().eval()
    minigrad.save(model, tmp_path / "net.pt")
    with pytest.raises(FileError, match="weights_only=False"):
        minigrad.load(tmp_path / "net.pt")
    with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):  # as programs expect it
        minigrad.load(tmp_path / "net.pt")
    again = minigrad.load(tmp_path / "net.pt", weights_only=False)
    x = minigrad.ones(1, 2)
    assert isinstance(again, Net) and again(x).tolist() == model(x).tolist() and not again.training
    assert again.encoder.activation is nn.functional.gelu
    file = io.BytesIO()
    minigrad.save({"model": model, "epoch": 1}, file)  # whole modules go into such a file under any name
    file.seek(0)
    assert minigrad.load(file, weights_only=False)["epoch"] == 1


class Calls:
    """A pickle that asks for a call."""

    def __init__(self, f, *args):
        self.asks = f, args

    def __reduce__(self):
        return self.asks


class WithSetstate:
    def __setstate__(self, state):
        raise AssertionError("a file has run code")


class WithNew:
    def __new__(cls, *args):
        raise AssertionError("a file has run code")


def archive(obj=None, text=None):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as z:
        z.writestr("archive/data.pkl", pickle.dumps(obj, 2) if text is None else text)
    file.seek(0)
    return file


HOSTILE = {
    "a function of the system": lambda: archive(Calls(os.system, "false")),
    "a class of the program, called": lambda: archive(Calls(WithNew, 1)),
    "eval": lambda: archive(Calls(eval, "1")),
    "a constructor of another module": lambda: archive(Calls(pathlib.Path, "/")),
    "its own __setstate__": lambda: archive(text=b"\x80\x02ctest_torch_files\nWithSetstate\n)\x81}b."),
    "its own __new__": lambda: archive(text=b"\x80\x02ctest_torch_files\nWithNew\n)\x81."),
    "a module that is not imported": lambda: archive(text=b"\x80\x02cantigravity\nx\n."),
    "an old opcode": lambda: archive(text=b"(ios\nsystem\n."),
    "attributes for a class": lambda: archive(text=b"\x80\x02ctest_torch_files\nNet\n}U\x01ak\x01sb."),
    "a storage by another name": lambda: archive(text=b"\x80\x02(U\x07storageK\x01K\x02tQ."),
    "nested too deeply": lambda: archive(text=b"\x80\x02" + b"]" * 5 + b"a" * 9 + b"."),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("weights_only", [True, False])
def test_nothing_in_a_file_is_run(name, weights_only):
    with pytest.raises(FileError, match="load: "):
        minigrad.load(HOSTILE[name](), weights_only=weights_only)


def test_a_function_is_a_value_and_cannot_be_called():
    file = archive(text=b"\x80\x02cminigrad.errors\ndescribe\n)R.")
    with pytest.raises(FileError, match=r"asks that .* be called"):
        minigrad.load(file, weights_only=False)


@pytest.mark.parametrize("offset, shape, stride", [(5, (2,), (1,)), (-1, (1,), (1,)), (0, (2, 2), (3, 1)), (0, (2,), (-1,))])
def test_a_tensor_outside_its_storage(tmp_path, offset, shape, stride):
    from minigrad.state.pickled import rebuild

    with pytest.raises(pickle.UnpicklingError, match="outside"):
        rebuild(np.zeros(4), offset, shape, stride)


def text(value):
    value = value.encode()
    return b"X" + len(value).to_bytes(4, "little") + value


def called(name, *arguments):
    module, _, last = name.rpartition(".")
    return f"c{module}\n{last}\n".encode() + b"(" + b"".join(arguments) + b"tR"


class Told:
    """What a file plants into objects, to be called."""

    calls = []


def told(*arguments):
    Told.calls.append(arguments)
    return ()


@dataclasses.dataclass(frozen=True)
class Frozen:
    a: int = 1


class WithDel:
    def __del__(self):
        told("dropped")


class WithHash:
    def __hash__(self):
        return hash(told("hashed"))


class Plain:
    def __repr__(self):
        return str(told("shown"))

    def __iter__(self):
        return iter(told("iterated"))


TOLD = b"ctest_torch_files\ntold\n"
PLANTED = b"ctest_torch_files\nPlain\n)\x81}(" + b"".join(
    text(name) + TOLD for name in ("append", "extend", "add", "update", "__setitem__", "keys", "setdefault", "items")
) + b"ub"  # fmt: skip
NEW_NET, NEW_SGD = b"ctest_torch_files\nNet\n)\x81", b"cminigrad.optim.sgd\nSGD\n)\x81"
PLANTS = {
    "an append": PLANTED + text("x") + b"a.",
    "appends": PLANTED + b"(" + text("x") + b"e.",
    "an item": PLANTED + text("x") + text("y") + b"s.",
    "items": PLANTED + b"(" + text("x") + text("y") + b"u.",
    "elements of a set": PLANTED + b"(" + text("x") + b"\x90.",
    "attributes that are no dict": b"ctest_torch_files\nPlain\n)\x81" + PLANTED + b"b.",
    "attributes of a Namespace": b"cargparse\nNamespace\n)\x81" + PLANTED + b"b.",
    "a method of a dict": b"ccollections\nOrderedDict\n)R}" + text("items") + TOLD + b"sb.",
    "an object with __del__": b"ctest_torch_files\nWithDel\n)\x81.",
    "an object with __hash__": b"}ctest_torch_files\nWithHash\n)\x81K\x01s.",
    "a class of Python's": b"cthreading\nThread\n)\x81.",
    "parts of a module": NEW_NET + b"}" + text("_modules") + PLANTED + b"sb.",
    "groups of an optimizer": NEW_SGD + b"}(" + text("defaults") + b"}" + text("a") + text("b") + b"s"
    + text("param_groups") + b"]" + PLANTED + b"aub.",
    "text of an object": called("builtins.str", PLANTED) + b".",
    "text of objects": called("builtins.str", b"]" + PLANTED + b"a") + b".",
    "a set of an object's elements": called("builtins.set", PLANTED) + b".",
    "a dict of an object's elements": called("builtins.dict", b"]" + PLANTED + b"a") + b".",
    "a call of an object": PLANTED + b")R.",
    "a storage named by an object": PLANTED + b"Q.",
    "a codec": called("_codecs.encode", text("x"), text("rot13")) + b".",
}  # fmt: skip


def test_objects_of_the_library_and_of_the_program(tmp_path):
    parameters = [nn.Parameter(minigrad.ones(2))]
    optimizer = minigrad.optim.AdamW(parameters, lr=0.5)
    settings, generator = Frozen(3), minigrad.Generator().manual_seed(7)
    minigrad.save({"optimizer": optimizer, "generator": generator, settings: settings}, tmp_path / "x.pt")
    found = minigrad.load(tmp_path / "x.pt", weights_only=False)
    assert found["optimizer"].param_groups[0]["lr"] == 0.5 and found[settings] == settings
    assert minigrad.rand(2, generator=found["generator"]).tolist() == minigrad.rand(2, generator=generator).tolist()


@pytest.mark.parametrize("name", PLANTS)
def test_nothing_that_a_file_plants_is_called(name):
    Told.calls.clear()
    with pytest.raises(FileError, match="load: "):
        minigrad.load(archive(text=b"\x80\x04" + PLANTS[name]), weights_only=False)
    gc.collect()
    assert not Told.calls


def value(obj):
    """A pickle of a value, as a part of another."""
    return pickle.dumps(obj, 2)[2:-1]


@pytest.mark.parametrize(
    "storage, offset, shape, stride",
    [
        (np.zeros((2, 100), np.uint8), 2, (100,), (1,)),  # an offset in rows
        (np.zeros(200, np.uint8), 2, (np.int8(100),), (np.int8(100),)),  # a sum that overflows
        (np.zeros(200, np.uint8), 0, (2.0,), (1,)),
        ([1, 2], 0, (1,), (1,)),
    ],
)
def test_a_storage_that_the_file_made_up(storage, offset, shape, stride):
    parts = (value(part) for part in (storage, offset, shape, stride, False, {}))
    with pytest.raises(FileError):
        minigrad.load(archive(text=b"\x80\x02" + called("torch._utils._rebuild_tensor_v2", *parts) + b"."))


def test_arrays_and_containers_come_back_as_they_were(tmp_path):
    array, groups = np.arange(3.0), collections.defaultdict(list, a=[1])
    turned, swapped = np.asfortranarray(np.arange(6).reshape(2, 3)), np.arange(3, dtype=">i4")
    saved = {
        "first": array, "again": array, "turned": turned, "swapped": swapped, "swapped again": swapped + swapped,
        "groups": groups, "path": pathlib.Path("a/b"), "complex": minigrad.tensor([1 + 2j], dtype=minigrad.complex128),
        "namespace": types.SimpleNamespace(lr=0.1), "range": range(3), "when": datetime.datetime(2020, 1, 2, 3),
        "queue": collections.deque([1, 2], 5), "counter": collections.Counter("aab"),
    }  # fmt: skip
    minigrad.save(saved, tmp_path / "x.pt")
    found = minigrad.load(tmp_path / "x.pt")
    assert found["again"].tolist() == [0.0, 1.0, 2.0] and found["again"] is found["first"]
    assert np.array_equal(found["turned"], turned) and np.array_equal(found["swapped again"], [0, 2, 4])
    assert found["groups"]["new"] == [] and found["groups"]["a"] == [1]
    assert found["path"] == pathlib.Path("a/b") and found["complex"].tolist() == [1 + 2j]
    assert found["namespace"].lr == 0.1 and found["range"] == range(3) and found["when"] == datetime.datetime(2020, 1, 2, 3)
    assert found["queue"].maxlen == 5 and found["counter"] == {"a": 2, "b": 1}


@pytest.mark.parametrize("array", [np.array([1, "a"], object), np.zeros(2, "i4,f4"), np.zeros(2, "M8[s]")])
def test_arrays_of_other_things_are_refused(array):
    with pytest.raises(FileError):
        minigrad.load(archive(array))


def test_damaged_files(tmp_path):
    content = (DATA / "torch_file.pth").read_bytes()
    legacy = (DATA / "torch_file_legacy.pth").read_bytes()
    for whole, step in ((content, 97), (legacy, 13)):
        for end in range(20, len(whole) - 30, step):
            with pytest.raises(FileError):
                minigrad.load(io.BytesIO(whole[:end]))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as z:
        z.writestr("other.txt", "x")
    file.seek(0)
    with pytest.raises(FileError, match=r"without data\.pkl"):
        minigrad.load(file)


def test_what_cannot_be_written_says_so(tmp_path):
    with pytest.raises(TypeError, match=r"complex128; save under a name that ends in \.pt"):
        minigrad.save(minigrad.ones(1, dtype=minigrad.complex128), tmp_path / "x.safetensors")
    with pytest.raises(TypeError, match="state_dict"):
        minigrad.save({"f": lambda x: x}, tmp_path / "x.pt")
    assert not list(tmp_path.iterdir())


def test_map_location_moves_the_tensors(device):
    found = minigrad.load(DATA / "torch_file.pth", map_location=device)
    assert found["weight"].device.type == device


@pytest.mark.parity
@pytest.mark.parametrize("new", [True, False])
def test_files_of_a_training_run_both_ways(tmp_path, new):
    import torch

    theirs = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    optimizer = torch.optim.SGD(theirs.parameters(), 0.1, momentum=0.9)
    theirs(torch.randn(5, 3)).square().sum().backward()
    optimizer.step()
    path = tmp_path / "run.pt"
    saved = {"model": theirs.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 2}
    torch.save(saved, path, _use_new_zipfile_serialization=new)
    found = minigrad.load(path)
    ours = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    ours.load_state_dict(found["model"])
    minigrad.optim.SGD(ours.parameters(), 0.1, momentum=0.9).load_state_dict(found["optimizer"])
    minigrad.save(found, path)
    back = torch.load(path, weights_only=True)
    theirs.load_state_dict(back["model"])
    optimizer.load_state_dict(back["optimizer"])
    for key, value in saved["model"].items():
        assert torch.equal(back["model"][key], value)


class Whole(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 3)


class Level(enum.Enum):
    HIGH = 2


def test_what_the_program_calls_safe_is_made(tmp_path):
    """torch.serialization.safe_globals: whole models and enumerations by weights_only=True, inside the block alone."""
    net = Whole()
    minigrad.save(net, tmp_path / "net.pt")
    minigrad.save({"level": Level.HIGH}, tmp_path / "level.pt")
    with minigrad.state.safe_globals([Whole, nn.Linear, Level]):
        again = minigrad.load(tmp_path / "net.pt")
        assert minigrad.load(tmp_path / "level.pt") == {"level": Level.HIGH}
        with pytest.raises(FileError, match="which load never runs"):
            minigrad.load(HOSTILE[next(iter(HOSTILE))]())
    assert minigrad.equal(again.layer.weight, net.layer.weight)
    for file in ("net.pt", "level.pt"):
        with pytest.raises(FileError, match="add_safe_globals"):
            minigrad.load(tmp_path / file)
    minigrad.state.add_safe_globals([(Level, "elsewhere.Level")])
    assert minigrad.state.get_safe_globals() == [Level]
    minigrad.state.clear_safe_globals()
    assert minigrad.state.get_safe_globals() == []
