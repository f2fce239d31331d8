"""Shapley values, written once for documents, components and tokens.

    score_i = mean, over all orders in which causes can be added, of the rise when i is added
            = sum over subsets S without i of  |S|! (n - |S| - 1)! / n!  *  (v(S + i) - v(S))

They add up to v(everything) - v(nothing), whatever the causes do to one another; each is an
average fall over random subsets of all sizes (estimand "average"). For up to twelve causes all
subsets are measured. Beyond, either orders are drawn, each together with its reverse (whose
error is of the other sign for effects that bend one way), or subsets are, and a linear model
with the right weights is fitted to them (kernel Shapley). Both say how far off they may be.

References:
    Shapley 1953; Castro, Gomez & Tejada 2009, "Polynomial calculation of the Shapley value
    based on sampling"; Mitchell et al. 2022, "Sampling permutations for Shapley value
    estimation", sec. 3 (antithetic pairs).
    Lundberg & Lee 2017, theorem 2 (the kernel); Covert & Lee 2021, "Improving KernelSHAP",
    eq. 7 and sec. 3.2 (the solution under the constraint, pairs of complements).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from math import comb
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from whence.core import Behavior, Cost, Coverage, Scores
from whence.core.errors import MethodError
from whence.core.seeds import generator
from whence.interventions import Intervention

MOST_EXACT = 12
"""Causes up to which all subsets are measured: 4096 of them."""

Keep = Bool[np.ndarray, "subset cause"]
Table = Float[np.ndarray, "behavior cause"]


def exact_shapley(intervention: Intervention, behaviors: Sequence[Behavior]) -> Scores:
    """Measure all subsets.

    Args:
        intervention: takes causes away and measures; at most twelve causes (or groups).
        behaviors: what is measured.

    Raises:
        MethodError: there are more causes than that.
    """
    n = len(intervention.causes)
    if n > MOST_EXACT:
        raise MethodError(
            "causes",
            expected=f"at most {MOST_EXACT} for exact Shapley values",
            got=str(n),
            fix="Group the causes, or sample: permutation_shapley, kernel_shapley.",
        )
    start = time.perf_counter()
    keep = (np.arange(2**n)[:, None] >> np.arange(n) & 1).astype(bool)
    measured = intervention.measure(behaviors, keep)
    sizes = keep.sum(1)
    found = np.zeros((len(behaviors), n))
    for cause in range(n):
        without = np.flatnonzero(~keep[:, cause])
        share = np.array([1 / (n * comb(n - 1, int(size))) for size in sizes[without]])
        found[:, cause] = (measured[:, without + 2**cause] - measured[:, without]) @ share
    return _scores("shapley", intervention, behaviors, len(keep), start, found, None, {})


def permutation_shapley(
    intervention: Intervention,
    behaviors: Sequence[Behavior],
    *,
    permutations: int = 32,
    seed: int = 0,
) -> Scores:
    """Add causes in random orders, each order also backwards.

    Args:
        intervention: takes causes away and measures; n causes cost n - 1 removals an order.
        behaviors: what is measured.
        permutations: orders, reverses included; an even number, at least 4.
        seed: of the orders.

    Returns:
        Scores in nats with standard errors (of the mean over pairs of orders).

    Raises:
        MethodError: an odd number of orders, or fewer than 4.
    """
    if permutations < 4 or permutations % 2:
        raise MethodError(
            "permutations",
            expected="an even number, at least 4: orders come with their reverse",
            got=str(permutations),
            fix="Try 32.",
        )
    start = time.perf_counter()
    n = len(intervention.causes)
    rng = generator(seed, "permutations")
    forward = np.stack([rng.permutation(n) for _ in range(permutations // 2)])
    orders = np.concatenate([forward, forward[:, ::-1]])
    # Row p, k keeps the first k causes of order p.
    rank = np.argsort(orders, axis=1)
    keep = rank[:, None, :] < np.arange(n + 1)[None, :, None]
    measured = intervention.measure(behaviors, keep.reshape(-1, n))
    rises = np.diff(measured.reshape(len(behaviors), permutations, n + 1), axis=2)
    by_cause = np.take_along_axis(rises, np.broadcast_to(rank, rises.shape), axis=2)
    pairs = (by_cause[:, : permutations // 2] + by_cause[:, permutations // 2 :]) / 2
    errors = pairs.std(axis=1, ddof=1) / np.sqrt(pairs.shape[1])
    settings = {"permutations": permutations, "antithetic": True, "seed": seed}
    found = pairs.mean(axis=1)
    removals = permutations * max(n - 1, 0) + 2
    return _scores("shapley", intervention, behaviors, removals, start, found, errors, settings)


def kernel_shapley(
    intervention: Intervention,
    behaviors: Sequence[Behavior],
    *,
    subsets: int | None = None,
    seed: int = 0,
) -> Scores:
    """Fit a linear model to random subsets, drawn as often as the Shapley kernel weighs them.

    Args:
        intervention: takes causes away and measures; at least two causes.
        behaviors: what is measured.
        subsets: how many, complements included; None means eight a cause.
        seed: of the subsets.

    Returns:
        Scores in nats with standard errors; they add up to v(everything) - v(nothing).

    Raises:
        MethodError: an odd number of subsets, or fewer than twice the causes.
    """
    n = len(intervention.causes)
    subsets = subsets or 8 * n
    if subsets % 2 or subsets < 2 * n or n < 2:
        raise MethodError(
            "subsets",
            expected=f"an even number, at least {2 * n}, and at least two causes",
            got=f"{subsets} subsets of {n} causes",
            fix="Draw more subsets, or measure all: exact_shapley.",
        )
    start = time.perf_counter()
    drawn = _kernel_subsets(n, subsets // 2, generator(seed, "kernel"))
    ends = np.array([[False], [True]]) & np.ones((1, n), dtype=bool)
    measured = intervention.measure(behaviors, np.concatenate([ends, drawn, ~drawn]))
    nothing, everything = measured[:, 0], measured[:, 1]
    rise = (measured[:, 2:] - nothing[:, None]).reshape(len(behaviors), 2, -1)
    found, errors = _constrained(drawn, rise, everything - nothing)
    settings = {"subsets": subsets, "paired": True, "seed": seed}
    return _scores(
        "kernel-shapley", intervention, behaviors, subsets + 2, start, found, errors, settings
    )


def _kernel_subsets(n: int, count: int, rng: np.random.Generator) -> Keep:
    """Subsets of size s with probability in proportion to 1 / (s (n - s)), alike within a size."""
    sizes = np.arange(1, n)
    share = 1 / (sizes * (n - sizes))
    keep = np.zeros((count, n), dtype=bool)
    for row, size in zip(keep, rng.choice(sizes, count, p=share / share.sum()), strict=True):
        row[rng.choice(n, int(size), replace=False)] = True
    return keep


def _constrained(
    drawn: Bool[np.ndarray, "pair cause"],
    rise: Float[np.ndarray, "behavior 2 pair"],
    total: Float[np.ndarray, " behavior"],
) -> tuple[Table, Table]:
    """Least squares under the condition that scores add up to the total; standard errors.

    With A the mean of z z' and b the mean of z * rise over subsets z, the solution is
    A^-1 (b - 1 * (1' A^-1 b - total) / (1' A^-1 1)).

    Raises:
        MethodError: the subsets do not tell all causes apart.
    """
    z = np.stack([drawn, ~drawn]).astype(float)
    pairs, n = drawn.shape
    gram = np.einsum("spi,spj->ij", z, z) / (2 * pairs)
    if np.linalg.matrix_rank(gram) < n:
        raise MethodError(
            "subsets",
            expected="enough of them to tell all causes apart",
            got=f"{2 * pairs} for {n} causes",
            fix="Draw more subsets.",
        )
    inverse = np.linalg.inv(gram)
    spread = inverse.sum(1) / inverse.sum()
    free = np.einsum("spi,bsp->bi", z, rise) / (2 * pairs) @ inverse
    found = free - (free.sum(1) - total)[:, None] * spread
    missed = rise - np.einsum("spi,bi->bsp", z, found)
    pull = np.einsum("spi,bsp->bpi", z, missed) / 2
    project = inverse - np.outer(spread, inverse.sum(0))
    moved = (pull - pull.mean(axis=1, keepdims=True)) @ project.T
    errors = moved.std(axis=1, ddof=1) / np.sqrt(pairs)
    return found, errors


def _scores(
    method: str,
    intervention: Intervention,
    behaviors: Sequence[Behavior],
    removals: int,
    start: float,
    values: Table,
    errors: Table | None,
    settings: dict[str, Any],
) -> Scores:
    return Scores(
        values=values,
        behaviors=tuple(behaviors),
        causes=intervention.causes,
        method=method,
        estimand="average",
        settings={"intervention": intervention.describe(), **settings},
        cost=Cost(
            time.perf_counter() - start,
            forwards=removals * len(behaviors),
            trainings=0 if intervention.cheap else removals,
        ),
        coverage=Coverage(f"all {len(intervention.causes)} causes, {removals} removals", 1.0),
        errors=errors,
    )
