"""The functions that users call, made from an operation: PyTorch's argument names in front of the quick and general ways."""

import inspect
import linecache

from .dispatch import apply, by_gradients
from .graph import serial
from .output import into
from .quick import binary, binary_backward, reduction, refuse_numbers, several_backward, unary, unary_backward


def public_function(op, body, names):
    """The public function of an op, under PyTorch's argument names, with its quick path where it has one."""
    plain = op.outputs == 1 and not op.variadic and not op.optional
    if plain and op.kind == "elementwise" and op.promote in (True, "float") and not op.params and len(op.arrays) <= 2:
        call = unary(op) if len(op.arrays) == 1 else binary(op)
    elif plain and op.kind == "matmul" and not op.params:
        call = binary(op)
    elif plain and op.kind == "reduction" and set(op.params) == {"axis", "keepdims"}:
        call = reduction(op)
    else:
        call = _printed(op, body, names) if op.public_name else _inner(op)  # users never see the signature of an inner one
    if plain and op.differentiable and not op.params:
        if len(op.arrays) == 1:
            op.backward = unary_backward(op)
        elif len(op.arrays) == 2 and op.kind in ("elementwise", "matmul"):
            op.backward = binary_backward(op)
    elif plain and op.differentiable and len(op.arrays) == 1:
        op.backward = unary_backward(op)
    if op.backward is None and op.differentiable and op.outputs == 1 and not op.variadic:
        op.backward = several_backward(op)
    if op.backward is None and op.differentiable and not op.broadcasts:
        op.backward = by_gradients(op)
    call.__name__ = call.__qualname__ = op.public_name or op.name
    call.__doc__ = body.__doc__
    call.__module__ = "minigrad"
    return call


def _printed(op, body, names):
    """A function with PyTorch's signature that hands over to ``apply``: the one place where code is printed.

    Binding arguments by ``inspect.Signature`` costs 2 us a call; a real signature costs nothing and shows in help().
    """
    space = {"apply": apply, "into": into, "op": op}
    defaults = dict(zip(reversed(op.arrays[:-1] if op.variadic else op.arrays), reversed(body.__defaults__ or ())))
    defaults.update({name: value for name, value in op.params.items() if value is not inspect.Parameter.empty})
    required, optional, arrays = [], [], []
    for i, name in enumerate((*op.arrays, *op.params)):
        argument = names.get(name, name)
        if op.variadic and i == len(op.arrays) - 1:
            argument = f"*{argument}"
        if i < len(op.arrays):
            arrays.append(argument)
        if name in defaults:
            space[f"default_{name}"] = defaults[name]
            optional.append(f"{argument}=default_{name}")
        else:
            required.append(argument)
    statics = ", ".join(f"{name!r}: {names.get(name, name)}" for name in op.params)
    name = op.public_name
    source = f"    return apply(op, ({', '.join(arrays)},), {{{statics}}})\n"
    if op.kind not in ("view", "update", "random"):
        given = ", ".join([*arrays, *(names.get(p, p) for p in op.params)])
        optional.append("out=None" if op.variadic else "*, out=None")
        source = f"    if out is not None:\n        return into(out, {name}, ({given},), {{}})\n{source}"
    if op.tensors:
        space["refuse_numbers"] = refuse_numbers
        source = f"    refuse_numbers(op, {', '.join(arrays)})\n{source}"
    source = f"def {name}({', '.join(required + optional)}):\n{source}"
    file = f"<minigrad operation {op.name}>"
    exec(compile(source, file, "exec"), space)
    linecache.cache[file] = (len(source), None, source.splitlines(True), file)
    return space[name]


def _inner(op):
    """An inner operation as a function: arrays that are left out are None, static parameters may stand behind the arrays."""
    call_with, count, arrays = word(op), len(op.arrays), op.arrays
    if op.variadic:
        return call_with

    def call(*args, **params):
        if len(args) > count:
            params.update(zip(op.params, args[count:]))
        elif len(args) < count:
            args = (*args, *[params.pop(name, None) for name in arrays[len(args) :]])
        return call_with(*args[:count], **params)

    call.__name__ = op.name
    return call


def word(op):
    """The op as a word of the vocabulary on Tensors, for rules that are recorded: array API keywords, no other names."""
    defaults = {k: v for k, v in op.params.items() if v is not inspect.Parameter.empty}

    def call(*args, **params):
        if defaults and len(params) < len(op.params):
            params = {**defaults, **params}
        return apply(op, args, params)

    call.__name__ = op.name
    return call


def in_place(call, name):
    """``x.name_(...)``: the pure function, whose result is written into x."""

    def method(self, *args, **kwargs):
        from .views import write

        since = serial()
        return write(self, call(self, *args, **kwargs), since)

    method.__name__ = method.__qualname__ = name + "_"
    method.__doc__ = f"In-place version of :func:`{name}`: the result is written into this tensor, which is returned."
    return method
