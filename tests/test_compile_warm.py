"""A second process, which loads what the first has compiled: what it need not import, and that it computes the same."""

import functools
import sys

import pytest

import minigrad as mg
from minigrad.kernels import scipy_parts
from tests.test_compile_cache import machine_code, needs_numba, output, start

pytestmark = [machine_code, needs_numba]
KERNELS = """
import sys
import numpy as np
from minigrad.compile import cache
TEXT = '''
import numpy as np
from numba import njit
from minigrad.kernels.cpu.blas import gemm

@njit(cache=True)
def product(a, b):
    c = np.empty((a.shape[0], b.shape[1]), a.dtype)
    gemm(False, False, a.shape[0], b.shape[1], a.shape[1], 1.0, a, 0, a.shape[1], b, 0, b.shape[1], 0.0, c, 0, c.shape[1])
    return c
'''
found = []
for dtype in (np.float32, np.float64):
    a = np.arange(6, dtype=dtype).reshape(2, 3)
    found += cache.load(TEXT).product(a, a.T.copy()).tolist()
import minigrad as mg
step = mg.compile.Step(lambda x: mg.nn.functional.gelu(x).square().sum())
found += [step(mg.ones(40) / 2).item() for _ in range(3)]
unwanted = "numba.np.linalg", "numba.np.arrayobj", "numba.np.random.legacy", "scipy.linalg", "scipy.special"
loaded = [m for m in unwanted if m in sys.modules]
"""
AFTER = """
import numba
import scipy.linalg, scipy.special
import scipy.linalg.cython_blas
from scipy.special import _special_ufuncs
assert len(scipy.linalg.cython_blas.__pyx_capi__) > 100 and abs(scipy.special.erf(0.5) - 0.5204998778) < 1e-9
dot = numba.njit(lambda a, b: (np.dot(a, b), [x for x in a[0]], {1: a}))
product, row, table = dot(a, a.T.copy())
assert (product == np.dot(a, a.T)).all() and row == [0.0, 1.0, 2.0] and (table[1] == a).all()
print("right")
"""


@pytest.fixture(scope="module")
def warm(tmp_path_factory):
    """The environment in which the functions of ``KERNELS`` have been compiled, and what the process that did it found."""
    folder = tmp_path_factory.mktemp("caches")
    there = dict(MINIGRAD_CACHE_DIR=str(folder / "code"), NUMBA_CACHE_DIR=str(folder / "numba"))
    return there, output(start(KERNELS + "print(found, loaded)", **there))


def test_a_warm_process_imports_nothing_to_compile_with(warm):
    there, cold = warm
    found, _, loaded = output(start(KERNELS + "print(found, loaded)", **there)).rpartition(" [")
    assert found == cold.rpartition(" [")[0] and "numba.np.linalg" in cold
    assert loaded == "]"


def test_what_was_left_out_is_there_when_it_is_wanted(warm):
    assert output(start(KERNELS + "assert not loaded\n" + AFTER, **warm[0])) == "right"


FAILS_AT_FIRST = """
from numba.core.caching import Cache
whole, turns = Cache._index_key, []

def fails_at_first(self, *given):
    turns.append(self)
    if turns.count(self) == 1:
        raise RuntimeError
    return whole(self, *given)

Cache._index_key = fails_at_first
"""
ANOTHER_NUMBA = "from minigrad.kernels.cpu import loading\nloading._given.append(False)\n"


@pytest.mark.parametrize("failure", [FAILS_AT_FIRST, ANOTHER_NUMBA], ids=["fails", "another_numba"])
def test_numba_loads_by_itself_where_the_short_way_fails(warm, failure):
    there, cold = warm
    found, _, loaded = output(start(failure + KERNELS + "print(found, loaded)", **there)).rpartition(" [")
    assert found == cold.rpartition(" [")[0] and "numba.np.linalg" in loaded


@pytest.mark.parametrize("name", ["scipy.special._no_such_part", "scipy.special._basic"])
def test_only_extension_modules_are_taken_apart(name, monkeypatch):
    monkeypatch.delitem(sys.modules, "scipy.special", raising=False)
    with pytest.raises(ImportError, match="no extension module"):
        scipy_parts.extension(name)


def test_another_version_of_scipy_has_its_error_function_elsewhere(monkeypatch):
    numpy = sys.modules["minigrad.backends.numpy"]

    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(numpy, "extension", missing)
    monkeypatch.setattr(numpy, "_of_scipy", functools.cache(numpy._of_scipy.__wrapped__))
    assert mg.erf(mg.tensor([0.5])).item() == pytest.approx(0.5204998778, rel=1e-6)
