"""The derivative of a behavior by every document's weight, through the whole recorded training.

    score[f, d] = d f(final parameters) / d w_d        at all weights 1, nats per unit of weight

What similarity of gradients leaves out, how every later step carries a change on, is in it: it
is the slope of what a replay measures. To first order, taking d away (w_d from 1 to 0) lowers
f by its score, and taking a set away by the sum of theirs. How far that holds depends on how
straight the training is between the two ends, and verification tells.

Reference:
    Ilyas & Engstrom 2025, "MAGIC: near-optimal data attribution for deep learning", sec. 3;
    how it is computed is told in `whence.training.reverse`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from whence.attribution.gradients import behavior_gradients
from whence.core import Behavior, Cost, Coverage, Scores
from whence.interventions import Documents
from whence.training import GRADIENT_MEMORY, weight_gradients


def through_run(
    intervention: Documents,
    behaviors: Sequence[Behavior],
    *,
    memory: int = GRADIENT_MEMORY,
) -> Scores:
    """Differentiate behaviors through the recorded training, all of them in one pass back.

    Costs about four training steps a step for one behavior and two more for each further one.

    Args:
        intervention: names the documents and the run.
        behaviors: what is explained.
        memory: bytes for states kept on the way.

    Returns:
        Scores in nats, additive. A group's score is the sum over its documents.

    Raises:
        RunError: the run was recorded from somebody else's loop.
    """
    start = time.perf_counter()
    run = intervention.run
    finals = behavior_gradients(run.model(), behaviors)
    by_document = weight_gradients(run, finals, memory=memory)
    return Scores(
        values=intervention.sums(by_document),
        behaviors=tuple(behaviors),
        causes=intervention.causes,
        method="through-run",
        estimand="additive",
        settings={"run": run.digest},
        cost=Cost(time.perf_counter() - start, trainings=2),
        coverage=Coverage(f"{run.steps} steps, every parameter, every document", 1.0),
    )
