"""A small GPT learns to write like Python's manual, letter by letter, and is measured against counting pairs of letters.

    python examples/gpt.py

The text is what help("while") and its like show; it comes with Python, in pydoc_data.topics. The network is GPT-2's in small:
A. Radford et al., "Language Models are Unsupervised Multitask Learners" (2019).
"""

import argparse
import math
import time
from pydoc_data.topics import topics

from tqdm import tqdm

import minigrad
from minigrad import nn
from minigrad.nn import functional as F


class Attention(nn.Module):
    """Every position looks back and takes a weighted mean of what it finds; several heads look for different things."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)  # query: what I look for; key: what I have; value: what I tell
        self.out = nn.Linear(width, width)

    def forward(self, x):
        B, T, C = x.shape
        qkv = self.qkv(x).view(B, T, 3, self.heads, C // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # (B, H, T, C / H) each
        scores = q @ k.mT / math.sqrt(C // self.heads)  # (B, H, T, T): how well query i fits key j
        future = minigrad.ones(T, T, dtype=minigrad.bool).triu(1)  # j > i
        weights = scores.masked_fill(future, -math.inf).softmax(-1)  # each row sums to 1, and is 0 in the future
        # The lines from scores to here are F.scaled_dot_product_attention(q, k, v, is_causal=True).
        x = (weights @ v).transpose(1, 2).reshape(B, T, C)  # the heads side by side
        return self.out(x)


class Block(nn.Module):
    """Look around, then think. Each part adds to what is there, so that gradients reach the first block undiminished."""

    def __init__(self, width, heads):
        super().__init__()
        self.norm1, self.attention = nn.LayerNorm(width), Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x):  # (B, T, C)
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class GPT(nn.Module):
    def __init__(self, letters, context, width, heads, blocks):
        super().__init__()
        self.context = context
        self.letter = nn.Embedding(letters, width)
        self.place = nn.Embedding(context, width)  # attention alone does not know the order
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(blocks)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, letters)
        for p in (self.letter.weight, self.place.weight):
            nn.init.normal_(p, std=0.02)

    def forward(self, text):  # (B, T)
        x = self.letter(text) + self.place(minigrad.arange(text.shape[1]))  # (B, T, C)
        return self.head(self.norm(self.blocks(x)))  # (B, T, letters): at each position, scores for the next letter

    @minigrad.no_grad()
    def write(self, text, count):
        """Draw ``count`` letters, each from the probabilities that the network gives after those before it."""
        for _ in range(count):
            scores = self(text[:, -self.context :])[:, -1]  # (B, letters)
            text = minigrad.cat([text, minigrad.multinomial(scores.softmax(-1), 1)], dim=1)
        return text


def windows(text, context, starts):
    """Pieces of the text, and the same pieces one letter on: what is to be predicted at each position."""
    index = starts[:, None] + minigrad.arange(context)  # (B, T)
    return text[index], text[index + 1]


def loss_of(model, text, starts):
    x, y = windows(text, model.context, starts)  # (B, T) each
    return F.cross_entropy(model(x).flatten(0, 1), y.flatten())  # the mean of -log p(next letter), in nats


@minigrad.no_grad()
def mean_loss(model, text, batch=64):
    """The loss over a whole text, in windows that do not overlap."""
    starts = minigrad.arange(0, len(text) - model.context, model.context)
    parts = starts.split(batch)
    return sum(loss_of(model, text, part).item() * len(part) for part in parts) / len(starts)


def bigram_loss(train, validation, letters):
    """The same for the best model that knows only the letter before: pairs counted, plus 1 so that none is impossible."""
    pairs = train[:-1] * letters + train[1:]
    counts = minigrad.bincount(pairs, minlength=letters**2).view(letters, letters) + 1.0
    log_p = (counts / counts.sum(1, keepdim=True)).log()  # log_p[a, b] = log p(b after a)
    return -log_p[validation[:-1], validation[1:]].mean().item()


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--steps", type=int, default=2000, help="steps of training")
    parser.add_argument("--batch-size", type=int, default=16, help="pieces of text per step")
    parser.add_argument("--context", type=int, default=64, help="letters that the network looks back")
    parser.add_argument("--width", type=int, default=64, help="numbers per letter")
    parser.add_argument("--heads", type=int, default=4, help="attention heads per block")
    parser.add_argument("--blocks", type=int, default=3, help="how many")
    parser.add_argument("--lr", type=float, default=3e-3, help="AdamW's step size at the start; it falls to 0 along a cosine")
    parser.add_argument("--letters", type=int, metavar="N", help="use only the first N letters of the text")
    parser.add_argument("--sample", type=int, default=300, help="letters to write at the end")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same numbers")
    args = parser.parse_args(argv)

    started = time.perf_counter()
    minigrad.manual_seed(args.seed)
    text = "\n".join(topics.values())[: args.letters]
    alphabet = sorted(set(text))
    number = {letter: i for i, letter in enumerate(alphabet)}
    data = minigrad.tensor([number[letter] for letter in text])  # (letters of the text,)
    train, validation = data[: len(data) * 9 // 10], data[len(data) * 9 // 10 :]
    bigram = bigram_loss(train, validation, len(alphabet))
    print(f"{len(text):,} letters, {len(alphabet)} different ones; the last tenth is for validation")

    model = GPT(len(alphabet), args.context, args.width, args.heads, args.blocks)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters")
    optimizer = minigrad.optim.AdamW(model.parameters(), lr=args.lr)
    schedule = minigrad.optim.lr_scheduler.CosineAnnealingLR(optimizer, args.steps)
    history, recent = [], []
    for step in tqdm(range(1, args.steps + 1), leave=False, disable=None, unit="step"):
        loss = loss_of(model, train, minigrad.randint(0, len(train) - args.context, (args.batch_size,)))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)  # one odd batch must not throw the weights far
        optimizer.step()
        schedule.step()
        recent.append(loss.item())
        if step % max(1, args.steps // 5) == 0 or step == args.steps:
            history.append({"step": step, "train": sum(recent) / len(recent), "validation": mean_loss(model, validation)})
            recent = []
            print(
                f"step {step:5}   train {history[-1]['train']:.3f}   validation {history[-1]['validation']:.3f}   "
                f"(bigram {bigram:.3f})   {time.perf_counter() - started:.0f} s"
            )

    start = minigrad.tensor([[number["\n"]]])
    sample = "".join(alphabet[i] for i in model.write(start, args.sample)[0].tolist())
    print(f"--- the network writes:{sample}\n---")
    return {
        "history": history,
        "validation": history[-1]["validation"],
        "bigram": bigram,
        "sample": sample,
        "seconds": time.perf_counter() - started,
    }


if __name__ == "__main__":
    main()
