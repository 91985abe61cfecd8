"""``python -m minigrad demo``, small: what it prints, what it writes, that it repeats, and how it fails."""

import builtins
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import pytest

import minigrad
from minigrad.__main__ import main, parser
from minigrad.compress import load_quantized
from minigrad.data import digits
from minigrad.demo import accuracy, canvas, network, picture_text, predict
from minigrad.kernels import use_kernels

ROOT = pathlib.Path(minigrad.__file__).parent.parent
INTERPRETED = os.environ.get("NUMBA_DISABLE_JIT") == "1"  # then a kernel takes a thousand times as long as the text


@pytest.fixture(autouse=True)
def _no_interpreted_kernels():
    with use_kernels(not INTERPRETED):
        yield


@pytest.fixture
def no_matplotlib(monkeypatch):
    for name in [n for n in sys.modules if n.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)


def start(*arguments, folder, **how):
    """The command in a process of its own, on this tree."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]), **how}
    if INTERPRETED:
        environment["MINIGRAD_KERNELS"] = "0"
    command = [sys.executable, "-m", "minigrad", *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=folder, env=environment, **pipes)


def finish(process, seconds=300):
    out, err = process.communicate(timeout=seconds)
    return process.returncode, out, err


# ---------------------------------------------------------------------------------------------------------------- the story
def test_the_whole_story(tmp_path, monkeypatch, capsys, no_matplotlib):
    monkeypatch.chdir(tmp_path)
    assert main(["demo", "--epochs", "2", "--seed", "3"]) == 0
    out, err = capsys.readouterr()
    assert err == ""  # no progress bar where nobody sees it
    titles = ["The data", "The network", "Training", "One step of backpropagation, with real numbers", "Saved and loaded",
              "Quantized to int8", "Predictions", "What to try next"]  # fmt: skip
    places = [out.index(f"\n{t}\n{'-' * len(t)}\n") for t in titles]
    assert places == sorted(places)
    for part in (
        "1438 handwritten digits to learn from and 359 that are never trained on",
        "Alpaydin", "licence CC BY 4.0",
        "2  Conv2d      (1, 32, 8, 8)         4,640", "total                               38,282",
        "\nforward ", "\nbackward ", "\nupdate ", "9.weight.grad[",
        "153,696 bytes. A new network that loads it gives identical predictions",
        "bytes in the file      153,696       39,936   0.26 of it",
        "python -m minigrad demo --seed 1 --epochs 30", str(tmp_path / "minigrad-demo"),
    ):  # fmt: skip
        assert part in out, part
    assert len(re.findall(r"^epoch  [12]/2   loss \d\.\d{4}   training accuracy 0\.\d{4}$", out, re.MULTILINE)) == 2
    assert float(re.search(r"^test accuracy: (0\.\d{4})$", out, re.MULTILINE)[1]) > 0.85
    assert not re.search(r"[ \t]$", out, re.MULTILINE) and "\n\n\n" not in out
    assert max(len(line) for line in out.splitlines() if str(ROOT) not in line and str(tmp_path) not in line) <= 110

    files = {p.name for p in (tmp_path / "minigrad-demo").iterdir()}
    assert files == {"digits.safetensors", "digits-int8.safetensors", "predictions.txt"}
    _, test = digits()
    images, labels = test.tensors
    model = network()
    model.load_state_dict(minigrad.load("minigrad-demo/digits.safetensors"))
    assert f"test accuracy: {accuracy(model, images, labels):.4f}\n" in out
    small = load_quantized("minigrad-demo/digits-int8.safetensors", network)
    assert abs(accuracy(small, images, labels) - accuracy(model, images, labels)) <= 0.012  # four images
    wrong = predict(model, images) != labels
    assert f"{int(wrong.sum())} of 359 test images are read wrong. They come first in" in out
    text = pathlib.Path("minigrad-demo/predictions.txt").read_text()
    first = int(wrong.long().argmax())
    assert text.startswith(f"read as {int(predict(model, images)[first])}, is {int(labels[first])}")
    assert len(re.findall("read as", text)) == 20 and len(re.findall(", is", text)) == min(20, int(wrong.sum()))


def test_json_and_the_same_numbers_again(tmp_path):
    """First with an empty cache of compiled kernels, then with a full one, then from another seed."""
    folders, facts = [str(tmp_path / name) for name in ("cold", "warm", "other")], []
    for seed, folder in zip("001", folders):
        run = start(
            "demo",
            "--epochs",
            "1",
            "--seed",
            seed,
            "--json",
            "--out",
            folder,
            folder=tmp_path,
            NUMBA_CACHE_DIR=str(tmp_path / "kernels"),
        )
        code, out, err = finish(run)
        assert (code, err) == (0, "")
        facts.append(json.loads(out))
    assert facts[0]["folder"] == folders[0] and facts[0]["picture"].startswith(folders[0])
    assert facts[0]["predictions_identical"] is True and facts[0]["int8_file_bytes"] <= 0.3 * facts[0]["file_bytes"]
    assert facts[0].keys() == {
        "seed", "device", "folder", "epochs", "test_accuracy", "predictions_identical", "file_bytes", "int8_file_bytes",
        "int8_test_accuracy", "wrong", "picture", "seconds",
    }  # fmt: skip
    for f in facts:
        assert round(f["test_accuracy"] * 359) == 359 - f["wrong"]
        for name in ("folder", "picture", "seconds"):
            f.pop(name)
    assert facts[0] == facts[1] != facts[2]
    weights = [pathlib.Path(folder, "digits.safetensors").read_bytes() for folder in folders]
    assert weights[0] == weights[1] != weights[2]


def test_one_thread_for_matrix_products_unless_asked(tmp_path, monkeypatch):
    """The process starts itself again with the variables set, or takes what it is given."""
    script = "import os, sys, minigrad.__main__ as m; print(os.environ.get('OPENBLAS_NUM_THREADS')); m._with_one_blas_thread()"
    for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    for more, expected in ({}, ["None", "1"] if os.name == "posix" else ["None"]), ({"OPENBLAS_NUM_THREADS": "2"}, ["2"]):
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]), **more}
        out = subprocess.run(
            [sys.executable, "-u", "-c", script, "demo"], env=environment, capture_output=True, text=True, check=True
        )
        assert out.stdout.split() == expected


@pytest.mark.filterwarnings("ignore")  # matplotlib's own
def test_picture(tmp_path, capsys, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot", raising=False)
    assert main(["demo", "--epochs", "1", "--json", "--out", str(tmp_path)]) == 0
    assert json.loads(capsys.readouterr().out)["picture"] == str(tmp_path / "predictions.png")
    data = (tmp_path / "predictions.png").read_bytes()
    assert data.startswith(b"\x89PNG") and len(data) > 10_000
    assert not (tmp_path / "predictions.txt").exists()
    assert "matplotlib.pyplot" not in sys.modules  # which would look for a display


def test_a_matplotlib_that_does_not_work_counts_as_none(monkeypatch):
    def broken(name, *rest, **more):
        if name.startswith("matplotlib"):
            raise AttributeError("built for another NumPy")
        return original(name, *rest, **more)

    original = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", broken)
    assert canvas(2, 2) is None


def test_text_picture():
    """Dark is dense; pictures stand side by side, and the true class is told where it is another."""
    image = [[0.0, 0.12, 0.25, 0.5], [1.0, 0.0, 0.99, 0.75]]
    text = picture_text([(image, 1, 1), (image[::-1], 1, 7)])
    assert text.splitlines() == ["read as 1          read as 1, is 7", "  ..::++   @@  @@##", "@@  @@##     ..::++"]


# ---------------------------------------------------------------------------------------------------------------- mistakes
def test_help_and_no_command(capsys):
    assert main([]) == 0
    assert "demo" in capsys.readouterr().out
    with pytest.raises(SystemExit) as stopped:
        main(["demo", "--help"])
    text = capsys.readouterr().out
    assert stopped.value.code == 0 and max(map(len, text.splitlines())) <= 80
    for option, default in (
        ("epochs", "15"),
        ("batch-size", "32"),
        ("lr", "0.002"),
        ("seed", "0"),
        ("device", "cpu"),
        ("out", "minigrad-demo"),
    ):
        assert re.search(rf"--{option} [^-]*?\(default:\s+{default}\)", text), option


@pytest.mark.parametrize("arguments, message", [
    (["--epochs", "0"], "argument --epochs: '0' is not a whole number of 1 or more"),
    (["--batch-size", "two"], "argument --batch-size: 'two' is not a whole number of 1 or more"),
    (["--lr", "nan"], "argument --lr: 'nan' is not a number above 0"),
    (["--lr", "fast"], "argument --lr: 'fast' is not a number above 0"),
    (["--seed", "-1"], "argument --seed: '-1' is not a whole number of 0 or more"),
    (["--seed", str(2**63)], "is not a whole number of 0 or more"),
])  # fmt: skip
def test_wrong_options(arguments, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        parser().parse_args(["demo", *arguments])
    assert stopped.value.code == 2 and message in capsys.readouterr().err


def test_a_folder_that_cannot_be_written(tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    for out in (tmp_path / "file", tmp_path / "file" / "deeper"):
        assert main(["demo", "--out", str(out)]) == 1
        shown, error = capsys.readouterr()
        assert (
            shown == "" and error == f"minigrad demo: cannot write to {out}: it is no folder; choose another folder with --out\n"
        )
    assert (tmp_path / "file").read_text() == "in the way"


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(tmp_path, capsys):
    tmp_path.chmod(0o500)
    assert main(["demo", "--out", str(tmp_path)]) == 1
    assert "Permission denied; choose another folder" in capsys.readouterr().err


def test_a_device_that_is_not_there(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("minigrad.backends.cuda_missing", lambda: "CuPy is not installed; in the clone run: pip install ...")
    monkeypatch.setattr("minigrad.backends._cupy", [])
    assert main(["demo", "--device", "cuda", "--out", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert (
        error.startswith("minigrad demo: ")
        and "CuPy is not installed; in the clone run: pip install" in error
        and error.count("\n") == 1
    )
    assert main(["demo", "--device", "abacus"]) == 1
    assert "'abacus' names no device" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_full_disk(tmp_path, monkeypatch, capsys):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("minigrad.demo.train", lambda *_: [])
    monkeypatch.setattr("minigrad.save", full)
    assert main(["demo", "--json", "--out", str(tmp_path)]) == 1
    shown, error = capsys.readouterr()
    assert shown == "" and error == "minigrad demo: [Errno 28] No space left on device\n"


def test_interrupted_in_this_process(tmp_path, monkeypatch, capsys):
    def pressed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("minigrad.demo.train", pressed)
    assert main(["demo", "--out", str(tmp_path)]) == 130
    assert capsys.readouterr().err == "\nstopped; the files that were written are complete\n"


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
@pytest.mark.parametrize("wait", [0.0, 1.0])
def test_interrupted(tmp_path, wait):
    """While it compiles (the cache is empty) and while it trains."""
    before = signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a suite in the background ignores it, and so would its child
    try:
        process = start(
            "demo", "--epochs", "1000", "--out", str(tmp_path / "out"), folder=tmp_path, NUMBA_CACHE_DIR=str(tmp_path / "cold")
        )
    finally:
        signal.signal(signal.SIGINT, before)
    process.stdout.readline(), process.stdout.readline()
    time.sleep(wait)
    process.send_signal(signal.SIGINT)
    code, _, err = finish(process, 60)
    assert (code, err) == (130, "\nstopped; the files that were written are complete\n")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="pipes as POSIX has them")
def test_a_reader_that_has_seen_enough(tmp_path):
    process = start("demo", "--epochs", "1", "--out", str(tmp_path), folder=tmp_path)
    process.stdout.readline()
    process.stdout.close()
    assert (process.wait(timeout=300), process.stderr.read()) == (0, "")
    process.stderr.close()


def test_info(capsys):
    assert main(["info"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"minigrad {minigrad.__version__}, Python ") and "\nnumpy " in out and "\ncuda " in out
