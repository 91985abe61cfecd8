"""Which arrays the tests run on: ``pytest --xp numpy`` (default), ``--xp hostcuda`` (the real CuPy on this machine's CPU,
see tests/hostcuda) or ``--xp gpu`` (a real GPU; it fails where none answers and never skips)."""

import pathlib
import sys

import pytest

TESTS = pathlib.Path(__file__).parent


def pytest_addoption(parser):
    parser.addoption("--xp", default="numpy", choices=("numpy", "hostcuda", "gpu"), help="the array library under test")
    parser.addoption("--guard", action="store_true", help="hostcuda: a guard page behind every array")
    parser.addoption("--without", action="append", default=[], help="a package that this run must not be able to import")
    parser.addoption("--schedule", type=int, default=0, help="hostcuda: thread order, 0 forward, 1 reverse, n shuffled")


def pytest_configure(config):
    for name in config.getoption("--without"):
        sys.modules[name] = None  # importing it fails, and find_spec finds nothing
    if _asked_for_parity(config):
        try:
            import expecttest  # noqa: F401
            import torch  # noqa: F401
        except ImportError as error:  # fail here, loudly
            raise pytest.UsageError(
                f"-m parity compares with PyTorch (torch==2.13.0, and expecttest for its sample database): {error}"
            ) from None
    mode = config.getoption("--xp")
    if mode == "hostcuda":
        sys.path.insert(0, str(TESTS))
        import hostcuda

        hostcuda.install(guard=config.getoption("--guard"), order=config.getoption("--schedule"))
        if config.getoption("--guard"):
            import cupy

            cupy.cuda.set_allocator(None)
    if mode == "gpu":
        import minigrad

        if not minigrad.cuda.is_available():
            raise pytest.UsageError(f"--xp gpu: no GPU answers: {minigrad.cuda.why_not()}")


def _asked_for_parity(config):
    expression = config.getoption("-m")
    return "parity" in expression and "not parity" not in expression


def pytest_collection_modifyitems(config, items):
    mode, parity = config.getoption("--xp"), _asked_for_parity(config)
    for item in items:
        if item.get_closest_marker("parity") and not parity:
            item.add_marker(pytest.mark.skip(reason="compares with PyTorch: run with -m parity"))
        if item.get_closest_marker("gpu") and mode != "gpu":
            item.add_marker(pytest.mark.skip(reason="needs a GPU: run with --xp gpu"))


@pytest.fixture(autouse=True)
def _seeded():
    import minigrad

    minigrad.manual_seed(0)


@pytest.fixture(scope="session")
def device(request):
    """The device that the chosen array library stands for."""
    return "cpu" if request.config.getoption("--xp") == "numpy" else "cuda"


def pytest_terminal_summary(terminalreporter, config):
    """How much was compared: with PyTorch (see ``count`` in test_parity.py), and on the chosen array library."""
    counts = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            for key, value in getattr(report, "user_properties", ()):
                if key == "parity" and report.when == "call":
                    counts[value[0]] = counts.get(value[0], 0) + value[1]
                if key == "coverage" and report.when == "call":
                    terminalreporter.write_line(value)
    if counts:
        terminalreporter.write_line("parity with PyTorch: " + ", ".join(f"{n} {what}" for what, n in sorted(counts.items())))
    checks = sys.modules.get("checks")
    if checks is not None and checks.ran and not hasattr(config, "workerinput"):
        functions = len({name for name, _, _ in checks.ran})
        terminalreporter.write_line(
            f"on {config.getoption('--xp')}: {len(checks.ran)} (function, sample, dtype) of {functions} functions "
            f"compared with float64 NumPy"
        )
