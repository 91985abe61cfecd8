"""PyTorch's flags, ``torch.backends.cudnn.benchmark`` and its like. They are set and read back, and change nothing here.

The modules of this folder are found as ``minigrad.backends.cudnn`` and so on; they have nothing to do with the array
libraries that ``minigrad.backends`` itself is about.
"""
