import numpy as np
import pytest

import minigrad
from minigrad import finfo, iinfo


@pytest.mark.parametrize("dtype", [minigrad.float16, minigrad.bfloat16, minigrad.float32, minigrad.float64])
def test_float_limits_are_those_of_the_arithmetic(dtype):
    info = finfo(dtype)
    one = minigrad.ones((), dtype=dtype)
    assert (one + info.eps).item() > 1 and (one + info.eps / 4).item() == 1
    assert minigrad.tensor(info.max, dtype=dtype).item() == info.max == -info.min
    assert minigrad.isinf(minigrad.tensor(info.max, dtype=dtype) * 2)
    assert info.tiny == info.smallest_normal and info.bits == 8 * dtype.itemsize


def test_they_print_and_compare():
    assert repr(finfo(minigrad.float32)) == (
        "finfo(resolution=1e-06, min=-3.40282e+38, max=3.40282e+38, eps=1.19209e-07, smallest_normal=1.17549e-38, "
        "tiny=1.17549e-38, dtype=float32)"
    )
    assert finfo() == finfo(minigrad.complex64) != finfo(minigrad.float64)
    assert len({iinfo(minigrad.int8), iinfo(minigrad.int8), iinfo(minigrad.uint8)}) == 2


def test_integer_limits_and_mistakes():
    assert iinfo(minigrad.int64).max == np.iinfo(np.int64).max and iinfo(minigrad.uint8).min == 0
    for call in (lambda: finfo(minigrad.int8), lambda: iinfo(minigrad.float32), lambda: iinfo(minigrad.bool)):
        with pytest.raises(TypeError, match=r"iinfo"):
            call()
