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
from jaxtyping import Float

from whence.attribution.by_part import Splitter
from whence.attribution.gradients import behavior_gradients
from whence.core import Behavior, Cost, Coverage, Scores
from whence.core.errors import RunError
from whence.interventions import Documents
from whence.models import Piece, head_parts, parameter_parts
from whence.training import GRADIENT_MEMORY, Replay, Split, weight_gradients


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
    heads: bool = True,
    memory: int = GRADIENT_MEMORY,
) -> dict[str, Scores]:
    """The same, split over the parts of the model: which documents shaped which part.

    A part's score for a document is what the document does to the behavior by way of that
    part's own gradient, in every step, all later training included. The parts add up to the
    whole, which comes first. Costs about one training step more a step, however many parts.

    Args:
        intervention: names the documents and the run.
        behaviors: what is explained.
        heads: cut attention into its heads (`whence.models.head_parts`).
        memory: bytes for states kept on the way.

    Returns:
        Scores in nats, additive, by part: "model", then "L0.H0", "L0.MLP", ..., "embedding".
        Parameters in layers that are not known make a last part, "not split".

    Raises:
        RunError: the run was recorded from somebody else's loop.
        ModelError: the parts of the architecture are not known.
    """
    module = intervention.run.model().module
    parts: dict[str, tuple[Piece, ...]] = (
        head_parts(module)
        if heads
        else {k: tuple(map(Piece, names)) for k, names in parameter_parts(module).items()}
    )
    return _differentiated(intervention, behaviors, parts, memory)


def through_run_by_token(
    intervention: Documents,
    behaviors: Sequence[Behavior],
    *,
    memory: int = GRADIENT_MEMORY,
) -> dict[str, Float[np.ndarray, "behavior token"]]:
    """The derivative by the loss weight of every single training token; costs what documents do.

    Args:
        intervention: names the run.
        behaviors: what is explained.
        memory: bytes for states kept on the way.

    Returns:
        By document id, nats for each token of the framed document (start tokens, its own, end
        tokens): what being trained to predict that token did. They add up to the document's
        score; the first is predicted by nothing and has 0.

    Raises:
        RunError: the run was recorded from somebody else's loop.
    """
    run, corpus = intervention.run, intervention.corpus
    finals = behavior_gradients(run.model(), behaviors)
    found = weight_gradients(run, finals, tokens=True, memory=memory)[:, 0]
    frame = len(corpus.start_tokens) + len(corpus.end_tokens)
    ends = np.cumsum(np.asarray(corpus.lengths) + frame)
    parts = np.split(found, ends[:-1], axis=1)
    return dict(zip(corpus.ids, parts, strict=True))


def _differentiated(
    intervention: Documents,
    behaviors: Sequence[Behavior],
    parts: dict[str, tuple[Piece, ...]] | None,
    memory: int,
    weight: float = 1.0,
) -> dict[str, Scores]:
    start = time.perf_counter()
    run, replay = intervention.run, _replay(intervention, weight)
    model = run.model() if replay is None else replay.model()
    finals = behavior_gradients(model, behaviors)
    names, split = ["model"], None
    if parts is not None:
        splitter = Splitter(model.module, parts)
        split = Split(tuple(parts), splitter)
        names += parts
    found = weight_gradients(run, finals, at=replay, split=split, memory=memory)
    if parts is not None and splitter.missing:
        rest = found[:, 0] - found[:, 1:].sum(1)
        found, names = np.concatenate([found, rest[:, None]], axis=1), [*names, "not split"]
    cost = Cost(time.perf_counter() - start, trainings=2 if replay is None else 3)
    return {
        name: Scores(
            values=intervention.sums(found[:, number]),
            behaviors=tuple(behaviors),
            causes=intervention.causes,
            method="through-run" if not number else f"through-run {name}",
            estimand="additive" if replay is None else "average",
            settings={"run": run.digest, "weight": weight},
            cost=cost if not number else Cost(),
            coverage=Coverage(
                f"{run.steps} steps, {'every parameter' if not number else name}, every document",
                1.0,
            ),
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
