"""A convolutional network learns to tell ten kinds of clothes apart: Fashion-MNIST, real data, a few minutes.

    python examples/fashion_mnist.py

The pictures come from the folder given with --data, else from Debian's package dataset-fashion-mnist, else from a download.
"""

import argparse
import time

from tqdm import tqdm

import minigrad
from minigrad import nn
from minigrad.data import FASHION_MNIST_CLASSES, DataLoader, fashion_mnist
from minigrad.nn import functional as F


class Network(nn.Module):
    def __init__(self, mean, std, channels=16):
        super().__init__()
        # Buffers are saved with the model but not trained.
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)
        self.conv1 = nn.Conv2d(1, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, 2 * channels, 3, padding=1)
        self.dropout = nn.Dropout(0.25)
        self.linear1 = nn.Linear(2 * channels * 7 * 7, 128)
        self.linear2 = nn.Linear(128, len(FASHION_MNIST_CLASSES))

    def forward(self, x):  # (N, 1, 28, 28)
        x = (x - self.mean) / self.std  # zero mean, unit variance: the range in which layers start out well
        # relu(max(..)) = max(relu(..)), but after pooling there is a quarter of the numbers left for relu.
        x = F.relu(F.max_pool2d(self.conv1(x), 2))  # (N, 16, 14, 14)
        x = F.relu(F.max_pool2d(self.conv2(x), 2))  # (N, 32, 7, 7)
        x = self.dropout(x.flatten(1))  # (N, 1568)
        x = F.relu(self.linear1(x))  # (N, 128)
        return self.linear2(x)  # (N, 10): one number per class, before the softmax


def train_epoch(model, loader, optimizer, schedule, label):
    """One pass over the training images; returns their mean loss."""
    model.train()
    total = seen = 0
    for images, labels in tqdm(loader, desc=label, leave=False, disable=None, unit="batch"):
        loss = F.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        total += loss.item() * len(labels)
        seen += len(labels)
    return total / seen


@minigrad.no_grad()
def accuracy(model, loader):
    model.eval()  # no dropout
    right = sum((model(images).argmax(1) == labels).sum().item() for images, labels in loader)
    return right / len(loader.dataset)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--data", metavar="DIR", help="folder with the four IDX files, .gz or not")
    parser.add_argument("--epochs", type=int, default=4, help="passes over the training images")
    parser.add_argument("--batch-size", type=int, default=64, help="images per step")
    parser.add_argument("--lr", type=float, default=2e-3, help="Adam's largest step size")
    parser.add_argument("--channels", type=int, default=16, help="of the first convolution; the second has twice as many")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same numbers")
    args = parser.parse_args(argv)

    started = time.perf_counter()
    minigrad.manual_seed(args.seed)
    train, test = fashion_mnist(args.data)
    images = train.tensors[0]
    print(f"{len(train):,} images to learn from, {len(test):,} never trained on")

    model = Network(images.mean(), images.std(), args.channels)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters")
    loader = DataLoader(train, batch_size=args.batch_size, shuffle=True)
    test_loader = DataLoader(test, batch_size=500)
    optimizer = minigrad.optim.Adam(model.parameters(), lr=args.lr)
    # The step size rises, so that the first gradients do little harm, and falls to almost nothing, so that the end is calm.
    schedule = minigrad.optim.lr_scheduler.OneCycleLR(optimizer, args.lr, total_steps=args.epochs * len(loader))

    epochs = []
    for epoch in range(1, args.epochs + 1):
        loss = train_epoch(model, loader, optimizer, schedule, f"epoch {epoch}/{args.epochs}")
        right = accuracy(model, test_loader)
        seconds = time.perf_counter() - started
        print(f"epoch {epoch}/{args.epochs}   loss {loss:.4f}   test accuracy {right:.4f}   {seconds:.0f} s")
        epochs.append({"loss": loss, "test_accuracy": right, "seconds": seconds})

    print("some of its mistakes:")
    images, labels = test[:200]
    with minigrad.no_grad():
        guesses = model(images).argmax(1)  # (200,)
    for i in (guesses != labels).nonzero()[:5, 0].tolist():
        print(f"test image {i}: a {FASHION_MNIST_CLASSES[labels[i]]}, taken for a {FASHION_MNIST_CLASSES[guesses[i]]}")
    return {"epochs": epochs, "test_accuracy": right, "seconds": time.perf_counter() - started}


if __name__ == "__main__":
    main()
