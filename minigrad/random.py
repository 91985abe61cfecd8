"""Seeds and the state of the random number generators. The functions that draw numbers are in ``ops/random.py``.

A generator has an engine. ``philox``, the usual one, is counter-based: a call takes a key of two numbers, the seed and an
offset, and its bits are a pure function of that key on every backend, eager and compiled. ``mt19937`` gives the numbers of
PyTorch's CPU generator, one after the other (``mt19937.py``).
"""

import contextlib
import os
import threading

import numpy as np

from .device import device as Device
from .errors import describe
from .graph import tracer
from .mt19937 import STATE, Twister
from .tensor import Tensor, wrap

__all__ = [
    "Generator",
    "default_generator",
    "fork_rng",
    "get_rng_state",
    "initial_seed",
    "manual_seed",
    "seed",
    "set_default_engine",
    "set_rng_state",
]

WORDS_PER_BLOCK = 4  # one Philox block is four 32-bit words
FIRST_SEED = 67280421310721  # PyTorch's default seed
_MODULUS = 2**64


class Philox:
    """The counter-based engine: a seed, and an offset that says how many blocks have been drawn."""

    def __init__(self, seed):
        self.seed(seed)

    def seed(self, number):
        self.initial_seed, self.offset = number, 0

    def state(self):
        return np.array([self.initial_seed, self.offset], "<u8").view(np.uint8)

    def restore(self, array):
        self.initial_seed, self.offset = array.view("<u8").tolist()


ENGINES = {"philox": Philox, "mt19937": Twister}
_STATE_BYTES = {16: "philox", STATE.itemsize: "mt19937"}


def _outside(what, remedy="do it outside of the compiled function"):
    """TraceError while a function is traced: its replays draw on, and would not do this again."""
    trace = tracer.get()
    if trace is not None:
        raise trace.refuse(what, remedy)


