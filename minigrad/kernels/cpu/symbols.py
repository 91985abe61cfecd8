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
from numba.core import cgutils
from numba.core.ccallback import CFunc
from numba.extending import intrinsic

from .jit import CONTRACT, expire_with_any_source


def symbol(signature, available=True):
    """Compile the function for one signature of numbers and pointers; the result can be called in compiled code.

    Where compilation is switched off, or the function not ``available``, it stays plain Python.
    """

    def decorate(function):
        if numba.config.DISABLE_JIT or not available:
            return function
        name = f"minigrad_{function.__name__.strip('_')}"
        llvmlite.binding.add_symbol(name, _address(function, signature))
        return _caller(name, signature, function)

    return decorate


def _address(function, signature):
    options = {"error_model": "numpy", "fastmath": CONTRACT}
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
            kind = ir.FunctionType(ir.VoidType(), [context.get_value_type(t) for t in signature.args])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, name), arguments)
            return context.get_dummy_value()

        return signature, generate

    context = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    typed.__signature__ = inspect.Signature([context, *inspect.signature(function).parameters.values()])
    call = intrinsic(typed)
    call.__doc__ = function.__doc__
    return call
