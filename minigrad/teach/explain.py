"""One training step of a classifier with real numbers: forward, loss, gradients layer by layer, and the update."""

from .. import nn, tensor
from ..graph import enable_grad, no_grad
from ..nn.evaluating import evaluating

COLUMNS = 10  # classes shown side by side


def explain_step(model, image, label, lr=0.01):
    """Take one step of gradient descent on one example and tell what happened. The model is left as it was.

    Rumelhart, Hinton and Williams, "Learning representations by back-propagating errors", Nature 323 (1986).

    Args:
        model: a classifier whose output is that of its last ``nn.Linear``, one number for each class.
        image: one input, as a batch of 1.
        label: its class, an int.
        lr: the step size of the update that is shown.

    Returns:
        str: the text.

    Raises:
        ValueError: where the model has another form, ``image`` is not a batch of 1, or there is no such class.

    >>> import minigrad
    >>> model = minigrad.nn.Linear(2, 2)
    >>> with minigrad.no_grad():
    ...     model.weight.copy_(minigrad.eye(2)), model.bias.zero_()
    (...
    >>> print(minigrad.teach.explain_step(model, minigrad.tensor([[2.0, 1.0]]), 1, lr=0.5))
    forward   the last layer gives one number z for each class; the true class is marked *
                class       0      1*
                z      +2.000  +1.000
                p       0.731   0.269
              p = softmax(z), and the loss is L = -ln p[1] = -ln 0.2689 = 1.3133
    backward  the chain rule, from the loss back to the first layer
                dL/dz  +0.731  -0.731
              dL/dz = p - y, where y is 1 for the true class and 0 for the others
              the last layer computed z = W h + b, so dL/dW[i, j] = dL/dz[i] h[j]; with i = 1 and j = 0:
                -0.73106 * 2.00000 = -1.46212, and weight.grad[1, 0] is -1.46212
              to the layer before it, it hands dL/dh = W^T dL/dz, of length 1.0339, and so on:
                bias    (2,)     |dL/dw| =  1.03387
                weight  (2, 2)   |dL/dw| =  2.31181
    update    every weight takes a step against its gradient, w - 0.5 dL/dw; weight[1, 0] becomes
                +0.00000 - 0.5 * (-1.46212) = +0.73106
              the loss of this example falls from 1.3133 to 0.0333
    """
    name, last = _last_linear(model)
    if len(image) != 1:
        raise ValueError(f"explain_step: image must be a batch of 1, got shape {tuple(image.shape)}; write images[i : i + 1]")
    if not 0 <= label < last.out_features:
        raise ValueError(f"explain_step: label must be a class from 0 to {last.out_features - 1}, got {label}")
    step = _Step(name, last, label, lr, dict(model.named_parameters()))
    with _restored(step.parameters), evaluating(model), enable_grad():  # no dropout: the same numbers whenever it is shown
        target = tensor([label], device=image.device)
        step.forward(model, image, target)
        lines = step.forward_lines() + step.backward_lines()
        step.update(model, image, target)
        return "\n".join(lines + step.update_lines())


def _last_linear(model):
    """(name of its weight, layer)"""
    found = [(f"{name}.weight".lstrip("."), m) for name, m in model.named_modules() if isinstance(m, nn.Linear)]
    if not found:
        raise ValueError(f"explain_step: {type(model).__name__} has no nn.Linear; the last layer of the classifier must be one")
    name, layer = found[-1]
    if not layer.weight.requires_grad:
        raise ValueError(f"explain_step: {name} does not require a gradient, so it takes no step; call model.requires_grad_()")
    return name, layer


class _restored:
    """Values and gradients of parameters as they were, at the end of the block."""

    def __init__(self, parameters):
        self.before = [(p, p.detach().clone(), p.grad) for p in parameters.values()]

    def __enter__(self):
        for p, _, _ in self.before:
            p.grad = None

    def __exit__(self, *_):
        with no_grad():
            for p, value, grad in self.before:
                p.copy_(value)
                p.grad = grad


