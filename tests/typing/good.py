"""A program as a user writes it: pyright must find nothing here (see test_typing.py)."""

import minigrad
from minigrad import nn
from minigrad.nn import functional as F


def train(steps: int) -> float:
    minigrad.manual_seed(0)
    x: minigrad.Tensor = minigrad.linspace(-1, 1, 50).reshape(-1, 1)
    model = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))
    optimizer = minigrad.optim.Adam(model.parameters(), lr=0.01)
    loss = minigrad.zeros(())
    for _ in range(steps):
        loss = F.mse_loss(model(x), x.square())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item()


def shapes(x: minigrad.Tensor) -> tuple[int, int]:
    rows, columns = x.shape
    total: minigrad.Tensor = x.sum(dim=0, keepdim=True) + minigrad.max(x).exp()
    return rows, columns + total.dim()
