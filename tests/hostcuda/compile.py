"""CUDA C++ source -> a shared object for the host, and the hook that makes CuPy use it instead of NVRTC.

The source itself is hardly touched: hostcuda_device.h, included before it, gives g++ the device language. What a
header cannot do is done here by text: finding the kernels, so that each gets a launcher, pointing `extern __shared__`
arrays at the stand-in's buffer, and dropping `__noinline__`, which as a macro would break the C++ library's headers.
"""

import os
import re
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from . import build, cache
from .errors import HostCudaError

# -ffp-contract=off: no fused multiply-adds, so that results do not depend on the machine the tests run on.
FLAGS = ("-O1", "-fPIC", "-std=c++17", "-w", "-fpermissive", "-fno-strict-aliasing", "-ffp-contract=off")
DEVICE_HEADER = build.SOURCES / "hostcuda_device.h"

# _REDUCE is CuPy's macro for a block's tree reduction.
_BARRIER = re.compile(r"__syncthreads|__syncwarp|_sync\s*\(|_REDUCE|cooperative_groups|__barrier")
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_KERNEL = re.compile(r"__global__\s+(?:static\s+|inline\s+)*void\s+(?:__launch_bounds__\s*\([^)]*\)\s*)?(\w+)\s*\(")
_EXTERN_C = re.compile(r'extern\s+"C"')
_DYNAMIC_SHARED = re.compile(r"extern\s+__shared__\s+(?:(?:__align__|alignas)\s*\([^)]*\)\s*)?([\w:<> ]+?)\s+(\w+)\s*\[\s*\]\s*;")
_NOINLINE = re.compile(r"(?<![\w(])__noinline__\b")

Hook = Callable[[str, Sequence[str], Iterable[str] | None], object]

# Called with (source, options, name_expressions) before each compilation. A hook may raise to refuse the source:
# this is where a check by the real NVRTC belongs.
compile_hooks: list[Hook] = []


class Compiled(NamedTuple):
    """One run of g++."""

    kernels: tuple[str, ...]
    seconds: float
    source: str


# Every run of g++ in this process; what came from the cache is not here.
compile_log: list[Compiled] = []


def compile_source(
    source: str, options: Sequence[str] = (), name_expressions: Iterable[str] | None = None
) -> tuple[Path, dict[str, str]]:
    """Compile CUDA C++ for the host.

    Returns the path of the shared object, and a dictionary from each name expression (such as "add<float>") to the
    name under which the module knows that kernel. Raises HostCudaError if g++ refuses the source.
    """
    code = _blank_comments(source)
    mapping = {expression: f"k{i}" for i, expression in enumerate(sorted(name_expressions or ()))}
    launchers = {name: name for name in extern_c_kernels(code)}
    launchers |= {symbol: expression for expression, symbol in mapping.items()}
    tail = [f"int hc_has_barriers = {int(bool(_BARRIER.search(code)))};"]
    tail += [f"void hc_launch_{name}(void** a) {{ hc_launch(&{kernel}, a); }}" for name, kernel in launchers.items()]
    body = _NOINLINE.sub("", _DYNAMIC_SHARED.sub(r"\1* \2 = (\1*)hc_dynsmem;", source))
    body += '\nextern "C" {\n' + "\n".join(tail) + "\n}\n"

    # CuPy's options are NVRTC's; only what selects code means anything to g++.
    kept = [option for option in options if option.startswith(("-D", "-I", "-U"))]
    kept += ["-D" + option.removeprefix("--define-macro=") for option in options if option.startswith("--define-macro=")]
    command = [build.compiler(), *_flags(), "-shared", "-include", str(_precompiled_header()), *kept]
    command += [f"-I{build.cupy_include()}", f"-I{build.cuda_include()}"]
    key = cache.digest(body, command, build.compiler_version())
    folder = cache.folder() / "kernels" / key[:2]

    def produce(temporary: Path) -> None:
        start = time.perf_counter()
        text = cache.publish_text(folder / f"{key}.cpp", body)
        build.run([*command, str(text), "-o", str(temporary)])
        compile_log.append(Compiled(tuple(launchers), time.perf_counter() - start, source))

    return cache.publish(folder / f"{key}.so", produce), mapping


def extern_c_kernels(code: str) -> list[str]:
    """The kernels that are declared extern "C", hence can be asked for by their plain name."""
    regions = [(match.start(), _end_of_extern_c(code, match.end())) for match in _EXTERN_C.finditer(code)]
    names = [match.group(1) for match in _KERNEL.finditer(code) if any(start <= match.start() < end for start, end in regions)]
    return list(dict.fromkeys(names))  # a kernel may be declared before it is defined


def _end_of_extern_c(code: str, start: int) -> int:
    """Where the reach of an extern "C" ends: its block's closing brace, or the one declaration that follows."""
    if not code[start:].lstrip().startswith("{"):
        stop = re.compile(r"[{;]").search(code, start)
        return stop.start() if stop else len(code)
    depth = 0
    for match in re.compile(r"[{}]").finditer(code, start):
        depth += 1 if match.group() == "{" else -1
        if depth == 0:
            return match.start()
    return len(code)


def _blank_comments(source: str) -> str:
    return _COMMENT.sub(" ", source)


def _flags() -> tuple[str, ...]:
    return FLAGS + tuple(os.environ.get("HOSTCUDA_CXXFLAGS", "").split())


def _precompiled_header() -> Path:
    """The device header, with g++'s precompiled form beside it: it saves about a second per kernel."""
    text = DEVICE_HEADER.read_text()
    folder = cache.folder() / "header" / cache.digest(text, _flags(), build.cuda_include(), build.compiler_version())
    header = cache.publish_text(folder / DEVICE_HEADER.name, text)

    def produce(temporary: Path) -> None:
        build.run(
            [build.compiler(), *_flags(), f"-I{build.cuda_include()}", "-x", "c++-header", str(header), "-o", str(temporary)]
        )

    cache.publish(folder / f"{DEVICE_HEADER.name}.gch", produce)
    return header


def _compile_with_cache_cuda(
    source,
    options,
    arch=None,
    extra_source=None,
    backend="nvrtc",
    enable_cooperative_groups=False,
    name_expressions=None,
    log_stream=None,
    cache_in_memory=False,
    jitify=False,
    to_ltoir=False,
):
    """Takes the place of the function of this name in cupy.cuda.compiler; its parameters are that function's."""
    from cupy.cuda import compiler, function

    for hook in compile_hooks:
        hook(source, options, name_expressions)
    try:
        library, mapping = compile_source(source, options, name_expressions)
    except HostCudaError as error:
        raise compiler.CompileException(str(error), source, "kernel.cpp", options, "hostcuda") from None
    module = function.Module()
    module.load(b"HOSTCUDA:" + os.fsencode(library) + b"\0")  # an "image" that src/driver.cpp understands
    if name_expressions:
        module._set_mapping(mapping)
    return module


def hook_into_cupy() -> None:
    """Make CuPy compile every kernel, its own and the user's, for the host."""
    from cupy.cuda import compiler

    compiler._compile_with_cache_cuda = _compile_with_cache_cuda
    compiler._get_nvrtc_version = lambda: (13, 2)
