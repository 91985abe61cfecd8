"""``SummaryWriter``, which programs hand their losses, pictures and histograms to."""

import datetime
import io
import itertools
import os
import socket
import threading
import time
import weakref

import numpy as np

from ...errors import describe
from ...tensor import Tensor
from . import records

_numbers = itertools.count()


class FileWriter:
    """Appends events to one file in ``log_dir``.

    Records reach the disk at :meth:`flush`, when the queue is full, and at the end of a program that never closes its writer.
    """

    def __init__(self, log_dir, max_queue=10, flush_secs=120, filename_suffix=""):
        self.log_dir = os.fspath(log_dir)
        os.makedirs(self.log_dir, exist_ok=True)
        name = f"events.out.tfevents.{int(time.time())}.{socket.gethostname()}.{os.getpid()}.{next(_numbers)}{filename_suffix}"
        self.path = os.path.join(self.log_dir, name)
        self.waiting, self.max_queue, self.flush_secs, self.flushed = [], max_queue, flush_secs, time.monotonic()
        self.lock = threading.Lock()
        weakref.finalize(self, _finish, self.path, self.waiting, os.getpid())
        self.add(records.event(time.time(), 0, version="brain.Event:2"))
        self.flush()

    def get_logdir(self):
        return self.log_dir

    def add(self, event):
        with self.lock:
            self.waiting.append(records.record(event))
        if len(self.waiting) >= self.max_queue or time.monotonic() - self.flushed > self.flush_secs:
            self.flush()

    def flush(self):
        with self.lock:
            _append(self.path, self.waiting)
            self.flushed = time.monotonic()

    close = flush


def _append(path, waiting):
    if waiting:
        with open(path, "ab") as file:
            file.write(b"".join(waiting))
        waiting.clear()


def _finish(path, waiting, owner):
    """Write what still waits, but not in a process that was forked off, and not into a folder that is gone."""
    if os.getpid() == owner and os.path.isdir(os.path.dirname(path)):
        _append(path, waiting)


