"""A batch: pieces of documents as tensors, each token knowing its document.

In a packed batch several pieces share a row and must not see one another. What was
measured to keep them apart in every architecture that can keep them apart is an additive
float mask of four axes, positions that start again at 0 with each piece, and no cache; a
boolean mask is right under one attention kernel and silently wrong under another.
`whence.training.isolation` proves it for the architecture before a run relies on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from whence.training.order import Order, pack
from whence.training.pieces import Documents, Pieces, piece_tokens, pieces

NOTHING = -100
"""Target of a position that predicts nothing; the value that PyTorch's losses ignore."""


@dataclass(frozen=True, eq=False, slots=True)
class Batch:
    """Rows of pieces.

    Attributes:
        ids: token ids; 0 in the padding.
        targets: the next token of the same piece, or `NOTHING` where there is none.
        documents: index of the document a token belongs to; -1 in the padding.
        segments: number of the piece within its row; -1 in the padding.
        positions: position within the piece.
        framed: position within the framed document (see `whence.training.pieces`).
        packed: whether rows hold several pieces, which then need a mask.
        left_out: predicted tokens of the step that are not here, because their weight is 0.
    """

    ids: Int[Tensor, "row position"]
    targets: Int[Tensor, "row position"]
    documents: Int[Tensor, "row position"]
    segments: Int[Tensor, "row position"]
    positions: Int[Tensor, "row position"]
    framed: Int[Tensor, "row position"]
    packed: bool
    left_out: int = 0

    @property
    def predicts(self) -> Bool[Tensor, "row position"]:
        """Where something is predicted."""
        return self.targets != NOTHING

    @property
    def predicted(self) -> int:
        """How many tokens the step predicts, those left out among them."""
        return int(self.predicts.sum()) + self.left_out

    def to(self, device: str | torch.device) -> Batch:
        """The same batch on another device."""
        if torch.device(device) == self.ids.device:
            return self
        parts = ((f.name, getattr(self, f.name)) for f in fields(self))
        moved: dict[str, Any] = {n: p.to(device) for n, p in parts if isinstance(p, Tensor)}
        return replace(self, **moved)


def make_batch(corpus: Documents, order: Order, *, packed: bool, left_out: int = 0) -> Batch:
    """The batch of one step.

    Args:
        corpus: where the documents are.
        order: the entries of one step.
        packed: whether rows hold several pieces.
        left_out: see `Batch`.
    """
    wanted = order.pieces
    lengths = wanted.lengths
    ends = np.cumsum(lengths)
    owner = np.repeat(np.arange(len(wanted)), lengths)
    within = np.arange(len(owner)) - (ends - lengths)[owner]
    row, column = order.row.astype(np.int64), order.column.astype(np.int64)
    shape = (int(row.max()) + 1, int((column + lengths).max()))
    flat = (row * shape[1] + column)[owner] + within
    tokens = piece_tokens(corpus, wanted)
    following = np.empty_like(tokens)
    following[:-1] = tokens[1:]
    following[ends - 1] = NOTHING
    segment = np.arange(len(row)) - np.searchsorted(row, row)

    def lay(values: Int[np.ndarray, " token"], empty: int) -> Int[Tensor, "row position"]:
        laid = np.full(shape[0] * shape[1], empty, dtype=np.int64)
        laid[flat] = values
        return torch.from_numpy(laid.reshape(shape))

    return Batch(
        ids=lay(tokens, 0),
        targets=lay(following, NOTHING),
        documents=lay(wanted.document[owner], -1),
        segments=lay(segment[owner], -1),
        positions=lay(within, 0),
        framed=lay(within + wanted.start[owner], 0),
        packed=packed,
        left_out=left_out,
    )


def weighed_batch(
    corpus: Documents,
    order: Order,
    weighs: Bool[np.ndarray, " document"],
    context: int,
    *,
    packed: bool,
) -> Batch:
    """The batch of one step without the documents whose weight is 0, where that saves rows.

    They add nothing to the loss, and pieces do not see one another; so what is left may move
    together, and a training on half of the documents costs half. Gradients are those of the
    whole batch up to rounding.

    Args:
        corpus: where the documents are.
        order: the entries of one step.
        weighs: whether a document's weight is not 0.
        context: tokens a row.
        packed: whether rows hold several pieces.
    """
    wanted = order.pieces.take(np.flatnonzero(weighs[order.document]))
    kept = _laid_out(wanted, context, packed=packed)
    if not len(kept) or kept.row.max() >= order.row.max():
        return make_batch(corpus, order, packed=packed)
    missing = int((order.pieces.lengths - 1).sum() - (wanted.lengths - 1).sum())
    return make_batch(corpus, kept, packed=packed, left_out=missing)


def _laid_out(wanted: Pieces, context: int, *, packed: bool) -> Order:
    """A place in rows for every piece, of no step."""
    row, column = np.arange(len(wanted)), np.zeros(len(wanted), dtype=np.int64)
    if packed and len(wanted):
        row, column = pack(wanted.lengths, context)
    by_place = np.lexsort((column, row))
    found = wanted.take(by_place)
    places = (np.zeros(len(found), dtype=np.int64), row[by_place], column[by_place])
    return Order(*places, found.document, found.start, found.stop)


def separating_mask(batch: Batch, dtype: torch.dtype) -> Float[Tensor, "row 1 position position"]:
    """What to add to attention scores: 0 for earlier tokens of the same piece, else very low.

    Padding sees the padding before it, so that no position is without anything to see.
    """
    length, lowest = batch.ids.shape[1], torch.finfo(torch.float32).min
    later = torch.full((length, length), lowest, device=batch.ids.device).triu_(1)
    # Distances between segment numbers, as floats, are several times faster to make and to
    # combine than booleans; divided by the length, none of them overflows.
    segment = batch.segments.to(torch.float32)
    apart = (segment[:, :, None] - segment[:, None, :]).abs_().mul_(lowest / length)
    return torch.minimum(apart, later).to(dtype)[:, None]


def document_batches(
    corpus: Documents,
    documents: Int[np.ndarray, " n"],
    context: int,
    *,
    rows: int,
    packed: bool,
) -> Iterator[Batch]:
    """Batches that hold given documents once each, in the order given.

    Args:
        corpus: where the documents are.
        documents: their indices.
        context: longest row, tokens; use the run's, so that pieces are cut as in training.
        rows: rows a batch.
        packed: several pieces a row (first fit), or one, padded to the longest of the batch.
    """
    wanted = pieces(corpus, context, documents)
    yield from piece_batches(corpus, wanted, context, rows=rows, packed=packed)


def piece_batches(
    corpus: Documents, wanted: Pieces, context: int, *, rows: int, packed: bool
) -> Iterator[Batch]:
    """Batches that hold given pieces once each; see `document_batches`."""
    laid = _laid_out(wanted, context, packed=packed)
    for first in range(0, int(laid.row.max(initial=-1)) + 1, rows):
        chosen = np.arange(*np.searchsorted(laid.row, [first, first + rows]))
        part = laid.pieces.take(chosen)
        entries = (laid.row[chosen] - first, laid.column[chosen], part.document, part.start)
        yield make_batch(corpus, Order(laid.step[chosen], *entries, part.stop), packed=packed)
