"""``python -m minigrad run`` and ``minigrad.as_torch()``: PyTorch programs, unchanged."""

import os
import pathlib
import re
import signal
import subprocess
import sys
import textwrap

import pytest

import minigrad

ROOT = str(pathlib.Path(minigrad.__file__).parent.parent)


@pytest.fixture
def program(tmp_path):
    """``write(name, text)`` and ``run(*arguments)`` in a folder that knows nothing of minigrad."""

    class Program:
        folder = tmp_path

        def write(self, name, text):
            path = tmp_path / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(textwrap.dedent(text))
            return path

        def run(self, *arguments, **how):
            environment = {**os.environ, "PYTHONPATH": ROOT, "NO_COLOR": "1"}
            command = [sys.executable, "-m", "minigrad", "run", *arguments]
            return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, **how)

        def output(self, *arguments):
            done = self.run(*arguments)
            assert done.returncode == 0, done.stderr
            return done.stdout

    return Program()


TRAINING = """
    import sys
    import torch
    import torch.nn as nn
    import torch.nn.functional as F
    from torch import optim
    from torch.utils.data import DataLoader, TensorDataset
    from torch.nn.modules.batchnorm import _BatchNorm
    import torch.backends.cudnn as cudnn
    import helper

    cudnn.benchmark = True

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.bn, self.b = nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 2)

        def forward(self, x):
            return self.b(F.relu(self.bn(self.a(x))))

    def main(workers, method):
        torch.manual_seed(0)
        net = Net()
        assert any(isinstance(m, _BatchNorm) for m in net.modules()) and torch.backends.cudnn.benchmark
        optimizer = optim.Adam(net.parameters(), lr=helper.rate())
        data = TensorDataset(torch.randn(32, 4), torch.randint(0, 2, (32,)))
        loader = DataLoader(data, batch_size=8, shuffle=True, num_workers=workers, multiprocessing_context=method)
        for x, y in loader:
            loss = F.cross_entropy(net(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            print(f"{loss.item():.5f}")

    if __name__ == "__main__":
        main(int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None)
"""


def train(program, *arguments):
    program.write("train.py", TRAINING)
    program.write("helper.py", "import torch\ndef rate(): return 1e-2 if torch.float32.is_floating_point else 0\n")
    return program.output("train.py", *arguments)


def test_a_program_trains(program):
    losses = train(program, "0").split()
    assert len(losses) == 4 and all(0 < float(loss) < 5 for loss in losses)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_of_a_loader(program, method):
    assert train(program, "0") == train(program, "1", method)


def test_as_python_runs_it(program):
    program.write(
        "pkg/tool.py",
        """
        import inspect, pickle, sys, torch
        class Box:
            pass
        print(__name__, sys.argv, __file__, sys.path[0], __spec__)
        print(type(pickle.loads(pickle.dumps(Box()))) is Box, inspect.getsource(Box).split()[0])
        """,
    )
    first, second = program.output("pkg/tool.py", "--lr", "1", "-m", "x").splitlines()
    folder = os.path.realpath(program.folder / "pkg")
    assert first == f"__main__ ['pkg/tool.py', '--lr', '1', '-m', 'x'] {program.folder / 'pkg' / 'tool.py'} {folder} None"
    assert second == "True class"


def test_as_python_runs_a_module(program):
    program.write("pkg/__init__.py", "")
    program.write("pkg/part.py", "import torch\nvalue = torch.ones(2).sum().item()\n")
    program.write("pkg/__main__.py", "from . import part\nimport sys\nprint(part.value, __package__, sys.argv[1:], __name__)\n")
    assert program.output("-m", "pkg", "--report", "7") == "2.0 pkg ['--report', '7'] __main__\n"
    assert program.run("-m", "pkg.nothing").returncode == 1


def test_exit_codes(program):
    program.write("leave.py", "import sys, torch\nsys.exit(int(sys.argv[1]))\n")
    assert program.run("leave.py", "3").returncode == 3 and program.run("leave.py", "0").returncode == 0
    program.write("text.py", "raise SystemExit('enough')\n")
    done = program.run("text.py")
    assert (done.returncode, done.stderr) == (1, "enough\n")
    done = program.run("missing.py")
    assert done.returncode == 2 and "can't open file 'missing.py': No such file" in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_an_interrupt_ends_as_in_python(program):
    program.write("wait.py", "import os, signal, torch\nos.kill(os.getpid(), signal.SIGINT)\nimport time; time.sleep(5)\n")
    done = program.run("wait.py")
    assert done.returncode == -signal.SIGINT and done.stderr.rstrip().endswith("KeyboardInterrupt")