class SummaryWriter:
    """Writes event files that ``tensorboard --logdir runs`` shows.

    Args:
        log_dir: folder of the files; by default ``runs/<date>_<host><comment>``.
        comment: an ending for the default folder.
        purge_step: with the file of a resumed run, TensorBoard forgets what came after this step.
        max_queue: how many records wait before they are written.
        flush_secs: how many seconds they wait at most.
        filename_suffix: an ending for the file's name.

    >>> import os, tempfile, minigrad
    >>> from minigrad.utils.tensorboard import SummaryWriter
    >>> with SummaryWriter(tempfile.mkdtemp()) as writer:
    ...     for step in range(3):
    ...         writer.add_scalar("loss", 1 / (step + 1), step)
    >>> len(os.listdir(writer.log_dir))
    1
    """

    def __init__(self, log_dir=None, comment="", purge_step=None, max_queue=10, flush_secs=120, filename_suffix=""):
        if not log_dir:
            now = datetime.datetime.now().strftime("%b%d_%H-%M-%S")
            log_dir = os.path.join("runs", f"{now}_{socket.gethostname()}{comment}")
        self.log_dir, self.settings = os.fspath(log_dir), (max_queue, flush_secs, filename_suffix)
        self.purge_step = purge_step
        self.file_writer = FileWriter(self.log_dir, *self.settings)
        if purge_step is not None:
            self.file_writer.add(records.start(time.time(), purge_step))
        self.others = {}  # folder -> FileWriter, of add_scalars and add_hparams

    def get_logdir(self):
        """The folder of the files."""
        return self.log_dir

    def _add(self, summary, step, walltime, writer=None):
        when = time.time() if walltime is None else walltime
        (writer or self.file_writer).add(records.event(when, int(step or 0), summary))

    def add_scalar(self, tag, scalar_value, global_step=None, walltime=None, new_style=False, double_precision=False):
        """A number, such as a loss, at a step."""
        self._add(records.scalar(tag, _number(scalar_value)), global_step, walltime)

    def add_scalars(self, main_tag, tag_scalar_dict, global_step=None, walltime=None):
        """Several numbers in one plot, each a run of its own."""
        for tag, number in tag_scalar_dict.items():
            writer = self._other(os.path.join(self.log_dir, f"{main_tag.replace('/', '_')}_{tag}"))
            self._add(records.scalar(main_tag, _number(number)), global_step, walltime, writer)

    def _other(self, folder):
        if folder not in self.others:
            self.others[folder] = FileWriter(folder, *self.settings)
        return self.others[folder]

    def add_histogram(self, tag, values, global_step=None, bins="tensorflow", walltime=None, max_bins=None):
        """How the elements of a tensor are spread; ``bins``: "tensorflow", "auto", "fd", or the limits themselves."""
        numbers = _array(values).reshape(-1)
        if not numbers.size:
            raise ValueError("add_histogram: the input has no element, so there is nothing to count")
        if isinstance(bins, str) and bins == "tensorflow":
            bins = _default_bins()
        counts, limits = np.histogram(numbers, bins=bins)
        self._add(records.histogram(tag, numbers, *_nonempty(counts, limits)), global_step, walltime)

    def add_histogram_raw(
        self, tag, min, max, num, sum, sum_squares, bucket_limits, bucket_counts, global_step=None, walltime=None
    ):
        """A histogram that has been counted already."""
        fields = b"".join(records.double(i, float(x)) for i, x in enumerate((min, max, num, sum, sum_squares), 1))
        body = fields + records.doubles(6, bucket_limits) + records.doubles(7, bucket_counts)
        self._add(records.value(tag, records.data(5, body)), global_step, walltime)

    def add_image(self, tag, img_tensor, global_step=None, walltime=None, dataformats="CHW"):
        """A picture: uint8 in 0 ... 255 or floats in 0 ... 1, of dimensions C, H, W in any order that ``dataformats`` says."""
        self._add(records.image(tag, _pixels(img_tensor, dataformats)), global_step, walltime)

    def add_images(self, tag, img_tensor, global_step=None, walltime=None, dataformats="NCHW"):
        """A batch of pictures side by side in one grid."""
        batch = np.stack([_pixels(one, dataformats.replace("N", "")) for one in np.moveaxis(
            _array(img_tensor), dataformats.index("N"), 0)])  # fmt: skip
        self._add(records.image(tag, _grid(batch)), global_step, walltime)

    def add_figure(self, tag, figure, global_step=None, close=True, walltime=None):
        """A figure of matplotlib, or a list of them, whatever window or file it was made for."""
        for i, one in enumerate(figure if isinstance(figure, list) else [figure]):
            drawn = io.BytesIO()
            one.savefig(drawn, format="rgba", dpi=one.dpi)
            width, height = (int(n) for n in one.bbox.size)
            pixels = np.frombuffer(drawn.getvalue(), np.uint8).reshape(height, width, 4)[..., :3]
            self.add_image(tag if not isinstance(figure, list) else f"{tag}/{i}", pixels, global_step, walltime, "HWC")
            if close:
                import matplotlib.pyplot as plt

                plt.close(one)

    def add_text(self, tag, text_string, global_step=None, walltime=None):
        """A text, in Markdown."""
        self._add(records.text(tag, text_string), global_step, walltime)

    def add_pr_curve(self, tag, labels, predictions, global_step=None, num_thresholds=127, weights=None, walltime=None):
        """Precision over recall of a classifier: ``labels`` 0 or 1, ``predictions`` in [0, 1]."""
        table = _precision_and_recall(_array(labels), _array(predictions), num_thresholds, weights)
        self._add(records.curve(tag, table), global_step, walltime)

    def add_hparams(self, hparam_dict, metric_dict, hparam_domain_discrete=None, run_name=None, global_step=None):
        """The hyper-parameters of this run and what came of them, in a run of their own below this one."""
        if not isinstance(hparam_dict, dict) or not isinstance(metric_dict, dict):
            raise TypeError("add_hparams: hparam_dict and metric_dict should be dictionaries of names and values")
        values = {k: v.item() if isinstance(v, Tensor | np.generic) else v for k, v in hparam_dict.items()}
        writer = self._other(os.path.join(self.log_dir, run_name or str(time.time())))
        for summary in records.hyperparameters(values, metric_dict):
            self._add(summary, 0, None, writer)
        for tag, number in metric_dict.items():
            self._add(records.scalar(tag, _number(number)), global_step, None, writer)

    def add_graph(self, model, input_to_model=None, verbose=False, use_strict_trace=True):
        """The layers of a model as a text: TensorBoard's own drawing needs TensorFlow's graphs, which minigrad has not."""
        self.add_text("graph", f"```\n{model!r}\n```")

    def flush(self):
        """Write what waits to the disk."""
        for writer in (self.file_writer, *self.others.values()):
            writer.flush()

    close = flush

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.close()


