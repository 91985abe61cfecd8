"""Devices: where the memory of a tensor lies."""

from .errors import DeviceError


class device:
    """``device("cpu")``, ``device("cuda")`` or ``device("cuda:1")``. Devices compare equal by type and index.

    >>> import minigrad
    >>> minigrad.device("cuda:0").index
    0
    """

    __slots__ = ("type", "index")

    def __init__(self, type, index=None):
        if isinstance(type, device):
            type, index = type.type, type.index
        if isinstance(type, int):
            type, index = "cuda", type
        name, _, number = str(type).partition(":")
        if name not in ("cpu", "cuda", "meta", "mps", "xpu"):
            start = "Expected one of cpu, cuda device type at start of device string"
            raise DeviceError(f"{start}: {name}; {type!r} names no device")
        if number and not number.isdigit():
            raise DeviceError(f"Invalid device string: {type!r}; it names no device: use 'cpu', 'cuda' or 'cuda:0'")
        if name not in ("cpu", "cuda"):
            raise DeviceError(f"device: minigrad runs on 'cpu' and 'cuda', not on {name!r}")
        self.type = name
        self.index = int(number) if number else index

    def __repr__(self):
        return f"device(type={self.type!r}" + (")" if self.index is None else f", index={self.index})")

    def __str__(self):
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __eq__(self, other):
        if isinstance(other, str):
            other = device(other)
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self):
        return hash((self.type, self.index))

    def __enter__(self):
        """``with device("cuda"):`` new tensors lie there unless they are told otherwise."""
        _outer.append(default["device"])
        default["device"] = None if self.type == "cpu" else self
        return self

    def __exit__(self, *_):
        default["device"] = _outer.pop()

    def __reduce__(self):
        return device, (self.type, self.index)


CPU = device("cpu")
default = {"device": None}  # where new tensors lie, None for the CPU: see set_default_device
_outer = []
