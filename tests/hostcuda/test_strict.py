"""The lint against CuPy's real signatures. Needs CuPy installed, but neither a GPU nor hostcuda."""

import pytest

pytest.importorskip("cupy", reason="the lint compares with CuPy's own signatures: pip install cupy-cuda13x==14.2.0")

from hostcuda.strict import lint


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ("xp.add(x, 1, where=x > 0)", "takes only out, dtype and casting"),
        ("xp.exp(x, y, z)", "takes 1 to 2 positional"),
        ("xp.sum(x, axis=0, initial=0.0)", "unexpected keyword argument 'initial'"),
        ("xp.vecdot(x, x)", "cupy.vecdot: not in this CuPy"),
        ("xp.clip(x, min=0, max=1)", "missing a required argument"),
        ("xp.linalg.vector_norm(x)", "not in this CuPy"),
        ("f = xp.unstack", "not in this CuPy"),
        ("cupyx.scipy.special.nothing(x)", "not in this CuPy"),
        ("xp.take(x, i, mode='clip', *args)", "unexpected keyword argument 'mode'"),
    ],
)
def test_refused(code, complaint):
    (finding,) = lint(code, "file.py")
    assert complaint in finding.message
    assert str(finding).startswith("file.py:1: ")


@pytest.mark.parametrize(
    "code",
    [
        "xp.add(x, 1, out=y)",
        "xp.sum(x, axis=0, keepdims=True)",
        "cupy.lib.stride_tricks.as_strided(x, shape, strides)",
        "cupyx.scipy.special.erf(x)",
        "xp.zeros(shape, *args, **kwargs)",
        "xp.float32(1).item()",
        "np.vecdot(x, x)",
        "self.xp.vecdot(x, x)",
    ],
)
def test_accepted(code):
    assert lint(code) == []


def test_roots_and_lines():
    findings = lint("a = 1\nb = backend.vecdot(a, a)\nc = backend.insert(a)\n", roots=("backend",))
    assert [finding.line for finding in findings] == [2, 3]
