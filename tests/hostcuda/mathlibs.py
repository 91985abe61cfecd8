"""Stand-ins for libcublas and libcurand.

CuPy's extensions are linked against these libraries, so every function they name must exist. The ones that
src/cublas.cpp and src/curand.cpp write out work; a stub that returns NOT_SUPPORTED is generated for each other.
"""

import re
from pathlib import Path

from . import build, cache, elf

# CUBLAS_STATUS_NOT_SUPPORTED; cuRAND has no such status, CURAND_STATUS_INTERNAL_ERROR is its vaguest.
NOT_SUPPORTED = {"cublas": 15, "curand": 999}


def library(name: str) -> Path:
    """Build the stand-in for lib<name>."""
    extension = build.package_file("cupy_backends", f"cuda/libs/{name}.*.so")
    needed = {symbol: version for symbol, version in elf.ElfFile(extension).undefined().items() if symbol.startswith(name)}
    soname = next(iter(needed.values()))
    source = build.SOURCES / f"{name}.cpp"
    written = _functions_of(name, source.read_text())
    missing = sorted(set(needed) - written)
    stubs = "".join(f'extern "C" int {symbol}() {{ return {NOT_SUPPORTED[name]}; }}\n' for symbol in missing)
    folder = cache.folder() / "stubs" / cache.digest(stubs, soname)
    stub_source = cache.publish_text(folder / f"{name}_stubs.cpp", stubs)
    version_map = cache.publish_text(folder / f"{name}.map", f"{soname} {{ global: *; }};\n")
    return build.library(soname, [source, stub_source], [f"-Wl,--version-script={version_map}"])


def _functions_of(name: str, source: str) -> set[str]:
    """The names of the library's functions that a source file defines, macros for one letter per type included."""
    plain = set(re.findall(rf"\b({name}\w+)\s*\(", source))
    for macro, text in re.findall(r"#define (\w+)\(LETTER(.*?[^\\])\n", source, re.DOTALL):
        letters = re.findall(rf"^{macro}\((\w),", source, re.MULTILINE)
        plain |= {f"{name}{letter}{rest}" for letter in letters for rest in re.findall(rf"\b{name}##LETTER##(\w+)\s*\(", text)}
    return plain
