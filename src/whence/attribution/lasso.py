"""Least squares with a price on every coefficient, the price chosen by cross-validation.

    minimise over beta    |y - X beta|^2 / (2 n) + price * |beta|_1

for many right-hand sides y at once, X being the same for all: each step is then two matrix
products, whatever their number. Accelerated proximal gradient steps (FISTA) are taken with a
restart where the momentum points uphill, until no coefficient breaks the optimality conditions
by more than a small share of the price.

A library would bring more than it saves: scikit-learn fits one right-hand side at a time.

References:
    Beck & Teboulle 2009, "A fast iterative shrinkage-thresholding algorithm", sec. 4.
    O'Donoghue & Candes 2015, "Adaptive restart for accelerated gradient schemes", sec. 3.2.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int, Shaped

_PRICES = 24
_LOWEST = 1e-3
_TOLERANCE = 1e-3
_MOST_STEPS = 2000


def highest_price(
    x: Float[np.ndarray, "sample cause"], y: Float[np.ndarray, "sample target"]
) -> Float[np.ndarray, " target"]:
    """The lowest price at which every coefficient is 0: max |X' y| / n."""
    found: Float[np.ndarray, " target"] = np.abs(x.T @ y).max(axis=0) / len(x)
    return found


def lasso(
    x: Float[np.ndarray, "sample cause"],
    y: Float[np.ndarray, "sample target"],
    price: Float[np.ndarray, " target"],
    start: Float[np.ndarray, "cause target"] | None = None,
) -> Float[np.ndarray, "cause target"]:
    """Coefficients at one price a target.

    Args:
        x: centred columns.
        y: centred columns.
        price: of a unit of a coefficient.
        start: coefficients to begin with, from a price nearby.
    """
    n = len(x)
    step = n / max(float(np.linalg.norm(x, 2)) ** 2, np.finfo(float).tiny)
    beta = np.zeros((x.shape[1], y.shape[1])) if start is None else start.copy()
    ahead, momentum = beta, np.ones(y.shape[1])
    for _ in range(_MOST_STEPS):
        slope = x.T @ (x @ ahead - y) / n
        moved = ahead - step * slope
        new = np.sign(moved) * np.maximum(np.abs(moved) - step * price, 0)
        uphill = ((ahead - new) * (new - beta)).sum(0) > 0
        momentum[uphill] = 1.0
        following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        change = new - beta
        ahead = new + (momentum - 1) / following * change
        ahead[:, uphill] = new[:, uphill]
        # A step of gradient descent that moves nothing stands where the conditions hold.
        still = np.abs(change).max(0, initial=0.0) <= _TOLERANCE * step * price
        beta, momentum = new, following
        if still.all():
            break
    return beta


def cross_validated_lasso(
    x: Shaped[np.ndarray, "sample cause"],
    y: Float[np.ndarray, "sample target"],
    *,
    folds: int,
    rng: np.random.Generator,
) -> tuple[Float[np.ndarray, "cause target"], Float[np.ndarray, " target"]]:
    """Coefficients at the price that predicts left-out samples best, for each target its own.

    Args:
        x: one row a sample; numbers, or which causes were kept.
        y: one column a target.
        folds: parts of the samples; each is predicted by a fit to the others.
        rng: deals the samples out.

    Returns:
        Coefficients and prices.
    """
    shares = np.geomspace(1.0, _LOWEST, _PRICES)
    fold = rng.permutation(len(x)) % folds
    missed = np.zeros((_PRICES, y.shape[1]))
    for part in range(folds):
        missed += _missed(x, y, fold == part, shares)
    best: Int[np.ndarray, " target"] = missed.argmin(axis=0)
    x, y = x - x.mean(0), y - y.mean(0)
    highest = highest_price(x, y)
    beta = None
    for number in range(int(best.max()) + 1):
        beta = lasso(x, y, highest * shares[np.minimum(number, best)], beta)
    assert beta is not None
    return beta, highest * shares[best]


def _missed(
    x: Shaped[np.ndarray, "sample cause"],
    y: Float[np.ndarray, "sample target"],
    left_out: np.ndarray,
    shares: Float[np.ndarray, " price"],
) -> Float[np.ndarray, "price target"]:
    """Squared errors on left-out samples, at each share of the highest price."""
    x_mean, y_mean = x[~left_out].mean(0), y[~left_out].mean(0)
    train_x, train_y = x[~left_out] - x_mean, y[~left_out] - y_mean
    test_x, test_y = x[left_out] - x_mean, y[left_out] - y_mean
    highest = highest_price(train_x, train_y)
    errors, beta = [], None
    for share in shares:
        beta = lasso(train_x, train_y, highest * share, beta)
        errors.append(((test_y - test_x @ beta) ** 2).sum(0))
    return np.stack(errors)