def test_a_traceback_shows_the_users_lines(program):
    program.write("bad.py", "import torch\ndef step(x):\n    return x @ torch.ones(3, 3)\nstep(torch.ones(2, 4))\n")
    done = program.run("bad.py")
    files = re.findall(r'File "(.*?)", line (\d+)', done.stderr)
    assert done.returncode == 1 and files == [(str(program.folder / "bad.py"), "4"), (str(program.folder / "bad.py"), "3")]
    assert done.stderr.count("Traceback") == 1 and "mat1 and mat2 shapes cannot be multiplied (2x4 and 3x3)" in done.stderr
    assert "dispatch.py" in program.run("--full-traceback", "bad.py").stderr


def test_the_report(program):
    program.write(
        "ask.py",
        """
        import torch
        from torch.nn import functional as F
        print(hasattr(torch, "no_such_thing"), F.relu(torch.ones(1)).tolist())
        torch.ones(2).no_such_method()
        """,
    )
    done = program.run("--report", "ask.py")
    used, _, missing = done.stderr.partition("asked for and missing")
    assert done.returncode == 1 and done.stdout == "False [1.0]\n"
    assert "torch.nn.functional: relu" in used and re.search(r"torch: .*\bones\b", used) and "torch.Tensor: tolist" in used
    assert "torch: no_such_thing" in missing and "torch.Tensor: no_such_method" in missing
    assert "minigrad has no torch.Tensor.no_such_method" in used


def test_the_same_seed_gives_pytorchs_numbers(program):
    program.write("seed.py", "import torch\ntorch.manual_seed(0)\nprint(torch.rand(2).tolist())\n")
    assert program.output("seed.py") == "[0.49625658988952637, 0.7682217955589294]\n"  # as printed in every course
    assert program.output("--engine", "philox", "seed.py") != program.output("seed.py")


def test_processes_of_a_program(program):
    program.write(
        "several.py",
        """
        import torch
        import torch.multiprocessing as mp
        def work(rank, value):
            if rank == 1 and value is None:
                raise ValueError("of rank 1")
            print(rank, torch.full((1,), value or 0.0).item(), flush=True)
        if __name__ == "__main__":
            mp.spawn(work, args=(2.0,), nprocs=1)
            try:
                mp.spawn(work, args=(None,), nprocs=2)
            except mp.ProcessRaisedException as error:
                print("ValueError: of rank 1" in str(error), error.error_index)
        """,
    )
    lines = program.output("several.py").splitlines()
    assert "0 2.0" in lines and lines[-1] == "True 1"


@pytest.mark.skipif(os.name != "posix", reason="memory is shared through file descriptors")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_train_one_model(program, method):
    program.write(
        "shared.py",
        """
        import sys
        import torch
        import torch.multiprocessing as mp
        from torch import nn
        def work(model, counts, queue):
            optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
            model(torch.ones(1, 2)).sum().backward()
            optimizer.step()
            counts[1] += 7
            queue.put(model.weight.tolist())
        if __name__ == "__main__":
            mp.set_start_method(sys.argv[1])
            model, counts = nn.Linear(2, 1), torch.zeros(2).share_memory_()
            nn.init.zeros_(model.weight)
            model.share_memory()
            queue = mp.SimpleQueue()
            process = mp.Process(target=work, args=(model, counts, queue))
            process.start()
            print(queue.get(), end=" ")
            process.join()
            print(model.weight.tolist(), counts.tolist(), model.weight.is_shared(), torch.ones(1).is_shared(), process.exitcode)
        """,
    )
    assert program.output("shared.py", method) == "[[-0.5, -0.5]] [[-0.5, -0.5]] [0.0, 7.0] True False 0\n"


