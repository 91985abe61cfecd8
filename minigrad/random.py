"""Seeds and the state of the random number generators. The functions that draw numbers are in ``ops/random.py``.

All random bits come from one counter-based generator, Philox: a call takes a key of two numbers, the seed and an offset,
and its bits are a pure function of that key on every backend. So a generator is just these two numbers.
"""

import contextlib
import os
import threading

import numpy as np

from .device import device as Device
from .errors import describe
from .tensor import Tensor, wrap

__all__ = [
    "Generator",
    "default_generator",
    "fork_rng",
    "get_rng_state",
    "initial_seed",
    "manual_seed",
    "seed",
    "set_rng_state",
]

WORDS_PER_BLOCK = 4  # one Philox block is four 32-bit words
_MODULUS = 2**64


class Generator:
    """A source of random numbers: a seed, and an offset that says how many numbers have been drawn.

    ``device`` is accepted as in PyTorch; the numbers are the same on every device.

    >>> import minigrad
    >>> generator = minigrad.Generator().manual_seed(7)
    >>> first = minigrad.rand(2, generator=generator)
    >>> bool((first == minigrad.rand(2, generator=generator.manual_seed(7))).all())
    True
    """

    def __init__(self, device="cpu"):
        self.device = Device(device)
        self._lock = threading.Lock()
        self._seed, self._offset = 67280421310721, 0  # PyTorch's default seed

    def manual_seed(self, seed):
        """Start over from ``seed``, any integer in [-2**63, 2**64). Returns the generator."""
        number = _whole(seed)
        with self._lock:
            self._seed, self._offset = number, 0
        return self

    def seed(self):
        """Start over from a seed that the operating system draws, and return it."""
        number = int.from_bytes(os.urandom(8), "little") >> 11  # 53 bits: a float holds it exactly, as in PyTorch
        self.manual_seed(number)
        return number

    def initial_seed(self):
        """The seed that the numbers have been drawn from since it was set."""
        return self._seed

    def key(self, count):
        """The key [seed, offset] of the next ``count`` 32-bit words, an int64 array. The offset moves past them."""
        with self._lock:
            key = np.array([self._seed, self._offset], np.uint64).view(np.int64)
            self._offset = (self._offset - -count // WORDS_PER_BLOCK) % _MODULUS
        return key

    def get_state(self):
        """Seed and offset as a uint8 tensor of 16 elements, for :meth:`set_state`."""
        return wrap(np.array([self._seed, self._offset], "<u8").view(np.uint8))

    def set_state(self, state):
        """Continue from where :meth:`get_state` was called."""
        array = state.array if isinstance(state, Tensor) else None
        if array is None or array.dtype != np.uint8 or array.shape != (16,):
            raise TypeError(
                f"set_state: RNG state must be a torch.ByteTensor of 16 elements from get_state(), got {describe(state)}"
            )
        number, offset = np.ascontiguousarray(array).view("<u8").tolist()
        with self._lock:
            self._seed, self._offset = number, offset
        return self

    def clone_state(self):
        """A new generator that will draw the same numbers as this one."""
        return Generator(self.device).set_state(self.get_state())

    def __getstate__(self):
        return {"device": str(self.device), "state": self.get_state().tolist()}

    def __setstate__(self, saved):
        self.__init__(saved["device"])
        self.set_state(wrap(np.array(saved["state"], np.uint8)))

    def __repr__(self):
        return f"<minigrad.Generator device={str(self.device)!r} seed={self._seed} offset={self._offset}>"


def _whole(seed):
    """A seed as a number in [0, 2**64)."""
    number = int(seed)
    if not -(2**63) <= number < _MODULUS:
        raise RuntimeError(f"manual_seed: Overflow when unpacking long: the seed {number} is not in [-2**63, 2**64)")
    return number % _MODULUS


default_generator = Generator()


def manual_seed(seed):
    """Make every random number from here on a function of ``seed``. Returns the default generator.

    >>> import minigrad
    >>> _ = minigrad.manual_seed(0)
    >>> a = minigrad.rand(3)
    >>> _ = minigrad.manual_seed(0)
    >>> bool((a == minigrad.rand(3)).all())
    True
    """
    return default_generator.manual_seed(seed)


def seed():
    """Draw a new seed from the operating system, and return it."""
    return default_generator.seed()


def initial_seed():
    """The seed of the default generator.

    >>> import minigrad
    >>> _ = minigrad.manual_seed(3)
    >>> minigrad.initial_seed()
    3
    """
    return default_generator.initial_seed()


def get_rng_state():
    """The state of the default generator, a uint8 tensor.

    >>> import minigrad
    >>> state = minigrad.get_rng_state()
    >>> a = minigrad.rand(3)
    >>> minigrad.set_rng_state(state)
    >>> bool((a == minigrad.rand(3)).all())
    True
    """
    return default_generator.get_state()


def set_rng_state(new_state):
    """Let the default generator continue from a state of :func:`get_rng_state`."""
    default_generator.set_state(new_state)


@contextlib.contextmanager
def fork_rng(devices=None, enabled=True, device_type="cpu"):
    """Random numbers drawn inside leave those drawn after it as they would have been without it.

    >>> import minigrad
    >>> _ = minigrad.manual_seed(0)
    >>> with minigrad.random.fork_rng():
    ...     inside = minigrad.rand(3)
    >>> bool((inside == minigrad.rand(3)).all())
    True
    """
    state = default_generator.get_state()
    try:
        yield
    finally:
        if enabled:
            default_generator.set_state(state)
