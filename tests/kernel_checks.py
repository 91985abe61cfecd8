"""What the tests of kernels on NumPy arrays share: arrays drawn at random, and comparing with a reference."""

import numpy as np

FLOATS = (np.float32, np.float64)


def normal(*shape, dtype=np.float32, seed=0):
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(dtype)


def turned(x):
    """The same numbers in memory of another order."""
    return np.asfortranarray(x)


def close(actual, expected, tolerance=None):
    assert actual.shape == np.shape(expected)
    tolerance = tolerance or (3e-5 if actual.dtype == np.float32 else 1e-11)
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)
