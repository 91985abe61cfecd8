"""Files: what is saved comes back, other programs read it, nothing is lost when something fails, nothing foreign is executed."""

import collections
import io
import json
import math
import os
import pickle
import random
import stat
import struct
import sys
import zipfile

import numpy as np
import pytest

import minigrad
from minigrad import nn, optim
from minigrad.data import DataLoader, TensorDataset
from minigrad.errors import FileError
from minigrad.optim import lr_scheduler
from minigrad.state import format, load_checkpoint, read_metadata, save_checkpoint
from minigrad.tensor import wrap

DTYPES = "bool uint8 int8 int16 int32 int64 float16 bfloat16 float32 float64 complex64".split()


def random_tensor(dtype, shape, seed=0):
    r = np.random.default_rng(seed)
    numpy_dtype = getattr(minigrad, dtype).dtype
    return wrap(np.asarray(r.integers(0, 2 if dtype == "bool" else 100, shape)).astype(numpy_dtype))


def through_memory(obj, **options):
    file = io.BytesIO()
    minigrad.save(obj, file)
    file.seek(0)
    return minigrad.load(file, **options)


def equal(a, b):
    return a.dtype is b.dtype and a.shape == b.shape and a.array.tobytes() == b.array.tobytes()


# ------------------------------------------------------------------------------------------------------------ round trips
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(3, 4), (), (0, 3), (1,)])
def test_every_dtype_and_shape(dtype, shape):
    t = random_tensor(dtype, shape)
    assert equal(through_memory({"t": t})["t"], t)
    assert equal(through_memory(t), t)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "bool", "int8"])
def test_non_contiguous_arrays(dtype):
    """The trap of safetensors 0.8.0, which writes the memory behind an array in the wrong order."""
    a = random_tensor(dtype, (4, 6)).array
    for odd in (a.T, a[::2, ::-1], np.broadcast_to(a[:1], (3, 6)), np.asfortranarray(a), a[:, 2:3]):
        back = through_memory({"t": wrap(odd)})["t"]
        assert back.array.dtype == a.dtype and back.array.shape == odd.shape
        assert back.array.tobytes() == np.ascontiguousarray(odd).tobytes()


def test_flat_dicts_keep_their_order():
    state = {"z": minigrad.ones(2), "a": minigrad.tensor(1), "m.n": random_tensor("bfloat16", 3), "": minigrad.zeros(0)}
    assert list(through_memory(state)) == list(state)
    assert through_memory({}) == {}


def test_nested_structures():
    obj = {
        "model": {"w": minigrad.ones(2, 2), "w.x": minigrad.zeros(1)},
        "list": [1, 2.5, None, True, False, "é\n", (1, (2,)), [], {}],
        "numbers": (math.inf, -math.inf, 10**30, -1, 1e-320, 0.1 + 0.2),
        1: {(1, 2): "tuple", None: 0, 2.5: minigrad.tensor([1])},
        "kinds": [
            minigrad.float32,
            minigrad.device("cpu"),
            minigrad.Size([2, 3]),
            1 + 2j,
            np.float32(0.1),
            np.int64(3),
            np.bool_(True),
        ],
        "ordered": collections.OrderedDict(b=1, a=2),
        "counter": collections.Counter([1, 1, 2]),
        "default": collections.defaultdict(list, x=[1]),
        "array": np.arange(3, dtype=np.uint32),
    }
    back = through_memory(obj)
    assert list(back) == list(obj)
    assert back["list"] == obj["list"] and type(back["list"][6]) is tuple and back["numbers"] == obj["numbers"]
    assert list(back[1]) == [(1, 2), None, 2.5] and back[1][2.5].tolist() == [1]
    assert back["kinds"] == [
        minigrad.float32,
        minigrad.device("cpu"),
        minigrad.Size([2, 3]),
        1 + 2j,
        float(np.float32(0.1)),
        3,
        True,
    ]
    assert type(back["ordered"]) is collections.OrderedDict and type(back["counter"]) is collections.Counter
    assert back["counter"] == obj["counter"] and back["default"] == {"x": [1]}
    assert back["array"].dtype == np.uint32 and back["array"].tolist() == [0, 1, 2]
    assert equal(back["model"]["w"], obj["model"]["w"]) and list(back["model"]) == ["w", "w.x"]
    assert math.isnan(through_memory([math.nan])[0])


