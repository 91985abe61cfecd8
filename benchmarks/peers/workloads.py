"""The seventeen workloads, written once on PyTorch's API and run on PyTorch and on minigrad.

``build(name, lib, rng)`` takes the library and a NumPy generator and returns ``step()``, which runs the workload once on the
next of four batches and returns the loss, a tuple of losses, or what an inference gives. What a compiler is put around:

* ``whole``: the function of a whole step, ``train(*batch)``: forward, backward and the optimizer. That is minigrad's way.
* ``part``: the function of model and loss; backward and optimizer stay outside. That is how PyTorch's tutorials compile.

An inference has one function, under ``no_grad``, for both; a generation's is that of one letter.
"""

import itertools

from . import data


def same(function):
    return function


def build(name, lib, rng, *, whole=same, part=same, dropout=0.5, batch=None, length=data.LENGTH):
    """``step()`` of a workload; ``batch`` and ``length`` make it smaller than what is measured."""
    model = MODELS[name](lib, dropout) if name == "keras_mlp" else MODELS[name](lib)
    models = model if isinstance(model, tuple) else (model,)
    for one in models:
        load(lib, one, rng)
    made = [tuple(lib.tensor(a) for a in arrays) for arrays in data.batches(name, rng, batch, length)]
    batches = itertools.cycle(made)
    if name.startswith("gpt_gen"):
        return GENERATE[name](lib, model.eval(), batches, lambda f: whole(part(f)), length)
    if name.startswith("infer"):
        run = whole(part(_inference(lib, model.eval())))
    else:
        run = whole(TRAIN[name](lib, *models, part))
    return lambda: run(*next(batches))


def load(lib, model, rng):
    """Weights from NumPy, in the order of the model's parameters."""
    shapes = {name: tuple(p.shape) for name, p in model.named_parameters()}
    drawn = data.weights(rng, shapes)
    with lib.no_grad():
        for name, p in model.named_parameters():
            p.copy_(lib.tensor(drawn[name]))


# The models.


def _tiny_mlp(lib):
    nn = lib.nn
    return nn.Sequential(nn.Linear(10, 20), nn.ReLU(), nn.Linear(20, 1))


def _mnist_mlp(lib):
    nn = lib.nn
    return nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))


def _keras_mlp(lib, p):
    nn = lib.nn
    hidden = [nn.Linear(784, 256), nn.ReLU(), nn.Dropout(p), nn.Linear(256, 128), nn.ReLU(), nn.Dropout(p)]
    return nn.Sequential(*hidden, nn.Linear(128, 10))


def _cnn(lib):
    nn = lib.nn
    layers = [nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(1600, 128), nn.ReLU(), nn.Linear(128, 10))


def _resnet_block(lib):
    nn, F = lib.nn, lib.nn.functional

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1, self.norm1 = nn.Conv2d(64, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64)
            self.conv2, self.norm2 = nn.Conv2d(64, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64)
            self.head = nn.Linear(64, 10)

        def forward(self, x):  # (B, 64, 16, 16)
            h = F.relu(self.norm1(self.conv1(x)))
            h = F.relu(self.norm2(self.conv2(h)) + x)
            return self.head(h.mean((2, 3)))

    return Block()


