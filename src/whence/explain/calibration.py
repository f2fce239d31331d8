"""From ranks to nats: a slope fitted to removals that were measured.

BM25 or a gradient similarity orders documents but predicts no size. Where sets of
documents have really been removed by replay, the sum of a set's raw scores can be laid
beside the measured fall, and one slope through the origin turns the method's scores into
predicted nats:

    slope = sum(raw * measured) / sum(raw * raw)

The slopes of a run stand in `calibration.json` beside it, with the number of removals they
rest on. A method without a slope is shown without a prediction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from whence.core import Scores, Verdict
from whence.core.records import read_json, write_json
from whence.training import Run

FILE = "calibration.json"
_FEWEST_REMOVALS = 4


@dataclass(frozen=True, slots=True)
class Slope:
    """How many nats a unit of a method's raw score is worth.

    Attributes:
        slope: nats per unit.
        removals: measured sets that it was fitted to.
        explained: share of the measured falls' variation about zero that it explains.
    """

    slope: float
    removals: int
    explained: float


def fit_slope(raw: Float[np.ndarray, " set"], measured: Float[np.ndarray, " set"]) -> Slope | None:
    """Least squares through the origin; None where raw scores are all zero.

    Args:
        raw: sum of raw scores of each removed set.
        measured: fall under its removal, nats.
    """
    power = float((raw * raw).sum())
    if power == 0.0:
        return None
    slope = float((raw * measured).sum()) / power
    total = float((measured * measured).sum())
    missed = float(((measured - slope * raw) ** 2).sum())
    return Slope(slope, len(raw), 1 - missed / total if total else 0.0)


def slope_from(scores: Scores, verdicts: Sequence[Verdict]) -> Slope | None:
    """Fit a method's scores to verdicts on sets of its causes.

    Args:
        scores: raw scores.
        verdicts: measured removals, of these or of any other sets of the same causes.
    """
    where = {cause.id: i for i, cause in enumerate(scores.causes)}
    raw = [scores.values[v.behavior, [where[c] for c in v.causes]].sum() for v in verdicts]
    return fit_slope(np.array(raw), np.array([v.measured for v in verdicts]))


def cross_calibrated(
    scores: Scores, verdicts: Sequence[Verdict]
) -> tuple[Scores, list[Verdict]] | None:
    """Turn ranks into nats for each behavior by the removals measured for the *others*.

    No behavior's own removal goes into its prediction, so that its error means something.

    Args:
        scores: raw scores of several behaviors.
        verdicts: one removed set a behavior, of these scores.

    Returns:
        Scores in nats and the verdicts with predictions; None with fewer than four other
        removals for any behavior, or where the raw scores say nothing.
    """
    slopes = []
    for behavior in range(len(scores.behaviors)):
        others = [v for v in verdicts if v.behavior != behavior]
        slope = slope_from(scores, others) if len(others) >= _FEWEST_REMOVALS else None
        if slope is None:
            return None
        slopes.append(slope)
    factors = np.array([s.slope for s in slopes])
    calibrated = replace(
        scores,
        values=scores.values * factors[:, None],
        unit="nats",
        settings={
            **scores.settings,
            "calibration": {
                "source": "removals measured for the other behaviors explained with it",
                "slopes": factors.tolist(),
                "removals": slopes[0].removals,
            },
        },
    )
    return calibrated, [_predicted(calibrated, verdict) for verdict in verdicts]


def _predicted(scores: Scores, verdict: Verdict) -> Verdict:
    where = {cause.id: i for i, cause in enumerate(scores.causes)}
    total = scores.values[verdict.behavior, [where[c] for c in verdict.causes]].sum()
    return replace(verdict, predicted=float(total))


def save_slopes(run: Run, slopes: dict[str, Slope]) -> None:
    """Keep slopes beside a run; those of other methods stay."""
    record = {**_read(run), **{k: vars_of(s) for k, s in slopes.items()}}
    write_json(run.path / FILE, record)


def load_slopes(run: Run) -> dict[str, float]:
    """The slopes that were fitted on a run: method -> nats per unit of raw score."""
    return {method: float(entry["slope"]) for method, entry in _read(run).items()}


def vars_of(slope: Slope) -> dict[str, float]:
    """The record of a slope."""
    return {"slope": slope.slope, "removals": slope.removals, "explained": slope.explained}


def _read(run: Run) -> dict[str, dict[str, float]]:
    path = run.path / FILE
    found: dict[str, dict[str, float]] = read_json(path) if path.is_file() else {}
    return found
