"""Checkpoints: everything that a run needs to go on as if it had never stopped."""

import random

import numpy as np

from ..errors import FileError, describe
from ..random import Generator, get_rng_state, set_rng_state
from .safetensors import load, save

KIND = "minigrad checkpoint"


def save_checkpoint(path, *, extra=None, **parts):
    """Save the states of the given parts and of all random numbers in one ``.safetensors`` file.

    A run that loads it continues bit for bit. The file takes the place of an old one only when it is complete.

    Args:
        path: path of the file.
        extra: anything else that :func:`minigrad.save` takes, such as the epoch or the best accuracy so far.
        parts: by any names, what has a ``state_dict()`` (modules, optimizers, schedulers, DataLoaders), and Generators.

    Raises:
        TypeError: for a part that has no state.

    >>> import minigrad, os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "run.safetensors")
    >>> w = minigrad.tensor([1.0], requires_grad=True)
    >>> optimizer = minigrad.optim.SGD([w], lr=0.1)
    >>> minigrad.state.save_checkpoint(path, optimizer=optimizer, extra={"epoch": 3})
    >>> minigrad.state.load_checkpoint(path, optimizer=optimizer)
    {'epoch': 3}
    """
    numbers = {"minigrad": get_rng_state(), "python": random.getstate(), "numpy": np.random.get_state()}
    states = {name: _state(name, part) for name, part in parts.items()}
    save({"kind": KIND, "parts": states, "random": numbers, "extra": extra}, path)


def load_checkpoint(path, *, map_location=None, random_state=True, **parts):
    """Load a checkpoint of :func:`save_checkpoint` into the given parts, and return its ``extra``.

    Make the parts as for the first run, schedulers too. Parts that are in the file but not asked for are left alone.

    Args:
        path: path of the file.
        map_location: the device for the tensors.
        random_state: continue the random numbers of minigrad, ``random`` and NumPy as well.
        parts: by the names under which they were saved, modules, optimizers, schedulers, DataLoaders and Generators.

    Raises:
        FileError: for a file that is no checkpoint, or lacks a part; then nothing has been changed.
    """
    saved = load(path, map_location)
    if not isinstance(saved, dict) or saved.get("kind") != KIND:
        raise FileError(f"load_checkpoint: {path} is no checkpoint of save_checkpoint; read it with minigrad.load(path)")
    states = saved["parts"]
    missing = [name for name in parts if name not in states]
    if missing:
        raise FileError(
            f"load_checkpoint: {path} has no part {', '.join(map(repr, missing))}; it has {', '.join(map(repr, states))}"
        )
    for name, part in parts.items():
        if isinstance(part, Generator):
            part.set_state(states[name].cpu())
        else:
            part.load_state_dict(states[name])
    if random_state:
        numbers = saved["random"]
        set_rng_state(numbers["minigrad"].cpu())
        random.setstate(numbers["python"])
        np.random.set_state(numbers["numpy"])
    return saved["extra"]


def _state(name, part):
    if isinstance(part, Generator):
        return part.get_state()
    if not hasattr(part, "state_dict"):
        raise TypeError(
            f"save_checkpoint: {name} is {describe(part)}, which has no state_dict(); pass other things in extra={{...}}"
        )
    return part.state_dict()