def test_names_that_collide():
    obj = {"a": {"b": minigrad.tensor(1)}, "a.b": minigrad.tensor(2), "__metadata__": minigrad.tensor(3)}
    back = through_memory(obj)
    assert [back["a"]["b"].item(), back["a.b"].item(), back["__metadata__"].item()] == [1, 2, 3]
    assert through_memory({"__metadata__": minigrad.tensor(3)})["__metadata__"].item() == 3


def test_shared_memory_is_shared_again(tmp_path):
    w = minigrad.ones(100, 100)
    flat = {"embedding": w, "other": minigrad.ones(100, 100), "head": w.detach(), "turned": w.T}
    back = through_memory(flat)
    assert back["head"].array is back["embedding"].array and back["other"].array is not back["embedding"].array
    nested = {"model": flat}
    minigrad.save(nested, tmp_path / "n")
    assert os.path.getsize(tmp_path / "n") < 3.2 * w.nbytes  # the tied one is there once
    back = minigrad.load(tmp_path / "n")["model"]
    back["head"].add_(1)
    assert bool((back["embedding"] == 2).all()) and bool((back["turned"] == 1).all())


def test_loaded_tensors_stand_alone():
    w = minigrad.ones(2, requires_grad=True)
    back = through_memory({"w": w, "y": w * 2})
    assert not back["w"].requires_grad and back["y"].grad_fn is None
    back["w"].add_(1)
    assert w.tolist() == [1.0, 1.0]


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(5, 4)
        self.norm = nn.BatchNorm1d(4)
        self.head = nn.Linear(4, 5, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, x):
        return self.head(self.norm(self.embedding(x)))


def test_state_dict_of_a_module(tmp_path):
    minigrad.manual_seed(0)
    model, other = Model(), Model()
    model(minigrad.tensor([0, 1, 2]))
    minigrad.save(model.state_dict(), tmp_path / "m.safetensors")
    other.load_state_dict(minigrad.load(tmp_path / "m.safetensors"))
    model.eval(), other.eval()
    x = minigrad.tensor([3, 4])
    assert bool((model(x) == other(x)).all()) and list(other.state_dict()) == list(model.state_dict())
    with pytest.raises(TypeError, match=r"(?s)the object itself is .*save its state_dict\(\)"):
        minigrad.save(model, tmp_path / "m.safetensors")
    with pytest.raises(TypeError, match=r"(?s)save: \['net'\]\[1\] is .*save its state_dict\(\)"):
        minigrad.save({"net": [1, model]}, tmp_path / "m")


def test_map_location():
    t = {"t": minigrad.ones(2)}
    for where in ("cpu", minigrad.device("cpu"), {"cuda:0": "cpu"}, lambda storage, place: storage, lambda storage, place: None):
        assert through_memory(t, map_location=where)["t"].device == "cpu"
    assert through_memory(t, weights_only=True, mmap=False)["t"].tolist() == [1.0, 1.0]
    if not minigrad.cuda.is_available():
        with pytest.raises(RuntimeError, match="'cuda' is not available"):
            through_memory(t, map_location="cuda")


def test_tensors_of_the_device(device):
    t = minigrad.arange(6.0).reshape(2, 3).to(device)
    back = through_memory({"t": t, "turned": t.T, "tied": t.detach()})
    assert back["t"].device == "cpu" and back["turned"].tolist() == t.cpu().T.tolist() and back["tied"] is back["t"]
    assert through_memory([t], map_location=device)[0].device.type == minigrad.device(device).type


def test_metadata(tmp_path):
    path = tmp_path / "m.safetensors"
    minigrad.save({"t": minigrad.ones(1)}, path, metadata={"format": "pt", "author": "é"})
    assert read_metadata(path) == {"format": "pt", "author": "é"}
    minigrad.save([1], path, metadata={"a": "b"})
    assert read_metadata(path) == {"a": "b"} and minigrad.load(path) == [1]
    with pytest.raises(TypeError, match=r"metadata must be a dict of strings.*str\(\)"):
        minigrad.save({}, path, metadata={"epoch": 3})
    with pytest.raises(ValueError, match="'minigrad' in metadata is taken"):
        minigrad.save({}, path, metadata={"minigrad": "x"})


