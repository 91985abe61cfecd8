"""Complex numbers against PyTorch: values, gradients and second derivatives of what programs do with them."""

import numpy as np
import pytest

import minigrad
from minigrad.op import registry
from minigrad.ops import complex
from minigrad.testing import gradcheck


def _drawn(r, *shape):
    return r.standard_normal(shape) + 1j * r.standard_normal(shape)


def test_views_of_the_parts_share_memory():
    z = minigrad.tensor([1 + 2j, 3 + 4j])
    z.real[0] = 10.0
    z.imag *= 2
    minigrad.view_as_real(z)[1, 0] = -1.0
    assert z.tolist() == [10 + 4j, -1 + 8j]
    x = minigrad.zeros(2, 2)
    minigrad.view_as_complex(x)[0] = 5 - 6j
    assert x.tolist() == [[5.0, -6.0], [0.0, 0.0]]
    x = minigrad.zeros(2, requires_grad=True)
    y = minigrad.complex(x * 1, x * 2)
    y.real.mul_(3)
    (y.real + y.imag).sum().backward()
    assert x.grad.tolist() == [5.0, 5.0]


def test_gradients_by_differences():
    r = np.random.default_rng(0)
    z = minigrad.tensor(_drawn(r, 3), requires_grad=True)
    w = minigrad.tensor(_drawn(r, 3), requires_grad=True)
    assert gradcheck(lambda z, w: (z * w.conj()).exp().abs(), (z, w))
    assert gradcheck(lambda z, w: z / w + z.angle() * w.sgn(), (z, w))
    x = minigrad.tensor(r.standard_normal(3), requires_grad=True)
    assert gradcheck(lambda z, x: z * x + minigrad.polar(x.exp(), x), (z, x))
    assert (z * x).sum().real.backward() is None and x.grad.dtype is minigrad.float64


def test_what_complex_numbers_do_not_have_raises():
    z = minigrad.tensor([1j, 2.0])
    for call in (z.relu, z.max, z.sort, lambda: z < z, lambda: z.clamp(0), lambda: z // 2):
        with pytest.raises(NotImplementedError, match="not implemented for complex"):
            call()
    with pytest.raises(RuntimeError, match="only for real scalar outputs"):
        z.requires_grad_().sum().backward()
    with pytest.raises(RuntimeError, match="without overflow"):
        minigrad.zeros(2).fill_(1j)
    with pytest.raises(RuntimeError, match="stride 1"):
        minigrad.view_as_complex(minigrad.zeros(2, 3).t())


def test_every_name_in_the_lists_is_an_operation():
    assert not {*complex.LINEAR, *complex.HOLOMORPHIC} - set(registry)


def test_printing_and_dtypes():
    assert repr(minigrad.tensor([1 + 2j])) == "tensor([1.+2.j])"
    assert repr(minigrad.tensor([1.5 - 2j], dtype=minigrad.complex128)) == "tensor([1.5000-2.j], dtype=minigrad.complex128)"
    assert (minigrad.ones(2, dtype=minigrad.float64) * 1j).dtype is minigrad.complex128
    assert (minigrad.ones(2, dtype=minigrad.int64) * 1j).dtype is minigrad.complex64
    assert minigrad.promote_types(minigrad.complex64, minigrad.float64) is minigrad.complex128
    assert minigrad.complex64.to_real() is minigrad.float32 and minigrad.float64.to_complex() is minigrad.complex128
    assert minigrad.tensor([2 + 3j]).float().tolist() == [2.0]


def _rotary(m, xq, xk):
    """Rotary embeddings as LLaMA computes them (Su et al., 2021)."""
    dim, length = xq.shape[-1], xq.shape[1]
    freqs = 1.0 / (10000.0 ** (m.arange(0, dim, 2)[: dim // 2].float() / dim))
    freqs = m.outer(m.arange(length), freqs).float()
    freqs_cis = m.polar(m.ones_like(freqs), freqs).view(1, length, 1, dim // 2)
    xq_, xk_ = (m.view_as_complex(x.float().reshape(*x.shape[:-1], -1, 2)) for x in (xq, xk))
    q, k = (m.view_as_real(x * freqs_cis).flatten(3) for x in (xq_, xk_))
    return m.einsum("bqhd,bkhd->bhqk", q.type_as(xq), k.type_as(xk)).softmax(-1)


def _state_space(m, log_a, a_imag, c, log_dt):
    """The kernel of a diagonal state-space model (Gu et al., "On the parameterization of S4D", 2022)."""
    a, dt = -m.exp(log_a) + 1j * a_imag, m.exp(log_dt)
    c = m.view_as_complex(c) * (m.exp(dt.unsqueeze(-1) * a) - 1.0) / a
    powers = m.exp((dt.unsqueeze(-1) * a).unsqueeze(-1) * m.arange(5))
    return 2 * m.einsum("hn,hnl->hl", c, powers).real


def _fourier(m, z, w):
    angles = m.outer(m.arange(3), m.arange(3)) / 3
    return m.exp(-2j * m.pi * angles).to(z.dtype) @ z * w.mean()


PROGRAMS = {
    "rotary": (_rotary, [(2, 3, 2, 4), (2, 3, 2, 4)], False),
    "state space": (_state_space, [(2, 3), (2, 3), (2, 3, 2), (2,)], False),
    "products": (lambda m, z, w: (z @ w) * z.sum(1, keepdim=True) / (w.abs().sum() + 1), [(3, 3), (3, 3)], True),
    "parts": (lambda m, z, w: z.real * w.imag + m.angle(z) * w.abs(), [(3,), (3,)], True),
    "functions": (lambda m, z, w: z.exp() * m.log(w) + z.sqrt().sin() ** 2 - m.tanh(w).reciprocal(), [(3,), (3,)], True),
    "indexing": (lambda m, z, w: m.cat([z[[0, 0, 2]], w.flip(0), m.where(z.real > 0, z, w)]).cumsum(0), [(3,), (3,)], True),
    "Fourier": (_fourier, [(3,), (3,)], True),
    "conjugates": (lambda m, z, w: m.vdot(z, w) + (z * w.conj()).sum() + (z[None].mH @ w[None]).sum(), [(3,), (3,)], True),
    "signs": (lambda m, z, w: m.sgn(z) * w + m.prod(z) / m.square(w), [(3,), (3,)], True),
}


@pytest.mark.parity
@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(name):
    import torch

    program, shapes, is_complex = PROGRAMS[name]
    r = np.random.default_rng(3)
    arrays = [_drawn(r, *s) if is_complex else r.standard_normal(s) for s in shapes]
    found = []
    for m in (torch, minigrad):
        inputs = [m.tensor(a).requires_grad_() for a in arrays]
        y = program(m, *inputs)
        weights = m.tensor(np.random.default_rng(4).standard_normal(tuple(y.shape)))
        loss = ((y.abs() if y.is_complex() else y) * weights).sum()
        first = m.autograd.grad(loss, inputs, create_graph=True)
        second = m.autograd.grad(sum((g.abs() ** 2).sum() for g in first), inputs)
        found.append([t.detach().resolve_conj() for t in (y, *first, *second)])
    for theirs, ours in zip(*found, strict=True):
        assert str(theirs.dtype).removeprefix("torch.") == ours.dtype.name
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-5, atol=1e-5)  # rotary embeddings compute in float32
