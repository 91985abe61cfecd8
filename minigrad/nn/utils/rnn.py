"""Sequences of different lengths in one batch: padded to the longest, or packed without padding.

A packed batch holds the first elements of all sequences, then all second elements, and so on; the sequences are ordered from
the longest to the shortest, so that those that still run are always the first ones.
"""

from collections import namedtuple
from collections.abc import Iterable

import numpy as np

from ... import ones, stack, tensor
from ...tensor import Tensor

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]


class PackedSequence(namedtuple("PackedSequence", "data batch_sizes sorted_indices unsorted_indices")):
    """A batch of sequences without padding; :func:`pack_padded_sequence` and :func:`pack_sequence` make one.

    * ``data``: (all elements, \\*).
    * ``batch_sizes``: int64 tensor on the CPU: how many sequences have an element 0, an element 1, and so on.
    * ``sorted_indices``: where each packed sequence stood in the original batch, or None where it was sorted already.
    * ``unsorted_indices``: the inverse of that.

    >>> import minigrad
    >>> from minigrad.nn.utils.rnn import pack_sequence
    >>> pack_sequence([minigrad.tensor([1, 2, 3]), minigrad.tensor([4])]).data
    tensor([1, 4, 2, 3])
    """

    __slots__ = ()

    def __new__(cls, data, batch_sizes=None, sorted_indices=None, unsorted_indices=None):
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        if batch_sizes is None:  # PackedSequence((data, batch_sizes)) is an older form
            data, batch_sizes = data
        if not batch_sizes.is_cpu:
            raise ValueError(f"batch_sizes should always be on CPU, got one on {batch_sizes.device}; use batch_sizes.cpu()")
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args, **kwargs):
        """The data in another dtype or on another device; the indices follow to the device."""
        data = self.data.to(*args, **kwargs)
        if data is self.data:
            return self
        indices = (None if i is None else i.to(data.device) for i in (self.sorted_indices, self.unsorted_indices))
        return PackedSequence(data, self.batch_sizes, *indices)

    def cpu(self):
        return self.to("cpu")

    def cuda(self, device=None):
        return self.to("cuda" if device is None else device)

    def float(self):
        return self.to(self.data.float().dtype)

    def double(self):
        return self.to(self.data.double().dtype)

    def half(self):
        return self.to(self.data.half().dtype)

    def long(self):
        return self.to(self.data.long().dtype)

    def int(self):
        return self.to(self.data.int().dtype)

    def short(self):
        return self.to(self.data.short().dtype)

    def char(self):
        return self.to(self.data.char().dtype)

    def byte(self):
        return self.to(self.data.byte().dtype)

    def pin_memory(self):
        return self

    def is_pinned(self):
        return self.data.is_pinned()

    @property
    def is_cuda(self):
        return self.data.is_cuda


def invert_permutation(permutation):
    """The permutation that undoes ``permutation``, a 1-D int64 tensor; None for None.

    >>> import minigrad
    >>> minigrad.nn.utils.rnn.invert_permutation(minigrad.tensor([2, 0, 1]))
    tensor([1, 2, 0])
    """
    return None if permutation is None else permutation.argsort()


def running(lengths, steps):
    """A bool array (steps, B): does sequence b have an element t?"""
    return np.arange(steps)[:, None] < np.asarray(lengths)[None, :]


def lengths_of(batch_sizes):
    """The lengths of the sequences, a NumPy array, from the longest to the shortest."""
    sizes = batch_sizes.numpy()
    return (sizes[:, None] > np.arange(sizes[0])).sum(0)


def pack_padded_sequence(input, lengths, batch_first=False, enforce_sorted=True):
    """A padded batch as a :class:`PackedSequence`.

    Args:
        input: (T, B, \\*), or (B, T, \\*) with ``batch_first``.
        lengths: the length of each sequence, a list or an int64 tensor on the CPU.
        batch_first: the order of the first two dimensions.
        enforce_sorted: the sequences stand from the longest to the shortest; with False they are sorted here.

    Raises:
        RuntimeError: where lengths do not fit the batch, are not positive, or not sorted although they should be.

    >>> import minigrad
    >>> from minigrad.nn.utils.rnn import pack_padded_sequence
    >>> batch = minigrad.tensor([[1, 2, 0], [3, 0, 0], [4, 5, 6]])
    >>> packed = pack_padded_sequence(batch, [2, 1, 3], batch_first=True, enforce_sorted=False)
    >>> packed.data, packed.batch_sizes
    (tensor([4, 1, 3, 5, 2, 6]), tensor([3, 2, 1]))
    """
    lengths = np.array(lengths.tolist() if isinstance(lengths, Tensor) else [int(n) for n in lengths], np.int64)
    if batch_first:
        input = input.transpose(0, 1)
    steps, batch = input.shape[:2]
    if lengths.shape != (batch,):
        raise RuntimeError(f"Expected `len(lengths)` to be equal to batch_size, but got {lengths.size} (batch_size={batch})")
    if lengths.size == 0:
        raise RuntimeError("Cannot pack empty tensors: the batch holds no sequence")
    if lengths.min() <= 0:
        raise RuntimeError(
            f"Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0: {lengths.tolist()}"
        )
    if lengths.max() > steps:
        raise RuntimeError(f"pack_padded_sequence: a length of {lengths.max()} does not fit a batch padded to {steps} elements")
    order = None
    if not enforce_sorted:
        order = np.argsort(-lengths, kind="stable")
        lengths = lengths[order]
        order = tensor(order, device=input.device)
        input = input.index_select(1, order)
    elif (np.diff(lengths) > 0).any():
        raise RuntimeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True, "
            f"got {lengths.tolist()}; pass `enforce_sorted=False` to have them sorted"
        )
    mask = running(lengths, lengths[0])
    data = input[: int(lengths[0])][tensor(mask, device=input.device)]
    return PackedSequence(data, tensor(mask.sum(1)), order)