class Generator:
    """A source of random numbers: an engine, its seed, and how far it has got.

    Args:
        device: accepted as in PyTorch; the numbers are the same on every device.
        engine: ``"philox"`` or ``"mt19937"``, whose numbers are those of PyTorch on the CPU; that of the default generator
            where it is left out, see :func:`set_default_engine`.

    >>> import minigrad
    >>> generator = minigrad.Generator().manual_seed(7)
    >>> first = minigrad.rand(2, generator=generator)
    >>> bool((first == minigrad.rand(2, generator=generator.manual_seed(7))).all())
    True
    >>> minigrad.rand(2, generator=minigrad.Generator(engine="mt19937").manual_seed(0))
    tensor([0.4963, 0.7682])
    """

    def __init__(self, device="cpu", engine=None):
        _outside("a Generator was made", "make the generator outside and draw from it")
        self.device = Device(device)
        self._lock = threading.Lock()
        self._engines = {}
        self.use(default_generator.engine if engine is None else engine)

    def use(self, engine):
        """Draw from ``engine`` from here on. It starts from this generator's seed, or goes on where it was left since then."""
        _outside("the engine of a generator was set")
        if engine not in ENGINES:
            raise ValueError(f"engine must be one of {', '.join(ENGINES)}, got {engine!r}")
        if engine not in self._engines:
            self._engines[engine] = ENGINES[engine](self.initial_seed() if self._engines else FIRST_SEED)
        self.engine, self._current = engine, self._engines[engine]
        return self

    def manual_seed(self, seed, engine=None):
        """Start over from ``seed``, any integer in [-2**63, 2**64), with another ``engine`` if one is named.

        Returns the generator.
        """
        _outside("a seed was set", "set the seed outside of the compiled function")
        number = _whole(seed)
        if engine is not None:
            self.use(engine)
        with self._lock:
            self._current.seed(number)
            self._engines = {self.engine: self._current}  # another engine would start from this seed
        return self

    def seed(self):
        """Start over from a seed that the operating system draws, and return it."""
        number = int.from_bytes(os.urandom(8), "little") >> 11  # 53 bits: a float holds it exactly, as in PyTorch
        self.manual_seed(number)
        return number

    def initial_seed(self):
        """The seed that the numbers have been drawn from since it was set."""
        _outside("the seed of a generator was read", "read it outside of the compiled function")
        return self._current.initial_seed

    def key(self, count):
        """The key [seed, offset] of the next ``count`` 32-bit words, an int64 array. The offset moves past them."""
        with self._lock:
            e = self._current
            if e.__class__ is not Philox:
                raise self._changed("philox")
            key = np.array([e.initial_seed, e.offset], np.uint64).view(np.int64)
            e.offset = (e.offset - -count // WORDS_PER_BLOCK) % _MODULUS
        return key

    def draw(self, function):
        """``function(twister)`` for the engine mt19937, which no other thread uses meanwhile."""
        with self._lock:
            if self._current.__class__ is not Twister:
                raise self._changed("mt19937")
            return function(self._current)

    def _changed(self, before):
        return RuntimeError(
            f"the generator's engine is {self.engine}, but this call was traced when it was {before}: trace the function again, "
            f"or go back with manual_seed(seed, engine={before!r})"
        )

    def get_state(self):
        """The state as a uint8 tensor, for :meth:`set_state`: 16 elements, or 5056 of engine mt19937, laid out as PyTorch's."""
        _outside("the state of a generator was read", "read it outside of the compiled function")
        return wrap(self.snapshot())

    def set_state(self, state):
        """Continue from where :meth:`get_state` was called, with the engine that it was called for."""
        _outside("the state of a generator was set", "set it outside of the compiled function")
        array = state.array if isinstance(state, Tensor) else None
        if array is None or array.dtype != np.uint8 or array.ndim != 1 or array.size not in _STATE_BYTES:
            raise TypeError(
                f"set_state: RNG state must be a torch.ByteTensor of 16 elements, or {STATE.itemsize} for engine mt19937, from "
                f"get_state(), got {describe(state)}"
            )
        self.rewind(np.ascontiguousarray(array))
        return self

    def snapshot(self):
        """The state as an array for :meth:`rewind`, of the library's own use: also while a function is traced."""
        with self._lock:
            return self._current.state()

    def rewind(self, array):
        """Continue from where :meth:`snapshot` was called, with the engine that it was called for."""
        engine = _STATE_BYTES[array.size]
        if engine != self.engine:
            self.use(engine)
        with self._lock:
            self._current.restore(array)

    def clone_state(self):
        """A new generator that will draw the same numbers as this one."""
        return Generator(self.device).set_state(self.get_state())

    def __getstate__(self):
        return {"device": str(self.device), "state": self.get_state().tolist()}

    def __setstate__(self, saved):
        self.__init__(saved["device"])
        self.set_state(wrap(np.array(saved["state"], np.uint8)))

    def __repr__(self):
        where = f" offset={self._current.offset}" if self.engine == "philox" else " engine='mt19937'"
        return f"<minigrad.Generator device={str(self.device)!r} seed={self._current.initial_seed}{where}>"


def _whole(seed):
    """A seed as a number in [0, 2**64)."""
    number = int(seed)
    if not -(2**63) <= number < _MODULUS:
        raise RuntimeError(f"manual_seed: Overflow when unpacking long: the seed {number} is not in [-2**63, 2**64)")
    return number % _MODULUS


default_generator = Generator(engine="philox")
default_generator.seed()  # as in PyTorch, a program that sets no seed draws other numbers in every run


def set_default_engine(engine):
    """Let the default generator, and every :class:`Generator` made from here on, draw from ``engine``.

    Returns the engine that it was before. The default generator starts from its seed; where it has drawn from that engine
    since it was seeded, it goes on behind that.

    Args:
        engine: ``"philox"``: the same numbers on every device, eager and compiled. ``"mt19937"``: those of PyTorch on the
            CPU.

    Raises:
        ValueError: for another name.

    >>> import minigrad
    >>> before = minigrad.random.set_default_engine("mt19937")
    >>> _ = minigrad.manual_seed(0)
    >>> minigrad.rand(2)
    tensor([0.4963, 0.7682])
    >>> minigrad.random.set_default_engine(before)
    'mt19937'
    """
    before = default_generator.engine
    default_generator.use(engine)
    return before


def manual_seed(seed, engine=None):
    """Make every random number from here on a function of ``seed``. Returns the default generator.

    Args:
        seed: an integer in [-2**63, 2**64).
        engine: what to draw from, here and in every :class:`Generator` made from here on, as in
            :func:`set_default_engine`; the engine stays as it is where it is left out.

    >>> import minigrad
    >>> _ = minigrad.manual_seed(0)
    >>> a = minigrad.rand(3)
    >>> _ = minigrad.manual_seed(0)
    >>> bool((a == minigrad.rand(3)).all())
    True
    """
    return default_generator.manual_seed(seed, engine)


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
    _outside("fork_rng() was entered", "enter it outside of the compiled function")
    state = default_generator.get_state()
    try:
        yield
    finally:
        if enabled:
            default_generator.set_state(state)
