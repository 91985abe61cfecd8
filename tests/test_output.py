"""``out=``: every function of the namespaces takes it, writes there and returns it."""

import numpy as np
import pytest
from checks import call, convert, samples_of, tensors_in, unique_faces

import minigrad

SPACES = ("torch", "linalg", "special")
FACES = [f for f in unique_faces() if f.names and set(f.spaces) & set(SPACES) and f.samples]


def public(face):
    """The function as users reach it, which is where ``out=`` is; None where it has none by nature."""
    space = next(s for s in SPACES if s in face.spaces)
    f = getattr({"torch": minigrad, "linalg": minigrad.linalg, "special": minigrad.special}[space], face.name)
    kind = face.op.kind if face.op is not None else ""
    return None if isinstance(f, type) or face.name.endswith("_") or kind in ("view", "update", "random") else f


@pytest.mark.parametrize("face", FACES, ids=lambda f: f.qualified)
def test_out_takes_the_result(face):
    f = public(face)
    sample = samples_of(face)[0]
    minigrad.manual_seed(0)
    result, _ = call(face, sample)
    expected = list(tensors_in(result))
    if f is None or not expected or "empty" in face.name:
        return
    if not (isinstance(result, minigrad.Tensor) or all(isinstance(r, minigrad.Tensor) for r in result)):
        return
    outs = [minigrad.empty(tuple(t.shape), dtype=t.dtype) for t in expected]
    minigrad.manual_seed(0)
    args, kwargs = [convert(a) for a in sample.args], {k: convert(v) for k, v in sample.kwargs.items()}
    got = f(*args, **kwargs, out=outs[0] if isinstance(result, minigrad.Tensor) else tuple(outs))
    for given, back, wanted in zip(outs, tensors_in(got), expected):
        assert given is back
        np.testing.assert_array_equal(given.numpy(), wanted.numpy())


def test_an_empty_out_grows_and_a_full_one_warns():
    x = minigrad.tensor([1.0, 2.0])
    out = minigrad.empty(0)
    assert minigrad.exp(x, out=out) is out and out.shape == (2,)
    with pytest.warns(UserWarning, match="resized since it had shape \\[3\\]"):
        minigrad.add(x, x, out=minigrad.zeros(3))


def test_out_converts_upwards_only():
    out = minigrad.empty(2, dtype=minigrad.float64)
    assert minigrad.mul(minigrad.tensor([1, 2]), 3, out=out).tolist() == [3.0, 6.0]
    with pytest.raises(RuntimeError, match=r"result type .* can't be cast to the desired output type"):
        minigrad.exp(minigrad.ones(2), out=minigrad.zeros(2, dtype=minigrad.int64))


def test_no_gradient_goes_through_out():
    x = minigrad.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="don't support automatic differentiation"):
        minigrad.exp(x, out=minigrad.empty(2))
    with minigrad.no_grad():
        assert minigrad.exp(x, out=minigrad.empty(2)).shape == (2,)


def test_several_outputs_and_mistakes():
    values, indices = minigrad.empty(0), minigrad.empty(0, dtype=minigrad.int64)
    result = minigrad.max(minigrad.tensor([[1.0, 3.0]]), dim=1, out=(values, indices))
    assert result.values is values and indices.tolist() == [1]
    with pytest.raises(TypeError, match="tuple of 2 Tensors"):
        minigrad.sort(minigrad.ones(2), out=values)
    with pytest.raises(TypeError, match="must be Tensor"):
        minigrad.exp(minigrad.ones(2), out=np.ones(2))


def test_writing_through_a_view_reaches_its_base():
    base = minigrad.zeros(2, 2)
    minigrad.add(minigrad.ones(2), 1.0, out=base[0])
    assert base.tolist() == [[2.0, 2.0], [0.0, 0.0]]
