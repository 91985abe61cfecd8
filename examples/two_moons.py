"""Two interleaved half moons, told apart by a small network: micrograd's demo.

    python examples/two_moons.py

The network, the loss and the step sizes are those of A. Karpathy's micrograd (https://github.com/karpathy/micrograd).
"""

import argparse
import math

import minigrad
from minigrad import nn


def moons(n, noise):
    """n points on two half circles, each reaching into the other; labels +1 and -1."""
    angle = minigrad.linspace(0, math.pi, n // 2)
    upper = minigrad.stack([angle.cos(), angle.sin()], dim=1)  # (n / 2, 2)
    lower = minigrad.stack([1 - angle.cos(), 0.5 - angle.sin()], dim=1)
    x = minigrad.cat([upper, lower])  # (n, 2)
    y = minigrad.cat([minigrad.full((n // 2,), -1.0), minigrad.ones(n // 2)])  # (n,)
    return x + noise * minigrad.randn(*x.shape), y


def max_margin(scores, y):
    """Zero for a point that is on its side by 1 or more, and growing the further it is on the other side."""
    return (1 - y * scores).relu().mean()


def picture(model, x, y, width=60, height=22):
    """The plane as text: the two sides as ':' and ' ', the points as 'o' and 'x'."""
    low, high = x.min(0).values - 0.3, x.max(0).values + 0.3  # (2,)
    columns = minigrad.linspace(low[0].item(), high[0].item(), width)
    rows = minigrad.linspace(high[1].item(), low[1].item(), height)  # the text begins at the top
    v, u = minigrad.meshgrid(rows, columns, indexing="ij")  # (height, width) each
    with minigrad.no_grad():
        scores = model(minigrad.stack([u, v], dim=2)).squeeze(2)  # (height, width)
    text = [[":" if score > 0 else " " for score in line] for line in scores.tolist()]
    for (px, py), label in zip(x.tolist(), y.tolist()):
        i, j = (rows - py).abs().argmin().item(), (columns - px).abs().argmin().item()
        text[i][j] = "o" if label > 0 else "x"
    return "\n".join("".join(line) for line in text)


def draw(model, x, y, path):
    """The same as a PNG. Drawn into memory, so no window opens."""
    from matplotlib.figure import Figure

    low, high = (x.min(0).values - 0.5).tolist(), (x.max(0).values + 0.5).tolist()
    v, u = minigrad.meshgrid(minigrad.linspace(low[1], high[1], 200), minigrad.linspace(low[0], high[0], 200), indexing="ij")
    with minigrad.no_grad():
        scores = model(minigrad.stack([u, v], dim=2)).squeeze(2)  # (200, 200)
    axes = (figure := Figure(figsize=(6, 5), layout="constrained")).add_subplot()
    axes.contourf(u.numpy(), v.numpy(), (scores > 0).numpy(), levels=[-0.5, 0.5, 1.5], colors=["#f6c7b6", "#bcd4ee"])
    axes.scatter(x[:, 0].numpy(), x[:, 1].numpy(), c=y.numpy(), cmap="coolwarm_r", edgecolors="black")
    figure.savefig(path, dpi=90)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--steps", type=int, default=200, help="steps of gradient descent, each on all points")
    parser.add_argument("--points", type=int, default=100, help="how many")
    parser.add_argument("--noise", type=float, default=0.1, help="how far they stray from the half circles")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same numbers")
    parser.add_argument("--png", default="two_moons.png", help="the picture, where matplotlib is installed")
    args = parser.parse_args(argv)

    minigrad.manual_seed(args.seed)
    x, y = moons(args.points, args.noise)
    model = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 1))
    print(f"{sum(p.numel() for p in model.parameters())} parameters")

    losses = []
    for step in range(args.steps):
        scores = model(x).squeeze(1)  # (n,)
        # The L2 term keeps weights small, and with them the boundary smooth.
        loss = max_margin(scores, y) + 1e-4 * sum((p * p).sum() for p in model.parameters())
        model.zero_grad()
        loss.backward()
        lr = 1.0 - 0.9 * step / args.steps  # large steps first, small ones to settle
        with minigrad.no_grad():  # the update itself is not part of the model
            for p in model.parameters():
                p -= lr * p.grad
        losses.append(loss.item())
        if step % 20 == 0 or step == args.steps - 1:
            print(f"step {step:3}   loss {losses[-1]:.4f}   accuracy {((scores > 0) == (y > 0)).float().mean().item():.0%}")

    with minigrad.no_grad():
        accuracy = ((model(x).squeeze(1) > 0) == (y > 0)).float().mean().item()
    text = picture(model, x, y)
    print(f"accuracy {accuracy:.0%}\n{text}")
    try:
        draw(model, x, y, args.png)
    except ImportError:
        print("with matplotlib (pip install -e '.[plot]') there is a picture as well")
    else:
        print(f"picture in {args.png}")
    return {"losses": losses, "accuracy": accuracy, "picture": text}


if __name__ == "__main__":
    main()
