"""Attribution patching: the effect of replacing every component, from one backward pass.

Replacing a component's activation a by r changes the behavior v, to first order, by
< dv/da , r - a >. So the fall on removal is predicted as

    score = < dv/da , a - r >      summed over all positions

for all components at once, at the price of one forward and one backward pass. It is exact
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
import torch
from jaxtyping import Float

from whence.core import Behavior, Cost, Coverage, Scores
from whence.interventions import Components


def attribution_patching(intervention: Components, behaviors: Sequence[Behavior]) -> Scores:
    """First-order effect of replacing each component.

    Args:
        intervention: names components and what replaces them.
        behaviors: what is explained.

    Returns:
        Scores in nats, additive.
    """
    start = time.perf_counter()
    values = np.stack([_first_order(intervention, behavior) for behavior in behaviors])
    return Scores(
        values=values,
        behaviors=tuple(behaviors),
        causes=intervention.causes,
        method="attribution-patching",
        estimand="additive",
        settings={"intervention": intervention.describe()},
        cost=Cost(time.perf_counter() - start, forwards=len(behaviors), backwards=len(behaviors)),
        coverage=Coverage(f"all {len(intervention.causes)} components", 1.0),
    )


def _first_order(intervention: Components, behavior: Behavior) -> Float[np.ndarray, " cause"]:
    watched = intervention.watch(behavior)
    gradients = torch.autograd.grad(watched.value, watched.activations)
    falls = [
        gradient * (activation - replacement)
        for gradient, activation, replacement in zip(
            gradients, watched.activations, watched.replacements, strict=True
        )
    ]
    return watched.per_cause(falls)
