"""The memorisation profile: what seeing documents did, from one run, without training again.

Documents that were first seen between checkpoints g-1 and g are cohort g; documents that were
never seen are the controls. With Y_c the mean log-likelihood at checkpoint c,

    tau[g, c] = (Y_c(g) - Y_{g-1}(g)) - (Y_c(never) - Y_{g-1}(never))      nats

The first difference takes away what the cohort's texts are like, the second what training does
to texts at large. What is left is the effect of having been seen, if cohort and controls would
have moved alike without it (parallel trends), and if nothing of a document is learned before it
is seen. The cells before treatment (c < g - 1) should then be 0, which can be looked at. The plain
difference Y_c(g) - Y_c(never) is off by however much the two sets of texts differ.

    instantaneous   c = g, right after it was seen
    persistent      c > g
    residual        c = the last checkpoint

Intervals: documents are drawn again within their cohort, all cells together. A simultaneous band
holds all cells at once with the level's probability: its half width is the quantile of the
largest studentised deviation times each cell's standard error.

References:
    Lesci et al. 2024, "Causal estimation of memorisation profiles", sec. 4 and 5.
    Callaway & Sant'Anna 2021, "Difference-in-differences with multiple time periods", theorem 1
    (never-treated controls, no covariates), algorithm 1 (simultaneous bands).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from whence.attribution.memorization.panel import NEVER, Panel
from whence.core.errors import MethodError
from whence.core.records import finite
from whence.core.seeds import generator

Cells = Float[np.ndarray, "cohort checkpoint"]

_FEWEST = 2


@dataclass(frozen=True, slots=True)
class Effect:
    """A mean of cells, nats.

    Attributes:
        value: of the estimate, cohorts weighing by their number of documents.
        interval: pointwise, by the bootstrap.
    """

    value: float
    interval: tuple[float, float]

    def to_json(self) -> dict[str, Any]:
        """The record."""
        return {"value": finite(self.value), "interval": [finite(end) for end in self.interval]}


@dataclass(frozen=True, eq=False, slots=True)
class Profile:
    """Group-time effects of having been seen.

    Attributes:
        effects: nats; NaN at a cohort's base (the checkpoint before it was seen), where the
            effect is 0 by definition.
        errors: bootstrap standard errors.
        half_width: of the simultaneous band.
        plain: the plain difference to the controls, for comparison.
        cohorts: number of the checkpoint by which each cohort had been seen.
        sizes: documents of each cohort.
        controls: documents never seen.
        steps: of the checkpoints.
        summary: "instantaneous", "persistent", "residual" and "before": means of cells.
    """

    effects: Cells
    errors: Cells
    half_width: Cells
    plain: Cells
    cohorts: tuple[int, ...]
    sizes: Int[np.ndarray, " cohort"]
    controls: int
    steps: tuple[int, ...]
    summary: Mapping[str, Effect]

    @property
    def significant(self) -> Bool[np.ndarray, "cohort checkpoint"]:
        """Cells whose simultaneous band leaves 0 out."""
        found: Bool[np.ndarray, "cohort checkpoint"] = np.abs(self.effects) > self.half_width
        return found

    @property
    def doubt(self) -> str | None:
        """What speaks against the assumption that cohorts would have moved as the controls did."""
        before = self.summary["before"]
        low, high = before.interval
        if not (low > 0 or high < 0):  # also where there is no cell before
            return None
        return (
            f"Before they were seen, cohorts had moved {before.value:+.2f} nats a token away from "
            f"the controls (95 % {low:+.2f} to {high:+.2f}): the controls do not learn as they do, "
            "and effects of this size may be due to that."
        )

    def to_json(self) -> dict[str, Any]:
        """The record: one entry a cell."""
        cells = [
            {
                "cohort": self.steps[g],
                "checkpoint": self.steps[c],
                "effect": finite(self.effects[row, c]),
                "error": finite(self.errors[row, c]),
                "half_width": finite(self.half_width[row, c]),
                "plain": finite(self.plain[row, c]),
                "significant": bool(self.significant[row, c]),
            }
            for row, g in enumerate(self.cohorts)
            for c in range(len(self.steps))
        ]
        return {
            "whence": "memorization-profile",
            "version": 1,
            "steps": list(self.steps),
            "cohorts": [self.steps[g] for g in self.cohorts],
            "sizes": self.sizes.tolist(),
            "controls": self.controls,
            "cells": cells,
            "summary": {name: effect.to_json() for name, effect in self.summary.items()},
            "doubt": self.doubt,
        }


def memorization_profile(
    panel: Panel, *, resamples: int = 1000, level: float = 0.95, seed: int = 0
) -> Profile:
    """Estimate every group-time effect, with simultaneous bands.

    Args:
        panel: outcomes of documents over checkpoints.
        resamples: draws of the bootstrap.
        level: of intervals and bands.
        seed: of the bootstrap.

    Returns:
        The profile. Cohorts that were seen before the first checkpoint have no base and are
        left out, as are those of a single document.

    Raises:
        MethodError: fewer than two controls, or no cohort that can be estimated.
    """
    never = np.flatnonzero(panel.cohort == NEVER)
    cohorts = [
        g for g in range(1, len(panel.steps)) if np.count_nonzero(panel.cohort == g) >= _FEWEST
    ]
    if len(never) < _FEWEST or not cohorts:
        raise MethodError(
            "panel",
            expected="two or more controls, and a cohort of two or more with a checkpoint before",
            got=f"{len(never)} controls, {len(cohorts)} such cohorts",
            fix="Keep more checkpoints, and hold documents out.",
        )
    rows = [np.flatnonzero(panel.cohort == g) for g in cohorts]
    sizes = np.array([len(r) for r in rows])
    base = np.array(cohorts) - 1
    effects, plain = _cells(panel.values, rows, never, base)
    rng = generator(seed, "profile")
    drawn = np.empty((resamples, *effects.shape))
    for number in range(resamples):
        again = [rng.choice(r, len(r)) for r in rows]
        drawn[number] = _cells(panel.values, again, rng.choice(never, len(never)), base)[0]
    errors = drawn.std(axis=0, ddof=1)
    estimated = np.arange(len(panel.steps)) != base[:, None]
    half_width = _band(drawn, effects, errors, estimated, level)
    summary = {
        name: _mean_of(effects, drawn, cells & estimated, sizes, level)
        for name, cells in _parts(np.array(cohorts), len(panel.steps)).items()
    }
    hidden = np.where(estimated, 0.0, np.nan)
    return Profile(
        effects + hidden,
        errors + hidden,
        half_width + hidden,
        plain,
        tuple(cohorts),
        sizes,
        len(never),
        panel.steps,
        summary,
    )


def _cells(
    values: Float[np.ndarray, "document checkpoint"],
    rows: list[np.ndarray],
    never: Int[np.ndarray, " control"],
    base: Int[np.ndarray, " cohort"],
) -> tuple[Cells, Cells]:
    """Differences-in-differences, and plain differences."""
    treated = np.stack([values[r].mean(0) for r in rows])
    gap = treated - values[never].mean(0)
    return gap - gap[np.arange(len(rows)), base][:, None], gap


def _band(
    drawn: Float[np.ndarray, "resample cohort checkpoint"],
    effects: Cells,
    errors: Cells,
    estimated: Bool[np.ndarray, "cohort checkpoint"],
    level: float,
) -> Cells:
    """Half widths of the band that holds all cells at once."""
    inside = estimated & (errors > 0)
    if not inside.any():
        return np.zeros_like(errors)
    deviation = np.abs(drawn[:, inside] - effects[inside]) / errors[inside]
    reach = np.quantile(deviation.max(axis=1), level)
    found: Cells = reach * errors
    return found


def _parts(
    cohorts: Int[np.ndarray, " cohort"], checkpoints: int
) -> dict[str, Bool[np.ndarray, "cohort checkpoint"]]:
    g, c = cohorts[:, None], np.arange(checkpoints)[None, :]
    return {
        "before": c < g - 1,
        "instantaneous": c == g,
        "persistent": c > g,
        "residual": np.broadcast_to(c == checkpoints - 1, (len(cohorts), checkpoints)),
    }


def _mean_of(
    effects: Cells,
    drawn: Float[np.ndarray, "resample cohort checkpoint"],
    cells: Bool[np.ndarray, "cohort checkpoint"],
    sizes: Int[np.ndarray, " cohort"],
    level: float,
) -> Effect:
    """Mean over some cells, cohorts weighing by their documents; NaN where there are none."""
    if not cells.any():
        return Effect(float("nan"), (float("nan"), float("nan")))
    weights = np.broadcast_to(sizes[:, None], cells.shape)[cells].astype(float)
    weights /= weights.sum()
    ends = np.quantile(drawn[:, cells] @ weights, [(1 - level) / 2, (1 + level) / 2])
    return Effect(float(effects[cells] @ weights), (float(ends[0]), float(ends[1])))
