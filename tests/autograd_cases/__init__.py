"""What PyTorch programs do with autograd and torch.func, as cases that both libraries run.

Each case takes the library, minigrad or PyTorch, and returns numbers; an error is compared by its type and words.
"""

from . import func, functional, functions, graph, modes, more_functions, programs, vmap

CASES = {
    f"{module.__name__.rpartition('.')[2]}-{name}": case
    for module in (modes, graph, functions, more_functions, programs, functional, func, vmap)
    for name, case in module.CASES.items()
}
