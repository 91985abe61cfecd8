"""How each composed operation runs: opened into words, which fuse, or handed to a kernel as a whole."""

from . import kernels, matmul


def choose(graph):
    """The graph with every composed operation replaced by its text, but for those that a kernel computes."""
    return graph.inline(kernels.takes)


def operands(n):
    """The values that a call reads from memory."""
    if matmul.is_product(n):
        return matmul.operands(n)
    return [i for i in n.arguments if not i.number]
