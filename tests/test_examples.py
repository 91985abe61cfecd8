"""The programs in examples/, run in small, and the reader of their data."""

import collections
import functools
import gzip
import hashlib
import http.server
import importlib.util
import itertools
import math
import pathlib
import struct
import sys
import threading
import types

import numpy as np
import pytest

import minigrad
from minigrad.data import fashion_mnist, read_idx
from minigrad.errors import FileError
from minigrad.nn import functional as F

EXAMPLES = pathlib.Path(__file__).parent.parent / "examples"
LOADER = sys.modules["minigrad.data.fashion_mnist"]  # the module: the package's attribute of that name is the function


def example(name):
    """examples/<name>.py as a module."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


# ------------------------------------------------------------------------------------------------------------- IDX files
def idx(array):
    """An array as the bytes of an IDX file."""
    codes = {"uint8": 8, "int8": 9, "int16": 11, "int32": 12, "float32": 13, "float64": 14}
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, codes[array.dtype.name], array.ndim, *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "float32", "float64"])
@pytest.mark.parametrize("compress", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("shape", [(), (0,), (5,), (2, 3, 4)])
def test_idx_reads_back(tmp_path, dtype, compress, shape):
    array = np.random.default_rng(0).integers(-100, 100, shape).astype(dtype)
    (tmp_path / "file").write_bytes(compress(idx(array)))
    tensor = read_idx(tmp_path / "file")
    np.testing.assert_array_equal(tensor.numpy(), array)
    assert str(tensor.dtype) == f"minigrad.{dtype}" and tensor.shape == shape
    tensor.add_(1)  # an array of its own, in this machine's byte order


GOOD = idx(np.arange(6, dtype=np.int16).reshape(2, 3))
PACKED = gzip.compress(idx(np.random.default_rng(0).integers(0, 256, 500).astype(np.uint8)), mtime=0)
BROKEN = {
    "empty": (b"", "not an IDX file.*none"),
    "three bytes": (b"\0\0\x08", "not an IDX file.*00 00 08;"),
    "a picture": (b"\x89PNG\r\n", "not an IDX file.*89 50 4e 47"),
    "unknown type": (b"\0\0\x0a" + GOOD[3:], "not an IDX file.*00 00 0a 02.*type"),
    "short header": (GOOD[:9], "ends in its header: 2 dimensions need 12 bytes, it has 9"),
    "short": (GOOD[:-1], r"shape \(2, 3\) of int16, 12 bytes, and the file holds 11"),
    "long": (GOOD + b"\0", "12 bytes, and the file holds more"),
    "huge sizes": (b"\0\0\x0e\x03" + b"\xff" * 12 + b"12", "file holds 2"),  # no memory is reserved for what the header claims
    "short gzip": (PACKED[:-20], "damaged or cut short"),
    "damaged gzip": (PACKED[:200] + bytes(100) + PACKED[300:], "damaged or cut short"),
    "wrong checksum": (PACKED[:-8] + bytes(8), "damaged or cut short"),
    "not gzip": (b"\x1f\x8bnonsense", "damaged or cut short"),
    "short in gzip": (gzip.compress(GOOD[:-1], mtime=0), "the file holds 11"),
}


@pytest.mark.parametrize(("content", "message"), BROKEN.values(), ids=BROKEN)
def test_idx_says_what_is_wrong(tmp_path, content, message):
    (tmp_path / "broken").write_bytes(content)
    with pytest.raises(FileError, match=message) as caught:
        read_idx(tmp_path / "broken")
    assert str(tmp_path / "broken") in str(caught.value)


def test_idx_without_a_file():
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_idx("nowhere")


# --------------------------------------------------------------------------------------------------------- Fashion-MNIST
def clothes(count, seed):
    """Pictures with a bright band in one of ten places: (count, 28, 28), (count,)"""
    r = np.random.default_rng(seed)
    labels = r.integers(0, 10, count).astype(np.uint8)
    images = r.integers(0, 60, (count, 28, 28)).astype(np.uint8)
    for image, label in zip(images, labels):
        image[2 * label + 2 : 2 * label + 6] = 255
    return images, labels


@pytest.fixture
def folder(tmp_path):
    """The four files, two of them compressed."""
    path = tmp_path / "fashion"
    path.mkdir()
    images, labels = clothes(200, seed=0)
    (path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images)))
    (path / "train-labels-idx1-ubyte").write_bytes(idx(labels))
    images, labels = clothes(50, seed=1)
    (path / "t10k-images-idx3-ubyte").write_bytes(idx(images))
    (path / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))
    return path


def test_fashion_mnist_from_a_folder(folder):
    train, test = fashion_mnist(folder)
    images, labels = clothes(200, seed=0)
    assert (len(train), len(test)) == (200, 50)
    assert train.tensors[0].dtype is minigrad.float32 and train.tensors[1].dtype is minigrad.int64
    np.testing.assert_array_equal(train.tensors[0].numpy(), (images / np.float32(255))[:, None])
    np.testing.assert_array_equal(train.tensors[1].numpy(), labels)


def test_fashion_mnist_without_files(folder):
    with pytest.raises(FileNotFoundError, match=r"train-images-idx3-ubyte or .*\.gz in .*nowhere.*dataset-fashion-mnist"):
        fashion_mnist("nowhere")
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(FileNotFoundError, match="no file t10k-labels-idx1-ubyte or"):
        fashion_mnist(folder)


def test_fashion_mnist_of_files_that_do_not_fit(folder):
    (folder / "train-labels-idx1-ubyte").write_bytes(idx(np.zeros(199, np.uint8)))
    with pytest.raises(FileError, match=r"do not fit together.*\(200, 28, 28\) and \(199,\)"):
        fashion_mnist(folder)
    (folder / "train-images-idx3-ubyte.gz").unlink()
    (folder / "train-images-idx3-ubyte").write_bytes(idx(np.zeros(199, np.uint8)))
    with pytest.raises(FileError, match=r"do not fit together.*\(199,\) and \(199,\)"):
        fashion_mnist(folder)


def test_fashion_mnist_of_the_debian_package(folder, monkeypatch):
    monkeypatch.setattr(LOADER, "DEBIAN", str(folder))
    train, _ = fashion_mnist()
    assert len(train) == 200


def test_fashion_mnist_asks_pooch_for_checked_files(folder, monkeypatch):
    asked = {}

    def retrieve(url, known_hash, fname, path):
        asked[url] = known_hash
        found = [p for p in folder.iterdir() if fname.startswith(p.name.removesuffix(".gz"))]
        return str(found[0])

    monkeypatch.setattr(LOADER, "DEBIAN", str(folder / "not-installed"))
    monkeypatch.setitem(sys.modules, "pooch", types.SimpleNamespace(retrieve=retrieve, os_cache=lambda name: f"cache/{name}"))
    train, test = fashion_mnist()
    assert (len(train), len(test)) == (200, 50)
    assert len(asked) == 4
    for url, known in asked.items():
        assert url.endswith(("-images-idx3-ubyte.gz", "-labels-idx1-ubyte.gz"))
        assert known.startswith("sha256:") and len(bytes.fromhex(known[7:])) == 32


def test_fashion_mnist_without_pooch_names_the_extra(monkeypatch):
    monkeypatch.setattr(LOADER, "DEBIAN", "not-installed")
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ImportError, match=r"Fashion-MNIST needs the package 'pooch'.*pip install -e '\.\[data\]'"):
        fashion_mnist()


def test_fashion_mnist_downloads_once_and_checks(folder, tmp_path, monkeypatch):
    """With the real pooch, from a server on this machine."""
    pooch = pytest.importorskip("pooch")
    files = {}
    for path in list(folder.iterdir()):
        name = path.name.removesuffix(".gz")
        packed = path.read_bytes() if path.suffix == ".gz" else gzip.compress(path.read_bytes())
        (folder / f"{name}.gz").write_bytes(packed)
        files[name] = hashlib.sha256(packed).hexdigest()
    requests = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            requests.append(self.path)

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(LOADER, "DEBIAN", "not-installed")
    monkeypatch.setattr(LOADER, "FILES", {name: files[name] for name in LOADER.FILES})
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / "cache" / name)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            monkeypatch.setattr(LOADER, "URL", f"http://127.0.0.1:{server.server_address[1]}/")
            assert len(fashion_mnist()[0]) == 200 and len(requests) == 4
            assert len(fashion_mnist()[0]) == 200 and len(requests) == 4  # from the cache
            (tmp_path / "cache" / "minigrad" / "t10k-images-idx3-ubyte.gz").unlink()
            (folder / "t10k-images-idx3-ubyte.gz").write_bytes(b"something else")
            with pytest.raises(ValueError, match="hash"):
                fashion_mnist()
        finally:
            server.shutdown()


def test_fashion_mnist_example(folder, capsys):
    arguments = ["--data", str(folder), "--epochs", "3", "--batch-size", "10", "--channels", "2", "--lr", "0.01"]
    facts = example("fashion_mnist").main(arguments)
    losses = [epoch["loss"] for epoch in facts["epochs"]]
    assert len(losses) == 3 and losses[2] < losses[1] < losses[0] and losses[2] < 1.0
    assert facts["test_accuracy"] > 0.8
    text = capsys.readouterr().out
    assert "200 images to learn from, 50 never trained on" in text and "epoch 3/3" in text and "some of its mistakes" in text


# ------------------------------------------------------------------------------------------------------------------- GPT
SMALL = "--steps 40 --batch-size 4 --context 8 --width 8 --heads 2 --blocks 1 --lr 0.01 --letters 3000 --sample 25".split()


def test_gpt_example(capsys):
    gpt = example("gpt")
    facts = gpt.main(SMALL)
    text = "\n".join(gpt.topics.values())[:3000]
    validation = [entry["validation"] for entry in facts["history"]]
    assert [entry["step"] for entry in facts["history"]] == [8, 16, 24, 32, 40]
    assert validation[-1] < validation[0] - 0.1
    assert validation[-1] < math.log(len(set(text))) - 0.5  # the logarithm is what guessing gives
    assert len(facts["sample"]) == 26 and set(facts["sample"]) <= set(text)
    assert "validation" in (out := capsys.readouterr().out) and facts["sample"] in out
    short = [*SMALL, "--steps", "3"]
    assert gpt.main(short)["history"] == gpt.main(short)["history"]  # the same seed, the same numbers


def test_gpt_bigram_is_counted():
    gpt = example("gpt")
    train, validation, letters = "abracadabra", "cabbad", 5
    counts = collections.Counter(itertools.pairwise(train))
    expected = []
    for a, b in itertools.pairwise(validation):
        row = sum(counts[a, c] for c in "abcdr") + letters
        expected.append(-math.log((counts[a, b] + 1) / row))
    tensors = [minigrad.tensor(["abcdr".index(c) for c in text]) for text in (train, validation)]
    assert gpt.bigram_loss(*tensors, letters) == pytest.approx(sum(expected) / len(expected), rel=1e-5)


def test_gpt_looks_back_only():
    minigrad.manual_seed(0)
    gpt = example("gpt")
    model = gpt.GPT(letters=7, context=8, width=12, heads=3, blocks=2)
    text = minigrad.randint(0, 7, (2, 8))
    changed = text.clone()
    changed[:, 5:] = (changed[:, 5:] + 1) % 7
    before, after = model(text).detach().numpy(), model(changed).detach().numpy()
    np.testing.assert_allclose(before[:, :5], after[:, :5], atol=1e-6)
    assert np.abs(before[:, 5:] - after[:, 5:]).max() > 1e-3


def test_gpt_attention_is_the_librarys():
    """What the example writes out is F.scaled_dot_product_attention."""
    minigrad.manual_seed(0)
    attention = example("gpt").Attention(12, 3)
    x = minigrad.randn(2, 5, 12)
    q, k, v = attention.qkv(x).view(2, 5, 3, 3, 4).permute(2, 0, 3, 1, 4).unbind(0)
    y = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(2, 5, 12)
    np.testing.assert_allclose(attention(x).detach().numpy(), attention.out(y).detach().numpy(), rtol=1e-5, atol=1e-6)


# -------------------------------------------------------------------------------------------------------------- diabetes
def test_diabetes_example(capsys):
    pytest.importorskip("sklearn")
    facts = example("diabetes").main(["--steps", "3000"])
    assert facts["losses"] == sorted(facts["losses"], reverse=True) and len(facts["losses"]) == 31
    assert facts["losses"][-1] == pytest.approx(facts["best_loss"], rel=1e-8)
    assert facts["gradient_difference"] < 1e-10
    assert facts["r2_train"] > 0.45 and facts["r2_test"] > 0.3
    assert "closed form" in capsys.readouterr().out


def test_diabetes_without_scikit_learn_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ImportError, match=r"the diabetes data needs the package 'scikit-learn'.*\[examples\]"):
        example("diabetes").main([])


# ------------------------------------------------------------------------------------------------------------- two moons
def test_two_moons_example(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    facts = example("two_moons").main([])
    assert facts["accuracy"] == 1.0 and facts["losses"][-1] < 0.05 < facts["losses"][0]
    lines = facts["picture"].split("\n")
    assert len(lines) == 22 and {len(line) for line in lines} == {60} and set("ox: ") == set("".join(lines))
    assert "accuracy 100%" in (out := capsys.readouterr().out) and "pip install -e '.[plot]'" in out


def test_two_moons_draws(tmp_path):
    pytest.importorskip("matplotlib")
    example("two_moons").main(["--steps", "3", "--png", str(tmp_path / "moons.png")])
    assert (tmp_path / "moons.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", sorted(p.stem for p in EXAMPLES.glob("*.py")))
def test_help(name, capsys):
    with pytest.raises(SystemExit) as caught:
        example(name).main(["--help"])
    assert caught.value.code == 0 and "--seed" in capsys.readouterr().out
