"""The random numbers of Python and NumPy, which a traced function must not draw.

Their states before and after a run tell whether somebody drew. Where other threads run, such as a loader in the background, it
may have been one of them: then it counts only if the traced one has met something that draws. ``random.random`` and the
functions of ``numpy.random`` are called unseen by Python's hooks, so what counts is that it can be reached: by a name in the
bytecode of what ran, or by a value that it read.
"""

import pickle
import random
import sys
import types
import weakref

import numpy as np

_known = weakref.WeakKeyDictionary()  # code -> may_draw(code)


def streams_now():
    """The states of both."""
    streams = [random.getstate()]
    if "numpy.random" in sys.modules:
        name, keys, *rest = np.random.get_state()
        streams.append((name, keys.tobytes(), *rest))
    return streams


def reset_streams(streams):
    random.setstate(streams[0])
    if len(streams) > 1:
        name, keys, *rest = streams[1]
        np.random.set_state((name, np.frombuffer(keys, np.uint32), *rest))


def is_own(value):
    """Whether a value is a generator of Python's or NumPy's that somebody made."""
    return isinstance(value, random.Random) or ("numpy.random" in sys.modules and isinstance(value, _numpy_kinds()))


def _numpy_kinds():
    return np.random.Generator, np.random.RandomState


def state_of(generator):
    """The state of such a generator, as bytes."""
    return pickle.dumps(generator.getstate() if isinstance(generator, random.Random) else _bits(generator).state)


def set_state(generator, state):
    if isinstance(generator, random.Random):
        generator.setstate(pickle.loads(state))
    else:
        _bits(generator).state = pickle.loads(state)


def _bits(generator):
    return generator.bit_generator if isinstance(generator, np.random.Generator) else generator._bit_generator


def may_draw(code):
    """Whether a function names the module ``random`` or ``numpy.random``, or a ``random_state`` as SciPy does."""
    found = _known.get(code)
    if found is None:
        found = _known[code] = any(n.endswith(("random", "random_state")) for n in code.co_names)
    return found


def is_source(value):
    """Whether a value is one of these modules, its generator, or a function bound to it."""
    if isinstance(value, types.ModuleType):
        return value.__name__ in ("random", "numpy.random")
    if isinstance(value, types.BuiltinFunctionType | types.MethodType):
        value = value.__self__
    return value is random._inst or ("numpy.random" in sys.modules and value is np.random.mtrand._rand)
