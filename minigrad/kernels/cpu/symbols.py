"""Functions that are compiled once and that other compiled code calls by name.

Numba compiles a function again into each cached function that calls it. What is large and called from many places is therefore
compiled to a C function of its own, and its address registered as a symbol: a caller holds the name only, which also keeps the
caller cacheable. A module with such functions must be imported before a cached caller is loaded; the caller's module does, since
it names the function.
"""

import inspect

import llvmlite.binding
import numba
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.ccallback import CFunc
from numba.extending import intrinsic

from .jit import CONTRACT, expire_with_any_source, renamed

_TYPES = dict(f4=types.float32, f8=types.float64, i4=types.int32, i8=types.int64, u4=types.uint32, u8=types.uint64)
_TYPES |= dict(u1=types.uint8, b1=types.boolean)


def symbol(signature, available=True):
    """Compile the function for one signature of numbers and pointers; the result can be called in compiled code.

    Where compilation is switched off, or the function not ``available``, it stays plain Python.
    """

    def decorate(function):
        if numba.config.DISABLE_JIT or not available:
            return function
        name = f"minigrad_{function.__name__.strip('_')}"
        llvmlite.binding.add_symbol(name, _address(function, signature, {"error_model": "numpy", "fastmath": CONTRACT}))
        return _caller(name, signature, function)

    return decorate


def called(kernel, kinds, returns="none"):
    """A kernel for arguments of these kinds, compiled now, as a function that compiled code calls by name.

    ``kinds``: "f4_2 i8_1 b1" for a C-contiguous float32 array of two dimensions, one of int64 of one, and a bool.
    """
    function, name = kernel.py_func, f"minigrad_{kernel.py_func.__name__}_{kinds.replace(' ', '_')}"
    signature = _kind(returns)(*map(_kind, kinds.split()))
    if name not in _CALLED:
        options = {k: v for k, v in kernel.targetoptions.items() if k != "nopython"}
        llvmlite.binding.add_symbol(name, _address(renamed(function, "called"), signature, options))
        _CALLED[name] = _caller(name, signature, function)
    return _CALLED[name]


_CALLED = {}


def _kind(word):
    if word == "none":
        return types.void
    kind, _, dimensions = word.partition("_")
    return types.Array(_TYPES[kind], int(dimensions), "C") if dimensions else _TYPES[kind]


def _address(function, signature, options):
    compiled = CFunc(function, (signature.args, signature.return_type), {}, options)
    try:
        compiled.enable_caching()
        expire_with_any_source(compiled)
    except RuntimeError:  # as in jit: no folder is writable
        pass
    compiled.compile()
    _KEPT.append(compiled)
    return compiled.address


_KEPT = []  # the machine code lives as long as these


def _caller(name, signature, function):
    def typed(context, *_):
        def generate(context, builder, signature, arguments):
            returns = ir.VoidType() if signature.return_type == types.void else context.get_value_type(signature.return_type)
            kind = ir.FunctionType(returns, [context.get_value_type(t) for t in signature.args])
            result = builder.call(cgutils.get_or_insert_function(builder.module, kind, name), arguments)
            return context.get_dummy_value() if signature.return_type == types.void else result

        return signature, generate

    context = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    typed.__signature__ = inspect.Signature([context, *inspect.signature(function).parameters.values()])
    call = intrinsic(typed)
    call.__doc__ = function.__doc__
    return call
