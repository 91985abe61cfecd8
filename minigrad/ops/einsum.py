"""einsum: sums of products, written with one letter for each dimension."""

import functools
import math
import string

import numpy as np

from ..errors import ShapeError
from ..op import E, S, function
from ..tensor import Tensor
from .linalg import matmul
from .samples import normal

LETTERS = string.ascii_uppercase + string.ascii_lowercase  # in the order of a result that is not given
ELLIPSIS = "."  # stands for all dimensions that "..." covers, one letter each once it is known how many


@functools.lru_cache(maxsize=256)
def _parse(equation, ranks):
    """Subscripts of each operand and of the result, with a letter for every dimension that "..." stands for."""
    equation = equation.replace(" ", "")
    if "." in equation.replace("...", ""):
        raise ShapeError(f"einsum(): found '.' in {equation!r} that is not part of any ellipsis")
    equation = equation.replace("...", ELLIPSIS)
    for i, c in enumerate(equation):
        if c not in LETTERS and c not in ",->" + ELLIPSIS:
            raise ShapeError(
                f"einsum(): invalid subscript given at index {i} in the equation string, subscripts must be in [a-zA-Z], "
                f"got {c!r}"
            )
    left, arrow, right = equation.partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        more = "more" if len(ranks) > len(terms) else "fewer"
        raise ShapeError(f"einsum(): {more} operands were provided than specified in the equation: {len(ranks)} for {equation!r}")
    spare = list(map(chr, range(0x3B1, 0x3B1 + 64)))  # letters for "...", the first for the last dimension it covers
    widest, named = 0, []
    for i, (term, ndim) in enumerate(zip(terms, ranks)):
        count = len(term.replace(ELLIPSIS, ""))
        if term.count(ELLIPSIS) > 1 or count > ndim or (ELLIPSIS not in term and count != ndim):
            tail = "" if ELLIPSIS in term else " and no ellipsis was given"
            raise ShapeError(
                f"einsum(): the number of subscripts in the equation ({count}) does not match the number of dimensions ({ndim}) "
                f"for operand {i}{tail}"
            )
        covered = ndim - count if ELLIPSIS in term else 0
        widest = max(widest, covered)
        named.append(term.replace(ELLIPSIS, "".join(reversed(spare[:covered]))))
    everything = "".join(reversed(spare[:widest]))
    if arrow:
        result = right.replace(ELLIPSIS, everything)
    else:
        letters = "".join(named)
        result = everything + "".join(c for c in sorted(set(letters)) if letters.count(c) == 1 and c not in everything)
    for c in result:
        if result.count(c) > 1:
            raise ShapeError(f"einsum(): output subscript {c} appears more than once in the output")
        if not any(c in term for term in named) and c not in everything:
            raise ShapeError(f"einsum(): output subscript {c} does not appear in the equation for any input operand")
    return tuple(named), result


