"""`_foreach_*`: each is the operation of its name on every tensor of a list."""

import pytest

import minigrad


def lists():
    return [minigrad.tensor([1.0, 4.0]), minigrad.tensor([[2.0], [3.0]])], [
        minigrad.tensor([2.0, 2.0]),
        minigrad.tensor([[1.0], [5.0]]),
    ]


def values(tensors):
    return [t.tolist() for t in tensors]


@pytest.mark.parametrize(
    "name, args, kwargs, expected",
    [
        ("sqrt", (), {}, [[1.0, 2.0], [[2.0**0.5], [3.0**0.5]]]),
        ("add", (1,), {}, [[2.0, 5.0], [[3.0], [4.0]]]),
        ("add", ("b",), {"alpha": 2}, [[5.0, 8.0], [[4.0], [13.0]]]),
        ("mul", ([2.0, 3.0],), {}, [[2.0, 8.0], [[6.0], [9.0]]]),
        ("mul", (minigrad.tensor(2.0),), {}, [[2.0, 8.0], [[4.0], [6.0]]]),
        ("div", ("b",), {}, [[0.5, 2.0], [[2.0], [3.0 / 5]]]),
        ("pow", (2,), {}, [[1.0, 16.0], [[4.0], [9.0]]]),
        ("maximum", ("b",), {}, [[2.0, 4.0], [[2.0], [5.0]]]),
        ("maximum", (3,), {}, [[3.0, 4.0], [[3.0], [3.0]]]),
        ("clamp_max", (2.5,), {}, [[1.0, 2.5], [[2.0], [2.5]]]),
        ("lerp", ("b", 0.5), {}, [[1.5, 3.0], [[1.5], [4.0]]]),
        ("addcmul", ("b", "b"), {"value": 0.5}, [[3.0, 6.0], [[2.5], [15.5]]]),
        ("addcdiv", ("b", "b", [1.0, 2.0]), {}, [[2.0, 5.0], [[4.0], [5.0]]]),
        ("addcdiv", ("b", "b", minigrad.tensor([1.0, 2.0])), {}, [[2.0, 5.0], [[4.0], [5.0]]]),
    ],
)
def test_values_and_twins_in_place(name, args, kwargs, expected):
    a, b = lists()
    args = [b if isinstance(arg, str) else arg for arg in args]
    out = getattr(minigrad, f"_foreach_{name}")(a, *args, **kwargs)
    assert isinstance(out, tuple)
    for got, wanted in zip(values(out), expected, strict=True):
        assert minigrad.allclose(minigrad.tensor(got), minigrad.tensor(wanted))
    assert values(a) == values(lists()[0])
    first = a[0]
    assert getattr(minigrad, f"_foreach_{name}_")(a, *args, **kwargs) is a
    assert a[0] is first and values(a) == values(out)


def test_those_without_a_twin():
    a, b = lists()
    assert values(minigrad._foreach_norm(a, 1)) == [5.0, 5.0]
    assert values(minigrad._foreach_powsum(a, 2)) == [17.0, 13.0]
    assert values(minigrad._foreach_max(a)) == [4.0, 3.0]
    assert values(minigrad._foreach_pow(2.0, a)) == [[2.0, 16.0], [[4.0], [8.0]]]
    copies = minigrad._foreach_clone(a)
    minigrad._foreach_copy_(a, b)
    assert values(a) == values(b) and values(copies) == values(lists()[0])
    minigrad._foreach_zero_(a)
    assert values(a) == [[0.0, 0.0], [[0.0], [0.0]]]


def test_gradients_flow():
    x = minigrad.tensor([1.0, 2.0], requires_grad=True)
    (y,) = minigrad._foreach_mul([x], 3)
    y.sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]


@pytest.mark.parametrize(
    "error, act, message",
    [
        (RuntimeError, lambda a, b: minigrad._foreach_add(a, b[:1]), "same number of tensors, got 2 and 1"),
        (RuntimeError, lambda a, b: minigrad._foreach_add(a, [1.0]), "same number of elements as scalar list"),
        (RuntimeError, lambda a, b: minigrad._foreach_sqrt([]), "at least one tensor"),
        (
            RuntimeError,
            lambda a, b: minigrad._foreach_mul(a, a[0]),
            "expected to be 0 dim but it has 1 dimensions and 2 elements",
        ),
        (TypeError, lambda a, b: minigrad._foreach_add(a[0], 1), "invalid combination of arguments"),
        (AttributeError, lambda a, b: minigrad._foreach_bessel, "_foreach_bessel"),
    ],
)
def test_mistakes(error, act, message):
    with pytest.raises(error, match=message):
        act(*lists())
