"""TracIn: gradient similarity between a document and a behavior, along the recorded run.

At a checkpoint with parameters w, one more step on document d would move them by
-rate * P * grad loss_d, and the behavior f by the inner product of that with grad f. Summed
over checkpoints this estimates how far training on d pushed f up, and so how far f would
fall without it:

    score[f, d] = - sum over checkpoints c of  r[c, d] * < grad f(w_c), P_c grad loss_d(w_c) >

    r[c, d]   learning rate over the batch's token count, summed over the recorded steps
              nearest to c that saw d
    P_c       the optimiser's scaling 1 / sqrt(v + epsilon) in that checkpoint, or 1

It leaves out how later steps carry a change on, so its size is not to be trusted: the
scores only rank (unit "rank") until they are calibrated to measured replays.

References:
    Pruthi et al., "Estimating Training Data Influence by Tracing Gradient Descent", 2020,
    eq. 5 (TracInCP); the preconditioned form follows Xia et al., "LESS", 2024, sec. 3.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from whence.attribution.gradients import adam_scaling, behavior_gradients
from whence.attribution.streaming import document_products, stream_of_run
from whence.core import Behavior, Cost, Coverage, Scores
from whence.core.errors import MethodError
from whence.core.progress import Bar, bar
from whence.interventions import Documents
from whence.training import Checkpoint, Run

Preconditioner = Literal["adam", "none"]


def tracin(
    intervention: Documents,
    behaviors: Sequence[Behavior],
    *,
    steps: Sequence[int] | None = None,
    preconditioner: Preconditioner = "adam",
    rows: int = 32,
) -> Scores:
    """Gradient similarity of every training document with every behavior, over checkpoints.

    Costs about 1.3 forward-backward passes over the corpus for each checkpoint, whatever the
    number of behaviors.

    Args:
        intervention: names the documents and the run.
        behaviors: what is explained.
        steps: the checkpoints to use; None takes up to five, evenly spread, the last included.
        preconditioner: scale gradients as the optimiser did, or not.
        rows: documents a batch.

    Returns:
        Scores that rank, additive. A group's score is the sum over its documents.

    Raises:
        MethodError: a step that has no checkpoint, or one before the first update.
    """
    start = time.perf_counter()
    run = intervention.run
    chosen = _chosen(run, steps)
    rates = step_rates(run, [c.step for c in chosen])
    by_document = np.zeros((len(behaviors), intervention.corpus.n_documents))
    covered = 1.0
    seen = np.flatnonzero(rates.sum(0) > 0)
    with bar("gradient similarity", len(chosen) * len(seen), "doc") as shown:
        for checkpoint, rate in zip(chosen, rates, strict=True):
            similarity, share = _at(checkpoint, run, behaviors, seen, preconditioner, rows, shown)
            by_document[:, seen] -= similarity * rate[seen]
            covered = min(covered, share)
    passes = len(chosen) * len(seen)
    return Scores(
        values=intervention.sums(by_document),
        behaviors=tuple(behaviors),
        causes=intervention.causes,
        method="tracin",
        estimand="additive",
        unit="rank",
        settings={
            "steps": [c.step for c in chosen],
            "preconditioner": preconditioner,
            "run": run.digest,
            "rows": rows,
        },
        cost=Cost(time.perf_counter() - start, forwards=passes, backwards=passes),
        coverage=Coverage(
            f"{len(seen)} documents, {covered:.1%} of the parameters, {len(chosen)} checkpoints",
            covered,
        ),
    )


def _chosen(run: Run, steps: Sequence[int] | None) -> list[Checkpoint]:
    trained = {c.step: c for c in run.checkpoints if c.step > 0}
    if steps is None:
        return spread(list(trained.values()), 5)
    wrong = [s for s in steps if s not in trained]
    if wrong or not steps:
        raise MethodError(
            "steps",
            expected=f"checkpoints out of {', '.join(map(str, trained))}",
            got=", ".join(map(str, wrong)) or "none",
            fix="Name steps at which the run kept a checkpoint after an update.",
        )
    return [trained[s] for s in sorted(steps)]


def spread(checkpoints: Sequence[Checkpoint], count: int) -> list[Checkpoint]:
    """At most `count` checkpoints, as evenly spread over the steps as they allow, the last kept."""
    last = checkpoints[-1].step
    wanted = [last * (k + 1) / count for k in range(count)]
    nearest = {min(checkpoints, key=lambda c: abs(c.step - w)).step for w in wanted}
    return [c for c in checkpoints if c.step in nearest]


def step_rates(run: Run, steps: Sequence[int]) -> Float[np.ndarray, "checkpoint document"]:
    """How strongly the steps nearest to each checkpoint saw each document.

    Returns:
        Learning rate over the predicted tokens of the batch, summed over those steps; the
        pieces of a long document count by their share.
    """
    journal = run.journal()
    rates = np.array([entry["learning_rate"] for entry in journal])
    middles = (np.asarray(steps[1:]) + np.asarray(steps[:-1])) / 2
    return seen_rates(run, rates, middles)


def seen_rates(
    run: Run, rates: Float[np.ndarray, " step"], borders: Sequence[float] | np.ndarray
) -> Float[np.ndarray, "interval document"]:
    """How strongly the steps of each interval saw each document.

    Args:
        run: the recorded training.
        rates: of every step.
        borders: between the intervals; a step on a border belongs to the earlier one.

    Returns:
        Rate over the predicted tokens of the batch, summed over the steps; the pieces of a long
        document count by their share.
    """
    rate = rates / np.array([max(entry["tokens"], 1) for entry in run.journal()])
    order, n_documents = run.order, run.corpus().n_documents
    step, document = np.asarray(order.step), np.asarray(order.document)
    interval: Int[np.ndarray, " piece"] = np.searchsorted(borders, step, side="left")
    once = np.unique(np.stack([document, np.asarray(order.start)]), axis=1)[0]
    pieces = np.bincount(once, minlength=n_documents)
    found = np.zeros((len(borders) + 1, n_documents))
    np.add.at(found, (interval, document), rate[step - 1] / pieces[document])
    return found


def _at(
    checkpoint: Checkpoint,
    run: Run,
    behaviors: Sequence[Behavior],
    documents: Int[np.ndarray, " seen"],
    preconditioner: Preconditioner,
    rows: int,
    shown: Bar,
) -> tuple[Float[np.ndarray, "behavior seen"], float]:
    """< grad of document loss, P grad of behavior > at one checkpoint, and the share covered."""
    model = run.model(checkpoint.step)
    directions = behavior_gradients(model, behaviors)
    if preconditioner == "adam":
        for name, scale in adam_scaling(checkpoint, run).items():
            directions[name] *= scale.to(directions[name])
    stream = stream_of_run(run, rows, documents)
    found, products = document_products(model, stream, directions, len(behaviors), shown)
    return found[:, documents], products.covered
