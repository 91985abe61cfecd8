"""How much of PyTorch 2.13 is here: every public name with a docstring, tried on samples from both libraries."""
