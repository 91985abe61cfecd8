"""Sphinx: `python docs/reference.py && sphinx-build docs docs/_build`."""

import minigrad

project = "minigrad"
author = "The minigrad developers"
release = version = minigrad.__version__
extensions = ["myst_parser", "sphinx.ext.mathjax"]
myst_enable_extensions = ["dollarmath", "colon_fence"]
html_theme = "furo"
html_title = "minigrad"
exclude_patterns = ["_build", "*.py"]
