"""Loading machine code that Numba has kept, without first getting Numba ready to compile.

Before it loads its first function, Numba imports and registers everything that it can compile, the BLAS of SciPy among it:
a quarter of a second and 50 MiB. Kept code needs none of this, only the symbols that it calls, so they alone are given.
Whatever has to be compiled after all finds Numba as it always does.
"""

import functools
import pickle
import sys

from llvmlite import binding

_given = []  # once the symbols are: whether that was possible


def load_directly(compiled):
    """Let ``compiled``, a function of Numba's with a cache, be loaded in this way; by Numba's own where that fails."""
    cache = getattr(compiled, "_cache", None)
    if not hasattr(cache, "_load_overload"):
        return
    by_numba = cache.load_overload

    def load(signature, context):
        if _symbols_are_given():
            try:
                return _kept(cache, signature, context)
            except Exception:  # whatever it is, Numba knows better what to make of it
                pass
        return by_numba(signature, context)

    cache.load_overload = load


def _kept(cache, signature, context):
    """What Numba's ``_load_overload`` gives; LookupError where there is nothing."""
    codegen = context.codegen()
    if "magic_tuple" not in vars(codegen):  # which asks LLVM for the processor each time
        codegen.magic_tuple = functools.cache(codegen.magic_tuple)
    file = cache._cache_file
    with open(file._data_path(file._load_index()[cache._index_key(signature, codegen)]), "rb") as data:
        return cache._impl.rebuild(context, _Unpickler(data).load())


class _Unpickler(pickle.Unpickler):
    def find_class(self, module, name):
        return _environment if name == "_rebuild_env" else super().find_class(module, name)


def _environment(module, constants, name):
    """The environment of a function. Nothing looks into the module of one of Numba's own: it is named and not imported."""
    from numba.core.environment import Environment, _rebuild_env, lookup_environment

    if module in sys.modules or not module.startswith("numba.") or lookup_environment(name) is not None:
        return _rebuild_env(module, constants, name)
    made = Environment({"__name__": module})
    made.consts[:] = constants
    made.env_name, Environment._memo[name] = name, made
    return made


def _symbols_are_given():
    """Name Numba's runtime to the linker, as Numba's own start does. False where this version has one that needs more."""
    if not _given:
        try:
            from numba.core.runtime import _nrt_python as runtime

            found = {name if name.startswith("_") else f"NRT_{name}": at for name, at in runtime.c_helpers.items()}
            known = "NRT_adapt_ndarray_from_python" in found and not hasattr(runtime, "memsys_set_atomic_inc_dec")
        except (ImportError, AttributeError):
            known = False
        if known:
            for name, address in found.items():
                binding.add_symbol(name, address)
        _given.append(known)
    return _given[0]