def _from_lists(parts):
    """An equation from its other form: ``operand, [0, 1], operand, [1, 2], ..., [0, 2]`` with numbers and ``...``."""
    lists, operands = list(parts[1::2]), list(parts[: len(parts) // 2 * 2 : 2])
    result = [parts[-1]] if len(parts) % 2 else []
    for subscripts in (*lists, *result):
        if not isinstance(subscripts, list | tuple):
            raise TypeError("einsum(): each operand needs a list of subscripts behind it: einsum(a, [0, 1], b, [1, 2], [0, 2])")
        if any(c is not Ellipsis and not 0 <= c < 52 for c in subscripts):
            raise ValueError(f"einsum(): subscript in subscript list is not within the valid range [0, 52), got {subscripts}")
    terms = ["".join("..." if c is Ellipsis else LETTERS[c] for c in subscripts) for subscripts in (*lists, *result)]
    equation = ",".join(terms[: len(lists)])
    return (f"{equation}->{terms[-1]}" if result else equation), operands


def _check_sizes(named, operands):
    """A subscript has one size everywhere, or 1."""
    sizes = {}
    for i, (term, t) in enumerate(zip(named, operands)):
        for c, n in zip(term, t.array.shape):
            known = sizes.get(c, 1)
            if n != 1 and known not in (1, n):
                raise ShapeError(
                    f"einsum(): subscript {c} has size {n} for operand {i} which does not broadcast with previously seen "
                    f"size {known}"
                )
            sizes[c] = n if n != 1 else known
    return sizes


def _without_repeats(t, term):
    """Diagonals in place of subscripts that stand twice in one operand."""
    for c in dict.fromkeys(term):
        while term.count(c) > 1:
            first = term.index(c)
            second = term.index(c, first + 1)
            if t.array.shape[first] != t.array.shape[second]:
                raise ShapeError(
                    f"einsum(): subscript {c} is repeated, but the sizes {t.array.shape[first]} and "
                    f"{t.array.shape[second]} don't match"
                )
            t = t.diagonal(0, first, second)  # the diagonal becomes the last dimension
            term = term[:first] + term[first + 1 : second] + term[second + 1 :] + c
    return t, term


def _summed(t, term, away):
    """``t`` summed over the subscripts in ``away``."""
    dims = tuple(i for i, c in enumerate(term) if c in away)
    return (t.sum(dims), "".join(c for c in term if c not in away)) if dims else (t, term)


def _arranged(t, term, groups):
    """``t`` with its dimensions in the order of ``groups``: the subscripts of one group become one dimension, and one that ``t``
    lacks a dimension of size 1.
    """
    order = [term.index(c) for g in groups for c in g if c in term]
    t = t if order == list(range(len(order))) else t.permute(*order)
    shape, sizes = [], dict(zip((term[i] for i in order), t.array.shape))
    for g in groups:
        shape.append(math.prod(sizes.get(c, 1) for c in g))
    return t if tuple(shape) == t.array.shape else t.reshape(shape)


def _contract(a, terms_a, b, terms_b, wanted):
    """The product of two operands, summed over the subscripts that are not in ``wanted``."""
    a, terms_a = _summed(a, terms_a, set(terms_a) - set(terms_b) - wanted)
    b, terms_b = _summed(b, terms_b, set(terms_b) - set(terms_a) - wanted)
    size_a, size_b = dict(zip(terms_a, a.array.shape)), dict(zip(terms_b, b.array.shape))
    shared = [c for c in terms_a if c in terms_b]
    for c in [c for c in shared if c not in wanted and size_a[c] != size_b[c]]:  # 1 against n: sum the n, then both are 1
        a, b = (t.sum(term.index(c), keepdim=True) for t, term in ((a, terms_a), (b, terms_b)))
    both = [c for c in shared if c in wanted]
    inner = "".join(c for c in shared if c not in wanted)
    only_a = "".join(c for c in terms_a if c not in terms_b)
    only_b = "".join(c for c in terms_b if c not in terms_a)
    left = _arranged(a, terms_a, [*both, only_a, inner])
    right = _arranged(b, terms_b, [*both, inner, only_b])
    out = matmul(left, right) if inner or only_a or only_b else left * right
    terms = "".join(both) + only_a + only_b
    sizes = [out.array.shape[i] for i in range(len(both))]
    shape = (*sizes, *(size_a[c] for c in only_a), *(size_b[c] for c in only_b))
    return (out if out.array.shape == shape else out.reshape(shape)), terms


def _einsum_samples(r):
    pairs = [
        ("ij,jk->ik", (3, 4), (4, 2)),
        ("ij,jk", (3, 4), (4, 2)),
        ("bij,bjk->bik", (2, 3, 4), (2, 4, 2)),
        ("i,j->ij", (3,), (4,)),
        ("ij,ij->", (3, 4), (3, 4)),
        ("bhid,bhjd->bhij", (2, 1, 3, 4), (2, 1, 2, 4)),
        ("...ij,...jk->...ik", (2, 3, 4), (4, 2)),
        ("i...,i...->...", (3, 2), (3, 2)),
        ("ij,kj->k", (3, 4), (2, 4)),
        ("bn,anm,bm->ba", (2, 3), (4, 3, 2), (2, 2)),
        ("ii->i", (3, 3)),
        ("ii", (3, 3)),
        ("ij->ji", (2, 3)),
        ("ij->j", (2, 3)),
        ("b...->...b", (2, 3, 4)),
        ("iij,j->ij", (3, 3, 2), (2,)),
        ("ij,ij->ij", (3, 4), (1, 4)),
        ("ij,jk->ik", (3, 1), (4, 2)),
        (" i j , j -> i ", (2, 3), (3,)),
        ("ij,kl->ijkl", (2, 2), (1, 3)),
        ("aij,ajk", (2, 2, 2), (2, 2, 2)),
        ("abc,cbd->ad", (2, 3, 2), (2, 3, 2)),
    ]
    return [S(equation, *(normal(r, *shape) for shape in shapes)) for equation, *shapes in pairs]


def _list_samples(r):
    return [
        S(normal(r, 2, 3), [0, 1], normal(r, 3, 2), [1, 2], [0, 2]),
        S(normal(r, 2, 3), [1, 0]),
        S(normal(r, 2, 3), [3, 51]),
        S(normal(r, 2, 3, 2), [Ellipsis, 26], normal(r, 2), [26], [Ellipsis]),
    ]


def _einsum_reference(equation, *operands):
    if not isinstance(equation, str):
        return np.einsum(equation, *operands)
    if isinstance(operands[0], list | tuple):
        operands = operands[0]
    sizes = {}  # NumPy wants dimensions of size 1 written out
    terms = equation.replace(" ", "").split("->")[0].split(",")
    if "." not in equation:
        for term, a in zip(terms, operands):
            for c, n in zip(term, a.shape):
                sizes[c] = max(sizes.get(c, 1), n)
        operands = [np.broadcast_to(a, [sizes[c] for c in term]) for term, a in zip(terms, operands)]
    return np.einsum(equation, *operands)


@function(
    "einsum",
    spaces="torch",
    samples=lambda r: [*_einsum_samples(r), S("ij,j->i", [normal(r, 2, 3), normal(r, 3)]), *_list_samples(r)],
    formula=r"y_{out} = \sum_{\text{others}} \prod_n x^{(n)}_{in_n}",
    derivative=r"\bar x^{(n)} = \text{einsum of } \bar y \text{ and the other operands}",
    errors=lambda r: [
        E(
            RuntimeError,
            "subscript j has size 3 for operand 1 which does not broadcast with previously seen size 4",
            "ij,jk->ik",
            normal(r, 3, 4),
            normal(r, 3, 4),
        ),
        E(
            RuntimeError,
            r"the number of subscripts in the equation \(2\) does not match the number of dimensions \(3\) for operand 0",
            "ij->i",
            normal(r, 2, 3, 4),
        ),
        E(RuntimeError, "more operands were provided", "i->i", normal(r, 2), normal(r, 2)),
        E(RuntimeError, "fewer operands were provided", "i,i->i", normal(r, 2)),
        E(RuntimeError, "output subscript k does not appear", "ij->k", normal(r, 2, 2)),
        E(RuntimeError, "appears more than once in the output", "ij->ii", normal(r, 2, 2)),
        E(RuntimeError, "invalid subscript given at index 1", "i1->i", normal(r, 2, 2)),
        E(RuntimeError, "is repeated, but the sizes", "ii->i", normal(r, 2, 3)),
        E(RuntimeError, "not part of any ellipsis", "i.j", normal(r, 2, 2)),
        E(ValueError, "at least one operand", "->"),
        E(ValueError, "not within the valid range", normal(r, 2), [52]),
        E(TypeError, "needs a list of subscripts", normal(r, 2), 3),
        E(RuntimeError, "same dtype", "ij,j", normal(r, 2, 2), np.array([1, 2])),
    ],
    reference=_einsum_reference,
)
def einsum(equation, *operands):
    """Sums of products, written with one letter for each dimension (Einstein's notation).

    Args:
        equation: for instance ``"bij,bjk->bik"``: letters that are missing on the right are summed over. Without ``->`` the
            result has the letters that stand once, in alphabetical order. ``...`` stands for any leading dimensions; a letter
            twice in one operand takes the diagonal.
        operands: one tensor for each comma-separated part, separate or in a list.

    Raises:
        RuntimeError: where equation and operands do not fit, saying which letter or operand.

    >>> import minigrad
    >>> x = minigrad.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> minigrad.einsum("ij,j->i", x, minigrad.tensor([1.0, 1.0]))
    tensor([3., 7.])
    >>> minigrad.einsum("ii", x)
    tensor(5.)
    """
    if isinstance(equation, Tensor):
        equation, operands = _from_lists((equation, *operands))
    if len(operands) == 1 and isinstance(operands[0], list | tuple):
        operands = operands[0]
    if isinstance(equation, str) and not operands:
        raise ValueError(
            "einsum(): must specify the equation string and at least one operand, or at least one operand and its subscripts list"
        )
    if not isinstance(equation, str) or not all(isinstance(t, Tensor) for t in operands):
        raise TypeError("einsum() takes an equation (a string) and the tensors it names: einsum('ij,jk->ik', a, b)")
    terms, result = _parse(equation, tuple([t.array.ndim for t in operands]))
    pairs = [_without_repeats(t, term) for t, term in zip(operands, terms)]
    sizes = _check_sizes([term for _, term in pairs], [t for t, _ in pairs])
    t, term = pairs[0]
    for i, (other, other_term) in enumerate(pairs[1:], 2):
        wanted = set(result).union(*(later for _, later in pairs[i:]))
        t, term = _contract(t, term, other, other_term, wanted)
    t, term = _summed(t, term, set(term) - set(result))
    t = _arranged(t, term, result)
    shape = tuple(sizes.get(c, 1) for c in result)
    return t if tuple(t.array.shape) == shape else t.expand(shape)
