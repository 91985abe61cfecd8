"""Can the derived tests fail? Break every rule and every text, one small piece at a time, and see.

    python tests/mutation.py [operation ...] [--list]

A mutant drops or sign-flips one term of a rule, negates a rule, drops one factor, or forces one branch of a body. It is
caught when the operation's own derived tests (``checks.check_face``) fail. Prints the survivors and the share caught, and
exits with 1 below 95 %. ``mutation_survivors.txt`` gives a reason for those that change nothing a caller can see; they are
printed apart, and count as survivors all the same.
"""

import argparse
import ast
import contextlib
import copy
import inspect
import pathlib
import random
import sys
import warnings

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import checks
import pytest

from minigrad import dispatch
from minigrad.op import registry

GOAL = 0.95


def functions_of(op, seen):
    """(what, function) of the op's text, of every rule that is ordinary code, and of the helpers that they call."""
    roots = [("body", op.body)]
    roots += [(f"vjp[{i}]", r.function) for i, r in enumerate(op.rules) if r is not None and not hasattr(r.function, "names")]
    while roots:
        what, function = roots.pop(0)
        if function in seen:
            continue
        seen.add(function)
        yield what, function
        for name in function.__code__.co_names:
            helper = function.__globals__.get(name)
            if (
                inspect.isfunction(helper)
                and helper.__module__.startswith("minigrad.ops")
                and helper.__code__.co_varnames[:1] == ("xp",)
            ):
                roots.append((f"{what} {name}", helper))


class Source:
    """A file as it was when this script began: its tree, and its code objects in the order of their places."""

    def __init__(self, file):
        self.file = file
        self.tree = ast.parse(pathlib.Path(file).read_text())
        self.codes = list(_codes(compile(self.tree, file, "exec")))
        self.nodes = [n for n in ast.walk(self.tree) if isinstance(n, ast.FunctionDef | ast.Lambda)]

    def index(self, function):
        """The place of a function among the code objects; None where the file has changed since it was imported."""
        wanted = function.__code__
        places = list(wanted.co_positions())
        same = [i for i, c in enumerate(self.codes) if c.co_name == wanted.co_name and list(c.co_positions()) == places]
        return same[0] if len(same) == 1 else None

    def node(self, function):
        """The AST node of a function or lambda: the smallest that holds all its instructions."""
        places = [p for p in function.__code__.co_positions() if None not in p and p[2:] != (0, 0)]
        first, last = min((p[0], p[2]) for p in places), max((p[1], p[3]) for p in places)
        name = function.__code__.co_name
        holding = [
            n for n in self.nodes
            if getattr(n, "name", "<lambda>") == name
            and (n.lineno, n.col_offset) <= first
            and last <= (n.end_lineno, n.end_col_offset)
        ]  # fmt: skip
        return min(holding, key=lambda n: (n.end_lineno - n.lineno, n.end_col_offset - n.col_offset), default=None)

    def mutant(self, function, target, make):
        """The code object of ``function`` with one node replaced."""
        replacement = make(copy.copy(target))
        if isinstance(target, ast.expr) and not isinstance(target, ast.Lambda):  # the old one stays, unreached: the same closure
            replacement = ast.IfExp(ast.Constant(True), replacement, target)
        replacement = ast.copy_location(replacement, target)
        changed = _Swap(target, replacement).visit(self.tree)
        ast.fix_missing_locations(changed)
        try:
            module = compile(changed, self.file, "exec")
        finally:
            _Swap(replacement, target).visit(changed)  # cheaper than a copy of the tree
        return list(_codes(module))[self.index(function)]


def mutations(node, kind):
    """(description, path of a node inside ``node``, replacement maker)."""
    parts = node.body if isinstance(node, ast.FunctionDef) else [node.body]  # not its decorators, nor its arguments
    for inner in (n for part in parts for n in _walk(part)):
        if isinstance(inner, ast.BinOp) and isinstance(inner.op, ast.Add | ast.Sub) and not _is_text(inner):
            yield (
                inner,
                "flip a sign",
                lambda n: ast.BinOp(n.left, ast.Sub() if isinstance(n.op, ast.Add) else ast.Add(), n.right),
            )
            yield inner, "drop the right term", lambda n: n.left
            yield (
                inner,
                "drop the left term",
                lambda n: n.right if isinstance(n.op, ast.Add) else ast.UnaryOp(ast.USub(), n.right),
            )
        elif (
            isinstance(inner, ast.BinOp)
            and isinstance(inner.op, ast.Mult | ast.Div)
            and not kind.startswith("body")
            and not _is_text(inner)
        ):
            yield inner, "drop the right factor", lambda n: n.left
            if isinstance(inner.op, ast.Mult):
                yield inner, "drop the left factor", lambda n: n.right
        elif isinstance(inner, ast.UnaryOp) and isinstance(inner.op, ast.USub) and not isinstance(inner.operand, ast.Constant):
            yield inner, "drop a minus", lambda n: n.operand
        elif isinstance(inner, ast.If | ast.IfExp) and not _only_raises(inner):
            for value in (True, False):
                yield inner, f"force a branch {value}", lambda n, value=value: _forced(n, value)
        elif isinstance(inner, ast.Return) and not kind.startswith("body") and inner.value is not None:
            parts = inner.value.elts if isinstance(inner.value, ast.Tuple) else [inner.value]
            for part in parts:
                if not _is_nothing(part):
                    yield part, "negate", lambda n: ast.UnaryOp(ast.USub(), n)
    if isinstance(node, ast.Lambda) and not kind.startswith("body") and not isinstance(node.body, ast.UnaryOp | ast.BinOp):
        if not _is_nothing(node.body):
            yield node.body, "negate", lambda n: ast.UnaryOp(ast.USub(), n)


