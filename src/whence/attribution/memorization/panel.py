"""A panel: log-likelihoods of documents over the checkpoints of one run, and when each was seen.

A document is *treated* at the first checkpoint after the first step that saw it. Documents that
the run never saw are the controls; without any, a profile cannot be told from the trend that all
documents share, so they must be held out: a corpus of their own, or documents that a run of less
than one pass did not reach.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from whence.core.errors import MethodError
from whence.core.progress import progress
from whence.corpus import Corpus
from whence.training import Run, document_likelihoods

NEVER = -1
"""The cohort of documents that the run did not see."""


@dataclass(frozen=True, eq=False, slots=True)
class Panel:
    """Outcomes of documents over time.

    Attributes:
        values: log-likelihood of each document at each checkpoint, nats.
        cohort: for each document the number of the first checkpoint that had seen it; `NEVER`
            for a control, which none of them had.
        steps: of the checkpoints, ascending.

    Raises:
        MethodError: the shapes do not fit, a value is not finite, or a cohort has no checkpoint.
    """

    values: Float[np.ndarray, "document checkpoint"]
    cohort: Int[np.ndarray, " document"]
    steps: tuple[int, ...]

    def __post_init__(self) -> None:
        documents, checkpoints = self.values.shape
        fits = len(self.cohort) == documents and len(self.steps) == checkpoints
        known = bool(((self.cohort >= NEVER) & (self.cohort < checkpoints)).all())
        if not (fits and known and np.isfinite(self.values).all()):
            raise MethodError(
                "panel",
                expected="finite values, one cohort a document and one step a checkpoint",
                got=f"{self.values.shape}, {len(self.cohort)} cohorts, {len(self.steps)} steps",
                fix="Cohorts count checkpoints from 0; -1 is never.",
            )


def panel_of(
    run: Run,
    held_out: Corpus | None = None,
    *,
    steps: Sequence[int] | None = None,
    per_token: bool = True,
) -> Panel:
    """Let the run's checkpoints read its documents, and others that it never saw.

    Args:
        run: a run with documents and checkpoints.
        held_out: documents that it did not see; None takes those of its own corpus that it had
            not reached by the last of the checkpoints.
        steps: of the checkpoints; None means all that were kept.
        per_token: mean log-likelihood a token in place of the sum, so that long documents do
            not drown short ones.

    Raises:
        MethodError: there are no documents that the run did not see.
        RunError: a step without a checkpoint.
    """
    corpus = run.corpus()
    checkpoints = run.checkpoints if steps is None else [run.checkpoint(s) for s in sorted(steps)]
    first = run.order.first_steps(corpus.n_documents)
    own = np.searchsorted([c.step for c in checkpoints], first)
    own = np.where((first > run.steps) | (own == len(checkpoints)), NEVER, own)
    cohort = own if held_out is None else np.append(own, np.full(held_out.n_documents, NEVER))
    if not (cohort == NEVER).any():
        raise MethodError(
            "held-out documents",
            expected="documents that the run never saw, as controls",
            got="none: it read its whole corpus",
            fix="Name a corpus of documents that were not trained on.",
        )
    columns = []
    for checkpoint in progress(checkpoints, "reading documents"):
        model = run.model(checkpoint.step)
        parts = [
            document_likelihoods(model, each, context=run.recipe.context)
            for each in (corpus, held_out)
            if each is not None
        ]
        columns.append(np.concatenate([p.means if per_token else p.totals for p in parts]))
    values = np.stack(columns, axis=1)
    readable = np.isfinite(values).all(1)  # a document of one token predicts nothing
    return Panel(values[readable], cohort[readable], tuple(c.step for c in checkpoints))
