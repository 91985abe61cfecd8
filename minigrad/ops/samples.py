"""Arrays and samples that many operations share. ``r`` is a NumPy random generator; values are float64."""

import numpy as np

from ..op import E, S

__all__ = ["E", "Raw", "S", "binary", "normal", "positive", "quiet", "reduce", "unary"]


def normal(r, *shape):
    return np.asarray(r.standard_normal(shape))


def positive(r, *shape):
    return np.asarray(r.random(shape) + 0.5)


def unary(low=-2.0, high=2.0):
    """Samples of a function of one array with values in (low, high): 2-D, 0-d, one element, empty."""

    def samples(r):
        def draw(*shape):
            return np.asarray(low + (high - low) * r.random(shape))

        return [S(draw(3, 4)), S(draw()), S(draw(1)), S(draw(2, 0, 3)), S(draw(2, 3, 2))]

    return samples


def binary(draw_a=normal, draw_b=None, scalar=2.5):
    """Samples of a function of two arrays: equal shapes, broadcasting both ways, 0-d, a Python number, empty."""
    draw_b = draw_b or draw_a

    def samples(r):
        return [
            S(draw_a(r, 3, 4), draw_b(r, 3, 4)),
            S(draw_a(r, 2, 1, 4), draw_b(r, 3, 1)),
            S(draw_a(r, 4), draw_b(r, 2, 3, 4)),
            S(draw_a(r, 3, 4), draw_b(r)),
            S(draw_a(r, 3, 4), scalar),
            S(draw_a(r, 0, 4), draw_b(r, 1, 4)),
        ]

    return samples


def reduce(draw=normal):
    """Samples of a reduction: everything, one dim, several, kept dims, negative dims, 0-d."""

    def samples(r):
        return [
            S(draw(r, 3, 4)),
            S(draw(r, 3, 4), dim=1),
            S(draw(r, 3, 4), dim=-2, keepdim=True),
            S(draw(r, 2, 3, 4), dim=(0, 2)),
            S(draw(r, 2, 3, 4), dim=(0, -1), keepdim=True),
            S(draw(r)),
        ]

    return samples


def binary_errors(r):
    return [
        E(RuntimeError, "must match the size of tensor b", normal(r, 3, 4), normal(r, 3, 5)),
        E(TypeError, "must be Tensor", normal(r, 3), "text"),
    ]


def pair_errors(r):
    """Of a function of two tensors, neither of which may be a number."""
    return [*binary_errors(r), E(TypeError, "must be Tensor", normal(r, 3), 2), E(TypeError, "must be Tensor", 2, normal(r, 3))]


def dim_errors(r):
    return [E(IndexError, "Dimension out of range", normal(r, 3, 4), dim=2)]


class Raw:
    """An argument of a sample that the tests hand on as it is: an array that must not become a Tensor."""

    def __init__(self, array):
        self.array = array

    def __repr__(self):
        return f"Raw({self.array!r})"


def quiet(reference):
    """A reference without NumPy's warnings: its samples have NaN, infinities or divisions by 0."""

    def call(*args, **kwargs):
        with np.errstate(all="ignore"):
            return reference(*args, **kwargs)

    return call
