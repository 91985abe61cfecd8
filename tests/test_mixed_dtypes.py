"""Mixed dtypes, and Python numbers beside tensors whose dtype does not hold them: PyTorch 2.13 gave the expected values."""

import math

import numpy as np
import pytest

import minigrad as mg


@pytest.mark.parametrize(
    "call, expected",
    [
        (lambda x: x + 300, [45, 46]),
        (lambda x: x * -1, [255, 254]),
        (lambda x: x & -2, [0, 2]),
        (lambda x: 300 - x, [43, 42]),
        (lambda x: x | 2**40, [1, 2]),
        (lambda x: mg.full_like(x, -2), [254, 254]),
        (lambda x: x.new_full((1,), -1), [255]),
        (lambda x: mg.tensor([-1, 3], dtype=mg.uint8), [255, 3]),
        (lambda x: x.index_fill(0, mg.tensor([0]), -1), [255, 2]),
        (lambda x: x.clamp(min=-1), [255, 255]),
    ],
)
def test_python_integers_beyond_the_dtype_wrap_around(call, expected):
    out = call(mg.tensor([1, 2], dtype=mg.uint8))
    assert out.dtype is mg.uint8 and out.tolist() == expected


def test_numbers_that_no_element_can_be_are_refused():
    x = mg.tensor([1, 2], dtype=mg.uint8)
    for call in (lambda: mg.full((2,), 300, dtype=mg.uint8), lambda: x.clamp(max=300), lambda: mg.full_like(x, float("inf"))):
        with pytest.raises(RuntimeError, match="without overflow"):
            call()
    with pytest.raises(OverflowError):
        x + 2**70


def test_a_shift_in_place_stays_in_place():
    x = mg.tensor([1, -2], dtype=mg.int8)
    alias = x[:]
    x <<= mg.tensor(2, dtype=mg.int32)
    x >>= 1
    assert x.dtype is mg.int8 and alias.tolist() == [2, -4]


def test_a_number_beside_half_precision_is_rounded_before_it_is_compared():
    for dtype in (mg.float16, mg.bfloat16):
        x = mg.tensor([0.1, 0.5], dtype=dtype)
        assert (x == 0.1).tolist() == [True, False] and (x < 0.1).tolist() == [False, False]


def test_factors_are_promoted_before_they_are_multiplied():
    x, small = mg.tensor([2.0]), mg.tensor([100], dtype=mg.int8)
    assert mg.add(x, small, alpha=2).tolist() == [202.0] and mg.sub(x, small, alpha=2).tolist() == [-198.0]
    assert mg.addcmul(x, small, small).tolist() == [10002.0]
    assert mg.addcdiv(x, small, mg.tensor([4.0]), value=2).tolist() == [52.0]
    out = mg.addcmul(mg.tensor(1.0, dtype=mg.bfloat16), mg.tensor([[2], [3]]), mg.tensor(True), value=0.5)
    assert out.dtype is mg.bfloat16 and out.tolist() == [[2.0], [2.5]]


def test_joining_promotes_over_all_its_parts():
    assert mg.cat([mg.zeros(0), mg.tensor([1, 2])]).dtype is mg.float32
    out = mg.block_diag(mg.tensor(2, dtype=mg.int16), mg.tensor([[3]], dtype=mg.uint8))  # one number does not raise the rest
    assert out.dtype is mg.uint8 and out.tolist() == [[2, 0], [0, 3]]


def test_counts_and_ranges_of_narrow_integers():
    assert mg.arange(2.5, dtype=mg.int32).tolist() == [0, 1, 2] and mg.arange(2.5, dtype=mg.int64).tolist() == [0, 1]
    assert mg.tensor([2**70, 0.5]).tolist() == [float(np.float32(2.0**70)), 0.5]
    assert mg.tensor([1, 2], dtype=mg.int16).copy_(2.7).tolist() == [2, 2]


def test_any_and_all_over_no_dimension_look_at_each_element():
    x = mg.tensor([[0.0, 2.0]])
    assert x.any(()).tolist() == x.all(dim=(), keepdim=True).tolist() == [[False, True]]
    assert x.any().item() and not x.all().item()


def test_the_next_number_is_that_of_the_common_dtype():
    a, b = mg.tensor([3.0], dtype=mg.float16), mg.tensor([-1.0], dtype=mg.bfloat16)
    out = mg.nextafter(a, b)
    assert out.dtype is mg.float32 and out.item() == float(np.nextafter(np.float32(3), np.float32(-1)))


def test_xlogy_reads_a_number_as_a_float():
    assert mg.xlogy(mg.tensor([1, 0], dtype=mg.uint8), -200).tolist()[1] == 0.0
    assert mg.xlogy(mg.tensor([1], dtype=mg.uint8), -200).isnan().all()
    assert mg.special.xlog1py(300, mg.tensor([1], dtype=mg.uint8)).item() == pytest.approx(300 * math.log(2.0))
