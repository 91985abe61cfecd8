"""One training step of a classifier with real numbers: forward, loss, gradients layer by layer, and the update."""

import minigrad


def explain_step(model, image, label, lr=0.1):
    """Take one gradient-descent step on one example and tell what happened. The model is put back as it was.

    Args:
        model: a classifier; its last parameters must be the weight (classes, features) and bias of a Linear layer.
        image: one input, batch of 1 included.
        label: its class, an int.
        lr: step size of the update shown.

    Returns:
        str: the text. Rumelhart, Hinton and Williams, "Learning representations by back-propagating errors", Nature 323 (1986).
    """
    parameters = dict(model.named_parameters())
    before = {n: p.detach().clone() for n, p in parameters.items()}
    weight_name, bias_name = list(parameters)[-2:]
    weight = parameters[weight_name]
    training = model.training
    model.eval()  # dropout off: the same numbers whenever it is shown
    seen = {}
    last = [m for m in model.modules() if getattr(m, "weight", None) is weight][0]
    handle = last.register_forward_hook(lambda module, inputs, output: seen.update(features=inputs[0], logits=output))
    try:
        model.zero_grad()
        target = minigrad.tensor([label], device=image.device)
        logits = model(image)
        seen["features"].retain_grad()
        seen["logits"].retain_grad()
        loss = minigrad.nn.functional.cross_entropy(logits, target)
        loss.backward()
        text = _forward_text(seen, label, loss) + _backward_text(seen, label, weight_name, weight, parameters)
        text += _update_text(model, image, target, parameters, weight_name, label, lr, loss)
    finally:
        handle.remove()
        with minigrad.no_grad():
            for name, p in parameters.items():
                p.copy_(before[name])
                p.grad = None
        model.train(training)
    return text


def _row(values, mark):
    return "  ".join(f"{v:+.3f}{'*' if i == mark else ' '}" for i, v in enumerate(values))


def _forward_text(seen, label, loss):
    logits = seen["logits"][0].detach()
    p = logits.softmax(0)
    return (
        f"forward    the network's last layer gives one number per class (the true class, {label}, is marked *):\n"
        f"           logits z            {_row(logits.tolist(), label)}\n"
        f"           p = softmax(z)      {_row(p.tolist(), label)}\n"
        f"           loss = -ln p[{label}] = -ln {p[label].item():.4f} = {loss.item():.4f}\n"
    )


def _backward_text(seen, label, weight_name, weight, parameters):
    g = seen["logits"].grad[0]
    features = seen["features"].detach()[0]
    j = int(features.abs().argmax())
    lines = [
        "backward   the chain rule, from the loss towards the input:",
        f"           dloss/dz = p - y    {_row(g.tolist(), label)}",
        f"           the layer computed z = W h + b, so dloss/dW[i, j] = dloss/dz[i] * h[j]; with i = {label}, j = {j}:",
        f"           {g[label].item():+.5f} * {features[j].item():.5f} = {g[label].item() * features[j].item():+.5f}, "
        f"and {weight_name}.grad[{label}, {j}] is {weight.grad[label, j].item():+.5f}",
        f"           the layer hands dloss/dh = W^T dloss/dz back (norm {seen['features'].grad.norm().item():.4f}), and so on down to the first layer:",
    ]
    for name, p in reversed(list(parameters.items())):
        lines.append(f"           {name:12} {tuple(p.shape)!s:18} |gradient| {p.grad.norm().item():10.5f}")
    return "\n".join(lines) + "\n"


def _update_text(model, image, target, parameters, weight_name, label, lr, loss):
    weight = parameters[weight_name]
    column = int(weight.grad[label].abs().argmax())
    old, slope = weight[label, column].item(), weight.grad[label, column].item()
    with minigrad.no_grad():
        for p in parameters.values():
            p -= lr * p.grad
        after = minigrad.nn.functional.cross_entropy(model(image), target).item()
    return (
        f"update     every parameter moves against its gradient, w <- w - {lr} * dloss/dw; for {weight_name}[{label}, {column}]:\n"
        f"           {old:+.5f} - {lr} * ({slope:+.5f}) = {weight[label, column].item():+.5f}\n"
        f"           the loss of this image falls from {loss.item():.4f} to {after:.4f}\n"
    )
