"""What must hold for any shape, stride and value: Hypothesis draws them."""

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from checks import close, unique_faces
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import minigrad
from minigrad.testing import gradcheck

relaxed = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
FACES = {f.qualified: f for f in unique_faces()}
UNARY = "exp tanh abs neg sin square sigmoid floor sign relu nn.functional.gelu erf isnan log1p".split()
BINARY = ["add", "sub", "mul", "maximum", "minimum", "eq", "lt", "atan2", "where_positive", "hypot"]
REDUCTIONS = ["sum", "mean", "amax", "amin", "prod", "logsumexp", "all", "any"]
SPECIAL = [0.0, -0.0, 1.0, -1.0, 1e30, -1e30, 1e-30, np.inf, -np.inf, np.nan]


@st.composite
def strided(draw, shape, special=False):
    """An array of ``shape`` whose memory is transposed, reversed or spaced out."""
    numbers = st.sampled_from(SPECIAL) if special else st.floats(-3, 3, width=32)
    order = draw(st.permutations(range(len(shape))))
    wide = tuple(shape[i] * 2 for i in order)
    base = draw(hnp.arrays(np.float64, wide, elements=numbers))
    picked = np.asarray(base[tuple(slice(None, None, 2) if draw(st.booleans()) else slice(0, n // 2) for n in wide)])
    back = np.argsort(order) if order else ()
    view = picked.transpose(back) if order else picked
    assert view.shape == tuple(shape)
    return view


@st.composite
def pairs(draw):
    """Two arrays that broadcast."""
    wide = draw(shapes)
    narrow = tuple(n if draw(st.booleans()) else 1 for n in wide)[draw(st.integers(0, len(wide))) :]
    a, b = draw(strided(wide)), draw(strided(narrow))
    return (a, b) if draw(st.booleans()) else (b, a)


def apply(name, device, *arrays):
    tensors = [minigrad.from_numpy(a).to(device) for a in arrays]  # the strides stay
    if name == "where_positive":
        return minigrad.where(tensors[0] > 0, tensors[0], tensors[1])
    return FACES[name].call(*tensors)


def reference(name, *arrays):
    if name == "where_positive":
        return np.where(arrays[0] > 0, *arrays)
    return FACES[name].reference(*arrays)


@pytest.mark.parametrize("name", UNARY)
@relaxed
@given(data=st.data())
def test_unary_on_any_memory(name, device, data):
    a = data.draw(strided(data.draw(shapes), special=True))
    with np.errstate(all="ignore"):
        expected = np.asarray(reference(name, a))
    out = apply(name, device, a).cpu().numpy()
    close(out, expected, 1e-9, name)


@pytest.mark.parametrize("name", BINARY)
@relaxed
@given(arrays=pairs())
def test_binary_broadcasts(name, device, arrays):
    out = apply(name, device, *arrays).cpu().numpy()
    close(out, np.asarray(reference(name, *arrays)), 1e-9, name)


@pytest.mark.parametrize("name", ["add", "mul", "sub"])
@relaxed
@given(arrays=pairs())
def test_broadcast_gradients_have_the_input_shapes(name, device, arrays):
    tensors = [minigrad.tensor(a, device=device, requires_grad=True) for a in arrays]
    out = FACES[name].call(*tensors)
    out.sum().backward()
    assert [t.grad.shape for t in tensors] == [t.shape for t in tensors]
    if out.numel():
        assert gradcheck(FACES[name].call, tuple(tensors))


@pytest.mark.parametrize("name", REDUCTIONS)
@relaxed
@given(data=st.data())
def test_reductions_over_any_dims(name, device, data):
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4))
    a = data.draw(strided(shape))
    dim = data.draw(st.integers(-len(shape), len(shape) - 1))
    keep = data.draw(st.booleans())
    out = FACES[name].call(minigrad.tensor(a, device=device), dim=dim, keepdim=keep).cpu().numpy()
    close(out, np.asarray(FACES[name].reference(a, dim=dim, keepdim=keep)), 1e-9, name)


@relaxed
@given(data=st.data())
def test_basic_indexing_is_numpys(device, data):
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=5))
    a = data.draw(strided(shape))
    steps = st.slices(max(shape)).filter(lambda s: s.step is None or s.step > 0)
    key = tuple(data.draw(st.one_of(st.integers(-n, n - 1), steps)) for n in shape)
    t = minigrad.tensor(a, device=device, requires_grad=True)
    out = t[key]
    close(out.detach().cpu().numpy(), a[key], 0, "getitem")
    (out * 2).sum().backward()
    expected = np.zeros_like(a)
    expected[key] = 2
    close(t.grad.cpu().numpy(), expected, 0, "gradient of getitem")


@relaxed
@given(data=st.data())
def test_writes_through_views_are_numpys(device, data):
    """A few writes through random views, against the same writes in NumPy."""
    a = data.draw(strided(data.draw(hnp.array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=4)))).copy()
    t = minigrad.tensor(a, device=device)
    for _ in range(3):
        row = data.draw(st.integers(0, a.shape[0] - 1))
        value = data.draw(st.floats(-2, 2, width=32))
        view, same = (t.transpose(0, 1)[:, row], np.swapaxes(a, 0, 1)[:, row])
        view += value
        same += value
        t[..., 0] = t[..., -1] * 2
        a[..., 0] = a[..., -1] * 2
    close(t.cpu().numpy(), a, 1e-12, "writes through views")
