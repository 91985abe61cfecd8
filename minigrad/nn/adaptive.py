"""Adaptive softmax: the log-probabilities of very many classes, where rare ones cost little."""

from collections import namedtuple

from .. import cat
from . import functional as F
from .containers import ModuleList, Sequential
from .linear import Linear
from .module import Module

_ASMoutput = namedtuple("_ASMoutput", ["output", "loss"])  # PyTorch's name for it


class AdaptiveLogSoftmaxWithLoss(Module):
    """Log-probabilities of classes that are sorted by frequency, and the loss of a target.

    The first classes and one entry for each cluster of rarer ones form the head; a cluster is looked into only where it is
    needed, and through a smaller layer: of in_features / div_value, in_features / div_value ** 2 ... features.

    Grave et al., "Efficient softmax approximation for GPUs", ICML 2017.

    Args:
        in_features: size of the inputs.
        n_classes: number of classes, the most frequent first.
        cutoffs: where the clusters begin: ``[10, 100]`` puts classes 0 to 9 into the head and makes two clusters.
        div_value: how much smaller each further cluster's layer is.
        head_bias: whether the head has a bias.

    Shape:
        input (N, in_features) or (in_features,), target (N,) or () -> ``output`` (N,) or (), the log-probability of each
        target, and ``loss`` (), minus their mean. ``log_prob(input)`` is (N, n_classes), ``predict(input)`` (N,).

    >>> import minigrad
    >>> layer = minigrad.nn.AdaptiveLogSoftmaxWithLoss(16, 20, cutoffs=[5, 10])
    >>> result = layer(minigrad.zeros(3, 16), minigrad.tensor([0, 7, 19]))
    >>> result.output.shape, bool(result.loss == -result.output.mean())
    (minigrad.Size([3]), True)
    """

    def __init__(self, in_features, n_classes, cutoffs, div_value=4.0, head_bias=False, device=None, dtype=None):
        super().__init__()
        cutoffs = list(cutoffs)
        if not cutoffs:
            raise ValueError("cutoffs should be a sequence of length larger than 0")
        whole = all(int(c) == c for c in cutoffs)
        if not whole or cutoffs != sorted(set(cutoffs)) or cutoffs[0] <= 0 or cutoffs[-1] > n_classes - 1:
            raise ValueError(
                "cutoffs should be a sequence of unique, positive integers sorted in an increasing order, where each value is "
                f"between 1 and n_classes-1, got {cutoffs} for {n_classes} classes"
            )
        self.in_features = in_features
        self.n_classes = n_classes
        self.cutoffs = cutoffs + [n_classes]
        self.div_value = div_value
        self.head_bias = head_bias
        self.shortlist_size = self.cutoffs[0]
        self.n_clusters = len(self.cutoffs) - 1
        self.head_size = self.shortlist_size + self.n_clusters
        where = {"device": device, "dtype": dtype}
        self.head = Linear(in_features, self.head_size, bias=head_bias, **where)
        self.tail = ModuleList()
        for i in range(self.n_clusters):
            hidden = int(in_features // div_value ** (i + 1))
            size = self.cutoffs[i + 1] - self.cutoffs[i]
            first, second = Linear(in_features, hidden, bias=False, **where), Linear(hidden, size, bias=False, **where)
            self.tail.append(Sequential(first, second))

    def reset_parameters(self):
        """Draw the parameters anew."""
        self.head.reset_parameters()
        for first, second in self.tail:
            first.reset_parameters()
            second.reset_parameters()

    def forward(self, input_, target_):
        if target_.ndim > 1:
            raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
        if (target_.ndim == 1) != (input_.ndim == 2) or (target_.ndim == 1 and input_.shape[0] != target_.shape[0]):
            raise RuntimeError("Input and target should have the same size in the batch dimension.")
        input, target = (input_, target_) if target_.ndim else (input_.unsqueeze(0), target_.unsqueeze(0))
        lowest, highest = int(target.min()), int(target.max())
        if lowest < 0 or highest >= self.n_classes:
            raise RuntimeError(
                f"Target values should be in [0, {self.n_classes - 1}], but values in range [{lowest}, {highest}] were found. "
            )
        entry = target.clamp(max=self.shortlist_size)  # of the head: the class, or the cluster that it is in
        parts = []
        for i in range(self.n_clusters):
            low, high = self.cutoffs[i], self.cutoffs[i + 1]
            rows = ((target >= low) & (target < high)).nonzero().squeeze(1)
            if rows.numel():
                entry = entry.index_fill(0, rows, self.shortlist_size + i)
                log_p = F.log_softmax(self.tail[i](input[rows]), 1)
                parts.append((rows, log_p.gather(1, (target[rows] - low).unsqueeze(1)).squeeze(1)))
        output = F.log_softmax(self.head(input), 1).gather(1, entry.unsqueeze(1)).squeeze(1)
        for rows, log_p in parts:
            output = output.index_add(0, rows, log_p)
        loss = -output.mean()
        return _ASMoutput(output if target_.ndim else output.squeeze(0), loss)

    def log_prob(self, input):
        """The log-probabilities of all classes: (N, in_features) -> (N, n_classes)."""
        head = F.log_softmax(self.head(input), 1)
        found = [head[:, : self.shortlist_size]]
        for i, layer in enumerate(self.tail):
            found.append(F.log_softmax(layer(input), 1) + head[:, self.shortlist_size + i].unsqueeze(1))
        return cat(found, 1)

    def predict(self, input):
        """The most likely class of each row: (N, in_features) -> (N,). Clusters are looked into where one is most likely."""
        scores = self.head(input)
        best = scores.argmax(1)
        rows = (best >= self.shortlist_size).nonzero().squeeze(1)
        if not rows.numel():
            return best
        return best.index_put((rows,), self.log_prob(input[rows]).argmax(1))
