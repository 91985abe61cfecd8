"""Every public function and every inner operation, from its own samples: a new operation is covered without a line here."""

import pytest
from checks import (
    check_dtype,
    check_error,
    check_gradient,
    check_gradient_dtype,
    check_layout,
    check_reference,
    errors_of,
    samples_of,
    unique_faces,
)

FACES = unique_faces()
named = pytest.mark.parametrize("face", FACES, ids=lambda f: f.qualified)


@named
def test_has_samples_and_docstring(face):
    assert samples_of(face) or isinstance(face.call, type), f"{face.qualified} has no samples"
    assert face.doc.strip(), f"{face.qualified} has no docstring"
    if face.names:
        assert ">>>" in face.doc, f"the docstring of {face.qualified} has no example"


@named
def test_reference(face, device):
    for s in samples_of(face):
        check_reference(face, s, device)


@named
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_dtype(face, dtype, device):
    for s in samples_of(face):
        if dtype == "float32" or face.half:
            check_dtype(face, s, dtype, device)


@named
def test_gradient(face, device):
    for s in samples_of(face):
        check_gradient(face, s, device)


@named
def test_gradient_dtype(face, device):
    for s in samples_of(face):
        check_gradient_dtype(face, s, device)


@named
def test_layout(face, device):
    for s in samples_of(face):
        check_layout(face, s, device)


@named
def test_errors(face, device):
    for e in errors_of(face):
        check_error(face, e, device)