def _lstm_char(lib):
    nn = lib.nn

    class CharLSTM(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(data.LETTERS, 64)
            self.lstm = nn.LSTM(64, 128, batch_first=True)
            self.head = nn.Linear(128, data.LETTERS)

        def forward(self, x):  # (B, T) -> (B, T, 65)
            return self.head(self.lstm(self.embed(x))[0])

    return CharLSTM()


def _gpt(lib):
    nn, F = lib.nn, lib.nn.functional

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm1, self.qkv, self.projection = nn.LayerNorm(128), nn.Linear(128, 384), nn.Linear(128, 128)
            self.norm2, self.up, self.down = nn.LayerNorm(128), nn.Linear(128, 512), nn.Linear(512, 128)

        def forward(self, x, cache=None):  # (B, T, 128); cache: keys and values of what came before, (B, 4, t, 32)
            b, t, c = x.shape
            q, k, v = (h.view(b, t, 4, 32).transpose(1, 2) for h in self.qkv(self.norm1(x)).split(128, 2))
            if cache is not None:
                k, v = lib.cat([cache[0], k], 2), lib.cat([cache[1], v], 2)
            y = F.scaled_dot_product_attention(q, k, v, is_causal=cache is None)
            x = x + self.projection(y.transpose(1, 2).reshape(b, t, c))
            return x + self.down(F.gelu(self.up(self.norm2(x)))), (k, v)

    class GPT(nn.Module):
        def __init__(self):
            super().__init__()
            self.tokens, self.positions = nn.Embedding(data.LETTERS, 128), nn.Embedding(data.LENGTH, 128)
            self.blocks = nn.ModuleList([Block() for _ in range(4)])
            self.norm, self.head = nn.LayerNorm(128), nn.Linear(128, data.LETTERS, bias=False)

        def forward(self, x):  # (B, T) -> (B, T, 65)
            h = self.tokens(x) + self.positions(lib.arange(x.shape[1]))
            for block in self.blocks:
                h, _ = block(h)
            return self.head(self.norm(h))

        def next(self, letter, position, cache):
            """Scores of the next letter, and the cache grown by this one. letter, position: (B, 1), (1,)"""
            h, grown = self.tokens(letter) + self.positions(position), []
            for i, block in enumerate(self.blocks):
                h, pair = block(h, (cache[2 * i], cache[2 * i + 1]))
                grown += pair
            return self.head(self.norm(h))[:, -1], grown

    return GPT()


def _vae(lib):
    nn, F = lib.nn, lib.nn.functional

    class VAE(nn.Module):
        def __init__(self):
            super().__init__()
            self.encode, self.mu, self.logvar = nn.Linear(784, 400), nn.Linear(400, 20), nn.Linear(400, 20)
            self.decode, self.out = nn.Linear(20, 400), nn.Linear(400, 784)

        def forward(self, x, eps):  # (B, 784), (B, 20)
            h = F.relu(self.encode(x))
            mu, logvar = self.mu(h), self.logvar(h)
            z = mu + eps * (0.5 * logvar).exp()
            return self.out(F.relu(self.decode(z))).sigmoid(), mu, logvar

    return VAE()


def _micrograd(lib):
    nn = lib.nn
    return nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 1))


def _wgan_gp(lib):
    nn = lib.nn
    critic = nn.Sequential(nn.Linear(2, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1))
    return critic, nn.Sequential(nn.Linear(8, 64), nn.LeakyReLU(0.2), nn.Linear(64, 2))


MODELS = dict(tiny_mlp=_tiny_mlp, mnist_mlp=_mnist_mlp, keras_mlp=_keras_mlp, cnn=_cnn, resnet_block=_resnet_block)
MODELS |= dict(lstm_char=_lstm_char, gpt_char=_gpt, vae=_vae, logreg=lambda lib: lib.nn.Linear(64, 10), micrograd=_micrograd)
MODELS |= dict(wgan_gp=_wgan_gp, infer_mlp_b1=_mnist_mlp, infer_mlp_b256=_mnist_mlp, infer_cnn_b1=_cnn, infer_cnn_b64=_cnn)
MODELS |= dict(gpt_gen64_window=_gpt, gpt_gen64_kv=_gpt)


# The steps.


