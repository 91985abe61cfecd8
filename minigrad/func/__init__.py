"""Functions of functions, under the names of ``torch.func``: gradients, Jacobians and batches of any function of tensors."""

from .functional import functional_call as functional_call
from .functional import stack_module_state as stack_module_state
from .transforms import functionalize as functionalize
from .transforms import grad as grad
from .transforms import grad_and_value as grad_and_value
from .transforms import hessian as hessian
from .transforms import jacfwd as jacfwd
from .transforms import jacrev as jacrev
from .transforms import jvp as jvp
from .transforms import linearize as linearize
from .transforms import vjp as vjp
from .vmap import vmap as vmap


def debug_unwrap(tensor, *, recurse=True):
    """The tensor of the whole batch behind a tensor inside ``vmap``, to look at; ``recurse``: through all levels.

    >>> import minigrad
    >>> seen = []
    >>> _ = minigrad.vmap(lambda x: seen.append(minigrad.func.debug_unwrap(x)) or x)(minigrad.ones(2, 3))
    >>> seen[0].shape
    minigrad.Size([2, 3])
    """
    from ..tensor import wrap
    from .batching import Batched

    array = tensor.array
    while isinstance(array, Batched):
        array = array.value
        if not recurse:
            break
    return tensor if array is tensor.array else wrap(array)


def __getattr__(name):
    """The older names of ``functorch``."""
    if name in ("make_functional", "make_functional_with_buffers", "combine_state_for_ensemble"):
        from . import stateless

        return getattr(stateless, name)
    raise AttributeError(f"module 'minigrad.func' has no attribute {name!r}")
