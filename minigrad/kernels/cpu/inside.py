"""Compiled functions that only compiled functions call: kept as code to link, of which no machine code is made.

Numba optimises every function by itself and makes machine code of it, and does both again for the copy in each function that
calls it. For a function that Python never calls the first is in vain, and a tenth of a cold start. Where its class is given to
Numba as ``pipeline_class``, the optimiser and the machine code are left to the callers; the engine gets what Numba looks up in
it by name: the pointer to the function's environment.
"""

from llvmlite import binding
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler

_ENVIRONMENT = "_ZN08NumbaEnv"  # how Numba begins the names of these pointers


def _has_steps():
    """Whether this Numba makes machine code by the steps that are left out here, which are no part of its interface."""
    steps = "_optimize_final_module", "_finalize_final_module", "_finalize_specific", "_ensure_finalized"
    return all(callable(getattr(JITCodeLibrary, name, None)) for name in steps)


class _Linked(JITCodeLibrary):
    def _optimize_final_module(self):
        """The callers optimise it."""

    def _finalize_final_module(self):
        whole = self._final_module
        names = [v.name for v in whole.global_variables if v.name.startswith(_ENVIRONMENT)]
        self._final_module = binding.parse_assembly("\n".join(f'@"{name}" = common global i64 0' for name in names))
        self._final_module.name, self._final_module.data_layout = whole.name, whole.data_layout
        super()._finalize_final_module()
        self._in_engine, self._final_module = self._final_module, whole  # the engine needs the first one alive


class Inside(Compiler):
    """Numba's compiler, for functions without wrappers. One that has no such steps does as always."""

    def define_pipelines(self):
        if not _has_steps():
            return super().define_pipelines()
        library = self.state.library = _Linked(self.state.targetctx.codegen(), self.state.func_id.func_qualname)
        library.enable_object_caching()
        return super().define_pipelines()
