"""The tool itself: kernels of every kind, what it refuses, what it finds, what it counts."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import hostcuda

if not hostcuda.installed():
    pytest.skip("runs real CuPy on the host: ask for it with --xp hostcuda", allow_module_level=True)

import cupy as cp

from hostcuda import build, cache, elf
from hostcuda.compile import compile_source, extern_c_kernels

SCHEDULES = (0, 1, 7, 8, 9)

REDUCE = r"""
template <class T> __global__ void total(const T* x, float* out, int n) {
    __shared__ float partial[32];
    float sum = 0;
    for (int i = threadIdx.x; i < n; i += blockDim.x) sum += (float)x[blockIdx.x * n + i];
    for (int offset = 16; offset; offset >>= 1) sum += __shfl_xor_sync(0xffffffffu, sum, offset);
    if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = sum;
    __syncthreads();
    if (threadIdx.x == 0) {
        for (int i = 1; i < blockDim.x / 32; i++) sum += partial[i];
        out[blockIdx.x] = sum;
    }
}
"""
EXPRESSIONS = ("total<float>", "total<__half>", "total<__nv_bfloat16>")


@pytest.fixture
def set_order():
    """hostcuda.set_order, undone after the test."""
    before = hostcuda.set_order(0)
    yield hostcuda.set_order
    hostcuda.set_order(before)


def raw(code, name="f", **options):
    return cp.RawKernel(code, name, **options)


def row_totals(code, x):
    kernel = cp.RawModule(code=code, options=("-std=c++17",), name_expressions=EXPRESSIONS)
    out = cp.empty(len(x), "float32")
    names = {"float32": "float", "float16": "__half", "bfloat16": "__nv_bfloat16"}
    kernel.get_function(f"total<{names[x.dtype.name]}>")((len(x),), (128,), (x, out, np.int32(x.shape[1])))
    return cp.asnumpy(out)


def python(code):
    """Run code in a process of its own, with hostcuda importable."""
    path = str(Path(hostcuda.__file__).parents[1])
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


# ---- kernels --------------------------------------------------------------------------------------------------
def test_the_device_says_what_it_is():
    properties = cp.cuda.runtime.getDeviceProperties(0)
    assert properties["name"].decode() == "hostcuda (no GPU)"
    assert cp.cuda.is_available()
    assert cp.cuda.Device().compute_capability == "90"


def test_elementwise_and_reduction_kernels():
    x = np.arange(6, dtype="float32").reshape(2, 3)
    relu = cp.ElementwiseKernel("T x, T slope", "T y", "y = x > 2 ? x : slope * x", "test_relu")
    np.testing.assert_array_equal(relu(cp.asarray(x).T, cp.float32(-1)).get(), np.where(x > 2, x, -x).T)
    squares = cp.ReductionKernel("T x", "T y", "x * x", "a + b", "y = a", "0", "test_squares")
    np.testing.assert_array_equal(squares(cp.asarray(x), axis=1).get(), (x * x).sum(1))


@pytest.mark.parametrize("order", SCHEDULES)
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_template_with_shared_memory_barrier_and_shuffle(dtype, order, set_order):
    set_order(order)
    x = np.random.RandomState(0).standard_normal((3, 300)).astype("float32")
    x = x.astype(pytest.importorskip("ml_dtypes").bfloat16 if dtype == "bfloat16" else dtype)
    np.testing.assert_allclose(row_totals(REDUCE, cp.asarray(x)), x.astype("float64").sum(1), rtol=1e-4, atol=1e-4)


def test_raw_kernel_grid_and_atomics():
    count = raw(
        'extern "C" __global__ void f(const int* x, int* bins, int n) {'
        "  int i = blockIdx.x * blockDim.x + threadIdx.x; if (i < n) atomicAdd(&bins[x[i]], 1); }"
    )
    x = np.random.RandomState(0).randint(0, 5, 1000).astype("int32")
    bins = cp.zeros(5, "int32")
    count((4,), (256,), (cp.asarray(x), bins, np.int32(1000)))
    np.testing.assert_array_equal(bins.get(), np.bincount(x, minlength=5))


def test_dynamic_shared_memory_and_its_limit():
    reverse = raw(
        'extern "C" __global__ void f(float* x) { extern __shared__ float s[];'
        "  s[threadIdx.x] = x[threadIdx.x]; __syncthreads(); x[threadIdx.x] = s[blockDim.x - 1 - threadIdx.x]; }"
    )
    x = cp.arange(64, dtype="float32")
    reverse((1,), (64,), (x,), shared_mem=256)
    np.testing.assert_array_equal(x.get(), np.arange(64)[::-1])
    with pytest.raises(cp.cuda.driver.CUDADriverError, match="INVALID_VALUE"):
        reverse((1,), (64,), (x,), shared_mem=64 * 1024)
    reverse.max_dynamic_shared_size_bytes = 64 * 1024  # the opt-in a GPU wants too
    reverse((1,), (64,), (x,), shared_mem=64 * 1024)


def test_module_globals():
    module = cp.RawModule(
        code='__constant__ float factor[2]; extern "C" __global__ void f(float* x) { x[threadIdx.x] *= factor[1]; }'
    )
    factor = cp.ndarray((2,), "float32", module.get_global("factor"))
    factor[...] = cp.asarray([2, 3], dtype="float32")
    x = cp.ones(4, "float32")
    module.get_function("f")((1,), (4,), (x,))
    np.testing.assert_array_equal(x.get(), [3, 3, 3, 3])


def test_warp_votes_and_partial_warps():
    vote = raw(
        'extern "C" __global__ void f(unsigned* out) { unsigned v = __ballot_sync(0xffffffffu, threadIdx.x % 2);'
        "  int up = __shfl_up_sync(0xffffffffu, (int)threadIdx.x, 1); out[threadIdx.x] = v + up; }"
    )
    out = cp.empty(40, "uint32")
    vote((1,), (40,), (out,))
    lanes = np.arange(40)
    up = np.where(lanes % 32 == 0, lanes, lanes - 1)
    np.testing.assert_array_equal(out.get(), np.where(lanes < 32, 0xAAAAAAAA, 0xAA) + up)


# ---- what fails on a GPU fails here ---------------------------------------------------------------------------
def test_bad_source_is_a_compile_exception():
    with pytest.raises(cp.cuda.compiler.CompileException, match="nonsense"):
        raw('extern "C" __global__ void f() { nonsense(); }')((1,), (1,), ())


def test_kernel_without_extern_c_is_not_found():
    with pytest.raises(cp.cuda.driver.CUDADriverError, match="NOT_FOUND"):
        raw("__global__ void f() {}")((1,), (1,), ())


def test_too_many_threads():
    with pytest.raises(cp.cuda.driver.CUDADriverError, match="INVALID_VALUE"):
        raw('extern "C" __global__ void f() {}')((1,), (1025,), ())


def test_python_float_does_not_fit_a_float_parameter():
    """CuPy packs it as a double: half of its bytes arrive. Pass np.float32."""
    out = cp.zeros(1, "float32")
    store = raw('extern "C" __global__ void f(float* out, float x) { *out = x; }')
    store((1,), (1,), (out, 1.0))
    assert out.item() == 0
    store((1,), (1,), (out, np.float32(1)))
    assert out.item() == 1


def test_new_memory_is_rubbish():
    fresh = cp.cuda.MemoryPointer(cp.cuda.memory.Memory(64), 0)
    assert cp.ndarray((64,), "uint8", fresh).get().all()


def test_calls_without_a_stand_in_are_refused():
    with pytest.raises(cp.cuda.runtime.CUDARuntimeError, match="NotSupported"):
        cp.cuda.Stream(non_blocking=True).begin_capture()


def test_host_pointers_are_not_device_pointers():
    host = np.zeros(4)
    with pytest.raises(cp.cuda.runtime.CUDARuntimeError, match="InvalidValue"):
        cp.cuda.runtime.memcpy(host.ctypes.data, host.ctypes.data, 32, cp.cuda.runtime.memcpyDeviceToHost)


def test_mixing_with_numpy_is_refused():
    with pytest.raises(TypeError):
        cp.ones(2) + np.ones(2)
    with pytest.raises(TypeError):
        np.asarray(cp.ones(2))


def test_precompiled_generators_are_refused():
    with pytest.raises(NotImplementedError, match="precompiled"):
        cp.random.default_rng()


# ---- bugs it finds --------------------------------------------------------------------------------------------
def test_schedules(set_order):
    arrival = raw(
        'extern "C" __global__ void f(int* out, int* count) {  out[atomicAdd(count, 1)] = threadIdx.x; __syncthreads(); }'
    )

    def threads_in(order):
        set_order(order)
        out = cp.empty(64, "int32")
        arrival((1,), (64,), (out, cp.zeros(1, "int32")))
        return out.get().tolist()

    assert threads_in(0) == list(range(64))
    assert threads_in(1) == list(reversed(range(64)))
    assert sorted(threads_in(7)) == list(range(64))
    assert threads_in(7) == threads_in(7) != threads_in(8)


def test_shuffled_schedules_find_a_missing_barrier(set_order):
    broken = REDUCE.replace("    __syncthreads();\n", "")
    x = cp.asarray(np.random.RandomState(0).standard_normal((3, 300)).astype("float32"))
    results = set()
    for order in SCHEDULES:
        set_order(order)
        results.add(row_totals(broken, x).tobytes())
    assert len(results) > 1


def test_guard_kills_an_overrun():
    done = python(
        "import hostcuda; hostcuda.install(guard=True)\n"
        "import cupy as cp\n"
        "code = 'extern \"C\" __global__ void off_by_one(float* x, int n) { int i = threadIdx.x; if (i <= n) x[i] = 1; }'\n"
        "x = cp.zeros(256, 'float32')\n"
        "cp.RawKernel(code, 'off_by_one')((1,), (256,), (x, cp.int32(255)))\n"
        "print('inside: fine', flush=True)\n"
        "cp.RawKernel(code, 'off_by_one')((1,), (257,), (x, cp.int32(256)))\n"
    )
    assert done.stdout == "inside: fine\n", done.stderr
    assert done.returncode == -signal.SIGSEGV
    assert "in the kernel off_by_one" in done.stderr


def test_divergent_barrier_is_named():
    done = python(
        "import hostcuda; hostcuda.install()\n"
        "import cupy as cp\n"
        "code = '''extern \"C\" __global__ void split() {\n if (threadIdx.x < 16)\n __syncthreads();\n else\n"
        " __syncthreads();\n }'''\n"
        "cp.RawKernel(code, 'split')((1,), (32,), ())\n"
    )
    assert done.returncode == -signal.SIGABRT
    assert "different __syncthreads()" in done.stderr
    assert "in the kernel split" in done.stderr


def test_install_after_cupy_is_refused():
    done = python("import cupy, hostcuda\nhostcuda.install()")
    assert "cupy was imported before hostcuda.install()" in done.stderr


# ---- counters -------------------------------------------------------------------------------------------------
def test_stats_count_exactly():
    x = cp.ones((8, 8), "float32")
    _ = (x + x) @ x
    before = hostcuda.stats()
    y = (x + x) @ x
    after = hostcuda.stats()
    used = {name: after[name] - before[name] for name in after}
    assert (used["launches"], used["gemms"], used["syncs"], used["d2h"]) == (1, 1, 0, 0)
    y.get()
    assert hostcuda.stats()["d2h"] - after["d2h"] == 8 * 8 * 4
    assert hostcuda.stats()["syncs"] > after["syncs"]


def test_a_batched_product_is_one_gemm():
    x = cp.ones((6, 4, 4), "float32")
    with hostcuda.budget(launches=0, gemms=1):
        x @ x


def test_budget_holds_and_reports():
    x = cp.ones(8, "float32")
    _ = x + x
    with hostcuda.budget(launches=2) as used:
        _ = x + x + x
    assert used["launches"] == 2
    with pytest.raises(AssertionError, match="launches: 2, budget 1"), hostcuda.budget(launches=1):
        _ = x + x + x
    with pytest.raises(AssertionError, match="syncs"), hostcuda.budget():
        float(x[0])
    with hostcuda.budget(syncs=None):
        float(x[0])
    with pytest.raises(ZeroDivisionError), hostcuda.budget(launches=0):  # the block's own error comes first
        _ = (x + x, 1 / 0)


# ---- compilation and the cache --------------------------------------------------------------------------------
def test_hooks_see_every_source_and_may_refuse():
    seen = []

    def hook(source, options, name_expressions):
        seen.append((source, name_expressions))
        if "forbidden" in source:
            raise ValueError("a hook said no")

    hostcuda.compile_hooks.append(hook)
    try:
        raw('extern "C" __global__ void hooked() {}', "hooked")((1,), (1,), ())
        assert any("hooked" in source for source, _ in seen)
        with pytest.raises(ValueError, match="said no"):
            raw('extern "C" __global__ void forbidden() {}', "forbidden")((1,), (1,), ())
    finally:
        hostcuda.compile_hooks.remove(hook)


def test_compiled_kernels_are_kept():
    source = 'extern "C" __global__ void kept() {}'
    first, _ = compile_source(source)
    runs = len(hostcuda.compile_log)
    second, _ = compile_source(source)
    assert first == second
    assert len(hostcuda.compile_log) == runs


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ('extern "C" __global__ void a(int x) {}', ["a"]),
        ('extern "C" { __global__ void a() { if (1) {} } __global__ void b() {} } __global__ void c() {}', ["a", "b"]),
        ('extern "C" __global__ void __launch_bounds__(256) a() {} template <class T> __global__ void b() {}', ["a"]),
        ("template <class T> __global__ void a() {}", []),
        ('extern "C" __global__ void a(); extern "C" __global__ void a() {}', ["a"]),
    ],
)
def test_which_kernels_have_a_plain_name(code, names):
    assert extern_c_kernels(code) == names


def test_publish_is_whole_or_not_at_all(tmp_path):
    path = tmp_path / "folder" / "file"

    def write(number):
        return cache.publish_text(path, str(number) * 100_000).read_text()

    with ThreadPoolExecutor(8) as pool:
        texts = list(pool.map(write, range(8)))
    assert all(len(set(text)) == 1 and len(text) == 100_000 for text in texts)
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]


def test_failing_build_leaves_nothing(tmp_path):
    def fail(temporary):
        temporary.write_text("half")
        raise hostcuda.HostCudaError("no")

    with pytest.raises(hostcuda.HostCudaError):
        cache.publish(tmp_path / "file", fail)
    assert not list(tmp_path.iterdir())


def test_failing_command_quotes_the_compiler():
    with pytest.raises(hostcuda.HostCudaError, match="no-such-file"):
        build.run([build.compiler(), "no-such-file.cpp"])


def test_elf_reader_names_the_libraries_version():
    needed = elf.ElfFile(build.package_file("cupy_backends", "cuda/libs/cublas.*.so")).undefined()
    assert needed["cublasCreate_v2"].startswith("libcublas.so.")


def test_a_second_install_does_nothing():
    before = hostcuda.stats()
    hostcuda.install()
    assert hostcuda.stats() == before
