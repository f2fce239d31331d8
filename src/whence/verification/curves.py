"""How much of a behavior a few causes carry: curves over their number, for any kind of cause.

Causes are put in the order of their scores. Of the first k of them are measured

    kept      only they stay, everything else is removed      (insertion; a circuit, alone)
    removed   only they are removed                           (deletion; a circuit, missing)

and each value is put on a scale on which the whole is 1 and nothing is 0:

    f = (v - v(nothing)) / (v(everything) - v(nothing))       sums over behaviors, then the ratio

For circuits f of the kept is *faithfulness*, and 1 - f of the removed is *completeness*: a circuit
that is missing nothing leaves nothing behind. Over the share s of causes kept,

    CPR    integral of f            rewards causes that carry the behavior; may exceed 1
    CMD    integral of |1 - f|      rewards doing as the whole does, neither less nor more

by the trapezoid rule over the shares of the MIB benchmark, whose names these are. For tokens the
same two curves give sufficiency, v(everything) - v(kept), and comprehensiveness,
v(everything) - v(removed), means over 1, 5, 10, 20 and 50 % in nats.

Intervals are bootstrap percentiles over behaviors.

References:
    Mueller et al. 2025, "MIB: A Mechanistic Interpretability Benchmark", sec. 3.2.
    Wang et al. 2022, "Interpretability in the Wild", sec. 4 (faithfulness, completeness).
    DeYoung et al. 2020, "ERASER", sec. 4 (sufficiency, comprehensiveness).
    Petsiuk et al. 2018, "RISE", sec. 4.1 (insertion, deletion).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int

from whence.core import Behavior, Cause, Scores
from whence.core.errors import MethodError
from whence.core.seeds import generator
from whence.interventions import Intervention

SIZES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Shares of the causes, as in MIB."""