def _is_nothing(n):
    """None, zeros, a shape: there is no sign to change."""
    if isinstance(n, ast.Call):
        return any(k.arg == "value" and isinstance(k.value, ast.Constant) and k.value.value == 0 for k in n.keywords)
    return isinstance(n, ast.Constant | ast.Tuple | ast.List | ast.Starred) or (isinstance(n, ast.IfExp) and _is_nothing(n.body))


def _walk(node):
    """All nodes but those of an error and its message."""
    if not isinstance(node, ast.Raise):
        yield node
        for child in ast.iter_child_nodes(node):
            yield from _walk(child)


def _is_text(n):
    """Sequences and strings are joined with +, not added."""
    kinds = ast.Tuple | ast.List | ast.JoinedStr
    return any(isinstance(x, kinds) or (isinstance(x, ast.Constant) and isinstance(x.value, str)) for x in (n.left, n.right))


def _only_raises(n):
    return isinstance(n, ast.If) and all(isinstance(s, ast.Raise) for s in n.body)


def _forced(n, value):
    forced = copy.copy(n)
    forced.test = ast.BoolOp(ast.Or() if value else ast.And(), [ast.Constant(value), n.test])
    return forced


class _Swap(ast.NodeTransformer):
    def __init__(self, target, replacement):
        self.target, self.replacement = target, replacement

    def visit(self, node):
        return self.replacement if node is self.target else self.generic_visit(node)


def _codes(code):
    yield code
    for c in code.co_consts:
        if inspect.iscode(c):
            yield from _codes(c)


def users(faces):
    """operation -> the faces whose samples call it."""
    used, current, apply = {}, [None], dispatch.apply

    def watched(op, args, params):
        used.setdefault(op.name, {})[current[0].qualified] = current[0]
        return apply(op, args, params)

    dispatch.enter_special_mode(registry.values())
    spaces = [f.__globals__ for f in _printed_functions()]
    try:
        dispatch.apply = watched
        for space in spaces:
            space["apply"] = watched
        for name, module in list(sys.modules.items()):
            if name.startswith("minigrad.") and getattr(module, "apply", None) is apply:
                module.apply = watched
        for face in faces:
            current[0] = face
            for s in checks.samples_of(face):
                with contextlib.suppress(Exception):
                    checks.check_gradient(face, s)
                    checks.call(face, s)
    finally:
        dispatch.leave_special_mode()
        for space in spaces:
            space["apply"] = apply
        for name, module in list(sys.modules.items()):
            if name.startswith("minigrad.") and getattr(module, "apply", None) is watched:
                module.apply = apply
    return used


def _printed_functions():
    return [o.face for o in registry.values() if o.face.__code__.co_filename.startswith("<minigrad operation")]


def caught(faces):
    """Whether the derived tests of one of the faces fail."""
    for face in faces:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                checks.check_face(face)
        except (Exception, pytest.fail.Exception):
            return True
    return False


def known_survivors():
    """Survivor -> the reason that it changes nothing a caller can see."""
    lines = (pathlib.Path(__file__).parent / "mutation_survivors.txt").read_text().splitlines()
    return dict(line.split("  # ", 1) for line in lines if line.strip() and not line.startswith("#"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("operations", nargs="*", help="names of operations; all without")
    parser.add_argument("--list", action="store_true", help="print every mutant as it is tried")
    parser.add_argument("--sample", type=float, default=1.0, help="try this share of the mutants, chosen at random")
    arguments = parser.parse_args()
    faces = checks.unique_faces()
    used = users(faces)
    reasons = known_survivors()
    sources, total, survivors, missing, seen = {}, 0, [], 0, set()
    chance = random.Random(0)
    for op in registry.values():
        if arguments.operations and op.name not in arguments.operations:
            continue
        own = [f for f in faces if f.op is op]
        fronts = [f for f in used.get(op.name, {}).values() if f not in own]
        fronts.sort(key=lambda f: (op.name not in f.qualified, len(f.qualified)))
        judges = [f for f in own + fronts[:6] if not caught([f])]
        if len(judges) < len(own + fronts[:6]):
            print(f"{op.name}: of {len(own + fronts[:6])} functions that test it, {len(judges)} pass before anything is broken")
        for what, function in functions_of(op, seen):
            file = function.__code__.co_filename
            source = sources.get(file) or sources.setdefault(file, Source(file))
            node = source.node(function)
            if node is None or source.index(function) is None:
                print(f"{op.name} {what}: not found in {file}")
                missing += 1
                continue
            for target, description, make in list(mutations(node, what)):
                if chance.random() > arguments.sample:
                    continue
                code = source.mutant(function, target, make)
                if (code.co_code, code.co_consts) == (function.__code__.co_code, function.__code__.co_consts):
                    continue
                original, function.__code__ = function.__code__, code
                try:
                    killed = caught(judges)
                finally:
                    function.__code__ = original
                total += 1
                line = f"{op.name} {what}: {description}: {ast.unparse(target).splitlines()[0][:90]}"
                if not killed:
                    survivors.append(line)
                if arguments.list:
                    print("caught  " if killed else "SURVIVED", line, flush=True)
    for line in survivors:
        print(f"equivalent  {line}  # {reasons[line]}" if line in reasons else f"survived    {line}")
    if not arguments.operations and arguments.sample == 1.0:
        for line in sorted(set(reasons) - set(survivors)):
            print("no longer a survivor, strike it from the list:", line)
    share = 1 - len(survivors) / max(total, 1)
    known = sum(line in reasons for line in survivors)
    print(f"{len(survivors)} survivors, of which {known} change nothing that a caller can see; {missing} functions not found")
    print(f"{total - len(survivors)} of {total} mutants caught: {share:.1%} (goal {GOAL:.0%})")
    return 0 if share >= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
