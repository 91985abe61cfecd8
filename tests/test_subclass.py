"""Classes of users that derive from Tensor, each program in a process of its own: defining one changes the public functions."""

import subprocess
import sys

import pytest

PROGRAMS = {
    "results keep the class": """
class Mine(torch.Tensor):
    pass

x = Mine([1.0, 2.0, 3.0])
results = [x, x + 1, 1 + x, torch.ones(3) + x, torch.add(x, 1), x.sum(), x[0], torch.stack([x, x]), torch.nn.functional.relu(x),
           x.T, x.max(0)[0], x.clone().mul_(2)]
print([type(r).__name__ for r in results], repr(x), type(torch.ones(3)).__name__, type(x.numpy()).__name__)
w = x.clone()
w[1:].mul_(2)
y = x.detach().clone().requires_grad_()
(y * y).sum().backward()
print(w.tolist(), y.grad.tolist(), type(torch.nn.Parameter(torch.ones(2)) * 2).__name__)
""",
    "functions can be overridden": """
handled, log = {}, []

class Meta(torch.Tensor):
    @staticmethod
    def __new__(cls, x, info):
        return super().__new__(cls, x)

    def __init__(self, x, info):
        self.info = info

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        log.append(func.__name__)
        if func in handled:
            return handled[func](*args, **(kwargs or {}))
        out = super().__torch_function__(func, types, args, kwargs)
        known = [a.info for a in args if hasattr(a, "info")]
        if isinstance(out, torch.Tensor) and known:
            out.info = known[0]
        return out

handled[torch.mean] = lambda x: "a mean of my own"
m = Meta([1.0, 2.0], "kept")
print((m + 1).info, torch.sin(m).info, m.mul(2).info, torch.mean(m), log[-1])
""",
}
EXPECTED = {
    "results keep the class": "['Mine', 'Mine', 'Mine', 'Mine', 'Mine', 'Mine', 'Mine', 'Mine', 'Mine', 'Mine', 'Mine', 'Mine'] "
    "Mine([1., 2., 3.]) Tensor ndarray\n[1.0, 4.0, 6.0] [2.0, 4.0, 6.0] Tensor\n",
    "functions can be overridden": "kept kept kept a mean of my own mean\n",
}


def _run(name, library):
    source = f"import {library} as torch\nimport {library}.nn.functional\n{PROGRAMS[name]}"
    return subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(name):
    assert _run(name, "minigrad") == EXPECTED[name]


@pytest.mark.parity
@pytest.mark.parametrize("name", PROGRAMS)
def test_expected_is_what_pytorch_prints(name):
    assert _run(name, "torch") == EXPECTED[name]


def test_functions_of_a_library_can_be_overridden():
    import minigrad

    class Polite:
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            return func.__name__, types, len(args)

    @minigrad.overrides.wrap_torch_function(lambda x, y: (x, y))
    def add(x, y):
        return x + y

    assert add(1, 2) == 3 and add(minigrad.ones(1), Polite()) == ("add", (Polite,), 2)
    assert not minigrad.overrides.has_torch_function((minigrad.ones(1), minigrad.nn.Parameter(minigrad.ones(1))))
    assert minigrad.overrides.is_tensor_like(Polite()) and minigrad.overrides.has_torch_function_variadic(1, Polite())

    class Rude(Polite):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            return NotImplemented

    with pytest.raises(TypeError, match=r"no implementation found for 'add' .*Rude"):
        add(Rude(), 1)
