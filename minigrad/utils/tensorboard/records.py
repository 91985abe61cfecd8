"""The bytes of an event file: protocol buffers written field by field, and records with their checksums.

The messages are those of TensorFlow's ``event.proto``, ``summary.proto``, ``tensor.proto`` and of the plugin ``hparams``; a
record is its length, a checksum of the length, the bytes, and a checksum of these (CRC-32C, masked).
"""

import struct
import zlib

import numpy as np


# ---------------------------------------------------------------------------------------------------------- wire format
def varint(n):
    """A whole number in groups of seven bits, the lowest first."""
    n &= (1 << 64) - 1
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes([*out, n])


def integer(field, n):
    return varint(field << 3) + varint(int(n))


def data(field, content):
    """A string, bytes, or a message inside a message."""
    content = content.encode() if isinstance(content, str) else content
    return varint(field << 3 | 2) + varint(len(content)) + content


def double(field, x):
    return varint(field << 3 | 1) + struct.pack("<d", x)


def single(field, x):
    return varint(field << 3 | 5) + struct.pack("<f", x)


def doubles(field, values):
    return data(field, np.asarray(values, "<f8").tobytes())


# -------------------------------------------------------------------------------------------------------------- messages
def event(wall_time, step, summary=None, version=None):
    head = double(1, wall_time) + (integer(2, step) if step else b"")
    return head + (data(3, version) if version else data(5, summary))


def start(wall_time, step):
    """A run that begins here (again): what earlier files have from this step on does not count."""
    return double(1, wall_time) + integer(2, step) + data(7, integer(1, 1))


def value(tag, content, plugin=None):
    """One value of a summary; ``plugin``: the name of the plugin that shows it, and its bytes."""
    metadata = data(9, data(1, data(1, plugin[0]) + data(2, plugin[1]))) if plugin else b""
    return data(1, data(1, tag) + content + metadata)


def scalar(tag, x):
    return value(tag, single(2, x))


def image(tag, pixels):
    """``pixels``: (height, width, channels) of uint8, with one, three or four channels."""
    h, w, c = pixels.shape
    return value(tag, data(4, integer(1, h) + integer(2, w) + integer(3, c) + data(4, png(pixels))))


def histogram(tag, numbers, counts, limits):
    """``limits``: the right ends of the buckets."""
    numbers = np.asarray(numbers, np.float64)
    moments = (numbers.min(), numbers.max(), numbers.size, numbers.sum(), (numbers * numbers).sum())
    fields = b"".join(double(i, x) for i, x in enumerate(moments, 1))
    return value(tag, data(5, fields + doubles(6, limits) + doubles(7, counts)))


def text(tag, content):
    tensor = integer(1, 7) + data(2, data(2, integer(1, 1))) + data(8, content)  # DT_STRING, one element
    return value(f"{tag}/text_summary", data(8, tensor), ("text", integer(1, 0)))


def curve(tag, table):
    """Precision and recall: ``table`` (6, thresholds) of true and false positives and negatives, precision, recall."""
    table = np.asarray(table, "<f4")
    shape = b"".join(data(2, integer(1, n)) for n in table.shape)
    tensor = integer(1, 1) + data(2, shape) + data(4, table.tobytes())  # DT_FLOAT
    return value(tag, data(8, tensor), ("pr_curves", integer(2, table.shape[1])))


def hyperparameters(values, metrics):
    """The three summaries of the plugin ``hparams``: what there is, the session's start with its values, its end."""
    names = b"".join(data(5, data(1, name) + integer(4, _kind(v))) for name, v in values.items())
    names += b"".join(data(6, data(1, data(2, name))) for name in metrics)
    start = b"".join(data(1, data(1, name) + data(2, _value(v))) for name, v in values.items())
    parts = {"experiment": data(2, names), "session_start_info": data(3, start), "session_end_info": data(4, integer(1, 1))}
    return [value(f"_hparams_/{tag}", b"", ("hparams", integer(1, 0) + body)) for tag, body in parts.items()]


def _kind(v):
    return 2 if isinstance(v, bool) else 3 if isinstance(v, int | float) else 1  # bool, float64, string


def _value(v):
    """A value of ``google.protobuf.Value``."""
    if isinstance(v, bool):
        return integer(4, v)
    return double(2, v) if isinstance(v, int | float) else data(3, str(v))


# --------------------------------------------------------------------------------------------------------------- records
def _table():
    """CRC-32C of each byte, for the polynomial 0x1EDC6F41 with its bits reversed."""
    entries = []
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
        entries.append(n)
    return entries


_CRC = _table()


def checksum(content):
    """CRC-32C, rotated and shifted as record files have it."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc = _CRC[(crc ^ byte) & 255] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def record(content):
    length = struct.pack("<Q", len(content))
    return length + struct.pack("<I", checksum(length)) + content + struct.pack("<I", checksum(content))


def png(pixels):
    """A PNG file of (height, width, channels) uint8: every row unfiltered."""
    h, w, c = pixels.shape
    rows = np.concatenate([np.zeros((h, 1), np.uint8), pixels.reshape(h, w * c)], 1)

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", w, h, 8, {1: 0, 2: 4, 3: 2, 4: 6}[c], 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows.tobytes())) + chunk(b"IEND", b"")