EVEN_SIZES = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Shares for causes that are few, such as the words of a prompt."""

BINS = (0.01, 0.05, 0.1, 0.2, 0.5)
"""Shares for sufficiency and comprehensiveness, as in ERASER."""

Order = Literal["score", "magnitude"]
Area = Literal["cpr", "cmd", "insertion", "deletion", "sufficiency", "comprehensiveness"]
AREAS: tuple[Area, ...] = ("insertion", "deletion", "sufficiency", "comprehensiveness")
TOLD: tuple[Area, ...] = (*AREAS, "cmd")
"""What is told of a curve; insertion is the CPR of circuits."""


@dataclass(frozen=True, eq=False, slots=True)
class Curve:
    """What the first causes of an order carry.

    Attributes:
        method: whose order.
        sizes: shares of the causes.
        counts: how many causes that is; where behaviors have causes of their own, on average.
        kept: nats, behaviors by sizes, only the first causes staying.
        removed: nats, only the first causes gone.
        everything: nats, nothing removed.
        nothing: nats, all causes removed.
        absolute: the scale is the sum of absolute changes |v(everything) - v(nothing)|, so that
            behaviors that their causes oppose do not cancel those that they support. Without
            opposed ones it is the same.
    """

    method: str
    sizes: Float[np.ndarray, " size"]
    counts: Int[np.ndarray, " size"]
    kept: Float[np.ndarray, "behavior size"]
    removed: Float[np.ndarray, "behavior size"]
    everything: Float[np.ndarray, " behavior"]
    nothing: Float[np.ndarray, " behavior"]
    absolute: bool = False

    @property
    def faithfulness(self) -> Float[np.ndarray, " size"]:
        """What survives of the behaviors with the kept causes alone."""
        return self._share(self.kept, np.arange(len(self.kept)))

    @property
    def completeness(self) -> Float[np.ndarray, " size"]:
        """What is lost of them with the same causes gone: 1 - f of the removed."""
        return 1 - self._share(self.removed, np.arange(len(self.kept)))

    @property
    def cpr(self) -> float:
        """Area under faithfulness over the share of causes kept."""
        return float(np.trapezoid(self.faithfulness, self.sizes))

    @property
    def cmd(self) -> float:
        """Area between faithfulness and 1."""
        return float(np.trapezoid(np.abs(1 - self.faithfulness), self.sizes))

    @property
    def insertion(self) -> float:
        """Area under f of the kept; the same as `cpr`."""
        return self.cpr

    @property
    def deletion(self) -> float:
        """Area under f of the removed: small when the first causes are what matters."""
        return float(np.trapezoid(1 - self.completeness, self.sizes))

    @property
    def sufficiency(self) -> float:
        """Nats lost when only the first causes stay, mean over bins and behaviors."""
        return float((self.everything[:, None] - self.kept[:, self._bins()]).mean())

    @property
    def comprehensiveness(self) -> float:
        """Nats lost when only the first causes go, mean over bins and behaviors."""
        return float((self.everything[:, None] - self.removed[:, self._bins()]).mean())

    def interval(self, area: Area, *, draws: int = 1000, seed: int = 0) -> tuple[float, float]:
        """95 % bootstrap percentiles of an area, behaviors drawn anew."""
        low, high = np.percentile(self._resampled(area, draws, seed), [2.5, 97.5])
        return float(low), float(high)

    def lead(
        self, others: Sequence[Curve], area: Area, *, draws: int = 1000, seed: int = 0
    ) -> tuple[float, float]:
        """95 % interval of how far an area is above that of other orders, from the same draws.

        Args:
            others: of the same behaviors; of several the mean counts, as of random orders.
            area: which.
            draws: resamplings.
            seed: of these.
        """
        theirs = np.mean([other._resampled(area, draws, seed) for other in others], axis=0)
        low, high = np.percentile(self._resampled(area, draws, seed) - theirs, [2.5, 97.5])
        return float(low), float(high)

    def to_json(self) -> dict[str, Any]:
        """The curve, and its areas with their intervals."""
        return {
            "sizes": self.sizes.tolist(),
            "kept": self.faithfulness.tolist(),
            "removed": (1 - self.completeness).tolist(),
            **{
                area: {"value": getattr(self, area), "interval": list(self.interval(area))}
                for area in TOLD
            },
        }

    def _resampled(self, area: Area, draws: int, seed: int) -> Float[np.ndarray, " draw"]:
        rng = generator(seed, "curve")
        n = len(self.kept)
        table = self.removed if area in {"deletion", "comprehensiveness"} else self.kept
        found = np.empty(draws)
        for draw in range(draws):
            chosen = rng.integers(n, size=n)
            if area in {"sufficiency", "comprehensiveness"}:
                lost = self.everything[chosen, None] - table[chosen][:, self._bins()]
                found[draw] = lost.mean()
                continue
            f = self._share(table, chosen)
            found[draw] = np.trapezoid(np.abs(1 - f) if area == "cmd" else f, self.sizes)
        return found

    def _share(
        self, table: Float[np.ndarray, "behavior size"], chosen: Int[np.ndarray, " n"]
    ) -> Float[np.ndarray, " size"]:
        floor = self.nothing[chosen].sum()
        change = self.everything[chosen] - self.nothing[chosen]
        scale = np.abs(change).sum() if self.absolute else change.sum()
        share: Float[np.ndarray, " size"]
        share = (table[chosen].sum(0) - floor) / scale
        return share

    def _bins(self) -> list[int]:
        places = [np.flatnonzero(np.isclose(self.sizes, share)) for share in BINS]
        return [int(place[0]) for place in places if place.size]


def mean_curve(curves: Sequence[Curve]) -> dict[str, Any]:
    """The mean of several curves of the same behaviors and sizes, as `Curve.to_json` has one.

    Its areas have no interval: how far an order is ahead of them has one (`Curve.lead`).
    """
    return {
        "orders": len(curves),
        "sizes": curves[0].sizes.tolist(),
        "kept": np.mean([c.faithfulness for c in curves], axis=0).tolist(),
        "removed": np.mean([1 - c.completeness for c in curves], axis=0).tolist(),
        **{area: float(np.mean([getattr(c, area) for c in curves])) for area in TOLD},
    }


def curve(
    scores: Scores,
    intervention: Intervention,
    *,
    sizes: Sequence[float] = SIZES,
    order: Order = "score",
    shared: bool = True,
    absolute: bool = False,
) -> Curve:
    """Keep and remove the first causes of an order, at growing sizes.

    Args:
        scores: from any method; its causes must be the intervention's.
        intervention: takes causes away and measures.
        sizes: shares of the causes, ascending.
        order: by score, supporters first (CPR), or by its magnitude (CMD).
        shared: one order for all behaviors, by the mean of their scores: the circuit of a task.
            Otherwise each behavior has its own.
        absolute: with a shared order, scale by the sum of absolute changes; for behaviors that
            are not of one task, some of which the causes may oppose. Otherwise as in MIB.

    Raises:
        MethodError: other causes; sizes outside (0, 1] or not ascending; removing everything
            changes nothing in sum.
    """
    share = _checked_sizes(sizes)
    if shared:
        _check_causes(scores, intervention)
        table = _table(scores, order)
        counts = _counts(share, len(scores.causes))
        found = _measured(table.mean(0), counts, intervention, scores.behaviors)
        return _curve(scores.method, share, counts, found, absolute=absolute)
    return pooled_curve([(scores, intervention)], sizes=sizes, order=order)


def pooled_curve(
    pairs: Sequence[tuple[Scores, Intervention]],
    *,
    sizes: Sequence[float] = EVEN_SIZES,
    order: Order = "score",
) -> Curve:
    """One curve over behaviors that have causes of their own, as every prompt has its tokens.

    Args:
        pairs: scores of one method and what takes their causes away; each behavior has its own
            order.
        sizes: shares of the causes, ascending.
        order: by score, supporters first, or by its magnitude.

    Raises:
        MethodError: as of `curve`.
    """
    share = _checked_sizes(sizes)
    found, counts = [], []
    for scores, intervention in pairs:
        _check_causes(scores, intervention)
        own = _counts(share, len(scores.causes))
        counts.append(own)
        for row, behavior in zip(_table(scores, order), scores.behaviors, strict=True):
            found.append(_measured(row, own, intervention, [behavior]))
    mean = np.round(np.array(counts, dtype=float).mean(axis=0)).astype(np.int64)
    return _curve(pairs[0][0].method, share, mean, np.concatenate(found), absolute=True)


def _table(scores: Scores, order: Order) -> Float[np.ndarray, "behavior cause"]:
    table = scores.values if order == "score" else np.abs(scores.values)
    found: Float[np.ndarray, "behavior cause"]
    found = np.where(np.isfinite(scores.values), table, -np.inf)
    return found


def _counts(share: Float[np.ndarray, " size"], causes: int) -> Int[np.ndarray, " size"]:
    counts: Int[np.ndarray, " size"] = np.maximum(1, np.round(share * causes)).astype(np.int64)
    return counts


def _check_causes(scores: Scores, intervention: Intervention) -> None:
    if [c.id for c in scores.causes] != [c.id for c in intervention.causes]:
        raise MethodError(
            f"scores of {scores.method}",
            expected=f"scores for the intervention's {len(intervention.causes)} causes, in order",
            got=f"{len(scores.causes)} causes that differ",
            fix="Score the same causes that the intervention takes away.",
        )


def _checked_sizes(sizes: Sequence[float]) -> Float[np.ndarray, " size"]:
    share = np.array(sizes, dtype=float)
    if not len(share) or (np.diff(share) <= 0).any() or share[0] <= 0 or share[-1] > 1:
        raise MethodError(
            "sizes",
            expected="shares of the causes in (0, 1], ascending",
            got=str(tuple(sizes)),
            fix="Leave them out for those of MIB.",
        )
    return share


def _curve(
    method: str,
    share: Float[np.ndarray, " size"],
    counts: Int[np.ndarray, " size"],
    found: Float[np.ndarray, "behavior subset"],
    *,
    absolute: bool = False,
) -> Curve:
    everything, nothing = found[:, 0], found[:, 1]
    still = (everything == nothing).all() if absolute else everything.sum() == nothing.sum()
    if still:
        raise MethodError(
            "behaviors",
            expected="values that change when all causes are removed",
            got="the same sum of values",
            fix="Choose behaviors that these causes have something to do with.",
        )
    half = 2 + len(share)
    kept, removed = found[:, 2:half], found[:, half:]
    return Curve(method, share, counts, kept, removed, everything, nothing, absolute)


def _measured(
    row: Float[np.ndarray, " cause"],
    counts: Int[np.ndarray, " size"],
    intervention: Intervention,
    behaviors: Sequence[Behavior],
) -> Float[np.ndarray, "behavior subset"]:
    """Values with everything, with nothing, with only the first k, and without them."""
    rank = np.empty(len(row), dtype=np.int64)
    rank[np.argsort(-row, kind="stable")] = np.arange(len(row))
    first = rank[None] < counts[:, None]
    ends = np.array([[True], [False]]) & np.ones((1, len(row)), dtype=bool)
    # Of few causes, several shares are the same number.
    keep, where = np.unique(np.concatenate([ends, first, ~first]), axis=0, return_inverse=True)
    found: Float[np.ndarray, "behavior subset"]
    found = intervention.measure(behaviors, keep)[:, where.reshape(-1)]
    return found


def baseline_scores(
    causes: Sequence[Cause], behaviors: Sequence[Behavior], *, draws: int = 8, seed: int = 0
) -> dict[str, Scores]:
    """Orders that know nothing: random ones, and by position (a token's place, a part's layer).

    Returns:
        "random 1", ..., and "last first" and "first first", all as ranks.
    """
    rng = generator(seed, "baseline orders")
    size = np.array([cause.size for cause in causes])
    rows = {f"random {k + 1}": rng.permutation(len(causes)).astype(float) for k in range(draws)}
    rows |= {"last first": size, "first first": -size}
    return {
        name: Scores(
            values=np.tile(row, (len(behaviors), 1)),
            behaviors=tuple(behaviors),
            causes=tuple(causes),
            method=name,
            estimand="alone",
            unit="rank",
            settings={"seed": seed},
        )
        for name, row in rows.items()
    }
