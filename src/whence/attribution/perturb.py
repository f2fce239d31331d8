"""Perturbing methods, written once for documents, components and tokens.

They know nothing but `measure(behaviors, keep)`; whether a removal is a forward pass or
a training run is the intervention's business.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from whence.core import Behavior, Cost, Coverage, Scores, index_of
from whence.interventions import Drawing, Intervention


def leave_one_out(
    intervention: Intervention,
    behaviors: Sequence[Behavior],
    causes: Sequence[str] | None = None,
) -> Scores:
    """Remove each cause alone and see how far every behavior falls: score = v(all) - v(all but i).

    It is the exact answer to the estimand "alone". One removal costs a forward pass for
    components and tokens, and a training run for documents.

    Args:
        intervention: takes causes away and measures.
        behaviors: what is measured.
        causes: ids of the causes to try; None means all. The others get no score (NaN).

    Returns:
        Scores in nats over all causes of the intervention; with standard errors where what stands
        in a cause's place is drawn several times.

    Raises:
        InterventionError: a cause that is not there.
    """
    names = [cause.id for cause in intervention.causes]
    tried = (
        list(range(len(names)))
        if causes is None
        else index_of(intervention.causes, list(causes), "causes")
    )
    keep = np.ones((len(tried) + 1, len(names)), dtype=bool)
    keep[np.arange(1, len(tried) + 1), tried] = False
    start = time.perf_counter()
    if isinstance(intervention, Drawing) and intervention.draws > 1:
        measured = intervention.measure_draws(behaviors, keep)
    else:
        measured = intervention.measure(behaviors, keep)[..., None]
    values, errors = np.full((2, len(behaviors), len(names)), np.nan)
    values[:, tried], spread = over_draws(measured[:, :1] - measured[:, 1:])
    if spread is not None:
        errors[:, tried] = spread
    removals = len(tried)
    return Scores(
        values=values,
        errors=None if spread is None else errors,
        behaviors=tuple(behaviors),
        causes=intervention.causes,
        method="leave-one-out",
        estimand="alone",
        settings={"intervention": intervention.describe()},
        cost=Cost(
            seconds=time.perf_counter() - start,
            forwards=(removals * measured.shape[2] + 1) * len(behaviors),
            trainings=0 if intervention.cheap else removals,
        ),
        coverage=Coverage(f"{removals} of {len(names)} causes", removals / max(1, len(names))),
    )


def over_draws(
    found: Float[np.ndarray, "behavior cause draw"],
) -> tuple[Float[np.ndarray, "behavior cause"], Float[np.ndarray, "behavior cause"] | None]:
    """The mean over draws and its standard error; none for one draw."""
    n = found.shape[-1]
    return found.mean(axis=-1), found.std(axis=-1, ddof=1) / np.sqrt(n) if n > 1 else None