# ---------------------------------------------------------------------------------------------------- inside one process
def test_errors_name_what_is_missing():
    with minigrad.as_torch():
        import torch

        with pytest.raises(AttributeError, match=r"minigrad has no torch.nn.Lineer; .* torch.nn.Linear$"):
            torch.nn.Lineer
        with pytest.raises(ImportError, match=r"minigrad has no torch.nn.functional.Linear; .* torch.nn.Linear$") as caught:
            from torch.nn.functional import Linear  # noqa: F401
        assert not isinstance(caught.value, ModuleNotFoundError)
        with pytest.raises(ModuleNotFoundError, match=r"minigrad has no torch\.nn\.nothing"):
            import torch.nn.nothing
        with pytest.raises(ModuleNotFoundError, match="does not stand in for torchaudio"):
            import torchaudio  # noqa: F401
        assert importlib_util().find_spec("torchaudio") is None and importlib_util().find_spec("torch") is not None
        assert not hasattr(torch, "op") and not hasattr(torch, "data")  # minigrad's own modules


def importlib_util():
    import importlib.util

    return importlib.util


def test_undo_puts_back_what_was_there():
    before = {n: m for n, m in sys.modules.items() if n.partition(".")[0] == "torch"}
    engine = minigrad.default_generator.engine
    sys.modules["torch"] = stand_in = type(sys)("torch")
    try:
        handle = minigrad.as_torch()
        import torch

        assert torch.nn.Linear is minigrad.nn.Linear and repr(torch.float32) == "torch.float32"
        assert minigrad.default_generator.engine == "mt19937" and minigrad.ones(1).type() == "torch.FloatTensor"
        with minigrad.as_torch(engine="philox") as inner:  # one inside another undoes its engine only
            assert minigrad.default_generator.engine == "philox"
        assert minigrad.default_generator.engine == "mt19937" and "torch.nn" in sys.modules
        inner.undo()
        handle.undo()
        handle.undo()
        assert sys.modules["torch"] is stand_in and "torch.nn" not in sys.modules
        assert minigrad.default_generator.engine == engine and repr(minigrad.float32) == "minigrad.float32"
    finally:
        for name in [n for n in sys.modules if n.partition(".")[0] == "torch"]:
            del sys.modules[name]
        sys.modules.update(before)


def test_undone_out_of_order_the_last_one_puts_back():
    engine = minigrad.default_generator.engine
    first, second = minigrad.as_torch(), minigrad.as_torch(engine="philox")
    first.undo()
    import torch

    assert torch.nn.Linear is minigrad.nn.Linear and minigrad.default_generator.engine == "philox"
    assert "undone" in repr(first) and "undone" not in repr(second)
    second.undo()
    assert minigrad.default_generator.engine == engine and "torch.nn" not in sys.modules


def test_what_a_program_assigns_stays_in_its_torch():
    with minigrad.as_torch():
        import torch

        torch.nn.functional.relu = torch.sigmoid = "mine"
        torch.backends.cudnn.deterministic = True
        assert torch.nn.functional.relu == "mine" and minigrad.backends.cudnn.deterministic
        assert callable(minigrad.nn.functional.relu) and callable(minigrad.sigmoid)
    minigrad.backends.cudnn.deterministic = False


def test_settings_of_compilers_are_kept():
    with minigrad.as_torch():
        import torch
        import torch._inductor.config
        from torch import compile

        torch._dynamo.config.suppress_errors = True
        torch._inductor.config.triton.unique_kernel_names = True
        assert torch._dynamo.config.suppress_errors and not torch._inductor.config.debug
        assert torch._inductor.config.triton.unique_kernel_names and compile(len) is len is torch.compile(len)


def test_names_of_types():
    with minigrad.as_torch():
        import torch
        from torch import nn

        assert isinstance(torch.float32, torch.dtype) and isinstance(torch.ones(1), torch.FloatTensor)
        assert not isinstance(torch.ones(1), torch.cuda.FloatTensor) and isinstance(torch.strided, torch.layout)
        assert torch.__version__ >= "2.1" and torch.__version__ >= (2, 13) and torch.__version__.split(".")[0] == "2"
        assert repr(torch.ones(2, 3).shape) == "torch.Size([2, 3])" and torch.typename(torch.ones(1)) == "torch.FloatTensor"
        assert repr(torch.ones(1, dtype=torch.float64)) == "tensor([1.], dtype=torch.float64)"
        assert nn.modules.loss._Loss in nn.MSELoss.__mro__ and nn.modules.conv._ConvNd in nn.Conv2d.__mro__
        assert nn.modules.utils._pair(3) == (3, 3) and nn.modules.utils._triple([1, 2, 3]) == (1, 2, 3)
