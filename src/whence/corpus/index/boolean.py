"""Phrases that stand together: all of several, each in one of several wordings.

A query is a list of clauses, and a clause a list of phrases, of which one is enough. Found are the
shortest stretches of a document that hold a phrase of every clause: those that hold no shorter
such stretch. Every place of every phrase is looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Int64

from whence.core.errors import CorpusError
from whence.corpus.index.interface import Tokens
from whence.corpus.index.sharded import ShardedIndex
from whence.corpus.index.spread import SpreadIndex

Placed = ShardedIndex | SpreadIndex


@dataclass(frozen=True, slots=True, order=True)
class Stretch:
    """A part of a document.

    Attributes:
        document: its position in the corpus.
        start: the first token.
        end: one past the last.
    """

    document: int
    start: int
    end: int


class Places(NamedTuple):
    """Many places, in the order of the corpus.

    Attributes:
        documents: positions in the corpus.
        offsets: in tokens of the document.
    """

    documents: Int64[np.ndarray, " place"]
    offsets: Int64[np.ndarray, " place"]


def places_of(index: Placed, tokens: Tokens | bytes) -> Places:
    """All places of a sequence at once, as arrays."""
    found = index.locate_all(tokens)
    return Places(found[0], found[1])


def find_together(
    index: Placed, clauses: Sequence[Sequence[Tokens]], window: int | None = None
) -> list[Stretch]:
    """The shortest stretches that hold a phrase of every clause.

    Args:
        index: where.
        clauses: lists of phrases; one phrase of each has to be there.
        window: stretches of more tokens than this are left out; by default a document is enough.

    Returns:
        Stretches in corpus order, none inside another.

    Raises:
        CorpusError: there are no clauses, or a clause or phrase is empty.
    """
    if not clauses or not all(clauses):
        raise CorpusError(
            "clauses",
            expected="at least one clause, and a phrase in each",
            got="none",
            fix="Give lists of phrases, such as [[phrase], [one, other]].",
        )
    bounds = index.bounds
    found = [_clause(index, bounds, phrases) for phrases in clauses]
    starts = np.unique(np.concatenate([clause[0] for clause in found]))
    ends = np.zeros(len(starts), np.int64)
    for begins, first_ends in found:
        # From each start on: where a phrase of this clause ends first.
        ends = np.maximum(ends, first_ends[np.searchsorted(begins, starts)])
    documents = np.searchsorted(bounds, starts, side="right") - 1
    inside = ends <= bounds[documents + 1]
    if window is not None:
        inside &= ends - starts <= window
    # Of stretches with one end the last start is the shortest; ends never fall.
    shortest = np.append(ends[1:] != ends[:-1], True)[: len(ends)] & inside
    offsets = starts - bounds[documents]
    rows = np.stack([documents, offsets, offsets + ends - starts], 1)[shortest]
    return [Stretch(*row) for row in rows.tolist()]


def _clause(
    index: Placed, bounds: Int64[np.ndarray, " bound"], phrases: Sequence[Tokens]
) -> tuple[Int64[np.ndarray, " place"], Int64[np.ndarray, " place_and_none"]]:
    """Where a clause's phrases begin, and of those from each on, the first end; none is far off."""
    starts, ends = [], []
    for phrase in phrases:
        places = places_of(index, phrase)
        starts.append(bounds[places.documents] + places.offsets)
        ends.append(starts[-1] + len(phrase))
    begins, stops = np.concatenate(starts), np.concatenate(ends)
    order = np.argsort(begins, kind="stable")
    never = np.iinfo(np.int64).max
    first = np.minimum.accumulate(np.append(stops[order], never)[::-1])[::-1]
    return begins[order], first
