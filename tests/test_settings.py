"""PyTorch's global settings, the flags of its back ends, and the devices that are not there."""

import copy
import pickle

import numpy as np
import pytest

import minigrad
from minigrad import settings


@pytest.fixture(autouse=True)
def _as_before():
    before, names = dict(settings._set), dict(minigrad.backends.cuda._sdp)
    yield
    settings._set.update(before)
    minigrad.backends.cuda._sdp.update(names)


def test_names_print_and_pickle():
    for value in (minigrad.channels_last, minigrad.strided, minigrad.sparse_coo):
        assert pickle.loads(pickle.dumps(value)) is value and copy.deepcopy(value) is value
    assert repr(minigrad.channels_last) == "minigrad.channels_last" and repr(minigrad.strided) == "minigrad.strided"


def test_threads(monkeypatch):
    monkeypatch.setenv("NUMBA_NUM_THREADS", "1")
    minigrad.set_num_threads(1)
    minigrad.set_num_interop_threads(3)
    assert minigrad.get_num_threads() == 1 and minigrad.get_num_interop_threads() == 3
    assert "operations: 3" in minigrad.__config__.parallel_info() and "kernel: 1\n" in minigrad.__config__.parallel_info()
    for call in (minigrad.set_num_threads, minigrad.set_num_interop_threads):
        with pytest.raises(RuntimeError, match="positive integer, got 0"):
            call(0)
        with pytest.raises(TypeError, match="expects an int"):
            call("2")
    assert minigrad.get_num_threads() == 1 and minigrad.get_num_interop_threads() == 3


def test_versions():
    lines = minigrad.__config__.show().splitlines()
    assert lines[0] == f"minigrad {minigrad.__version__}" and f"NumPy {np.__version__}" in lines


def test_precision():
    minigrad.set_float32_matmul_precision("high")
    assert minigrad.get_float32_matmul_precision() == "high"
    with pytest.warns(UserWarning, match="not one of"):
        minigrad.set_float32_matmul_precision("exact")
    assert minigrad.get_float32_matmul_precision() == "high"


@pytest.mark.parametrize(("given", "number"), [("default", 0), ("warn", 1), ("error", 2), (0, 0), (1, 1), (2, 2)])
def test_determinism(given, number):
    minigrad.set_deterministic_debug_mode(given)
    assert minigrad.get_deterministic_debug_mode() == number
    assert minigrad.are_deterministic_algorithms_enabled() == (number > 0)
    assert minigrad.is_deterministic_algorithms_warn_only_enabled() == (number == 1)


def test_determinism_is_asked_for_by_truth_values():
    with pytest.raises(RuntimeError, match="invalid value of debug_mode"):
        minigrad.set_deterministic_debug_mode("loud")
    with pytest.raises(TypeError, match="mode must be bool"):
        minigrad.use_deterministic_algorithms(1)
    with pytest.raises(TypeError, match="expects a bool"):
        minigrad.set_warn_always(1)
    minigrad.set_warn_always(True)
    assert minigrad.is_warn_always_enabled() is True


def test_names_of_types():
    assert minigrad.typename(minigrad.zeros(2)) == "minigrad.FloatTensor" and minigrad.typename([]) == "list"
    assert minigrad.typename(minigrad.nn.Linear).endswith("Linear") and minigrad.typename(minigrad.nn.ReLU()).endswith("ReLU")


def test_autocast_by_function():
    assert not minigrad.is_autocast_enabled("cpu") and not minigrad.is_autocast_cpu_enabled()
    before = minigrad.get_autocast_cpu_dtype()
    try:
        minigrad.set_autocast_dtype("cpu", minigrad.float16)
        assert minigrad.get_autocast_cpu_dtype() is minigrad.float16 is minigrad.get_autocast_dtype("cpu")
        with minigrad.autocast("cpu"):
            assert minigrad.is_autocast_cpu_enabled() and not minigrad.is_autocast_enabled()
    finally:
        minigrad.set_autocast_dtype("cpu", before)
    assert minigrad.get_autocast_gpu_dtype() is minigrad.float16
    assert minigrad.is_autocast_cache_enabled() and minigrad.clear_autocast_cache() is None


# ----------------------------------------------------------------------------------------------------------- flags of back ends
def test_flags_of_cuda():
    cuda = minigrad.backends.cuda
    assert cuda.is_built() == minigrad.cuda.is_available() and not cuda.is_flash_attention_available()
    before = cuda.matmul.allow_tf32
    cuda.matmul.allow_tf32 = True
    assert cuda.matmul.allow_tf32 is True
    cuda.matmul.allow_tf32 = before
    with pytest.raises(AttributeError, match="Unknown attribute allow_tf64"):
        cuda.matmul.allow_tf64 = True
    assert cuda.cufft_plan_cache.size == 0 == cuda.cufft_plan_cache[0].size and cuda.cufft_plan_cache.clear() is None
    assert cuda.preferred_linalg_library() == "default" == cuda.preferred_blas_library()


@pytest.mark.parametrize("kind", ["flash", "mem_efficient", "math", "cudnn"])
def test_kinds_of_attention(kind):
    cuda = minigrad.backends.cuda
    enabled, enable = getattr(cuda, f"{kind}_sdp_enabled"), getattr(cuda, f"enable_{kind}_sdp")
    enable(False)
    assert enabled() is False
    with pytest.raises(KeyError), cuda.sdp_kernel():
        assert enabled() is True
        raise KeyError
    assert enabled() is False
    enable(1)
    assert enabled() is True


@pytest.mark.parametrize("name", ["cudnn", "mkldnn"])
def test_flags_inside_a_block(name):
    flags = getattr(minigrad.backends, name)
    before = flags.deterministic
    with flags.flags(enabled=True, deterministic=not before, allow_tf32=False):
        assert flags.deterministic is not before and flags.enabled is True and flags.allow_tf32 is False
    assert flags.deterministic is before and flags.allow_tf32 is True


def test_set_flags_gives_those_before():
    flags = minigrad.backends.mkldnn
    assert flags.set_flags(_deterministic=True) == (False, False, True)
    assert flags.set_flags(_deterministic=False) == (False, True, True)
    assert flags.deterministic is False


def test_back_ends_that_are_not_there():
    backends = minigrad.backends
    for name in ("cudnn", "mkl", "mkldnn", "mps", "openmp", "opt_einsum"):
        assert getattr(backends, name).is_available() is False
    assert backends.cudnn.version() is None and not backends.cudnn.is_acceptable(minigrad.zeros(1))
    assert not backends.mps.is_built() and not backends.mps.is_macos13_or_newer()
    assert backends.opt_einsum.get_opt_einsum() is None and backends.cpu.get_cpu_capability() == "NATIVE"
    with backends.mkl.verbose(backends.mkl.VERBOSE_ON):
        assert minigrad.ones(2).sum().item() == 2.0


# ------------------------------------------------------------------------------------------------------------------- devices
@pytest.mark.parametrize("name", ["mps", "xpu"])
def test_devices_that_are_not_there(name):
    place = getattr(minigrad, name)
    assert place.is_available() is False and place.device_count() == 0
    state = minigrad.get_rng_state()
    place.manual_seed(3)
    assert minigrad.equal(minigrad.get_rng_state(), state)  # there is nothing to seed
    assert place.empty_cache() is None


def test_memory_of_mps():
    assert minigrad.mps.current_allocated_memory() == 0 == minigrad.mps.driver_allocated_memory()
    assert minigrad.mps.synchronize() is None
