"""Event files, read back field by field."""

import os
import shutil
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest

import minigrad
from minigrad.utils.tensorboard import SummaryWriter, records


def test_the_checksum_is_crc32c():
    """The check value of CRC-32C (RFC 3720, B.4) before masking, and the masked form."""
    masked = (0xE3069283 >> 15 | 0xE3069283 << 17) + 0xA282EAD8 & 0xFFFFFFFF
    assert records.checksum(b"123456789") == masked


def fields(message):
    """[(field number, value)] of a protocol buffer."""
    at, found = 0, []

    def varint():
        nonlocal at
        n = shift = 0
        while True:
            byte = message[at]
            at += 1
            n |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return n

    while at < len(message):
        head = varint()
        kind = head & 7
        if kind == 0:
            content = varint()
        elif kind == 2:
            size = varint()
            content, at = message[at : at + size], at + size
        else:
            size = 8 if kind == 1 else 4
            content, at = struct.unpack("<d" if kind == 1 else "<f", message[at : at + size])[0], at + size
        found.append((head >> 3, content))
    return found


def events(folder):
    """The events of the one file in a folder; every checksum is checked."""
    (name,) = [n for n in os.listdir(folder) if n.startswith("events.out.tfevents.")]
    content, found = (folder / name).read_bytes(), []
    while content:
        (size,) = struct.unpack("<Q", content[:8])
        assert struct.unpack("<I", content[8:12])[0] == records.checksum(content[:8])
        body = content[12 : 12 + size]
        assert struct.unpack("<I", content[12 + size : 16 + size])[0] == records.checksum(body)
        found.append(dict(fields(body)))
        content = content[16 + size :]
    return found


def values(folder):
    """(tag, step, the fields of the value) of every value in the file."""
    found = []
    for event in events(folder)[1:]:
        for _, one in fields(event[5]):
            value = dict(fields(one))
            found.append((value.pop(1).decode(), event.get(2, 0), value))
    return found


def test_scalars(tmp_path):
    writer = SummaryWriter(tmp_path)
    for step, loss in enumerate([minigrad.tensor(2.5), np.float64(1.25), 1, minigrad.tensor([0.5], requires_grad=True)]):
        writer.add_scalar("loss", loss, step)
    writer.close()
    assert events(tmp_path)[0][3] == b"brain.Event:2"
    assert values(tmp_path) == [("loss", step, {2: x}) for step, x in enumerate([2.5, 1.25, 1.0, 0.5])]
    with pytest.raises(ValueError, match="one element"):
        writer.add_scalar("loss", minigrad.zeros(2))
    with pytest.raises(ValueError, match="one element"):
        writer.add_scalar("loss", "0.5")


