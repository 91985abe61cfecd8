"""Models, optimizers and training steps drawn at random; each choice comes from ``draw(n)``, a number below ``n``."""

import numpy as np

import minigrad as mg
from minigrad import nn, optim
from minigrad.nn import functional as F
from minigrad.optim import lr_scheduler

ACTIVATIONS = [nn.ReLU, nn.GELU, nn.Tanh, nn.SiLU, nn.Sigmoid, nn.ELU, nn.LeakyReLU, nn.Softplus, nn.Hardswish, nn.Mish]
OPTIMIZERS = [
    lambda p: optim.SGD(p, lr=0.05), lambda p: optim.SGD(p, lr=0.05, momentum=0.9),
    lambda p: optim.SGD(p, lr=0.05, momentum=0.8, nesterov=True, weight_decay=1e-3),
    lambda p: optim.SGD(p, lr=0.05, momentum=0.9, dampening=0.1, maximize=True),
    lambda p: optim.Adam(p, lr=0.01), lambda p: optim.Adam(p, lr=0.01, amsgrad=True, weight_decay=0.01),
    lambda p: optim.AdamW(p, lr=0.01), lambda p: optim.AdamW(p, lr=0.01, betas=(0.8, 0.95), maximize=True),
    lambda p: optim.RMSprop(p, lr=0.01), lambda p: optim.RMSprop(p, lr=0.01, momentum=0.5, centered=True),
    lambda p: optim.Adagrad(p, lr=0.05), lambda p: optim.Adamax(p, lr=0.01), lambda p: optim.NAdam(p, lr=0.01),
    lambda p: optim.Adadelta(p, lr=1.0),
    lambda p: optim.Rprop(p, lr=0.01),
    lambda p: optim.Adam([{"params": p[:1], "lr": 0.001}, {"params": p[1:]}], lr=0.01),
]  # fmt: skip
SCHEDULES = [
    lambda o: lr_scheduler.StepLR(o, 2, gamma=0.5), lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=5),
    lambda o: lr_scheduler.LinearLR(o, total_iters=3), lambda o: lr_scheduler.ExponentialLR(o, 0.8),
    lambda o: lr_scheduler.OneCycleLR(o, max_lr=0.05, total_steps=12, cycle_momentum=False),
]  # fmt: skip


