"""Do the sums of scores predict what random removals really do? One number a method.

Random subsets of the causes are kept, behaviors are measured with each, and the method
predicts, up to a constant, the sum of the scores of what was kept. The linear datamodeling
score (LDS) is the rank correlation of the two over the subsets:

    LDS = mean over behaviors f of  Spearman( sum of score[f, i] over i in S ,  v_f(S) )

It is 1 for a method whose predictions are always in the right order and 0 for one that knows
nothing; it asks for no size, so methods that only rank can stand beside others. Nothing in it
is about documents: components and tokens are judged by the same lines.

The interval says how far the number would move with other behaviors and other subsets: both
are drawn again with replacement. Methods judged with one seed are resampled alike, so that
the difference between two of them has an interval of its own, much narrower than theirs.

References:
    Ilyas et al. 2022, "Datamodels", sec. 3; Park et al. 2023, "TRAK", definition 2.3 (LDS).
    Adebayo et al. 2018, "Sanity checks for saliency maps" (scores that must fail).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import rankdata

from whence.core import Behavior, Scores
from whence.core.errors import MethodError
from whence.core.seeds import generator
from whence.interventions import Intervention

FEWEST_SUBSETS = 8

Table = Float[np.ndarray, "behavior subset"]


@dataclass(frozen=True, slots=True)
class Resampling:
    """How intervals are made.

    Attributes:
        resamples: draws of behaviors and subsets.
        level: of the interval.
        seed: of the draws.

    Raises:
        MethodError: too few draws for the level, or a level outside (0, 1).
    """

    resamples: int = 1000
    level: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        if not (0 < self.level < 1 and self.resamples * (1 - self.level) >= 1):
            raise MethodError(
                "resampling",
                expected="a level in (0, 1), and resamples enough for its ends",
                got=f"level {self.level}, {self.resamples} resamples",
                fix="Try 1000 at 0.95.",
            )

    def interval(self, draws: Float[np.ndarray, " resample"]) -> tuple[float, float]:
        """The middle share of the draws."""
        ends = np.quantile(draws, [(1 - self.level) / 2, (1 + self.level) / 2])
        return float(ends[0]), float(ends[1])


@dataclass(frozen=True, eq=False, slots=True)
class Agreement:
    """How well a method's sums predicted random removals.

    Attributes:
        lds: the linear datamodeling score, in [-1, 1].
        interval: of it, over behaviors and subsets.
        by_behavior: each behavior's own correlation.
        draws: the score of each resample.
        subsets: how many removals it rests on.
    """

    lds: float
    interval: tuple[float, float]
    by_behavior: Float[np.ndarray, " behavior"]
    draws: Float[np.ndarray, " resample"]
    subsets: int


def agreement(predicted: Table, measured: Table, how: Resampling | None = None) -> Agreement:
    """The linear datamodeling score of predictions, nats or ranks, with its interval.

    Args:
        predicted: for each behavior and subset, in any unit.
        measured: the values, nats.
        how: resampling.

    Returns:
        The agreement. A behavior for which all predictions are equal counts as 0.

    Raises:
        MethodError: fewer than eight subsets, or something that is not finite.
    """
    how = how or Resampling()
    count, subsets = measured.shape
    finite = bool(np.isfinite(predicted).all() and np.isfinite(measured).all())
    if subsets < FEWEST_SUBSETS or not count or not finite:
        raise MethodError(
            "subsets",
            expected=f"at least {FEWEST_SUBSETS}, and at least one behavior, all finite",
            got=f"{subsets} subsets, {count} behaviors" + ("" if finite else ", some not finite"),
            fix="Measure more subsets: with fewer, ranks say next to nothing.",
        )
    by_behavior = spearman(predicted, measured)
    rng = generator(how.seed, "agreement")
    draws = np.empty(how.resamples)
    for number in range(how.resamples):
        place = np.ix_(rng.integers(count, size=(count,)), rng.integers(subsets, size=(subsets,)))
        draws[number] = spearman(predicted[place], measured[place]).mean()
    return Agreement(float(by_behavior.mean()), how.interval(draws), by_behavior, draws, subsets)


def spearman(first: Table, second: Table) -> Float[np.ndarray, " behavior"]:
    """Rank correlation of each row, ties sharing their mean rank; 0 where a row is constant."""
    x, y = (rankdata(table, axis=1) for table in (first, second))
    x, y = (ranks - ranks.mean(1, keepdims=True) for ranks in (x, y))
    product = (x * y).sum(1)
    scale = np.sqrt((x * x).sum(1) * (y * y).sum(1))
    found: Float[np.ndarray, " behavior"] = np.zeros(len(x))
    np.divide(product, scale, out=found, where=scale > 0)
    return found


def predicted_sums(scores: Scores, keep: Bool[np.ndarray, "subset cause"]) -> Table:
    """What scores say of subsets, up to a constant: the sum over the causes that stay.

    A cause without a score (NaN) counts as 0: nothing is said of it.
    """
    found: Table = np.nan_to_num(scores.values, nan=0.0) @ keep.T.astype(float)
    return found


def linear_datamodeling_score(
    scores: Scores,
    intervention: Intervention,
    behaviors: Sequence[Behavior],
    keep: Bool[np.ndarray, "subset cause"],
    how: Resampling | None = None,
) -> Agreement:
    """Remove random subsets for real, and compare with the sums of scores.

    Args:
        scores: by any method; about the intervention's causes, these behaviors among others.
        intervention: takes causes away; a bank looks its subsets up.
        behaviors: what is measured.
        keep: the subsets, such as `random_subsets` draws or a bank holds.
        how: resampling.

    Raises:
        MethodError: the scores are about other causes, or lack a behavior.
    """
    if [c.id for c in scores.causes] != [c.id for c in intervention.causes]:
        raise MethodError(
            f"scores of {scores.method}",
            expected=f"scores for the intervention's {len(intervention.causes)} causes, in order",
            got=f"{len(scores.causes)} causes that differ",
            fix="Score the same causes that the intervention takes away.",
        )
    measured = intervention.measure(behaviors, keep)
    return agreement(predicted_sums(scores.about(behaviors), keep), measured, how)


def lead(first: Agreement, second: Agreement, how: Resampling) -> tuple[float, float]:
    """Interval of how much higher the first one's score is than the second's.

    Both must have been made with the same behaviors, subsets and resampling.
    """
    return how.interval(first.draws - second.draws)


def shuffled(scores: Scores, seed: int = 0) -> Scores:
    """The same scores dealt out to other causes at random; they must fail every test."""
    order = generator(seed, "shuffled", scores.method).permutation(len(scores.causes))
    return replace(scores, method=f"{scores.method}, shuffled", values=scores.values[:, order])
