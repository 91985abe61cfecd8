"""How much of PyTorch 2.13 is right here: a fixed denominator, every failing name printed (see the package ``parity``)."""

import pytest

pytestmark = pytest.mark.parity
LEAST = {  # the shares below which the library is not what its README says
    ("operators", "values"): 0.90, ("operators", "dtypes"): 0.90, ("operators", "gradients"): 0.88,
    ("operators", "second order"): 0.88, ("operators", "errors"): 0.90, ("operators", "memory"): 0.97,
    ("operators", "five samples"): 0.95,
    ("layers", "values"): 0.95, ("layers", "gradients"): 0.95, ("layers", "second order"): 0.95, ("layers", "repr"): 0.95,
    ("layers", "state"): 0.95, ("optimizers", "numbers"): 0.97, ("schedules", "numbers"): 1.0,
}  # fmt: skip


@pytest.fixture(scope="module")
def coverage():
    from parity.report import collect

    return collect()


def test_coverage(coverage, record_property):
    from parity.report import table

    counts, failures = coverage
    lines = "\n".join(f"  {kind} {name}: {aspect}: {text}" for kind, name, aspect, text in failures)
    record_property("coverage", f"{table(counts)}\nnot right:\n{lines}")
    low = {k: counts[k] for k, least in LEAST.items() if counts[k][0] < least * counts[k][1]}
    assert not low, low