class Residual(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return x + self.inner(x)


class LastOf(nn.Module):
    """The last step of a recurrent layer over the features, one at a time."""

    def __init__(self, kind, size):
        super().__init__()
        self.layer = kind(1, size, batch_first=True)

    def forward(self, x):
        return self.layer(x[..., None])[0][:, -1]


class Buckets(nn.Module):
    """Embeddings of the signs of the features."""

    def __init__(self, size):
        super().__init__()
        self.table = nn.Embedding(3, size)

    def forward(self, x):
        return self.table(x.detach().sign().long() + 1).mean(1)


class Attention(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.layer = nn.MultiheadAttention(size, 1, batch_first=True)

    def forward(self, x):
        x = x[None]
        return self.layer(x, x, x, need_weights=False)[0][0]


def body(draw, size, layers):
    """Layers from ``size`` features to how many it says."""
    made = []
    for _ in range(layers):
        which = draw(13)
        width = 2 + draw(5)
        if which <= 2:
            made.append(nn.Linear(size, width, bias=bool(draw(3))))
            size = width
        elif which == 3:
            made.append(nn.BatchNorm1d(size))
        elif which == 4:
            made.append(nn.LayerNorm(size))
        elif which == 5:
            made.append(nn.Dropout((0.1, 0.5)[draw(2)]))
        elif which == 6:
            made.append(Residual(nn.Sequential(nn.Linear(size, size), ACTIVATIONS[draw(len(ACTIVATIONS))]())))
        elif which == 7:
            made.append(LastOf((nn.LSTM, nn.GRU, nn.RNN)[draw(3)], width))
            size = width
        elif which == 8 and not made:
            made.append(Buckets(width))
            size = width
        elif which == 9:
            made += [nn.Unflatten(1, (1, size)), nn.Conv1d(1, 2, 3, padding=1, bias=bool(draw(2))), nn.Flatten()]
            size = 2 * size
        elif which == 10 and size >= 4:
            pool = (nn.MaxPool1d(2), nn.AvgPool1d(2))[draw(2)]
            made += [nn.Unflatten(1, (1, size)), pool, nn.Flatten()]
            size = size // 2
        elif which == 11:
            made.append((nn.RMSNorm(size), Attention(size))[draw(2)])
        else:
            made.append(ACTIVATIONS[draw(len(ACTIVATIONS))]())
    return made, size


def images(draw, layers):
    """Convolutions, then one feature for each channel."""
    channels, made = 1 + draw(2), []
    first = channels
    for _ in range(layers):
        width = 1 + draw(4)
        made.append(nn.Conv2d(channels, width, (1, 3)[draw(2)], stride=1 + draw(2), padding=1, bias=bool(draw(2))))
        made += [[nn.BatchNorm2d(width)], [nn.GroupNorm(1, width)], []][draw(3)]
        made.append(ACTIVATIONS[draw(len(ACTIVATIONS))]())
        channels = width
    return [*made, nn.AdaptiveAvgPool2d(1), nn.Flatten()], first, channels


class Training:
    """One model, optimizer and loss; ``step(x, y)`` is one training step, made of what was drawn."""

    def __init__(self, draw, dtype="float32"):
        self.draw = draw
        classes = 2 + draw(3)
        rows = 2 + draw(5)
        mg.manual_seed(draw(100))
        if draw(3):
            self.shape = (rows, 2 + draw(6))
            layers, size = body(draw, self.shape[1], 1 + draw(5))
        else:
            layers, channels, size = images(draw, 1 + draw(2))
            self.shape = (rows, channels, 5 + draw(3), 5)
        self.model = nn.Sequential(*layers, nn.Linear(size, classes)).to(getattr(mg, dtype))
        self.optimizer = OPTIMIZERS[draw(len(OPTIMIZERS))](list(self.model.parameters()))
        self.schedule = SCHEDULES[draw(len(SCHEDULES))](self.optimizer) if not draw(3) else None
        self.clip, self.to_none, self.every = draw(4), bool(draw(3)), (1, 1, 1, 2)[draw(4)]
        self.classify, self.classes, self.dtype = bool(draw(3)), classes, dtype
        self.smoothing = (0.0, 0.1)[draw(2)]

    def data(self, k):
        r = np.random.default_rng(k)
        x = r.standard_normal(self.shape).astype(self.dtype)
        y = (
            r.integers(0, self.classes, self.shape[0])
            if self.classify
            else r.standard_normal((self.shape[0], self.classes)).astype(self.dtype)
        )
        return mg.tensor(x), mg.tensor(y)

    def loss(self, x, y):
        out = self.model(x)
        return F.cross_entropy(out, y, label_smoothing=self.smoothing) if self.classify else F.mse_loss(out, y)

    def backward(self, x, y):
        loss = self.loss(x, y) / self.every
        loss.backward()
        return loss.detach()

    def step(self, x, y):
        self.optimizer.zero_grad(set_to_none=self.to_none)
        loss = self.backward(x, y)
        if self.every == 2:
            loss = loss + self.backward(x * 0.5, y)
        return self.update(loss)

    def update(self, loss):
        norm = None
        if self.clip == 1:
            norm = nn.utils.clip_grad_norm_(self.model.parameters(), 0.5)
        elif self.clip == 2:
            nn.utils.clip_grad_value_(self.model.parameters(), 0.1)
        self.optimizer.step()
        if self.schedule is not None:
            self.schedule.step()
        return (loss,) if norm is None else (loss, norm)

    def left(self):
        """Everything that a step changes, by name."""
        found = {f"parameter {n}": p.detach() for n, p in self.model.named_parameters()}
        found.update({f"buffer {n}": b for n, b in self.model.named_buffers()})
        found.update({f"gradient {n}": p.grad for n, p in self.model.named_parameters() if p.grad is not None})
        for k, (_, state) in enumerate(self.optimizer.state_dict()["state"].items()):
            found.update({f"state {k} {n}": mg.as_tensor(v) for n, v in state.items() if v is not None})
        for k, group in enumerate(self.optimizer.param_groups):
            found[f"lr {k}"] = mg.tensor(float(group["lr"]), dtype=mg.float64)
        return {n: np.array(t.detach().array) for n, t in found.items()}
