"""Orthogonal polynomials of a degree that may differ from element to element, by their three-term recurrences. Without gradient.

Abramowitz and Stegun, "Handbook of Mathematical Functions", chapter 22.
"""

import numpy as np

from ..errors import not_a_tensor
from ..op import E, S, function, op
from ..tensor import Tensor
from .samples import normal


@op(
    kind="elementwise",
    names="",
    promote="float",
    formula=r"y = P_n(x), \quad P_{k+1} = a_k(x) P_k - b_k P_{k-1}",
    samples=lambda r: [S(normal(r, 3, 4), np.array([0.0, 1.0, 2.0, 5.0]), kind=k) for k in ("legendre_p", "shifted_chebyshev_t")],
    inplace=False,
)
def polynomial(xp, x, n, *, kind):
    """The orthogonal polynomial of family ``kind`` and degree ``n`` at ``x``."""
    return xp.polynomial(x, n, kind=kind)


def _samples(r):
    x, degrees = r.uniform(-1.0, 1.0, (3, 4)), np.array([0.0, 1.0, 2.0, 5.0])
    return [
        S(x, degrees),
        S(x, 3),
        S(0.5, degrees),
        S(np.array([-1.0, 1.0, 1.5, -2.0]), np.array([4, 5, 6, -1])),
        S(x, np.array([[2.9], [0.5], [-3.0]])),
        S(x[:0], degrees),
    ]


def _publish(kind, title, scipy_name, recurrence, at_two, shifted=False):
    """``special.<kind>`` with an example: its values for degrees 1, 2, 3 at 2."""
    family, _, letter = kind.rpartition("_")
    name = f"{'shifted_' if shifted else ''}{family}_polynomial_{letter}"
    argument = "2 * input - 1" if shifted else "input"

    def call(input, n):
        if not isinstance(input, Tensor) and not isinstance(n, Tensor):
            raise not_a_tensor(name, input, 1)
        return polynomial(input, n, kind="shifted_" * shifted + kind)

    def reference(x, n):
        import scipy.special

        n, x = np.trunc(n), 2 * np.asarray(x) - 1 if shifted else np.asarray(x)
        return np.where(n < 0, 0.0, _by_scipy(scipy.special, scipy_name, np.maximum(n, 0).astype(int), x))

    call.__doc__ = f"""{title}, of degree ``n`` at ``{argument}``. Without gradient.

    Args:
        input: tensor of any real dtype and shape, or a number.
        n: the degree, a number or a tensor that broadcasts with ``input``; its fraction is cut off. 0 where it is negative.

    Returns:
        tensor of the broadcast shape, float.

    Abramowitz and Stegun, "Handbook of Mathematical Functions", chapter 22.

    >>> import minigrad
    >>> minigrad.special.{name}(minigrad.tensor({1.5 if shifted else 2.0}), minigrad.tensor([1, 2, 3]))
    tensor({at_two})
    """
    function(
        name,
        spaces="special",
        formula=recurrence,
        samples=_samples,
        errors=lambda r: [
            E(TypeError, "must be Tensor", 2.0, 3),
            E(RuntimeError, "must match the size", normal(r, 3), np.array([1, 2])),
        ],
        reference=reference,
    )(call)


def _by_scipy(special, name, n, x):
    """SciPy's polynomial; those of the third and fourth kind are differences and sums of neighbours of the second kind."""
    if name not in ("V", "W"):
        return getattr(special, name)(n, x)
    before = np.where(n > 0, special.eval_chebyu(np.maximum(n - 1, 0), x), 0.0)
    return special.eval_chebyu(n, x) + (before if name == "W" else -before)


for _letter, _kind, _theirs, _first, _at_two in (
    ("t", "first", "eval_chebyt", "x", "[ 2.,  7., 26.]"),
    ("u", "second", "eval_chebyu", "2 x", "[ 4., 15., 56.]"),
    ("v", "third", "V", "2 x - 1", "[ 3., 11., 41.]"),
    ("w", "fourth", "W", "2 x + 1", "[ 5., 19., 71.]"),
):
    for _shifted in (False, True):
        _publish(
            f"chebyshev_{_letter}",
            f"The {'shifted ' if _shifted else ''}Chebyshev polynomial of the {_kind} kind",
            _theirs,
            rf"P_0 = 1, \quad P_1 = {_first}, \quad P_{{k+1}} = 2 x P_k - P_{{k-1}}",
            _at_two,
            _shifted,
        )
_publish("hermite_h", "The physicists' Hermite polynomial", "eval_hermite",
         r"H_0 = 1, \quad H_1 = 2 x, \quad H_{k+1} = 2 x H_k - 2 k H_{k-1}", "[ 4., 14., 40.]")  # fmt: skip
_publish("hermite_he", "The probabilists' Hermite polynomial", "eval_hermitenorm",
         r"H_0 = 1, \quad H_1 = x, \quad H_{k+1} = x H_k - k H_{k-1}", "[2., 3., 2.]")  # fmt: skip
_publish("laguerre_l", "The Laguerre polynomial", "eval_laguerre",
         r"L_0 = 1, \quad L_1 = 1 - x, \quad (k + 1) L_{k+1} = (2 k + 1 - x) L_k - k L_{k-1}",
         "[-1.0000, -1.0000, -0.3333]")  # fmt: skip
_publish("legendre_p", "The Legendre polynomial", "eval_legendre",
         r"P_0 = 1, \quad P_1 = x, \quad (k + 1) P_{k+1} = (2 k + 1) x P_k - k P_{k-1}",
         "[ 2.0000,  5.5000, 17.0000]")  # fmt: skip