# ----------------------------------------------------------------------------------------------------- beside other programs
def test_the_safetensors_package_reads_our_files(tmp_path):
    package = pytest.importorskip("safetensors.numpy")
    tensors = {f"{d}.{i}": random_tensor(d, s) for d in DTYPES if d != "bfloat16" for i, s in enumerate([(3, 5), (), (0,)])}
    minigrad.save(tensors, tmp_path / "ours")
    theirs = package.load_file(tmp_path / "ours")
    assert theirs.keys() == tensors.keys()
    for k, a in theirs.items():
        assert (
            a.dtype == tensors[k].array.dtype and a.shape == tuple(tensors[k].shape) and a.tobytes() == tensors[k].array.tobytes()
        )


def test_we_read_files_of_the_safetensors_package(tmp_path):
    package = pytest.importorskip("safetensors.numpy")
    arrays = {d: random_tensor(d, (2, 3)).array for d in DTYPES if d != "bfloat16"}
    package.save_file(arrays, tmp_path / "theirs", metadata={"format": "np"})
    ours = minigrad.load(tmp_path / "theirs")
    assert ours.keys() == arrays.keys() and all(ours[k].array.tobytes() == arrays[k].tobytes() for k in arrays)
    assert read_metadata(tmp_path / "theirs") == {"format": "np"}


@pytest.mark.parity
def test_pytorch_reads_our_files_and_we_its(tmp_path):
    import torch
    from safetensors.torch import load_file, save_file

    tensors = {d: random_tensor(d, (2, 3)) for d in DTYPES}
    minigrad.save({**tensors, "tied": tensors["float32"].detach()}, tmp_path / "ours")
    theirs = load_file(tmp_path / "ours")
    assert torch.equal(theirs["tied"], theirs["float32"])
    for d, t in tensors.items():
        assert (
            str(theirs[d].dtype) == f"torch.{d}" and theirs[d].to(torch.complex64).tolist() == t.to(minigrad.complex64).tolist()
        )
    save_file({d: t.clone() for d, t in theirs.items()}, tmp_path / "theirs")
    back = minigrad.load(tmp_path / "theirs")
    assert all(equal(back[d], tensors[d]) for d in DTYPES)


# -------------------------------------------------------------------------------------------------------- nothing is lost
class Failing(np.ndarray):
    pass


@pytest.mark.parametrize("when", ["packing", "writing", "flushing", "renaming"])
@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch, when, error):
    path = tmp_path / "model.safetensors"
    minigrad.save({"t": minigrad.ones(3)}, path)
    before = path.read_bytes()

    def fail(*_, **__):
        raise error

    target = {
        "packing": (format.json, "dumps"),
        "writing": (os, "fdopen"),
        "flushing": (os, "fsync"),
        "renaming": (os, "replace"),
    }[when]
    monkeypatch.setattr(*target, fail)
    with pytest.raises(type(error)):
        minigrad.save({"t": minigrad.zeros(3)}, path)
    monkeypatch.undo()
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["model.safetensors"]


def test_an_object_that_cannot_be_saved_writes_nothing(tmp_path):
    with pytest.raises(TypeError, match=r"save: \['a'\]\[0\] is .*function.*leave it out"):
        minigrad.save({"a": [lambda: 0]}, tmp_path / "f")
    with pytest.raises(TypeError, match=r"save: \['a'\] is"):
        minigrad.save({"a": np.array(["text"])}, tmp_path / "f")
    endless = []
    endless.append(endless)
    with pytest.raises(ValueError, match="contains itself"):
        minigrad.save(endless, tmp_path / "f")
    with pytest.raises(FileError, match=r"Parent directory .*nowhere does not exist.*os.makedirs"):
        minigrad.save({}, tmp_path / "nowhere" / "f")
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions and links")
def test_permissions_and_links(tmp_path):
    path, link = tmp_path / "file", tmp_path / "link"
    old = os.umask(0o027)
    try:
        minigrad.save({}, path)
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    path.chmod(0o600)
    link.symlink_to(path)
    minigrad.save({"t": minigrad.ones(1)}, link)
    assert link.is_symlink() and stat.S_IMODE(path.stat().st_mode) == 0o600 and minigrad.load(path)["t"].item() == 1.0


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        minigrad.load(tmp_path / "nothing")


