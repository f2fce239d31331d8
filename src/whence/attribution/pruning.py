"""Greedy pruning: causes are removed one after another as long as little changes.

    for each cause, in order:    remove it when the values then fall by less than a threshold

What was removed stays removed, so later causes are tried in a smaller and smaller whole. Over the
edges of a model, from the vocabulary backwards, and with the divergence as what must not rise
(`Divergence`), this is ACDC; over tokens it finds a short prompt that does the same, over
components a small model. Written once, over `measure`, for all of them.

The score of a cause is the fall that was measured when it was tried. Those of removed causes add
up to the fall of all of them together: its share in the fall of that set (estimand "additive").

Reference: Conmy, Mavor-Parker, Lynch, Heimersheim and Garriga-Alonso, "Towards Automated Circuit
Discovery for Mechanistic Interpretability", 2023, algorithm 1.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from whence.core import Behavior, Cost, Coverage, Scores, index_of
from whence.core.errors import MethodError
from whence.core.progress import progress
from whence.interventions import Intervention

_LONG_WORK = 50  # trials; shorter work shows no bar


@dataclass(frozen=True, eq=False, slots=True)
class Pruned:
    """What is left, and what each trial showed.

    Attributes:
        scores: the fall of every behavior when a cause was tried, nats.
        kept: which causes are left; one set for all behaviors.
        threshold: mean fall over the behaviors from which a cause is kept, nats.
    """

    scores: Scores
    kept: Bool[np.ndarray, " cause"]
    threshold: float


def greedy_pruning(
    intervention: Intervention,
    behaviors: Sequence[Behavior],
    threshold: float,
    *,
    order: Sequence[str] | None = None,
) -> Pruned:
    """Remove causes one after another, and keep those whose removal costs something.

    Args:
        intervention: takes causes away; `Divergence(Edges(...))` makes this ACDC.
        behaviors: what must not suffer; one set of causes is kept for all of them.
        threshold: mean fall from which a cause stays, nats; of a plain value a rise is no fall.
        order: ids in the order in which they are tried; None means the last first, which for
            edges is from the vocabulary backwards. Causes that are not named stay.

    Raises:
        MethodError: a negative threshold, or no behavior.
        InterventionError: an id is not among the causes.
    """
    if threshold < 0 or not behaviors:
        raise MethodError(
            "threshold",
            expected="a number of nats that is not negative, and at least one behavior",
            got=f"{threshold} and {len(behaviors)} behaviors",
            fix="Try 0.01.",
        )
    start = time.perf_counter()
    n = len(intervention.causes)
    tried = list(reversed(range(n)))
    if order is not None:
        tried = index_of(intervention.causes, list(order), "order")
    kept = np.ones(n, dtype=bool)
    values = np.full((len(behaviors), n), np.nan)
    now = intervention.measure(behaviors, kept[None])[:, 0]
    for cause in progress(tried, "pruning", len(tried)) if len(tried) > _LONG_WORK else tried:
        without = kept.copy()
        without[cause] = False
        new = intervention.measure(behaviors, without[None])[:, 0]
        values[:, cause] = now - new
        if float((now - new).mean()) < threshold:
            kept, now = without, new
    scores = Scores(
        values=values,
        behaviors=tuple(behaviors),
        causes=intervention.causes,
        method="greedy-pruning",
        estimand="additive",
        settings={
            "intervention": intervention.describe(),
            "threshold": threshold,
            "order": [intervention.causes[i].id for i in tried] if order is not None else "last",
            "kept": int(kept.sum()),
        },
        cost=Cost(
            time.perf_counter() - start,
            forwards=(len(tried) + 1) * len(behaviors),
            trainings=0 if intervention.cheap else len(tried),
        ),
        coverage=Coverage(f"{len(tried)} of {n} causes tried", len(tried) / max(1, n)),
    )
    return Pruned(scores, kept, threshold)
