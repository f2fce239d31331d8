"""A verdict: what was predicted of a removal, what was measured, and whether it held."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from whence.core.records import finite

Finding = Literal["confirmed", "refuted", "not verified"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One set of causes, removed for real, beside matched random removals.

    Attributes:
        behavior: row of the scores it is about.
        causes: ids of the causes that were removed together.
        predicted: nats by which the behavior should have fallen; None when the method predicts
            no size.
        measured: nats by which it fell.
        controls: nats by which it fell under each matched control removal.
        control_mean: their mean, nats.
        control_interval: 95 % t-prediction interval of one more control, nats.
        interval: 95 % interval of the fall beyond a matched random removal, nats; the finding
            is "confirmed" exactly when it lies above zero on the predicted side.
        finding: "confirmed", "refuted" or "not verified".
        scope: what it holds for: "this run", "this model", or "this recipe".
        estimand: what was measured: "alone" for one cause, "additive" for a set.
    """

    behavior: int
    causes: tuple[str, ...]
    predicted: float | None
    measured: float
    controls: tuple[float, ...]
    control_mean: float
    control_interval: tuple[float, float]
    interval: tuple[float, float]
    finding: Finding
    scope: str
    estimand: str

    @property
    def error(self) -> float | None:
        """Predicted minus measured fall, nats; reported apart from the finding."""
        return None if self.predicted is None else self.predicted - self.measured

    def to_json(self) -> dict[str, Any]:
        """The record of this verdict."""
        return {
            "behavior": self.behavior,
            "causes": list(self.causes),
            "predicted": self.predicted,
            "measured": self.measured,
            "error": self.error,
            "control": {
                "mean": finite(self.control_mean),
                "interval": [finite(x) for x in self.control_interval],
                "n": len(self.controls),
                "values": list(self.controls),
            },
            "interval": [finite(x) for x in self.interval],
            "verdict": self.finding,
            "scope": self.scope,
            "estimand": self.estimand,
        }
