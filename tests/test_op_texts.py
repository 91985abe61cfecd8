"""The text of an elementwise operation, run on NumPy's words as it stands, gives what the public function gives.

The words of a back end usually answer before the text is asked, and kernels replace it: this is where the texts themselves run.
"""

import numpy as np
import pytest
from checks import call, close, host, is_random, samples_of, unique_faces

import minigrad
from minigrad import backends

FACES = [f for f in unique_faces() if f.op is not None and f.op.kind == "elementwise" and f.op.outputs == 1 and not is_random(f)]


def _plain(face, sample):
    """Whether the arguments of the public function are those of the text, real and of one dtype: nothing is to be promoted."""
    known = all(isinstance(a, np.ndarray) for a in sample.args) and sample.kwargs.keys() <= face.op.params.keys()
    known = known and not any(isinstance(v, np.ndarray) for v in sample.kwargs.values())
    return known and len(sample.args) == len(face.op.arrays) and len({a.dtype for a in sample.args if a.dtype.kind != "c"}) == 1


CASES = [(f, s) for f in FACES for s in samples_of(f) if _plain(f, s)]


@pytest.mark.parametrize("name", sorted({f.qualified for f, _ in CASES}))
def test_text(name):
    for face, sample in CASES:
        if face.qualified != name:
            continue
        expected, _ = call(face, sample)
        with np.errstate(all="ignore"):
            got = face.op.body(backends.numpy, *[a.copy() for a in sample.args], **sample.kwargs)
        close(np.asarray(got, expected.array.dtype), expected.array, 1e-9, f"{name}({sample})")
        assert minigrad.is_tensor(expected) and host(expected).shape == np.shape(got)
