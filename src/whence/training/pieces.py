"""Documents as training sees them: framed, and cut where they are longer than a row.

A document is trained as its tokenizer would encode it for a user:

    framed = start tokens + own tokens + end tokens

A framed document of length L <= context is one piece. A longer one becomes several that
overlap by one token (the last of a piece is the first of the next), so that every token
but the very first is predicted exactly once:

    document  t0 t1 t2 t3 t4 t5 t6        context 4
    pieces    t0 t1 t2 t3
                       t3 t4 t5 t6

Positions `start` and `stop` of a piece always count in the framed document; a document's
own token i stands at framed position `len(corpus.start_tokens) + i`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int

from whence.core.errors import RunError


@runtime_checkable
class Documents(Protocol):
    """What training asks of a corpus; `whence.corpus.Corpus` is one."""

    @property
    def path(self) -> Path:
        """Where it is kept."""

    @property
    def digest(self) -> str:
        """Of tokens, ids and tokenizer."""

    @property
    def n_documents(self) -> int:
        """Number of documents."""

    @property
    def n_tokens(self) -> int:
        """Number of tokens, without start and end tokens."""

    @property
    def vocabulary_size(self) -> int:
        """One more than the largest token id the tokenizer can give."""

    @property
    def tokens(self) -> np.ndarray:
        """All documents' own tokens, one after the other."""

    @property
    def offsets(self) -> np.ndarray:
        """Where each document begins in `tokens`, and the end."""

    @property
    def start_tokens(self) -> tuple[int, ...]:
        """What the tokenizer puts before a text."""

    @property
    def end_tokens(self) -> tuple[int, ...]:
        """What ends a document."""

    @property
    def tokenizer_path(self) -> Path:
        """The tokenizer's folder."""


@dataclass(frozen=True, eq=False, slots=True)
class Pieces:
    """Stretches of framed documents, in corpus order.

    Attributes:
        document: index of the document.
        start: first framed position.
        stop: one past the last framed position; stop - start is at most the context.
    """

    document: Int[np.ndarray, " piece"]
    start: Int[np.ndarray, " piece"]
    stop: Int[np.ndarray, " piece"]

    def __len__(self) -> int:
        return len(self.document)

    @property
    def lengths(self) -> Int[np.ndarray, " piece"]:
        """Tokens in each piece."""
        found: Int[np.ndarray, " piece"] = self.stop - self.start
        return found

    def take(self, chosen: Int[np.ndarray, " chosen"]) -> Pieces:
        """Some of them, in the order given."""
        return Pieces(self.document[chosen], self.start[chosen], self.stop[chosen])


def pieces(
    corpus: Documents, context: int, documents: Int[np.ndarray, " n"] | None = None
) -> Pieces:
    """Cut documents into pieces of at most `context` tokens.

    Documents whose framed length is below 2 predict nothing and have no piece.

    Args:
        corpus: where the documents are.
        context: longest piece, tokens.
        documents: indices of the documents wanted, in the order wanted; None means all.

    Raises:
        RunError: a document index is out of range.
    """
    if documents is None:
        documents = np.arange(corpus.n_documents)
    _check_range(documents, corpus.n_documents)
    offsets = np.asarray(corpus.offsets)
    frame = len(corpus.start_tokens) + len(corpus.end_tokens)
    lengths = offsets[documents + 1] - offsets[documents] + frame
    counts = np.where(lengths < 2, 0, np.maximum(1, -(-(lengths - 1) // (context - 1))))
    total = int(counts.sum())
    owner = np.repeat(np.arange(len(documents)), counts)
    first = np.repeat(np.cumsum(counts) - counts, counts)
    start = (np.arange(total) - first) * (context - 1)
    stop = np.minimum(start + context, lengths[owner])
    return Pieces(documents[owner].astype(np.int64), start.astype(np.int64), stop.astype(np.int64))


def framed_starts(corpus: Documents) -> Int[np.ndarray, " document_and_end"]:
    """Where each framed document begins when all are laid one after the other, and the end."""
    frame = len(corpus.start_tokens) + len(corpus.end_tokens)
    lengths = np.diff(np.asarray(corpus.offsets)) + frame
    return np.concatenate([[0], np.cumsum(lengths)])


def piece_tokens(corpus: Documents, wanted: Pieces) -> Int[np.ndarray, " token"]:
    """The tokens of pieces, one piece after the other."""
    before, lengths = len(corpus.start_tokens), wanted.lengths
    begin, end = corpus.offsets[wanted.document], corpus.offsets[wanted.document + 1]
    first = np.cumsum(lengths) - lengths
    where = np.repeat(begin + wanted.start - before - first, lengths) + np.arange(lengths.sum())
    # A frame's place lies in a neighbour, or outside: what is taken there is written over.
    found: Int[np.ndarray, " token"] = corpus.tokens.take(where, mode="clip").astype(np.int64)
    frame = [(np.full_like(begin, k), t) for k, t in enumerate(corpus.start_tokens)]
    frame += [(before + end - begin + k, t) for k, t in enumerate(corpus.end_tokens)]
    for place, token in frame:
        has = (wanted.start <= place) & (place < wanted.stop)
        found[(first + place - wanted.start)[has]] = token
    return found


def _check_range(documents: Int[np.ndarray, " n"], n_documents: int) -> None:
    wrong = documents[(documents < 0) | (documents >= n_documents)]
    if len(wrong):
        raise RunError(
            "documents",
            expected=f"indices from 0 to {n_documents - 1}",
            got=str(int(wrong[0])),
            fix="Give positions of documents in the corpus.",
        )
