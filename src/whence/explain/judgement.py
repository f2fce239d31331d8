"""What a judgement holds: a row for each method, as plain data and as a record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from whence.core import Behavior, Kind, Scores
from whence.core.records import finite
from whence.training import GRADIENT_MEMORY
from whence.verification import (
    SHARES,
    Agreement,
    Cascade,
    Curve,
    Resampling,
    Rise,
    VerifySettings,
    mean_curve,
)

VERSION = 1
BASELINES = ("embedding", "sentences", "bm25", "exact-spans", "random")
TOKEN_BASELINES = ("attention-rollout", "value-flow", "embedding-norm", "last-first", "first-first")
"""Besides a random order."""


@dataclass(frozen=True, eq=False, slots=True)
class Judged:
    """One method in the table.

    Attributes:
        method: its name.
        agreement: its linear datamodeling score.
        behind: the baseline to which it loses, if its score is lower than that one's.
        lead: interval of its lead over the best baseline; None for a baseline.
        sanity: the scores that must fail: name -> agreement.
        rises: what removing its top causes did.
        recall: mean recall at the number planted, where the truth was given.
        seconds: wall time of the scoring, without retrainings that a bank held already.
        peak_mb: largest resident memory while scoring; None where it is not known.
        scores: for each scored intervention.
        curve: what the first causes of its order carry, where that was measured.
        ahead: baselines that this order beats: without its first causes less of the behaviors
            survives, by an interval (95 %, over behaviors) that lies below zero.
        over_random: for each area of the curve the 95 % interval of how far it is above that of
            random orders, behavior by behavior; empty for an order that is random itself.
        cascade: how its scores change as weights are dealt out anew, where that was asked for.
    """

    method: str
    agreement: Agreement
    seconds: float
    peak_mb: float | None
    scores: tuple[Scores, ...]
    behind: str | None = None
    lead: tuple[float, float] | None = None
    sanity: Mapping[str, Agreement] = field(default_factory=dict)
    rises: tuple[Rise, ...] = ()
    recall: float | None = None
    curve: Curve | None = None
    ahead: tuple[str, ...] = ()
    over_random: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    cascade: Cascade | None = None

    def to_json(self) -> dict[str, Any]:
        """One row of the record."""
        first = self.scores[0]
        return {
            "method": self.method,
            "lds": self.agreement.lds,
            "interval": list(self.agreement.interval),
            "estimand": first.estimand,
            "unit": first.unit,
            "coverage": first.coverage.to_json(),
            "behind": self.behind,
            "lead": None if self.lead is None else list(self.lead),
            "loss_rise": [rise.to_json() for rise in self.rises],
            "recall": self.recall,
            "curve": None if self.curve is None else self.curve.to_json(),
            "ahead": list(self.ahead),
            "over_random": {area: list(ends) for area, ends in self.over_random.items()},
            "cascade": None if self.cascade is None else self.cascade.to_json(),
            "seconds": round(self.seconds, 3),
            "trainings": sum(s.cost.trainings for s in self.scores),
            "peak_mb": None if self.peak_mb is None else finite(round(self.peak_mb, 1)),
            "sanity": {
                name: {
                    "lds": found.lds,
                    "interval": list(found.interval),
                    "fails": bool(found.interval[0] <= 0),
                }
                for name, found in self.sanity.items()
            },
        }


@dataclass(frozen=True, eq=False, slots=True)
class Judgement:
    """The whole table.

    Attributes:
        kind: of the causes.
        behaviors: that were measured.
        subsets: random removals that each score rests on.
        rows: one a method, as asked for.
        how: everything else that can change a number.
        chance: what the first causes of random orders carry; empty where no order was followed.
    """

    kind: Kind
    behaviors: tuple[Behavior, ...]
    subsets: int
    rows: tuple[Judged, ...]
    how: Mapping[str, Any]
    chance: tuple[Curve, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The record."""
        return {
            "whence": "judgement",
            "version": VERSION,
            "kind": self.kind,
            "behaviors": [b.to_json() for b in self.behaviors],
            "subsets": self.subsets,
            "rows": [row.to_json() for row in self.rows],
            "chance": mean_curve(self.chance) if self.chance else None,
            "how": dict(self.how),
        }


@dataclass(frozen=True, slots=True)
class JudgeSettings:
    """What is judged besides the linear datamodeling score, and how.

    Attributes:
        shares: of the causes whose removal is measured; empty measures none.
        sanity: also judge scores that must fail.
        resampling: of the intervals.
        folds: of a method that fits subsets; each is predicted by what was fitted to the others.
        verify: controls of the removals.
        subsets: for components and tokens, how many random removals.
        keep_share: for components and tokens, what share stays.
        seed: of these.
        memory: for documents, bytes for training states that the derivative keeps.
        encoder: for documents, a sentence encoder that ranks them too.
        cascade: for components and tokens, also deal the model's weights out anew, part by part
            from the top, and say which methods do not notice.
    """

    shares: tuple[float, ...] = SHARES
    sanity: bool = True
    resampling: Resampling = field(default_factory=Resampling)
    folds: int = 5
    verify: VerifySettings = field(default_factory=VerifySettings)
    subsets: int = 100
    keep_share: float = 0.5
    seed: int = 0
    memory: int = GRADIENT_MEMORY
    encoder: str | None = None
    cascade: bool = False
