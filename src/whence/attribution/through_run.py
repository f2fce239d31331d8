"""The derivative of a behavior by every document's weight, through the whole recorded training.

    score[f, d] = d f(final parameters) / d w_d        nats per unit of weight

What similarity of gradients leaves out, how every later step carries a change on, is in it: it
is the slope of what a replay measures. To first order, taking d away (w_d from 1 to 0) lowers
f by its score, and taking a set away by the sum of theirs. How far that holds depends on how
straight the training is between the two ends, and verification tells.

The slope is taken at all weights 1, where a few documents are to go. Where half of them go, as in
a bank of random halves, it is better taken in the middle of what is asked about, at all weights
1/2: then d f / d w_d is the mean effect of d's presence over such halves, up to the third order,
since what is even in the deviations cancels. Where the optimiser answers to the direction of
gradients alone (AdamW with an epsilon far below them), both are the same up to a factor of 2.

Reference:
    Ilyas & Engstrom 2025, "MAGIC: near-optimal data attribution for deep learning", sec. 3;
    how it is computed is told in `whence.training.reverse`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from whence.attribution.gradients import behavior_gradients
from whence.core import Behavior, Cost, Coverage, Scores
from whence.core.errors import RunError
from whence.interventions import Documents
from whence.models import parameter_parts
from whence.training import GRADIENT_MEMORY, Replay, weight_gradients


def through_run(
    intervention: Documents,
    behaviors: Sequence[Behavior],
    *,
    weight: float = 1.0,
    memory: int = GRADIENT_MEMORY,
) -> Scores:
    """Differentiate behaviors through the recorded training, all of them in one pass back.

    Costs about four training steps a step for one behavior and two more for each further one.

    Args:
        intervention: names the documents and the run.
        behaviors: what is explained.
        weight: of all documents, where the slope is taken. Another than 1 costs one more
            training, which the run keeps.
        memory: bytes for states kept on the way.

    Returns:
        Scores in nats: additive at weight 1, average (over random subsets that keep such a
        share) at another. A group's score is the sum over its documents.

    Raises:
        RunError: the run was recorded from somebody else's loop, or the weight is not above 0.
    """
    return _differentiated(intervention, behaviors, None, memory, weight)["model"]


def through_run_by_part(
    intervention: Documents,
    behaviors: Sequence[Behavior],
    *,
    memory: int = GRADIENT_MEMORY,
) -> dict[str, Scores]:
    """The same, split over the parts of the model: which documents shaped which part.

    A part's score for a document is what the document does to the behavior by way of that
    part's own gradient, in every step, all later training included. The parts of a model (see
    `whence.models.parameter_parts`) add up to `through_run`. Costs about two training steps
    more a step for each part and behavior.

    Args:
        intervention: names the documents and the run.
        behaviors: what is explained.
        memory: bytes for states kept on the way.

    Returns:
        Scores in nats, additive, by part; "L0.attention", "L0.MLP", ..., "embedding".

    Raises:
        RunError: the run was recorded from somebody else's loop.
        ModelError: the parts of the architecture are not known.
    """
    parts = parameter_parts(intervention.run.model().module)
    return _differentiated(intervention, behaviors, parts, memory)


def _differentiated(
    intervention: Documents,
    behaviors: Sequence[Behavior],
    parts: dict[str, tuple[str, ...]] | None,
    memory: int,
    weight: float = 1.0,
) -> dict[str, Scores]:
    start = time.perf_counter()
    run, replay = intervention.run, _replay(intervention, weight)
    finals = behavior_gradients(run.model() if replay is None else replay.model(), behaviors)
    found = weight_gradients(run, finals, parts=parts, memory=memory, replay=replay)
    names = list(parts) if parts is not None else ["model"]
    trainings = 2 if replay is None else 3
    cost = Cost((time.perf_counter() - start) / len(names), trainings=trainings)
    what = "every parameter" if parts is None else "the parameters of {}"
    return {
        name: Scores(
            values=intervention.sums(found[:, number]),
            behaviors=tuple(behaviors),
            causes=intervention.causes,
            method="through-run" if parts is None else f"through-run {name}",
            estimand="additive" if replay is None else "average",
            settings={"run": run.digest, "weight": weight},
            cost=cost,
            coverage=Coverage(f"{run.steps} steps, {what.format(name)}, every document", 1.0),
        )
        for number, name in enumerate(names)
    }


def _replay(intervention: Documents, weight: float) -> Replay | None:
    """The training with that weight on every document; None for the run itself."""
    if weight == 1:
        return None
    if not weight > 0:
        raise RunError(
            "weight",
            expected="a number above 0",
            got=str(weight),
            fix="Take 0.5 for random halves, 1 where a few documents are to go.",
        )
    weights = np.full(intervention.corpus.n_documents, weight)
    return intervention.run.replay(weights, keep_checkpoints=True)
