"""Extension modules of SciPy without the packages around them, whose import takes longer than NumPy's."""

import importlib
import importlib.machinery
import importlib.util
import os
import sys


def extension(name):
    """The extension module ``name``, such as ``"scipy.special._special_ufuncs"``; ImportError where SciPy has none.

    Whoever imports its package later gets the same module.
    """
    package = name.rpartition(".")[0]
    if package in sys.modules:
        return importlib.import_module(name)
    import scipy

    folder = os.path.join(os.path.dirname(scipy.__file__), *package.split(".")[1:])
    spec = importlib.machinery.PathFinder.find_spec(name, [folder])
    if spec is None or not isinstance(spec.loader, importlib.machinery.ExtensionFileLoader):
        raise ImportError(f"{name} is no extension module")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
