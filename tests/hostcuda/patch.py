"""Redirects the CUDA runtime that is linked into CuPy's extension module to the stand-in.

CuPy's wheels link cudart statically into one extension, so no library of ours can take its place. But the wheel
keeps its symbol table: the first bytes of each cuda* function are overwritten, in memory, with a jump to the
stand-in's function of that name, or to one that returns cudaErrorNotSupported. The file on disk is not changed.
"""

import ctypes
import mmap
import re
import struct
from pathlib import Path
from typing import NamedTuple

from . import elf
from .errors import HostCudaError

NOT_SUPPORTED = 801  # cudaErrorNotSupported
READ_WRITE_EXECUTE = 7
PAGE = 4096
JUMP_BYTES = 12

_kept_alive: list[mmap.mmap] = []


class Patched(NamedTuple):
    """How many functions were redirected."""

    implemented: int
    refused: int


def patch_runtime(extension: Path, stand_in: ctypes.CDLL) -> Patched:
    """Load the extension and redirect each cuda* function in it."""
    ctypes.CDLL(str(extension))
    base = _load_address(extension)
    refuse = _refusing_function()
    implemented = refused = 0
    for symbol in elf.ElfFile(extension).symbols(elf.SHT_SYMTAB):
        if not (symbol.is_function and symbol.address and symbol.size >= JUMP_BYTES):
            continue
        if not re.match(r"cuda[A-Z]", symbol.name):
            continue
        # _ptsz and _ptds are the same functions for per-thread default streams.
        target = getattr(stand_in, re.sub(r"_pt(sz|ds)$", "", symbol.name), None)
        if target is None:
            refused += 1
        else:
            implemented += 1
        _write_jump(base + symbol.address, refuse if target is None else _address(target))
    if not implemented:
        raise HostCudaError(
            f"No cuda* function was found in {extension}: this CuPy is not built like the one hostcuda was written for. "
            f"Install the versions of {Path(__file__).parent / 'requirements.txt'}."
        )
    return Patched(implemented, refused)


def _address(function: object) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value


def _load_address(path: Path) -> int:
    """Where the dynamic loader has put the file's offset 0."""
    name = str(path.resolve())
    for line in Path("/proc/self/maps").read_text().splitlines():
        fields = line.split(maxsplit=5)
        if len(fields) == 6 and fields[5] == name and int(fields[2], 16) == 0:
            return int(fields[0].split("-")[0], 16)
    raise HostCudaError(f"{name} was loaded, but /proc/self/maps does not list it: cannot patch the CUDA runtime in it")


def _refusing_function() -> int:
    """The address of machine code for `return cudaErrorNotSupported`: mov eax, 801; ret."""
    memory = mmap.mmap(-1, PAGE, prot=READ_WRITE_EXECUTE)
    memory.write(b"\xb8" + struct.pack("<I", NOT_SUPPORTED) + b"\xc3")
    _kept_alive.append(memory)
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))


def _write_jump(address: int, target: int) -> None:
    """Write movabs rax, target; jmp rax."""
    libc = ctypes.CDLL(None, use_errno=True)
    page = address & -PAGE
    if libc.mprotect(ctypes.c_void_p(page), ctypes.c_size_t(2 * PAGE), READ_WRITE_EXECUTE):
        raise HostCudaError(
            f"mprotect failed with errno {ctypes.get_errno()}: this system forbids writable code, so CuPy's CUDA runtime "
            "cannot be patched in memory. Run hostcuda where it is allowed (an ordinary container is enough)."
        )
    ctypes.memmove(address, b"\x48\xb8" + struct.pack("<Q", target) + b"\xff\xe0", JUMP_BYTES)
