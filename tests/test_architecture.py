"""The house rules that a reader relies on: imports point one way, the import is light, operations never ask where they run."""

import ast
import pathlib
import subprocess
import sys

import pytest

import minigrad

ROOT = pathlib.Path(minigrad.__file__).parent
# Each layer may import from itself and from those before it.
LAYERS = [
    ["errors", "house", "mt19937", "renaming", "return_types", "threads"], ["device", "dtype"], ["kernels"], ["backends"],
    ["graph"], ["printing", "tensor", "storage", "settings"], ["autograd.hooks"], ["autograd.engine"],
    ["dispatch"], ["casting"], ["output"], ["quick"], ["calls"], ["op"], ["views"],
    ["ops", "random", "autograd.function", "autograd.anomaly", "autograd"], ["nn", "optim", "data"],
    ["profiler", "autograd.profiler"],
]  # fmt: skip
# Imports inside functions that point the other way: here, each with its reason, and nowhere else.
LATE = {
    ("return_types", "printing"): "a repr is made only when asked for",
    ("dispatch", "op"): "cast() is the op astype, looked up when first needed",
    ("calls", "views"): "an in-place method writes through views",
    ("output", "views"): "out= writes as an in-place method does",
    ("backends", "cupy"): "CuPy loads on first use",
    ("autograd", "testing"): "torch.autograd.gradcheck is the testing module's",
    ("autograd", "func"): "gradients for many rows at once are a vmap of the sweep",
    ("tensor", "printing"): "a repr is made only when asked for",
    ("tensor", "subclass"): "only a user's class of tensors needs it",
    ("ops", "multiprocessing"): "share_memory_ needs files",
    ("ops", "sparse"): "a dense tensor becomes a sparse one when asked to",
    ("nn", "func"): "nn.utils.stateless is the older name of func.functional_call",
    ("cuda", "random"): "one seed for all devices",
    ("cuda", "ops"): "typed constructors are made when asked for",
    ("settings", "ops"): "a default type is named by a typed constructor",
    ("settings", "amp"): "PyTorch's functions that ask about autocast",
    ("nn", "distributed"): "DistributedDataParallel asks for the process group",
}
DTYPES = {"bool_", "uint8", "uint32", "uint64", "int32", "int64", "float32", "float64", "dtype", "inf"}


def modules():
    for path in sorted(ROOT.rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        yield name.removesuffix(".__init__").removesuffix("__init__"), path


def layer_of(name):
    for number, layer in enumerate(LAYERS):
        if any(name == member or name.startswith(member + ".") for member in layer):
            longest = max((m for m in layer if name == m or name.startswith(m + ".")), key=len)
            better = [
                (n, m)
                for n, other in enumerate(LAYERS)
                for m in other
                if (name == m or name.startswith(m + ".")) and len(m) > len(longest)
            ]
            return better[0][0] if better else number
    return len(LAYERS)


def imports_of(name, path):
    """(imported minigrad module, whether the import stands inside a function)."""
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    if name == "":
        package = []
    tree = ast.parse(path.read_text())
    inside = {id(n) for f in ast.walk(tree) if isinstance(f, ast.FunctionDef | ast.Lambda) for n in ast.walk(f)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            source = ".".join(base + (node.module.split(".") if node.module else []))
            for alias in node.names:
                full = f"{source}.{alias.name}".strip(".")
                known = ROOT.joinpath(*full.split(".")).with_suffix(".py").exists() or ROOT.joinpath(*full.split(".")).is_dir()
                yield (full if known else source), id(node) in inside


def test_imports_point_one_way():
    wrong = []
    for name, path in modules():
        if not name:
            continue
        for target, late in imports_of(name, path):
            if not target or layer_of(target) <= layer_of(name):
                continue
            if late and any(name.split(".")[0] == a and target.split(".")[0] == b for a, b in LATE):
                continue
            wrong.append(f"{name} imports {target}")
    assert not wrong, wrong


def test_operations_never_ask_where_they_run():
    """No NumPy in a body or rule, no isinstance on arrays, no `device ==`: the text must run on every backend."""
    wrong = []
    for name, path in modules():
        if not name.startswith("ops."):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.Lambda) and node.args.args and node.args.args[0].arg == "xp":
                body = node.body if isinstance(node.body, list) else [node.body]  # not the decorators: references are NumPy's
                inside = [n for statement in body for n in ast.walk(statement)]
                dtypes = {
                    id(n.value) for n in inside if isinstance(n, ast.Attribute) and n.attr in DTYPES
                }  # np.int64 names a dtype
                for inner in inside:
                    if (
                        isinstance(inner, ast.Name)
                        and id(inner) not in dtypes
                        and inner.id in ("np", "numpy", "cupy", "isinstance")
                    ):
                        wrong.append(f"{name}:{inner.lineno} uses {inner.id}")
                    if isinstance(inner, ast.Attribute) and inner.attr in ("device", "size", "T"):
                        wrong.append(f"{name}:{inner.lineno} reads .{inner.attr}")
    assert not wrong, wrong


def test_every_word_is_known():
    """Every xp.word in an operation is in the vocabulary or an operation itself."""
    from minigrad import backends
    from minigrad.op import registry

    wrong = []
    for name, path in modules():
        if name.startswith("ops."):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "xp":
                    if node.attr not in registry and not hasattr(backends.numpy, node.attr):
                        wrong.append(f"{name}:{node.lineno} xp.{node.attr}")
    assert not wrong, wrong


@pytest.mark.parametrize("forbidden", ["numba", "scipy", "cupy", "matplotlib", "torch", "sklearn", "onnx", "tqdm", "safetensors"])
def test_import_is_light(forbidden):
    program = "import minigrad, sys; x = minigrad.ones(3, requires_grad=True); (x * x).sum().backward()"
    code = f"{program}; assert {forbidden!r} not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_files_are_short():
    long = {name: n for name, path in modules() if (n := len(path.read_text().splitlines())) > 520}
    assert not long, long


def test_no_third_party_beyond_the_core():
    """Optional packages are imported inside functions only."""
    allowed = {"numpy", "ml_dtypes", "minigrad", *sys.stdlib_module_names}
    wrong = []
    for name, path in modules():
        if name == "backends.cupy" or name.startswith(("kernels.cpu", "kernels.cuda")):
            continue
        for node in ast.parse(path.read_text()).body:
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
            wrong += [f"{name}: {n}" for n in names if n.split(".")[0] not in allowed]
    assert not wrong, wrong