def pad_packed_sequence(sequence, batch_first=False, padding_value=0.0, total_length=None):
    """The inverse of :func:`pack_padded_sequence`.

    Args:
        sequence: a :class:`PackedSequence`.
        batch_first: return (B, T, \\*) in place of (T, B, \\*).
        padding_value: what stands behind the shorter sequences.
        total_length: T, at least the longest length.

    Returns:
        the padded batch in its original order, and the lengths, an int64 tensor.

    Raises:
        ValueError: where ``total_length`` is too small.

    >>> import minigrad
    >>> from minigrad.nn.utils.rnn import pack_sequence, pad_packed_sequence
    >>> packed = pack_sequence([minigrad.tensor([1, 2, 3]), minigrad.tensor([4])])
    >>> pad_packed_sequence(packed, batch_first=True)
    (tensor([[1, 2, 3],
            [4, 0, 0]]), tensor([3, 1]))
    """
    lengths = lengths_of(sequence.batch_sizes)
    steps = int(lengths[0])
    if total_length is not None and total_length < steps:
        raise ValueError(
            "Expected total_length to be at least the length of the longest sequence in input, "
            f"but got total_length={total_length} and max sequence length being {steps}"
        )
    steps = steps if total_length is None else total_length
    padded = _padded(sequence.data, running(lengths, steps), padding_value)
    lengths = tensor(lengths)
    if sequence.unsorted_indices is not None:
        padded, lengths = padded.index_select(1, sequence.unsorted_indices), lengths[sequence.unsorted_indices.cpu()]
    return padded.transpose(0, 1) if batch_first else padded, lengths


def _padded(data, mask, value=0.0):
    """Packed elements (all, \\*) at the True places of mask (T, B): (T, B, \\*)."""
    out = ones(*mask.shape, *data.shape[1:], dtype=data.dtype, device=data.device) * value
    out = out.to(data.dtype)
    out[tensor(mask, device=data.device)] = data
    return out


def pad_sequence(sequences, batch_first=False, padding_value=0.0, padding_side="right"):
    """Sequences of different lengths in one tensor, padded to the longest.

    Args:
        sequences: tensors (L, \\*) that differ in L alone.
        batch_first: return (B, T, \\*) in place of (T, B, \\*).
        padding_value: what stands behind the shorter sequences, or in front of them with ``padding_side="left"``.

    >>> import minigrad
    >>> from minigrad.nn.utils.rnn import pad_sequence
    >>> pad_sequence([minigrad.tensor([1, 2, 3]), minigrad.tensor([4])], batch_first=True)
    tensor([[1, 2, 3],
            [4, 0, 0]])
    """
    if not isinstance(sequences, Iterable):
        raise RuntimeError(f"pad_sequence: Expected iterable for input sequences, but got arg of type: {type(sequences)}")
    if padding_side not in ("left", "right"):
        raise RuntimeError(f"Expected padding_side to be one of left or right, but got {padding_side}.")
    from ..functional import pad

    sequences = list(sequences)
    if not sequences:
        raise RuntimeError("pad_sequence: received an empty list of sequences")
    steps = max(s.shape[0] for s in sequences)
    padded = []
    for s in sequences:
        missing = steps - s.shape[0]
        widths = (0, 0) * (s.dim() - 1) + ((missing, 0) if padding_side == "left" else (0, missing))
        padded.append(pad(s, widths, value=padding_value))
    return stack(padded, 0 if batch_first else 1)


def unpad_sequence(padded_sequences, lengths, batch_first=False):
    """The inverse of :func:`pad_sequence`: a list of tensors of these lengths.

    >>> import minigrad
    >>> from minigrad.nn.utils.rnn import unpad_sequence
    >>> unpad_sequence(minigrad.tensor([[1, 2, 3], [4, 0, 0]]), minigrad.tensor([3, 1]), batch_first=True)
    [tensor([1, 2, 3]), tensor([4])]
    """
    if not batch_first:
        padded_sequences = padded_sequences.transpose(0, 1)
    return [padded_sequences[b, : int(n)] for b, n in enumerate(lengths)]


def pack_sequence(sequences, enforce_sorted=True):
    """Sequences of different lengths as a :class:`PackedSequence`.

    Args:
        sequences: tensors (L, \\*) that differ in L alone.
        enforce_sorted: they stand from the longest to the shortest; with False they are sorted here.

    >>> import minigrad
    >>> from minigrad.nn.utils.rnn import pack_sequence
    >>> pack_sequence([minigrad.tensor([1, 2, 3]), minigrad.tensor([4, 5]), minigrad.tensor([6])]).batch_sizes
    tensor([3, 2, 1])
    """
    return pack_padded_sequence(pad_sequence(sequences), [s.shape[0] for s in sequences], enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences):
    """The inverse of :func:`pack_sequence`: a list of tensors.

    >>> import minigrad
    >>> from minigrad.nn.utils.rnn import pack_sequence, unpack_sequence
    >>> unpack_sequence(pack_sequence([minigrad.tensor([1]), minigrad.tensor([4, 5])], enforce_sorted=False))
    [tensor([1]), tensor([4, 5])]
    """
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