class _Step:
    """The numbers of one step, and how they are told."""

    def __init__(self, name, last, label, lr, parameters):
        self.name, self.last, self.label, self.lr, self.parameters = name, last, label, lr, parameters

    def forward(self, model, image, target):
        seen = {}
        handle = self.last.register_forward_hook(lambda module, inputs, output: seen.update(h=inputs[0], z=output))
        try:
            z = model(image)
        finally:
            handle.remove()
        if seen.get("z") is not z:
            raise ValueError(
                "explain_step: the output of the model must be that of its last nn.Linear, with no softmax behind it"
            )
        z.retain_grad()
        loss = nn.functional.cross_entropy(z, target)
        loss.backward()
        self.h, self.z, self.slope = seen["h"].detach()[0], z.detach()[0], z.grad[0]
        self.p = self.z.softmax(0)
        self.loss = loss.item()
        likely = self.p.argsort(descending=True).tolist()
        self.shown = sorted([self.label, *(i for i in likely if i != self.label)][:COLUMNS])
        self.column = int(self.h.abs().argmax())

    def update(self, model, image, target):
        w, at = self.last.weight, (self.label, self.column)
        before, slope = w[at].item(), w.grad[at].item()
        with no_grad():
            for p in self.parameters.values():
                if p.grad is not None:
                    p -= self.lr * p.grad
            self.loss_after = nn.functional.cross_entropy(model(image), target).item()
        self.weight = before, slope, w[at].item()

    def forward_lines(self):
        p = self.p[self.label].item()
        return [
            "forward   the last layer gives one number z for each class; the true class is marked *",
            _row("class", [f"{i}*" if i == self.label else f"{i}" for i in self.shown]),
            _row("z", [f"{self.z[i].item():+.3f}" for i in self.shown]),
            _row("p", [f"{self.p[i].item():.3f}" for i in self.shown]),
            f"          p = softmax(z), and the loss is L = -ln p[{self.label}] = -ln {p:.4f} = {self.loss:.4f}",
        ]

    def backward_lines(self):
        i, j = self.label, self.column
        slope, h, grad = self.slope[i].item(), self.h[j].item(), self.last.weight.grad[i, j].item()
        length = (self.slope @ self.last.weight.detach()).norm().item()
        names = max(map(len, self.parameters))
        shapes = max(len(str(tuple(p.shape))) for p in self.parameters.values())
        return [
            "backward  the chain rule, from the loss back to the first layer",
            _row("dL/dz", [f"{self.slope[i].item():+.3f}" for i in self.shown]),
            "          dL/dz = p - y, where y is 1 for the true class and 0 for the others",
            f"          the last layer computed z = W h + b, so dL/dW[i, j] = dL/dz[i] h[j]; with i = {i} and j = {j}:",
            f"            {slope:+.5f} * {h:.5f} = {slope * h:+.5f}, and {self.name}.grad[{i}, {j}] is {grad:+.5f}",
            f"          to the layer before it, it hands dL/dh = W^T dL/dz, of length {length:.4f}, and so on:",
            *(
                f"            {name:{names}}  {tuple(p.shape)!s:{shapes}}   |dL/dw| = {p.grad.norm().item():8.5f}"
                for name, p in reversed(self.parameters.items())
                if p.grad is not None
            ),
        ]

    def update_lines(self):
        before, slope, after = self.weight
        return [
            f"update    every weight takes a step against its gradient, w - {self.lr} dL/dw; "
            f"{self.name}[{self.label}, {self.column}] becomes",
            f"            {before:+.5f} - {self.lr} * ({slope:+.5f}) = {after:+.5f}",
            f"          the loss of this example {'falls' if self.loss_after < self.loss else 'rises'} from {self.loss:.4f} "
            f"to {self.loss_after:.4f}",
        ]


def _row(label, cells):
    return f"            {label:6}" + " ".join(f"{c:>7}" for c in cells)
