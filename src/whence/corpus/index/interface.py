"""What every index of a corpus can do, and the answers that it gives.

Everything here is about exact sequences of token ids inside one document; a match never
crosses from one document into the next.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float64, Int64, Integer

Tokens = Sequence[int] | Integer[np.ndarray, " token"]


class Occurrence(NamedTuple):
    """Where a token sequence begins.

    Attributes:
        document: position of the document in the corpus.
        offset: position of the first token in the document.
    """

    document: int
    offset: int


@dataclass(frozen=True, slots=True)
class Match:
    """A stretch of a query that occurs in the corpus.

    Attributes:
        start: its first token in the query.
        end: one past its last token; equal to start when nothing occurs.
        count: how often it occurs in the corpus.
    """

    start: int
    end: int
    count: int


@dataclass(frozen=True, slots=True)
class Repeat:
    """Something that the corpus says more than once.

    Attributes:
        length: its tokens.
        count: how often it occurs.
        example: one place where it does.
    """

    length: int
    count: int
    example: Occurrence


class Following(NamedTuple):
    """What comes after a sequence; ends of documents are not counted.

    Attributes:
        tokens: token ids, most frequent first, then by id.
        counts: how often each follows.
    """

    tokens: Int64[np.ndarray, " following"]
    counts: Int64[np.ndarray, " following"]


class LongestMatches(NamedTuple):
    """For each token of a query, the longest stretch that begins there and occurs.

    Attributes:
        lengths: its tokens; 0 where not even the one token occurs.
        counts: how often it occurs; 0 where nothing does.
    """

    lengths: Int64[np.ndarray, " token"]
    counts: Int64[np.ndarray, " token"]


@dataclass(frozen=True, slots=True, eq=False)
class Probabilities:
    """For each token of a query, its share among what follows its context in the corpus.

    Attributes:
        probability: `count / context_count`, nan where the context is never followed.
        length: tokens of the context.
        context_count: how often the context occurs with anything after it.
        count: how often it occurs with this token after it.
    """

    probability: Float64[np.ndarray, " token"]
    length: Int64[np.ndarray, " token"]
    context_count: Int64[np.ndarray, " token"]
    count: Int64[np.ndarray, " token"]


@runtime_checkable
class Index(Protocol):
    """What every index of a corpus can do; all of it exactly.

    Raises, in every method: `CorpusError` for a query of no tokens or of tokens that the
    tokenizer does not have, `DamagedError` when the index turns out to be damaged.
    """

    def contains(self, tokens: Tokens) -> bool:
        """Whether a sequence occurs."""

    def count(self, tokens: Tokens) -> int:
        """How often a sequence occurs, overlaps included."""

    def count_many(
        self, queries: Sequence[Tokens] | Integer[np.ndarray, "query token"]
    ) -> Int64[np.ndarray, " query"]:
        """The counts of many sequences; fastest for an array with one in each row."""

    def locate(self, tokens: Tokens, limit: int | None = None) -> list[Occurrence]:
        """Where a sequence occurs, in corpus order; the first `limit` of them."""

    def next(self, tokens: Tokens) -> Following:
        """What follows a sequence; for the empty one, how often each token occurs."""

    def longest(self, tokens: Tokens) -> Int64[np.ndarray, " token"]:
        """The length of the longest stretch that occurs from each token of a query on."""

    def longest_matches(self, tokens: Tokens) -> LongestMatches:
        """The same with their counts, which take most of the time."""

    def maximal_matches(self, tokens: Tokens, shortest: int = 1) -> list[Match]:
        """Stretches of a query that occur and lie in no longer one that does, in order."""

    def longest_match(self, tokens: Tokens) -> Match:
        """The longest stretch of a query that occurs; the first of equally long ones."""

    def longest_by_document(self, tokens: Tokens) -> Int64[np.ndarray, " document"]:
        """The length of the longest stretch of a query in each document."""

    def ngram_probabilities(self, tokens: Tokens, n: int) -> Probabilities:
        """The probability of each token after the `n - 1` before it (fewer at the beginning)."""

    def infinity_probabilities(self, tokens: Tokens) -> Probabilities:
        """The probability of each token after the longest context that is ever followed."""

    def repeats(self, shortest: int, limit: int | None = None) -> Iterator[Repeat]:
        """What occurs more than once; the longest `limit`, longest first, or all."""

    def restricted(self, documents: Bool[np.ndarray, " document"]) -> Index:
        """The same index, as if only some documents were in the corpus."""