# --------------------------------------------------------------------------------------------------- damaged and hostile files
def made(header, body=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + body


def entry(dtype="F32", shape=(1,), offsets=(0, 4)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


class Bomb:
    def __reduce__(self):
        return os._exit, (3,)


def zipped():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as z:
        z.writestr("archive/data.pkl", pickle.dumps(Bomb()))
    return file.getvalue()


def own(entry, arrays=None):
    text = entry if isinstance(entry, str) else json.dumps(entry)
    return made({"__metadata__": {"minigrad": text}, **(arrays or {})}, b"\0" * 4 * bool(arrays))


def tree(node, **arrays):
    return own({"version": 1, "tree": node}, arrays)


DAMAGED = {
    "empty": (b"", "begins with eight bytes, and this has 0"),
    "short": (b"\x08\0\0", "and this has 3"),
    "huge header": (made({}, length=2**63), r"announce a header of 9,223,372,036,854,775,808 bytes"),
    "header beyond the end": (made({}, length=50), "announce a header of 50 bytes, and 2 follow"),
    "no JSON": (made(b"{nonsense}"), "header is not the JSON"),
    "no UTF-8": (made(b'{"\xff": 1}'), "header is not the JSON"),
    "endless nesting": (made(b"{" + b'"a":[' * 200_000), "header is not the JSON"),
    "a list": (made(b"[1]"), "header is a list"),
    "a name twice": (made(b'{"a": 1, "a": 2}'), "stands there twice"),
    "metadata": (made({"__metadata__": {"a": 1}}), "metadata should be an object of strings"),
    "metadata list": (made({"__metadata__": ["a"]}), "metadata should be an object of strings"),
    "entry": (made({"a": {"dtype": "F32"}}), "entry of tensor 'a' should have dtype, shape"),
    "entry list": (made({"a": []}), "entry of tensor 'a' should have dtype, shape"),
    "dtype": (made({"a": entry("F4")}, b"\0" * 4), "tensor 'a' has dtype 'F4'.*convert it"),
    "dtype list": (made({"a": entry(["F32"])}, b"\0" * 4), "tensor 'a' has dtype"),
    "negative": (made({"a": entry(shape=(-1,))}, b"\0" * 4), "natural numbers"),
    "float shape": (made({"a": entry(shape=(1.0,))}, b"\0" * 4), "natural numbers"),
    "bool shape": (made({"a": entry(shape=(True,))}, b"\0" * 4), "natural numbers"),
    "overflow": (made({"a": entry(shape=(2**62, 4))}, b"\0" * 4), "takes 73,786,976,294,838,206,464 bytes, not 4"),
    "three offsets": (made({"a": entry(offsets=(0, 4, 8))}, b"\0" * 4), "natural numbers"),
    "size": (made({"a": entry(shape=(2,))}, b"\0" * 4), "takes 8 bytes, not 4"),
    "overlap": (made({"a": entry(), "b": entry(offsets=(2, 6))}, b"\0" * 6), "'b' begins at byte 2.*one before it ends at 4"),
    "hole": (made({"a": entry(offsets=(4, 8))}, b"\0" * 8), "begins at byte 4"),
    "twice the same": (made({"a": entry(), "b": entry()}, b"\0" * 4), "begins at byte 0"),
    "cut off": (made({"a": entry()}, b"\0" * 3), "cut off: its arrays take 4 bytes and 3 are there"),
    "something behind": (made({"a": entry()}, b"\0" * 5), "1 bytes behind its last array"),
    "empty and impossible": (made({"a": entry(shape=(0, 2**62, 2**62), offsets=(0, 0))}), "cannot be made here"),
    "too many dimensions": (made({"a": entry(shape=[1] * 99)}, b"\0" * 4), "cannot be made here"),
    "bool of 7": (made({"a": entry("BOOL", offsets=(0, 1))}, b"\7"), "bool and has bytes other than 0 and 1"),
    "no dtype of ours": (made({"a": entry("F8_E5M2", (4,))}, b"\0" * 4), "'a' has dtype float8_e5m2, which minigrad has not"),
    "zip": (zipped(), r"it asks for \w+\._exit, which load never runs"),
    **{f"pickle {p}": (pickle.dumps(Bomb(), protocol=p), "pickle") for p in (2, 3, 4, 5)},
    "pickle 0": (pickle.dumps(Bomb(), protocol=0), "announce a header"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + b"\0" * 20, "an HDF5 file"),
    "npy": (b"\x93NUMPY\x01\0" + b"\0" * 20, r"a \.npy file"),
    "gguf": (b"GGUF\3\0\0\0" + b"\0" * 20, "a GGUF file"),
    "text": (b"Hello, this is no tensor file at all", "announce a header"),
    "own: no JSON": (own("{"), "structure is not the JSON"),
    "own: a list": (own("[]"), "structure is not as minigrad.save writes it"),
    "own: deep": (own("[" * 100_000), "structure is not the JSON"),
    "own: later version": (own({"version": 2, "tree": 1}), "version 2, and this minigrad reads version 1; update"),
    "own: deep tree": (own('{"version": 1, "tree": ' + '{"tuple": [' * 900 + "]}" * 900 + "}"), "nested too deeply|not the JSON"),
    "own: unknown": (tree({"exec": "import os"}), "unknown part"),
    "own: two kinds": (tree({"tuple": [], "dict": []}), "unknown part"),
    "own: no such method": (tree({"__init__": []}), "unknown part"),
    "own: missing": (tree({"tensor": "b"}, a=entry()), "names an array 'b', which is not there"),
    "own: tensor list": (tree({"tensor": ["a"]}, a=entry()), "names an array"),
    "own: key": (tree({"dict": [[[1], 2]]}), "a dict that cannot be"),
    "own: pairs": (tree({"dict": [1]}), "a dict that cannot be"),
    "own: float": (tree({"float": "1"}), "a float that cannot be"),
    "own: dtype": (tree({"dtype": "os"}), "a dtype that cannot be"),
    "own: device": (tree({"device": "x"}), "a device that cannot be"),
    "own: size": (tree({"size": 3}), "a size that cannot be"),
    "own: complex": (tree({"complex": [1]}), "a complex that cannot be"),
    "own: shared": (own({"version": 1, "shared": {"a": "b"}}, {"a": entry()}), "'a' shares the memory of 'b'"),
    "own: shared list": (own({"version": 1, "shared": []}, {"a": entry()}), "not as minigrad.save writes it"),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGED)
@pytest.mark.parametrize("from_memory", [True, False])
def test_damaged_and_hostile_files(tmp_path, name, from_memory):
    content, message = DAMAGED[name]
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(FileError, match=f"(?s)load: .*({message})") as caught:
        minigrad.load(io.BytesIO(content) if from_memory else tmp_path / "file")
    assert len(str(caught.value)) < 700


def test_every_cut_is_noticed():
    file = io.BytesIO()
    minigrad.save({"a": minigrad.ones(3), "b": [minigrad.tensor([True, False]), 1.5]}, file)
    content = file.getvalue()
    for n in range(len(content)):
        with pytest.raises(FileError):
            minigrad.load(io.BytesIO(content[:n]))


def test_any_changed_byte_gives_an_answer():
    """A changed byte of data changes a number; anywhere else, loading succeeds or says what is wrong: nothing else happens."""
    file = io.BytesIO()
    minigrad.save({"w": minigrad.ones(2), "x": [minigrad.tensor([1]), (1, 2.5), {"k": None}]}, file)
    content = bytearray(file.getvalue())
    r = np.random.default_rng(0)
    for _ in range(2000):
        changed = bytearray(content)
        for position in r.integers(0, len(content), r.integers(1, 4)):
            changed[position] = r.integers(0, 256)
        try:
            minigrad.load(io.BytesIO(bytes(changed)))
        except FileError:
            pass


# ------------------------------------------------------------------------------------------------------------- checkpoints
class Run:
    """A small training run in which everything is random: order, dropout, noise of Python and NumPy, learning rate."""

    def __init__(self, seed, kind="AdamW"):
        minigrad.manual_seed(seed)
        self.model = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Dropout(0.5), nn.BatchNorm1d(8), nn.Linear(8, 1))
        self.optimizer = getattr(optim, kind)(self.model.parameters(), lr=0.01)
        first, second = lr_scheduler.LinearLR(self.optimizer, total_iters=4), lr_scheduler.MultiStepLR(self.optimizer, [3, 5])
        self.scheduler = lr_scheduler.SequentialLR(self.optimizer, [first, second], [6])
        r = np.random.default_rng(0)
        dataset = TensorDataset(*(wrap(r.standard_normal((20, n)).astype("float32")) for n in (3, 1)))
        self.loader = DataLoader(dataset, batch_size=6, shuffle=True, generator=minigrad.Generator().manual_seed(seed))
        self.noise = minigrad.Generator().manual_seed(seed)
        self.batches = None
        self.losses = []

    def parts(self):
        return dict(model=self.model, optimizer=self.optimizer, scheduler=self.scheduler, loader=self.loader, noise=self.noise)

    def steps(self, n):
        for _ in range(n):
            if self.batches is None:
                self.batches = iter(self.loader)
            try:
                x, y = next(self.batches)
            except StopIteration:
                self.batches = iter(self.loader)
                x, y = next(self.batches)
            self.optimizer.zero_grad()
            x = x + 0.1 * minigrad.randn(*x.shape, generator=self.noise) + 0.01 * random.random() + 0.01 * float(np.random.rand())
            loss = ((self.model(x) - y) ** 2).mean()
            loss.backward()
            self.optimizer.step()
            self.scheduler.step()
            self.losses.append(loss.item())


@pytest.mark.parametrize("kind, stop", [("AdamW", 1), ("AdamW", 4), ("AdamW", 6), ("AdamW", 9), ("SGD", 5), ("NAdam", 7)])
def test_a_resumed_run_continues_bit_for_bit(tmp_path, kind, stop):
    path = tmp_path / "run.safetensors"
    random.seed(0), np.random.seed(0)
    whole = Run(1, kind)
    whole.steps(13)
    random.seed(0), np.random.seed(0)
    first = Run(1, kind)
    first.steps(stop)
    save_checkpoint(path, extra={"losses": first.losses}, **first.parts())
    first.steps(2)  # what is done after that must not matter
    random.seed(9), np.random.seed(9)
    second = Run(99, kind)
    second.losses = load_checkpoint(path, **second.parts())["losses"]
    second.steps(13 - stop)
    assert second.losses == whole.losses
    for (name, a), (_, b) in zip(whole.model.state_dict().items(), second.model.state_dict().items()):
        assert equal(a, b), name
    assert second.scheduler.get_last_lr() == whole.scheduler.get_last_lr()
    assert bool((minigrad.get_rng_state() == minigrad.get_rng_state()).all()) and random.random() != 0


def test_checkpoints_can_be_read_in_part_and_say_what_is_missing(tmp_path):
    path, run = tmp_path / "run.safetensors", Run(0)
    save_checkpoint(path, model=run.model, noise=run.noise)
    before = minigrad.get_rng_state()
    minigrad.rand(3)
    now = minigrad.get_rng_state()
    assert load_checkpoint(path, random_state=False, model=Run(5).model) is None
    minigrad.set_rng_state(now)
    load_checkpoint(path, random_state=False)
    assert bool((minigrad.get_rng_state() == now).all())
    load_checkpoint(path)
    assert bool((minigrad.get_rng_state() == before).all())
    weights = run.model.state_dict()["0.weight"].array.copy()
    with pytest.raises(FileError, match="has no part 'critic'; it has 'model', 'noise'"):
        load_checkpoint(path, model=Run(3).model, critic=run.model)
    np.testing.assert_array_equal(run.model.state_dict()["0.weight"].array, weights)
    with pytest.raises(TypeError, match=r"epoch is .*which has no state_dict\(\).*extra="):
        save_checkpoint(path, epoch=3)
    minigrad.save({"w": minigrad.ones(1)}, path)
    with pytest.raises(FileError, match="is no checkpoint of save_checkpoint"):
        load_checkpoint(path)