def _array(values):
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)


def _number(value):
    array = _array(value)
    if array.size != 1 or (array.dtype.kind not in "biuf" and array.dtype.name != "bfloat16"):
        raise ValueError(f"add_scalar: a scalar should be 0D or have one element, not {describe(value)}")
    return float(array.reshape(()))


def _default_bins():
    """Limits that grow by a tenth from 1e-12 to 1e20 on both sides of 0."""
    positive = 1e-12 * 1.1 ** np.arange(774)
    return np.concatenate([-positive[::-1], [0.0], positive])


def _nonempty(counts, limits):
    """The buckets between the first and the last that is not empty, with an empty one in front, as (counts, right limits)."""
    filled = np.flatnonzero(counts)
    first, last = (filled[0], filled[-1]) if filled.size else (0, 0)
    if first:
        return counts[first - 1 : last + 1], limits[first : last + 2]
    return np.concatenate([[0], counts[: last + 1]]), limits[: last + 2]


def _pixels(image, order):
    """(H, W, channels) of uint8."""
    array = _array(image)
    if array.ndim != len(order):
        raise ValueError(f"add_image: size of input tensor and input format are different: shape {array.shape}, format {order!r}")
    axes = [order.index(a) for a in "HWC" if a in order]
    array = array.transpose(axes)
    array = array[..., None] if "C" not in order else array
    array = array if array.dtype == np.uint8 else np.clip(array.astype(np.float32) * 255, 0, 255).astype(np.uint8)
    return np.repeat(array, 3, 2) if array.shape[2] == 1 else array


def _grid(batch, columns=8):
    """Pictures (N, H, W, C) in rows of eight."""
    n, h, w, c = batch.shape
    columns = min(n, columns)
    rows = -(-n // columns)
    out = np.zeros((rows * h, columns * w, c), np.uint8)
    for i, one in enumerate(batch):
        y, x = divmod(i, columns)
        out[y * h : (y + 1) * h, x * w : (x + 1) * w] = one
    return out


def _precision_and_recall(labels, predictions, thresholds, weights):
    """(6, thresholds): true positives, false positives, true negatives, false negatives, precision, recall."""
    weights = np.ones(labels.shape) if weights is None else _array(weights)
    bucket = np.floor(np.clip(predictions, 0, 1) * (thresholds - 1)).astype(int).reshape(-1)
    true, weights = labels.reshape(-1) > 0, weights.reshape(-1)
    tp, fp = (
        np.bincount(bucket, weights * chosen, thresholds)[::-1].cumsum()[::-1] for chosen in (true, ~true)
    )  # fmt: skip
    fn, tn = tp[0] - tp, fp[0] - fp
    tiny = 1e-7
    return np.stack([tp, fp, tn, fn, tp / np.maximum(tiny, tp + fp), tp / np.maximum(tiny, tp + fn)])
