"""Edge attribution patching: the effect of cutting every edge, from a few backward passes.

Cutting the edge from sender s to receiver r replaces what s adds, a_s, by something else, a'_s,
in what r reads, x_r. To first order the value v falls by

    EAP       < dv/dx_r , a_s - a'_s >                               at the model's own pass
    EAP-IG    < mean over m steps of dv/dx_r , a_s - a'_s >          along a line of embeddings

with positions summed. EAP costs one forward and one backward pass, whatever the number of edges.
It fails where the derivative vanishes though the change is large: a head that attends surely has
a flat softmax. EAP-IG takes the derivative at m points on the straight line between the
embeddings of the two prompts (the last of them the prompt itself), and sees the slope between.

Where a' is drawn several times, the score is the mean over the draws, each with passes of its own.

A norm in front of a receiver is part of the receiver: it is differentiated, not frozen.

References:
    Syed, Rager and Conmy, "Attribution Patching Outperforms Automated Circuit Discovery", 2023,
    eq. 2. Hanna, Pezzelle and Belinkov, "Have Faith in Faithfulness", 2024, eq. 4 (EAP-IG).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from whence.attribution.perturb import over_draws
from whence.core import Behavior, Cost, Coverage, Scores
from whence.core.errors import MethodError
from whence.interventions import Edges
from whence.models import Row, encode, plan, rows_of

Products = Float[Tensor, "row receiver sender"]


def edge_attribution(intervention: Edges, behaviors: Sequence[Behavior]) -> Scores:
    """First-order effect of cutting each edge (EAP).

    Args:
        intervention: names the edges and what goes along them instead.
        behaviors: what is explained.

    Returns:
        Scores in nats, additive; with standard errors over draws where there are several.
    """
    return _scores("eap", intervention, behaviors, _once, passes=1, settings={})


def edge_integrated_gradients(
    intervention: Edges, behaviors: Sequence[Behavior], steps: int = 5
) -> Scores:
    """The same with derivatives along the line between two embeddings (EAP-IG).

    Args:
        intervention: names the edges and what goes along them instead; the line begins at what
            stands for the embedding.
        behaviors: what is explained.
        steps: points on the line.

    Returns:
        Scores in nats, additive; with standard errors over draws where there are several.

    Raises:
        MethodError: fewer than one step.
    """
    if steps < 1:
        raise MethodError("steps", expected="at least 1", got=str(steps), fix="Try 5.")

    def along(rows: list[Row], own: Tensor, instead: Tensor, change: Tensor) -> Products:
        first, last = instead[:, 0], own[:, 0]
        points = [first + (k + 1) / steps * (last - first) for k in range(steps)]
        found = [intervention.products(rows, change, point) for point in points]
        return torch.stack(found).mean(0)

    def method(_: Edges, *args: Any) -> Products:
        return along(*args)

    return _scores(
        "eap-ig", intervention, behaviors, method, passes=steps, settings={"steps": steps}
    )


def _once(
    intervention: Edges, rows: list[Row], own: Tensor, instead: Tensor, change: Tensor
) -> Products:
    del own, instead
    return intervention.products(rows, change)


def _scores(
    name: str,
    intervention: Edges,
    behaviors: Sequence[Behavior],
    method: Callable[..., Products],
    *,
    passes: int,
    settings: dict[str, Any],
) -> Scores:
    start = time.perf_counter()
    encoded = [rows_of(encode(intervention.model, behavior)) for behavior in behaviors]
    others = intervention.others(behaviors, encoded)
    draws = intervention.draws
    # Every row as often as something is drawn for it.
    rows = [row for own in encoded for row in own for _ in range(draws)]
    owner = np.repeat([i for i, own in enumerate(encoded) for _ in own], draws)
    turns = np.arange(len(rows)) % draws
    found = np.zeros((draws, len(behaviors), len(intervention.causes)))
    for batch in plan([len(row.ids) for row in rows], intervention.batch_size):
        chosen = [rows[i] for i in batch]
        own, instead, change = intervention.change(chosen, turns[batch], others)
        products = method(intervention, chosen, own, instead, change)
        np.add.at(found, (turns[batch], owner[batch]), intervention.per_cause(products))
    values, errors = over_draws(np.moveaxis(found, 0, -1))
    others_read = 1 if intervention.instead.prompts else 0
    forwards = (passes + 1 + others_read) * len(behaviors) * draws
    backwards = passes * len(behaviors) * draws
    return Scores(
        values=values,
        errors=errors,
        behaviors=tuple(behaviors),
        causes=intervention.causes,
        method=name,
        estimand="additive",
        settings={"intervention": intervention.describe(), **settings},
        cost=Cost(time.perf_counter() - start, forwards=forwards, backwards=backwards),
        coverage=Coverage(f"all {len(intervention.causes)} edges", 1.0),
    )
