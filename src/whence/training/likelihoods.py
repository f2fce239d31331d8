"""How well a model knows each document: the likelihoods of its tokens, cut as training cuts it.

For every predicted token t of a document three numbers are kept, all in nats:

    log_probability[t]   log p(t | before it)
    mean[t]              mean of log p(v | before it) over v drawn from the model
    deviation[t]         its standard deviation

The last two say how surprised the model expected to be, and are what Min-K%++ compares with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from whence.core.progress import bar
from whence.models import Model
from whence.training.batch import Batch, document_batches
from whence.training.losses import logits
from whence.training.pieces import Documents

_BATCH_TOKENS = 4096
_ROWS = 64
_NEVER = -1e4  # nats; of what cannot come, where 0 x infinity would be no number


@dataclass(frozen=True, eq=False, slots=True)
class Likelihoods:
    """What a model says of the tokens of some documents; see the head of this module.

    Attributes:
        documents: their indices in the corpus.
        document: for each predicted token, which of `documents` it is in, ascending.
        log_probability: of each token.
        mean: expected log-probability at its place.
        deviation: standard deviation of the log-probability at its place.
    """

    documents: Int[np.ndarray, " document"]
    document: Int[np.ndarray, " token"]
    log_probability: Float[np.ndarray, " token"]
    mean: Float[np.ndarray, " token"]
    deviation: Float[np.ndarray, " token"]

    @property
    def totals(self) -> Float[np.ndarray, " document"]:
        """Log-likelihood of each document, nats; 0 for one of a single token."""
        return np.bincount(self.document, self.log_probability, minlength=len(self.documents))

    @property
    def tokens(self) -> Int[np.ndarray, " document"]:
        """Predicted tokens of each document."""
        return np.bincount(self.document, minlength=len(self.documents))

    @property
    def means(self) -> Float[np.ndarray, " document"]:
        """Log-likelihood a predicted token, nats; NaN for a document that predicts nothing."""
        counts = self.tokens
        found: Float[np.ndarray, " document"] = np.full(len(counts), np.nan)
        np.divide(self.totals, counts, out=found, where=counts > 0)
        return found


def document_likelihoods(
    model: Model, corpus: Documents, documents: Sequence[int] | None = None, *, context: int
) -> Likelihoods:
    """Let a model read documents, one a row, and keep what it says of every token.

    Args:
        model: the model.
        corpus: where the documents are; one that the model never saw is as good.
        documents: their indices; None means all.
        context: tokens at which longer documents are cut, as in training.
    """
    wanted = np.arange(corpus.n_documents) if documents is None else np.asarray(documents)
    wanted = wanted.astype(np.int64)
    # Documents of like length share a batch, so that little of it is padding.
    order = np.argsort(np.diff(corpus.offsets)[wanted], kind="stable")
    rows = max(1, _BATCH_TOKENS // context)
    number = np.full(corpus.n_documents, -1)
    number[wanted] = np.arange(len(wanted))
    parts: list[tuple[np.ndarray, ...]] = []
    with bar("reading documents", len(wanted), "doc") as shown, torch.no_grad():
        for batch in document_batches(corpus, wanted[order], context, rows=rows, packed=False):
            parts.append(_of(model, batch.to(model.device), number))
            shown.update(len(batch.ids))
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    sorting = np.lexsort((columns[1], columns[0]))
    owner, _, said, mean, deviation = (column[sorting] for column in columns)
    return Likelihoods(wanted, owner, said, mean, deviation)


def _of(model: Model, batch: Batch, number: Int[np.ndarray, " any"]) -> tuple[np.ndarray, ...]:
    """Owner, place, log-probability, mean and deviation of a batch's predicted tokens."""
    predicts = batch.predicts
    every, targets = logits(model.module, batch)[predicts], batch.targets[predicts]
    # A few rows at a time, so that what is made of them stays in the processor's cache.
    told = [
        _told(*few)
        for few in zip(torch.split(every, _ROWS), torch.split(targets, _ROWS), strict=True)
    ]
    said, mean, deviation = (torch.cat(column) for column in zip(*told, strict=True))
    owner = number[batch.documents[predicts].cpu().numpy()]
    place = batch.framed[predicts].cpu().numpy()
    return owner, place, *(x.double().cpu().numpy() for x in (said, mean, deviation))


def _told(
    every: Float[Tensor, "token vocabulary"], targets: Int[Tensor, " token"]
) -> tuple[Float[Tensor, " token"], ...]:
    """Log-probability of each target, and mean and deviation over all that could have come."""
    known = torch.log_softmax(every.to(torch.promote_types(every.dtype, torch.float32)), -1)
    said = known.gather(1, targets[:, None])[:, 0]
    known = known.clamp(min=_NEVER)
    share = known.exp()
    weighted = share * known
    mean = weighted.sum(1)
    # About the mean: for a model that is sure, the mean of squares less the square of the mean
    # would be rounding only.
    apart = known - mean[:, None]
    return said, mean, (share * apart * apart).sum(1).sqrt()
