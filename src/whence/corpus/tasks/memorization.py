"""Does a model say what its corpus says? Rank correlation of two sets of log-probabilities.

Distributional memorisation is Spearman's correlation between what the corpus gives to a task's
n-grams and what a model gives to them. Pairs of one example are not independent, so that the
interval comes from drawing examples, not pairs; the p-value is that of independent pairs, as
published, and says so.

Reference: Wang et al., "Generalization v.s. Memorization", ICLR 2025, sections 2 and 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64, Integer

from whence.core.errors import CorpusError
from whence.core.seeds import generator

_LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Correlation:
    """A rank correlation.

    Attributes:
        rho: Spearman's; nan when one side is constant.
        p_value: two-sided, as if all points were independent (Student's t).
        low: lower end of the bootstrap interval of 95 %, groups drawn with replacement.
        high: its upper end.
        kendall_distance: (1 - tau b) / 2: 0 for the same order, 1 for the opposite one.
        points: how many points.
        groups: how many groups (examples) they come from.
        left_out: points without a number on one side.
    """

    rho: float
    p_value: float
    low: float
    high: float
    kendall_distance: float
    points: int
    groups: int
    left_out: int


def correlate(
    first: Float[np.ndarray, " point"],
    second: Float[np.ndarray, " point"],
    groups: Integer[np.ndarray, " point"] | None = None,
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> Correlation:
    """Spearman's rank correlation with a p-value and a bootstrap interval.

    Minus infinity is a value like any other, below all; nan is left out.

    Args:
        first: the corpus's log-probabilities, say.
        second: the model's.
        groups: which points belong together, such as those of one example.
        resamples: drawings for the interval.
        seed: of the drawings.

    Raises:
        CorpusError: there are fewer than three points.
    """
    from scipy import stats  # noqa: PLC0415

    usable: Bool[np.ndarray, " point"] = ~(np.isnan(first) | np.isnan(second))
    a, b = np.asarray(first, np.float64)[usable], np.asarray(second, np.float64)[usable]
    which = np.arange(len(first)) if groups is None else np.asarray(groups)
    kept, owner = np.unique(which[usable], return_inverse=True)
    if len(a) < 3:
        raise CorpusError(
            "correlation",
            expected="at least three points with a number on both sides",
            got=str(len(a)),
            fix="Give more examples, or a lower threshold for pairs.",
        )
    rho = _spearman(a, b)
    freedom = len(a) - 2
    t = rho * np.sqrt(freedom / max(1e-300, (1 + rho) * (1 - rho)))
    low, high = _interval(a, b, owner, len(kept), resamples, seed)
    ranks = stats.rankdata(a), stats.rankdata(b)
    tau = stats.kendalltau(*ranks).statistic
    return Correlation(
        rho=rho,
        p_value=float(2 * stats.t.sf(abs(t), freedom)) if np.isfinite(rho) else float("nan"),
        low=low,
        high=high,
        kendall_distance=float((1 - tau) / 2),
        points=len(a),
        groups=len(kept),
        left_out=int((~usable).sum()),
    )


def _interval(
    a: Float64[np.ndarray, " point"],
    b: Float64[np.ndarray, " point"],
    owner: Int64[np.ndarray, " point"],
    groups: int,
    resamples: int,
    seed: int,
) -> tuple[float, float]:
    random = generator(seed, "correlation")
    order = np.argsort(owner, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(owner, minlength=groups))[:-1])
    found = []
    for _ in range(resamples):
        drawn = np.concatenate([members[g] for g in random.integers(groups, size=groups)])
        found.append(_spearman(a[drawn], b[drawn]))
    drawn_rhos = np.array(found)[np.isfinite(found)]
    if len(drawn_rhos) == 0:
        return float("nan"), float("nan")
    tail = (1 - _LEVEL) / 2
    low, high = np.quantile(drawn_rhos, (tail, 1 - tail))
    return float(low), float(high)


def _spearman(a: Float64[np.ndarray, " point"], b: Float64[np.ndarray, " point"]) -> float:
    from scipy.stats import rankdata  # noqa: PLC0415

    left, right = rankdata(a), rankdata(b)
    left, right = left - left.mean(), right - right.mean()
    size = float(np.sqrt((left**2).sum() * (right**2).sum()))
    return float((left * right).sum() / size) if size > 0 else float("nan")