def training(loss_of, optimizer, part):
    """``train(*batch)``: loss, gradients, update."""
    loss_of = part(loss_of)

    def train(*batch):
        loss = loss_of(*batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return train


def _supervised(loss, optimizer):
    """A step on inputs and targets; ``loss`` is a name in nn.functional."""

    def train(lib, model, part):
        F = lib.nn.functional
        return training(lambda x, y: getattr(F, loss)(model(x), y), optimizer(lib.optim, model.parameters()), part)

    return train


def _letters(optimizer):
    def train(lib, model, part):
        def loss_of(x, y):
            return lib.nn.functional.cross_entropy(model(x).view(-1, data.LETTERS), y.view(-1))

        return training(loss_of, optimizer(lib.optim, model.parameters()), part)

    return train


def _train_vae(lib, model, part):
    F = lib.nn.functional

    def loss_of(x, eps):
        made, mu, logvar = model(x, eps)
        kl = -0.5 * (1 + logvar - mu**2 - logvar.exp()).sum()
        return (F.binary_cross_entropy(made, x, reduction="sum") + kl) / len(x)

    return training(loss_of, lib.optim.Adam(model.parameters(), lr=1e-3), part)


def _train_micrograd(lib, model, part):
    def loss_of(x, y):
        return (1 - y * model(x)).relu().mean() + 1e-4 * sum((p * p).sum() for p in model.parameters())

    return training(loss_of, lib.optim.SGD(model.parameters(), lr=0.1), part)


def _train_wgan(lib, critic, generator, part):
    def critic_loss(real, z, mix):
        with lib.no_grad():
            made = generator(z)
        between = (mix * real + (1 - mix) * made).requires_grad_()
        (slope,) = lib.autograd.grad(critic(between).sum(), between, create_graph=True)
        penalty = ((slope.norm(2, dim=1) - 1) ** 2).mean()
        return critic(made).mean() - critic(real).mean() + 10 * penalty

    def generator_loss(z):
        return -critic(generator(z)).mean()

    adam = lambda model: lib.optim.Adam(model.parameters(), lr=1e-3, betas=(0.5, 0.9))
    improve, invent = training(critic_loss, adam(critic), part), training(generator_loss, adam(generator), part)
    return lambda real, z, mix, z2: (improve(real, z, mix), invent(z2))


_adam, _cross_entropy = (lambda optim, p: optim.Adam(p, lr=1e-3)), "cross_entropy"
TRAIN = {
    "tiny_mlp": _supervised("mse_loss", _adam),
    "mnist_mlp": _supervised(_cross_entropy, lambda optim, p: optim.SGD(p, lr=0.05)),
    "keras_mlp": _supervised(_cross_entropy, _adam),
    "cnn": _supervised(_cross_entropy, _adam),
    "resnet_block": _supervised(_cross_entropy, lambda optim, p: optim.SGD(p, lr=0.05, momentum=0.9)),
    "lstm_char": _letters(_adam),
    "gpt_char": _letters(lambda optim, p: optim.AdamW(p, lr=1e-3, weight_decay=0.01)),
    "vae": _train_vae,
    "logreg": _supervised(_cross_entropy, lambda optim, p: optim.SGD(p, lr=0.1)),
    "micrograd": _train_micrograd,
    "wgan_gp": _train_wgan,
}


def _inference(lib, model):
    def predict(x):
        with lib.no_grad():
            return model(x)

    return predict


# Writing letters: always the likeliest one. What comes back is the last letter's scores, which all others went into.


def _window(lib, model, batches, compiled, length):
    """Every letter reads a full window of 64 anew."""

    def next_window(window):
        with lib.no_grad():
            scores = model(window)[:, -1]
            return lib.cat([window[:, 1:], scores.argmax(-1, keepdim=True)], 1), scores

    next_window = compiled(next_window)

    def step():
        (window,) = next(batches)
        for _ in range(length):
            window, scores = next_window(window)
        return scores

    return step


def _kv(lib, model, batches, compiled, length):
    """Every letter reads itself and the keys and values of those before it, which grow by ``cat``."""

    def next_letter(letter, position, *cache):
        with lib.no_grad():
            scores, cache = model.next(letter, position, cache)
            return scores.argmax(-1, keepdim=True), scores, *cache

    next_letter = compiled(next_letter)
    positions = [lib.tensor([i]) for i in range(length)]

    def step():
        (letter,) = next(batches)
        cache = [lib.zeros(1, 4, 0, 32)] * 8
        for position in positions:
            letter, scores, *cache = next_letter(letter, position, *cache)
        return scores

    return step


GENERATE = dict(gpt_gen64_window=_window, gpt_gen64_kv=_kv)
