"""Attribution patching: the effect of replacing every component, from one backward pass.

Replacing a component's activation a by r changes the behavior v, to first order, by
< dv/da , r - a >. So the fall on removal is predicted as

    score = < dv/da , a - r >      summed over all positions

for all components at once, at the price of one forward and one backward pass. Where r is drawn
several times the score is the mean over the draws, with its standard error. It is exact
where the model is linear between a and r, and misses saturation; the exact sweep is
`leave_one_out` on the same intervention.

References:
    Nanda, "Attribution Patching", 2023; Syed, Rager and Conmy, "Attribution Patching
    Outperforms Automated Circuit Discovery", 2023, eq. 1.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from whence.attribution.perturb import over_draws
from whence.core import Behavior, Cost, Coverage, Scores
from whence.interventions import Components


def attribution_patching(intervention: Components, behaviors: Sequence[Behavior]) -> Scores:
    """First-order effect of replacing each component.

    Args:
        intervention: names components and what replaces them.
        behaviors: what is explained.

    Returns:
        Scores in nats, additive; with standard errors over draws where there are several.
    """
    start = time.perf_counter()
    draws = [intervention.watch(behavior).falls() for behavior in behaviors]
    found = np.stack(draws).reshape(len(behaviors), intervention.draws, -1)
    values, errors = over_draws(found.swapaxes(1, 2))
    forwards = (1 + intervention.instead.prompts) * len(behaviors)
    return Scores(
        values=values,
        errors=errors,
        behaviors=tuple(behaviors),
        causes=intervention.causes,
        method="attribution-patching",
        estimand="additive",
        settings={"intervention": intervention.describe()},
        cost=Cost(time.perf_counter() - start, forwards=forwards, backwards=len(behaviors)),
        coverage=Coverage(f"all {len(intervention.causes)} components", 1.0),
    )
