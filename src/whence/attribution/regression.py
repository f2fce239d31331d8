"""Linear models of random subsets, written once for documents, components and tokens.

Behaviors are measured with many random subsets of the causes, and a linear model is fitted:

    v(S)  ~  constant + sum of score_i over i in S

A score is then the mean fall when a cause goes, over the subsets that were drawn (estimand
"average"). What the field calls by different names differs in what is drawn and how it is
fitted, and here in nothing else:

    datamodel   documents    half of them kept; sparse, the penalty cross-validated
    COAR        components   nine in ten kept; least squares
    LIME        tokens       half of them kept; least squares, subsets near the prompt counting more

Over subsets that all keep the same number of causes (a bank's), a constant added to every score
changes no prediction: least squares then gives the scores that add up to 0, and a score says how
much a cause matters *more than another in its place*.

References:
    Ilyas et al. 2022, "Datamodels: predicting predictions from training data", sec. 2.
    Shah, Ilyas & Madry 2024, "Decomposing and editing predictions by modeling model
    computation" (COAR), sec. 3.
    Ribeiro, Singh & Guestrin 2016, "Why should I trust you?" (LIME), sec. 3.4, and its code for
    the kernel over words.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float

from whence.attribution.lasso import cross_validated_lasso
from whence.core import Behavior, Cost, Coverage, Scores
from whence.core.errors import MethodError
from whence.core.seeds import generator
from whence.interventions import Intervention, random_subsets

Kernel = Literal["uniform", "near"]
Penalty = Literal["none", "lasso"]

_FOLDS = 5
_WIDTH = 0.25

Keep = Bool[np.ndarray, "subset cause"]


@dataclass(frozen=True, slots=True)
class Fit:
    """How a linear model of subsets is fitted.

    Attributes:
        kernel: "uniform", or "near": weight sqrt(exp(-(d / 0.25)^2)) for a subset at cosine
            distance d = 1 - sqrt(share kept) from keeping everything.
        penalty: "none" for least squares, "lasso" for few causes that matter.
        seed: deals subsets out for cross-validation.

    Raises:
        MethodError: the kernel "near" together with a penalty.
    """

    kernel: Kernel = "uniform"
    penalty: Penalty = "none"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.kernel == "near" and self.penalty == "lasso":
            raise MethodError(
                "kernel",
                expected="'uniform' where the penalty is 'lasso'",
                got="'near'",
                fix="Draw more subsets and leave the penalty out.",
            )


def subset_regression(
    intervention: Intervention,
    behaviors: Sequence[Behavior],
    keep: Keep,
    fit: Fit | None = None,
    *,
    method: str = "subset-regression",
) -> Scores:
    """Fit a linear model to behaviors measured with subsets of the causes.

    Args:
        intervention: takes causes away and measures; a bank looks its own subsets up.
        behaviors: what is measured.
        keep: the subsets, such as `random_subsets` draws or a bank holds.
        fit: how; None means unpenalised least squares, all subsets alike.
        method: what the scores are called.

    Returns:
        Scores in nats, the average effect over such subsets; with standard errors where least
        squares has samples left for them.

    Raises:
        MethodError: too few subsets for what is fitted.
    """
    fit = fit or Fit()
    _check_count(len(keep), keep.shape[1], fit)
    start = time.perf_counter()
    values = intervention.measure(behaviors, keep).T
    settings: dict[str, Any] = {
        "intervention": intervention.describe(),
        "subsets": len(keep),
        "share": round(float(keep.mean()), 6),
        "kernel": fit.kernel,
        "penalty": fit.penalty,
    }
    errors = None
    if fit.penalty == "lasso":
        rng = generator(fit.seed, "folds")
        beta, prices = cross_validated_lasso(keep, values, folds=_FOLDS, rng=rng)
        settings |= {"folds": _FOLDS, "seed": fit.seed, "prices": prices.tolist()}
    else:
        beta, errors, rank = _least_squares(keep, values, _weights(keep, fit))
        settings["rank"] = rank
    return Scores(
        values=beta.T.copy(),
        behaviors=tuple(behaviors),
        causes=intervention.causes,
        method=method,
        estimand="average",
        settings=settings,
        cost=_cost(intervention, behaviors, keep, start),
        coverage=Coverage(f"all {keep.shape[1]} causes, {len(keep)} subsets", 1.0),
        errors=errors,
    )


def datamodel(
    intervention: Intervention, behaviors: Sequence[Behavior], keep: Keep, *, seed: int = 0
) -> Scores:
    """A sparse linear model of retrainings on subsets, such as a bank holds; see `Fit`.

    Args:
        intervention: documents; a `Bank` pays for nothing twice.
        behaviors: what is explained.
        keep: the subsets.
        seed: of the cross-validation.
    """
    fit = Fit(penalty="lasso", seed=seed)
    return subset_regression(intervention, behaviors, keep, fit, method="datamodel")


def coar(
    intervention: Intervention,
    behaviors: Sequence[Behavior],
    *,
    subsets: int | None = None,
    share: float = 0.9,
    seed: int = 0,
) -> Scores:
    """Component attribution by regression: random tenths of the components ablated.

    Args:
        intervention: components.
        behaviors: what is explained.
        subsets: how many ablations; None means four a component.
        share: of the components that stay.
        seed: of the subsets.
    """
    n = len(intervention.causes)
    keep = random_subsets(n, subsets or 4 * n, share=share, sizes="free", seed=seed)
    return subset_regression(intervention, behaviors, keep, method="coar")


def lime(
    intervention: Intervention,
    behaviors: Sequence[Behavior],
    *,
    subsets: int | None = None,
    seed: int = 0,
) -> Scores:
    """A linear model of the prompt with words left out, those with few left out counting more.

    Args:
        intervention: tokens or words.
        behaviors: what is explained.
        subsets: how many; None means eight a token.
        seed: of the subsets.
    """
    n = len(intervention.causes)
    keep = random_subsets(n, subsets or 8 * n, sizes="free", seed=seed)
    keep = np.vstack([np.ones((1, n), dtype=bool), keep])
    return subset_regression(intervention, behaviors, keep, Fit(kernel="near"), method="lime")


def _check_count(subsets: int, causes: int, fit: Fit) -> None:
    needed = causes + 1 if fit.penalty == "none" else 2 * _FOLDS
    if subsets < needed:
        raise MethodError(
            "subsets",
            expected=f"at least {needed} for {causes} causes",
            got=str(subsets),
            fix="Draw more subsets, or fit with penalty='lasso'."
            if fit.penalty == "none"
            else "Draw more subsets.",
        )


def _weights(keep: Keep, fit: Fit) -> Float[np.ndarray, " subset"]:
    if fit.kernel == "uniform":
        return np.ones(len(keep))
    distance = 1 - np.sqrt(keep.mean(axis=1))
    near: Float[np.ndarray, " subset"] = np.sqrt(np.exp(-((distance / _WIDTH) ** 2)))
    return near


def _centred(
    columns: np.ndarray, weights: Float[np.ndarray, "subset 1"]
) -> Float[np.ndarray, "subset column"]:
    mean = (weights * columns).sum(0) / weights.sum()
    centred: Float[np.ndarray, "subset column"] = columns - mean
    return centred


def _least_squares(
    keep: Keep, values: Float[np.ndarray, "subset behavior"], weights: Float[np.ndarray, " subset"]
) -> tuple[Float[np.ndarray, "cause behavior"], Float[np.ndarray, "behavior cause"] | None, int]:
    """Weighted least squares with a constant: coefficients, their standard errors, the rank."""
    column = weights[:, None]
    x, y = _centred(keep, column), _centred(values, column)
    root = np.sqrt(column)
    beta, _, rank, _ = np.linalg.lstsq(root * x, root * y, rcond=None)
    left = len(keep) - 1 - int(rank)
    if left < 1:
        return beta, None, int(rank)
    inverse = np.linalg.pinv(x.T @ (column * x))
    noise = (column * (y - x @ beta) ** 2).sum(0) / left
    errors = np.sqrt(np.maximum(np.outer(noise, np.diag(inverse)), 0.0))
    return beta, errors, int(rank)


def _cost(
    intervention: Intervention, behaviors: Sequence[Behavior], keep: Keep, start: float
) -> Cost:
    return Cost(
        time.perf_counter() - start,
        forwards=len(keep) * len(behaviors),
        trainings=0 if intervention.cheap else len(keep),
    )
