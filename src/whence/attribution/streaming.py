"""A corpus streamed past a model: what every method over documents needs, written once.

Documents go through the model as training cuts them, one piece a row, so that a row's
gradient is one piece's and a document's is the sum over its rows. Pieces of like length
share a batch, so that little of it is padding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int

from whence.attribution.row_gradients import Directions, RowGradients
from whence.core import Cause
from whence.core.errors import MethodError
from whence.core.progress import Bar
from whence.core.seeds import generator
from whence.corpus import Corpus
from whence.models import Model
from whence.training import Batch, Run, document_batches, pieces, token_losses

# More tokens at once run slower on a CPU, whose caches the logits then no longer fit; fewer pay
# for more calls.
_BATCH_TOKENS = 2048


@dataclass(frozen=True, eq=False, slots=True)
class Stream:
    """Documents as they go past a model.

    Attributes:
        corpus: where they are.
        documents: their indices.
        context: tokens a row at most; as in training, so that pieces are cut as there.
        rows: pieces a batch.
        masked: whether the model is called with positions and a mask for every row, as packed
            rows are. Without them rows share the gradient of a position table; a model that
            takes no mask needs it to be False.
    """

    corpus: Corpus
    documents: Int[np.ndarray, " document"]
    context: int
    rows: int
    masked: bool = True

    def batches(self, model: Model) -> Iterator[Batch]:
        """The documents once each, one piece a row, on the model's device."""
        lengths = self.corpus.lengths[self.documents]
        order = self.documents[np.argsort(lengths, kind="stable")]
        for batch in document_batches(
            self.corpus, order, self.context, rows=self.rows, packed=False
        ):
            yield replace(batch, packed=self.masked).to(model.device)

    @property
    def tokens(self) -> int:
        """How many tokens are predicted in them."""
        found = pieces(self.corpus, self.context, self.documents)
        return int((found.lengths - 1).sum())

    @property
    def n_rows(self) -> int:
        """How many pieces they are."""
        return len(pieces(self.corpus, self.context, self.documents))


def stream_of(
    model: Model,
    corpus: Corpus,
    *,
    context: int | None,
    rows: int,
    documents: Int[np.ndarray, " document"] | None = None,
    masked: bool = True,
) -> Stream:
    """A stream of documents, with what was left open closed.

    Args:
        model: what they go past.
        corpus: where they are.
        context: tokens a row; None means as many as the model can see.
        rows: pieces a batch.
        documents: their indices; None means all.
        masked: see `Stream`.

    Raises:
        MethodError: a number is out of range, or there is nothing to predict.
    """
    longest = model.context
    wanted = longest if context is None else context
    if not 2 <= wanted <= longest or rows < 1:
        raise MethodError(
            "context and rows",
            expected=f"2 to {longest} tokens and at least one row",
            got=f"context {wanted}, rows {rows}",
            fix="Use the context that the model was trained with.",
        )
    chosen = np.arange(corpus.n_documents) if documents is None else documents
    found = Stream(corpus, chosen, wanted, rows, masked)
    if not found.n_rows:
        raise MethodError(
            str(corpus.path),
            expected="at least one document of two tokens",
            got="none",
            fix="Name a corpus with text in it.",
        )
    return found


def sample_of(stream: Stream, count: int | None, seed: int, purpose: str) -> Stream:
    """Some of the documents of a stream, drawn with a seed; None means all."""
    n = len(stream.documents)
    if count is None or count >= n:
        return stream
    drawn = np.sort(generator(seed, purpose).choice(n, count, replace=False))
    return replace(stream, documents=stream.documents[drawn])


def stream_of_run(run: Run, rows: int, documents: Int[np.ndarray, " document"]) -> Stream:
    """Documents of a run, cut and called as its training did."""
    return Stream(run.corpus(), documents, run.recipe.context, rows, run.plan.packed)


def rows_of_run(run: Run) -> int:
    """Pieces a batch with which documents of a run go past a model fastest."""
    return max(1, _BATCH_TOKENS // run.recipe.context)


def document_products(
    model: Model, stream: Stream, directions: Directions, n_directions: int, shown: Bar
) -> tuple[Float[np.ndarray, "direction document"], RowGradients]:
    """< gradient of each document's loss, direction >, in one pass over the documents.

    Args:
        model: at the parameters where gradients are taken.
        stream: the documents; the loss is the sum over their predicted tokens, nats.
        directions: for each parameter, by its name.
        n_directions: how many there are.
        shown: told of every row.

    Returns:
        For every document of the corpus, 0 for those outside the stream; and what was covered.
    """
    products = RowGradients(model.module, directions)
    found = np.zeros((stream.corpus.n_documents, n_directions))
    for batch in stream.batches(model):
        owner = batch.documents[:, 0].cpu().numpy()
        with products.rows(len(owner), n_directions) as scores:
            torch.autograd.backward(token_losses(model.module, batch).sum())
        np.add.at(found, owner, scores.numpy())
        shown.update(len(owner))
    return found.T, products


def member_sums(
    corpus: Corpus, causes: Sequence[Cause], by_document: Float[np.ndarray, "behavior document"]
) -> Float[np.ndarray, "behavior cause"]:
    """Numbers of single documents, added up over each cause's members."""
    rows = [[corpus.position(member) for member in cause.members] for cause in causes]
    return np.stack([by_document[:, each].sum(1) for each in rows], axis=1)
