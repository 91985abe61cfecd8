"""``minigrad.nn.functional``: activations, losses, norms, convolutions and the rest as plain functions of tensors.

Every name is an operation or a function from ``minigrad/ops``; there is nothing else here.

>>> import minigrad
>>> from minigrad.nn import functional as F
>>> F.relu(minigrad.tensor([-1.0, 2.0]))
tensor([0., 2.])
"""

from ..op import members

globals().update(members("functional"))
