"""Can the derived tests fail? Break every rule and every text, one small piece at a time, and see.

    python tests/mutation.py [operation ...] [--list]

A mutant drops or sign-flips one term of a rule, negates a rule, drops one factor, or forces one branch of a body. It is
caught when the operation's own derived tests (``checks.check_face``) fail. Prints the survivors and the share caught, and
exits with 1 below 95 %. Many survivors are equivalent: they change a value that no caller can see.
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
            if inspect.isfunction(helper) and helper.__module__.startswith("minigrad.ops") and helper.__code__.co_varnames[:1] == ("xp",):
                roots.append((f"{what} {name}", helper))


def find(tree, function):
    """The AST node of a function or lambda, by its place in the file."""
    code = function.__code__
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == code.co_name:
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            if first == code.co_firstlineno:
                return node
        if isinstance(node, ast.Lambda) and code.co_name == "<lambda>" and node.lineno == code.co_firstlineno:
            names = tuple(a.arg for a in node.args.args)
            column = next((p[2] for p in code.co_positions() if p[0] == node.body.lineno and p[2] is not None), None)
            if names == code.co_varnames[: code.co_argcount]:
                found.append((abs((column or 0) - node.body.col_offset), node))
    return min(found, key=lambda f: f[0])[1] if found else None


def mutations(node, kind):
    """(description, path of a node inside ``node``, replacement maker)."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.BinOp) and isinstance(inner.op, ast.Add | ast.Sub) and not _is_text(inner):
            yield inner, "flip a sign", lambda n: ast.BinOp(n.left, ast.Sub() if isinstance(n.op, ast.Add) else ast.Add(), n.right)
            yield inner, "drop the right term", lambda n: n.left
            yield inner, "drop the left term", lambda n: n.right if isinstance(n.op, ast.Add) else ast.UnaryOp(ast.USub(), n.right)
        elif isinstance(inner, ast.BinOp) and isinstance(inner.op, ast.Mult | ast.Div) and not kind.startswith("body") and not _is_text(inner):
            yield inner, "drop the right factor", lambda n: n.left
            if isinstance(inner.op, ast.Mult):
                yield inner, "drop the left factor", lambda n: n.right
        elif isinstance(inner, ast.UnaryOp) and isinstance(inner.op, ast.USub) and not isinstance(inner.operand, ast.Constant):
            yield inner, "drop a minus", lambda n: n.operand
        elif isinstance(inner, ast.If | ast.IfExp) and not _only_raises(inner):
            for value in (True, False):
                yield inner, f"force a branch {value}", lambda n, value=value: _forced(n, value)
        elif isinstance(inner, ast.Return) and not kind.startswith("body") and inner.value is not None and not isinstance(inner.value, ast.Tuple):
            yield inner, "negate", lambda n: ast.Return(ast.UnaryOp(ast.USub(), n.value))
    if isinstance(node, ast.Lambda) and not kind.startswith("body") and not (isinstance(node.body, ast.UnaryOp) or isinstance(node.body, ast.BinOp)):
        yield node, "negate", lambda n: ast.Lambda(n.args, ast.UnaryOp(ast.USub(), n.body))


def _is_text(n):
    """Sequences and strings are joined with +, not added."""
    kinds = ast.Tuple | ast.List | ast.JoinedStr
    return any(isinstance(x, kinds) or isinstance(x, ast.Constant) and isinstance(x.value, str) for x in (n.left, n.right))


def _only_raises(n):
    return isinstance(n, ast.If) and all(isinstance(s, ast.Raise) for s in n.body)


def _forced(n, value):
    forced = copy.copy(n)
    forced.test = ast.Constant(value)
    return forced


class _Swap(ast.NodeTransformer):
    def __init__(self, target, replacement):
        self.target, self.replacement = target, replacement

    def visit(self, node):
        return self.replacement if node is self.target else self.generic_visit(node)


def compiled(tree, target, make, function, file):
    """The code object of ``function`` with one node replaced, or None where that does not compile to the same closure."""
    replacement = ast.copy_location(make(copy.copy(target)), target)
    changed = _Swap(target, replacement).visit(tree)
    ast.fix_missing_locations(changed)
    try:
        module = compile(changed, file, "exec")
    finally:
        _Swap(replacement, target).visit(changed)  # cheaper than a copy of the tree
    wanted = function.__code__
    candidates = [c for c in _codes(module) if c.co_name == wanted.co_name and c.co_firstlineno == wanted.co_firstlineno
                  and c.co_varnames[: c.co_argcount] == wanted.co_varnames[: wanted.co_argcount]]  # fmt: skip
    same = [c for c in candidates if c.co_code != wanted.co_code or c.co_consts != wanted.co_consts]
    return same[0] if same and same[0].co_freevars == wanted.co_freevars else None


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
        except (Exception, RecursionError):
            return True
    return False


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("operations", nargs="*", help="names of operations; all without")
    parser.add_argument("--list", action="store_true", help="print every mutant as it is tried")
    parser.add_argument("--sample", type=float, default=1.0, help="try this share of the mutants, chosen at random")
    arguments = parser.parse_args()
    faces = checks.unique_faces()
    used = users(faces)
    trees, total, survivors, seen = {}, 0, [], set()
    chance = random.Random(0)
    for op in registry.values():
        if arguments.operations and op.name not in arguments.operations:
            continue
        own = [f for f in faces if f.op is op]
        fronts = [f for f in used.get(op.name, {}).values() if f not in own]
        fronts.sort(key=lambda f: (op.name not in f.qualified, len(f.qualified)))
        judges = [f for f in own + fronts[:6] if not caught([f])]
        if not judges:
            print(f"{op.name}: its tests fail before anything is broken")
        for what, function in functions_of(op, seen):
            file = function.__code__.co_filename
            tree = trees.setdefault(file, ast.parse(pathlib.Path(file).read_text()))
            node = find(tree, function)
            if node is None:
                continue
            for target, description, make in list(mutations(node, what)):
                if chance.random() > arguments.sample:
                    continue
                code = compiled(tree, target, make, function, file)
                if code is None:
                    continue
                original, function.__code__ = function.__code__, code
                try:
                    killed = caught(judges)
                finally:
                    function.__code__ = original
                total += 1
                line = f"{op.name} {what} {pathlib.Path(file).name}:{target.lineno}: {description}: {ast.unparse(target)[:90]}"
                if not killed:
                    survivors.append(line)
                if arguments.list:
                    print("caught  " if killed else "SURVIVED", line, flush=True)
    for line in survivors:
        print("survived", line)
    share = 1 - len(survivors) / max(total, 1)
    print(f"{total - len(survivors)} of {total} mutants caught: {share:.1%} (goal {GOAL:.0%})")
    return 0 if share >= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
