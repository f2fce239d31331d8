"""How far behaviors fall when the strongest causes go, beside as many random ones.

For each share of the causes (0.5, 1, 2 % by default) the top causes by a method's scores are
removed together. Where a removal is a forward pass, every behavior loses its own top causes.
Where it is a training run, all behaviors lose the same ones, the top of the mean score, and
the mean fall is measured: one training a method and share, and controls that all methods share.

The control is what the rest of the judge uses: random sets matched in kind and size. A fall in
a behavior without a foil is a rise of its loss, hence the field's name for this test.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.stats import t as student

from whence.core import Scores, Verdict
from whence.core.errors import MethodError
from whence.interventions import Intervention
from whence.verification.claims import Claim, set_claims
from whence.verification.judge import VerifySettings, decide, prepare

SHARES = (0.005, 0.01, 0.02)


@dataclass(frozen=True, slots=True)
class Rise:
    """What removing the top causes of a method did.

    Attributes:
        method: whose.
        share: of the causes, as asked for.
        causes: how many were removed from a behavior, on average.
        measured: mean fall over behaviors, nats.
        control: mean fall under matched random removals.
        interval: of measured less control, nats; infinite where it cannot be told.
        confirmed: share of the claims that the judge confirmed.
    """

    method: str
    share: float
    causes: float
    measured: float
    control: float
    interval: tuple[float, float]
    confirmed: float

    def to_json(self) -> dict[str, Any]:
        """The record of this removal."""
        ends = [end if np.isfinite(end) else None for end in self.interval]
        return {
            "share": self.share,
            "causes": self.causes,
            "measured": self.measured,
            "control": self.control,
            "interval": ends,
            "confirmed": self.confirmed,
        }


def loss_rise(
    every: Sequence[Scores],
    intervention: Intervention,
    *,
    shares: Sequence[float] = SHARES,
    together: bool | None = None,
    settings: VerifySettings | None = None,
) -> list[Rise]:
    """Remove the top causes of each method's scores and measure.

    Args:
        every: scores of several methods, for the same behaviors and causes.
        intervention: takes causes away; a bank keeps what was trained.
        shares: of the causes, each at least one cause.
        together: all behaviors lose the same causes; None means where a removal is a training.
        settings: controls, level, seed.

    Returns:
        One rise for each share and method, in that order.

    Raises:
        MethodError: no scores, scores of different behaviors, or a share outside (0, 1).
    """
    if not every or any(s.behaviors != every[0].behaviors for s in every):
        raise MethodError(
            "scores",
            expected="scores of one or more methods, for the same behaviors",
            got="none" if not every else "scores of different behaviors",
            fix="Score the same behaviors by every method.",
        )
    if not all(0 < share < 1 for share in shares):
        raise MethodError(
            "shares", expected="numbers in (0, 1)", got=str(tuple(shares)), fix="Try 0.01."
        )
    settings = settings or VerifySettings()
    together = (not intervention.cheap) if together is None else together
    # What is measured is a removal from everything, whatever the scores were made for.
    asked = [replace(_pooled(s) if together else s, estimand="additive") for s in every]
    found = []
    for share in shares:
        count = max(1, round(share * len(intervention.causes)))
        claims = [set_claims(scores, count) for scores in asked]
        flat = [claim for some in claims for claim in some]
        verdicts = _verdicts(flat, every[0], intervention, together, settings)
        first = 0
        for scores, some in zip(every, claims, strict=True):
            mine, first = verdicts[first : first + len(some)], first + len(some)
            found.append(_rise(scores.method, share, mine, settings))
    return found


def _pooled(scores: Scores) -> Scores:
    """One behavior for all: the mean score. The behavior that it carries is but a place holder."""
    mean: Float[np.ndarray, "1 cause"] = scores.values.mean(axis=0, keepdims=True)
    return replace(scores, values=mean, errors=None, behaviors=scores.behaviors[:1])


def _verdicts(
    claims: list[Claim],
    scores: Scores,
    intervention: Intervention,
    together: bool,
    settings: VerifySettings,
) -> list[Verdict]:
    if not claims:
        return []
    trial = prepare(claims, intervention, settings)
    values = intervention.measure(scores.behaviors, trial.keep)
    if together:
        values = values.mean(axis=0, keepdims=True)
    return decide(trial, values, intervention, settings)


def _rise(method: str, share: float, verdicts: Sequence[Verdict], settings: VerifySettings) -> Rise:
    """Sum up the claims of one method at one share; one that claims nothing removes nothing."""
    if not verdicts:
        return Rise(method, share, 0.0, 0.0, 0.0, (float("-inf"), float("inf")), 0.0)
    measured = np.array([v.measured for v in verdicts])
    control = np.array([v.control_mean for v in verdicts])
    return Rise(
        method=method,
        share=share,
        causes=float(np.mean([len(v.causes) for v in verdicts])),
        measured=float(measured.mean()),
        control=float(control.mean()),
        interval=_interval(verdicts, measured - control, settings.level),
        confirmed=float(np.mean([v.finding == "confirmed" for v in verdicts])),
    )


def _interval(
    verdicts: Sequence[Verdict], excess: Float[np.ndarray, " claim"], level: float
) -> tuple[float, float]:
    """Of one claim the judge's own; of several the t-interval of their mean."""
    if len(verdicts) == 1:
        return verdicts[0].interval
    half = student.ppf((1 + level) / 2, len(excess) - 1) * excess.std(ddof=1)
    half /= np.sqrt(len(excess))
    return float(excess.mean() - half), float(excess.mean() + half)
