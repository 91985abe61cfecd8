"""Linear regression by gradient descent, written from the formulas, on scikit-learn's diabetes data (442 patients, real data).

    python examples/diabetes.py

The model is y = X w + b, the loss the mean squared error, and gradient descent repeats  w <- w - lr dL/dw.  The gradient is
computed twice, by hand and by backward(), and the result is compared with the solution in closed form.
"""

import argparse

import minigrad
from minigrad.errors import missing_extra


def load():
    try:
        from sklearn.datasets import load_diabetes
    except ImportError:
        raise missing_extra("scikit-learn", "examples", "the diabetes data") from None
    X, y = load_diabetes(return_X_y=True, scaled=False)  # ten measurements; how far the disease got a year later
    return minigrad.tensor(X), minigrad.tensor(y)  # float64: (442, 10), (442,)


def loss(X, y, w, b):
    """L = 1/N sum_i (x_i . w + b - y_i)^2"""
    error = X @ w + b - y  # (N,)
    return (error**2).mean()


def gradient_by_hand(X, y, w, b):
    """By the chain rule: dL/derror_i = 2/N error_i, derror_i/dw = x_i, derror_i/db = 1."""
    error = X @ w + b - y  # (N,)
    return 2 / len(y) * X.T @ error, 2 / len(y) * error.sum()  # dL/dw (10,), dL/db ()


def gradient_by_backward(X, y, w, b):
    """The same, from the loss alone: minigrad records what `loss` computes and goes through it backwards."""
    w, b = w.detach().requires_grad_(), b.detach().requires_grad_()
    loss(X, y, w, b).backward()
    return w.grad, b.grad


def closed_form(X, y):
    """Where the gradient is zero: A^T A v = A^T y, with A = [X 1] and v = (w, b)."""
    A = minigrad.cat([X, X.new_ones(len(X), 1)], dim=1)  # (N, 11)
    v = minigrad.linalg.solve(A.T @ A, A.T @ y)  # (11,)
    return v[:-1], v[-1]


def r_squared(X, y, w, b):
    """The share of the variance of y that the model explains: 1 is perfect, 0 is no better than the mean."""
    return 1 - (loss(X, y, w, b) / ((y - y.mean()) ** 2).mean()).item()


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--steps", type=int, default=5000, help="steps of gradient descent")
    parser.add_argument("--lr", type=float, default=0.2, help="step size; above 0.25 the loss grows instead of falling")
    parser.add_argument("--seed", type=int, default=0, help="chooses the fifth of the patients that is held out")
    args = parser.parse_args(argv)

    minigrad.manual_seed(args.seed)
    X, y = load()
    order = minigrad.randperm(len(y))
    test, train = order[: len(y) // 5], order[len(y) // 5 :]
    # Age and blood pressure have different units. With zero mean and unit variance one step size suits all of them.
    # Mean and deviation are those of the training part: the held-out patients must not have a say.
    X = (X - X[train].mean(0)) / X[train].std(0)
    X_test, y_test, X, y = X[test], y[test], X[train], y[train]

    w, b = X.new_zeros(10), X.new_zeros(())
    difference = 0.0  # the largest between the two gradients, over all steps
    losses = []
    for step in range(args.steps):
        dw, db = gradient_by_hand(X, y, w, b)
        if step % 100 == 0:
            dw2, db2 = gradient_by_backward(X, y, w, b)
            difference = max(difference, (dw - dw2).abs().max().item(), (db - db2).abs().item())
            losses.append(loss(X, y, w, b).item())
            if step % 1000 == 0:
                print(f"step {step:5}   loss {losses[-1]:10.4f}   |dL/dw| {dw.norm().item():.2e}")
        w, b = w - args.lr * dw, b - args.lr * db

    best_w, best_b = closed_form(X, y)
    facts = {
        "losses": [*losses, loss(X, y, w, b).item()],
        "best_loss": loss(X, y, best_w, best_b).item(),
        "gradient_difference": difference,
        "r2_train": r_squared(X, y, w, b),
        "r2_test": r_squared(X_test, y_test, w, b),
    }
    print(f"loss: {facts['losses'][-1]:.6f} by gradient descent, {facts['best_loss']:.6f} in closed form")
    print(f"gradient by hand and by backward(): they differ by {difference:.1e} at most")
    print("w by gradient descent  " + " ".join(f"{v:7.2f}" for v in w.tolist()))
    print("w in closed form       " + " ".join(f"{v:7.2f}" for v in best_w.tolist()))
    print(f"R^2: {facts['r2_train']:.3f} on the {len(y)} patients learned from, {facts['r2_test']:.3f} on {len(y_test)} held out")
    return facts


if __name__ == "__main__":
    main()
