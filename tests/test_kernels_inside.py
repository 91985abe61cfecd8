"""Functions that compiled functions alone call, views that need no function of Numba's, and tasks called by address."""

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest

pytest.importorskip("numba")
import numba

from minigrad.kernels.cpu import addresses
from minigrad.kernels.cpu.bits import bits, flat, number
from minigrad.kernels.cpu.jit import INSIDE, jit
from minigrad.kernels.cpu.machine import f4_at, i8_at, shaped

machine_code = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="there is no machine code then")


@numba.njit(**INSIDE)
def _twice(x):
    for i in range(x.size):
        x[i] *= 2


@numba.njit
def _four_times(x):
    _twice(x)
    _twice(x)


@jit
def _plus_one(x):
    x += 1


@jit
def _plus_two(x):
    _plus_one(x)
    _plus_one(x)


def _is_in_the_engine(compiled, name):
    (result,) = compiled.overloads.values()
    return result.library.codegen._engine.is_symbol_defined(getattr(result.fndesc, name))


@machine_code
def test_of_a_function_inside_another_no_machine_code_is_made():
    x = np.arange(5.0)
    _four_times(x)
    np.testing.assert_array_equal(x, 4 * np.arange(5.0))
    assert _is_in_the_engine(_four_times, "llvm_func_name") and not _is_in_the_engine(_twice, "llvm_func_name")


def test_python_and_compiled_callers_have_a_version_each():
    x = np.arange(5.0)
    _plus_two(x)
    np.testing.assert_array_equal(x, np.arange(5.0) + 2)
    if not numba.config.DISABLE_JIT:
        assert not _plus_one.overloads and not _is_in_the_engine(_plus_two, "llvm_cfunc_wrapper_name")
    _plus_one(x)
    np.testing.assert_array_equal(x, np.arange(5.0) + 3)


@machine_code
def test_a_function_inside_is_loaded_into_callers_of_other_processes(tmp_path):
    (tmp_path / "halves.py").write_text(
        textwrap.dedent("""
            import numba
            import numpy as np
            from minigrad.kernels.cpu.jit import INSIDE

            @numba.njit(cache=True, **INSIDE)
            def half(x):
                return np.sqrt(x) / 2 if x > 0 else x

            @numba.njit(cache=True)
            def of_one(x):
                return half(x)

            @numba.njit(cache=True)
            def of_two(x):
                return half(x) + half(x + 12)
        """)
    )
    code = "import halves; print(halves.{0}(4.0), sum(halves.half.stats.cache_hits.values()))"
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}

    def run(name):
        command = [sys.executable, "-c", code.format(name)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.split()

    assert run("of_one") == ["1.0", "0"]
    assert run("of_two") == ["3.0", "1"]  # a new caller of the kept function
    assert run("of_two") == ["3.0", "0"]  # which is a part of the kept caller


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bits_and_number(dtype):
    integer = np.dtype(f"i{np.dtype(dtype).itemsize}")

    @jit
    def there(x, y):
        for i in range(x.size):
            y[i] = bits(x[i])

    @jit
    def back(y, x):
        for i in range(x.size):
            x[i] = number(y[i])

    x = np.array([0.0, -0.0, 1.5, -np.inf, np.nan, 1e-40, 3e38], dtype)
    y, z = np.empty(x.shape, integer), np.empty_like(x)
    there(x, y)
    back(y, z)
    np.testing.assert_array_equal(y, x.view(integer))
    np.testing.assert_array_equal(z.view(integer), y)


@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 4), (5,), (0, 3), ()])
def test_flat_is_the_same_memory(shape):
    @jit
    def count(x):
        line = flat(x)
        for i in range(line.size):
            line[i] += i
        return line.shape[0]

    x = np.ones(shape)
    assert count(x) == x.size
    np.testing.assert_array_equal(x.reshape(-1), 1 + np.arange(x.size))


@machine_code
def test_an_array_at_a_pointer():
    @numba.njit
    def total(place, m, n):
        array = shaped(f4_at(place), (m, 2, n))
        last = array[m - 1]
        last[1, n - 1] = 100
        return array.shape, array.strides, array.size, last.sum()

    x = np.arange(30, dtype=np.float32)
    assert total(x.ctypes.data, 3, 5) == ((3, 2, 5), (40, 20, 4), 30, x[20:29].sum() + 100)
    assert x[29] == 100


@machine_code
def test_what_a_task_raises_reaches_python():
    @numba.njit(no_cpython_wrapper=True, no_cfunc_wrapper=True)
    def task(table_at, numbers_at, task_at, lo, hi):
        row = i8_at(task_at)
        if row[0] < 0:
            raise ValueError("below zero")
        row[0] += 10 * lo + hi

    row, place = np.array([3]), addresses.address(task)
    addresses.some_rows(place, 0, 0, row.ctypes.data, 2, 4)
    assert row[0] == 27
    row[0] = -1
    with pytest.raises(ValueError, match="below zero"):
        addresses.some_rows(place, 0, 0, row.ctypes.data, 2, 4)
    assert row[0] == -1