def test_several_scalars_are_runs_of_their_own(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        writer.add_scalars("loss/all", {"train": 1.0, "test": 2.0}, 3)
    assert values(tmp_path / "loss_all_train") == [("loss/all", 3, {2: 1.0})]
    assert values(tmp_path / "loss_all_test") == [("loss/all", 3, {2: 2.0})]


@pytest.mark.parametrize("bins", ["tensorflow", "auto", [-4.0, 0.0, 4.0]])
def test_histograms_count_everything(tmp_path, bins):
    numbers = np.array([-3.0, -0.5, 0.25, 0.25, 2.0])
    with SummaryWriter(tmp_path) as writer:
        writer.add_histogram("h", minigrad.tensor(numbers), 1, bins=bins)
    ((_, _, value),) = values(tmp_path)
    histogram = dict(fields(value[5]))
    assert [histogram[i] for i in range(1, 6)] == [-3.0, 2.0, 5.0, numbers.sum(), (numbers**2).sum()]
    limits, counts = (np.frombuffer(histogram[i]) for i in (6, 7))
    assert limits.shape == counts.shape and counts.sum() == 5 and (np.diff(limits) > 0).all()
    for limit, seen in zip(limits, counts.cumsum()):
        assert seen == (numbers < limit).sum() or limit == limits[-1]
    with pytest.raises(ValueError, match="no element"):
        writer.add_histogram("h", minigrad.zeros(0))


def pixels(encoded):
    """A PNG file whose rows are unfiltered, as (H, W, C)."""
    width, height = struct.unpack(">II", encoded[16:24])
    size = struct.unpack(">I", encoded[33:37])[0]
    rows = np.frombuffer(zlib.decompress(encoded[41 : 41 + size]), np.uint8).reshape(height, -1)
    assert not rows[:, 0].any() and encoded.endswith(b"IEND\xaeB`\x82")
    return rows[:, 1:].reshape(height, width, -1)


def test_pictures(tmp_path):
    picture = minigrad.arange(24.0).reshape(3, 4, 2) / 24
    with SummaryWriter(tmp_path) as writer:
        writer.add_image("floats", picture, 1)
        writer.add_image("bytes", (picture * 255).to(minigrad.uint8).permute(1, 2, 0), dataformats="HWC")
        writer.add_image("grey", picture[0], dataformats="HW")
        writer.add_images("grid", minigrad.ones(9, 1, 2, 3))
    found = {tag: dict(fields(value[4])) for tag, _, value in values(tmp_path)}
    assert (found["floats"][1], found["floats"][2], found["floats"][3]) == (4, 2, 3)
    np.testing.assert_array_equal(pixels(found["floats"][4]), (picture * 255).numpy().astype("u1").transpose(1, 2, 0))
    np.testing.assert_array_equal(pixels(found["bytes"][4]), pixels(found["floats"][4]))
    assert pixels(found["grey"][4]).shape == (4, 2, 3)
    assert pixels(found["grid"][4]).shape == (4, 24, 3) and pixels(found["grid"][4])[2:, 3:].max() == 0
    with pytest.raises(ValueError, match="different"):
        writer.add_image("x", minigrad.zeros(2, 2))


@pytest.mark.parametrize("backend", ["agg", "svg"])
def test_figures(tmp_path, backend):
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend(backend)
    figure = plt.figure(figsize=(1, 1), dpi=20)
    with SummaryWriter(tmp_path) as writer:
        writer.add_figure("plot", figure)
    ((tag, _, value),) = values(tmp_path)
    assert tag == "plot" and pixels(dict(fields(value[4]))[4]).shape == (20, 20, 3) and not plt.get_fignums()


def test_texts_curves_and_hyperparameters(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        writer.add_text("note", "*hello*", 2)
        writer.add_graph(minigrad.nn.Linear(1, 2))
        writer.add_pr_curve("curve", minigrad.tensor([0, 1, 1, 0]), minigrad.tensor([0.1, 0.8, 0.4, 0.6]), num_thresholds=3)
        writer.add_hparams({"lr": 0.1, "name": "adam", "fast": True}, {"accuracy": 0.5}, run_name="trial")
    note, graph, curve = values(tmp_path)
    assert note[0] == "note/text_summary" and dict(fields(note[2][8]))[8] == b"*hello*"
    assert b"Linear(in_features=1" in dict(fields(graph[2][8]))[8]
    table = np.frombuffer(dict(fields(curve[2][8]))[4], "<f4").reshape(6, 3)
    np.testing.assert_array_equal(table[:4], [[2, 1, 0], [2, 1, 0], [0, 1, 2], [0, 1, 2]])
    tags = [tag for tag, _, _ in values(tmp_path / "trial")]
    assert tags == [f"_hparams_/{n}" for n in ("experiment", "session_start_info", "session_end_info")] + ["accuracy"]
    with pytest.raises(TypeError, match="dictionaries"):
        writer.add_hparams([], {})


def test_the_queue_is_written_when_it_is_full(tmp_path):
    writer = SummaryWriter(tmp_path, max_queue=2)
    writer.add_scalar("x", 1.0)
    assert len(events(tmp_path)) == 1
    writer.add_scalar("x", 2.0)
    assert len(events(tmp_path)) == 3


def test_a_program_that_never_closes_its_writer(tmp_path):
    text = f"from minigrad.utils.tensorboard import SummaryWriter\nSummaryWriter({str(tmp_path)!r}).add_scalar('loss', 1.0, 5)"
    subprocess.run([sys.executable, "-c", text], check=True)
    assert len(events(tmp_path)) == 2
    writer = SummaryWriter(tmp_path / "gone")
    writer.add_scalar("loss", 1.0)
    shutil.rmtree(tmp_path / "gone")
    del writer  # nothing to write to, and no complaint


def test_a_resumed_run_says_where_it_begins(tmp_path):
    with SummaryWriter(tmp_path, purge_step=0) as writer:
        writer.add_scalar("loss", 1.0, 7)
    _, start, _ = events(tmp_path)
    assert start[2] == 0 and fields(start[7]) == [(1, 1)]  # a session that starts


def test_the_default_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert SummaryWriter(comment="_two").log_dir.startswith("runs" + os.sep) and len(os.listdir("runs")) == 1
