"""Answers that are made of simpler ones, the same for every index.

An index says which stretches of a query occur how often (`found`) and how much of what begins at
each token occurs at all (`longest`), over all of its shards wherever they lie. The longest and the
maximal matches and all probabilities follow from these two.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np
from jaxtyping import Int64

from whence.core.errors import CorpusError
from whence.corpus.index.interface import LongestMatches, Match, Probabilities, Tokens


class Found(NamedTuple):
    """For each stretch asked about, how often it occurs, and how often with more after it."""

    counts: Int64[np.ndarray, " stretch"]
    followed: Int64[np.ndarray, " stretch"]


class Derived(ABC):
    """See `whence.corpus.index.Index` for what the answers are."""

    __slots__ = ()

    @property
    @abstractmethod
    def tokens(self) -> int:
        """How many tokens count."""

    @abstractmethod
    def count(self, tokens: Tokens) -> int:
        """How often a sequence occurs, overlaps included."""

    @abstractmethod
    def longest(self, tokens: Tokens) -> Int64[np.ndarray, " token"]:
        """The length of the longest stretch that occurs from each token of a query on.

        Raises:
            CorpusError: the query is empty, or has tokens that are none.
        """

    @abstractmethod
    def found(
        self,
        tokens: Tokens,
        starts: Int64[np.ndarray, " stretch"],
        ends: Int64[np.ndarray, " stretch"],
        followed: bool = False,
    ) -> Found:
        """How often stretches of a query occur, and if asked, with something after them."""

    def contains(self, tokens: Tokens) -> bool:
        """Whether a sequence occurs."""
        return self.count(tokens) > 0

    def longest_matches(self, tokens: Tokens) -> LongestMatches:
        """The longest stretch that occurs from each token of a query on."""
        lengths = self.longest(tokens)
        there = np.flatnonzero(lengths)
        counts = np.zeros(len(lengths), np.int64)
        counts[there] = self.found(tokens, there, there + lengths[there]).counts
        return LongestMatches(lengths, counts)

    def maximal_matches(self, tokens: Tokens, shortest: int = 1) -> list[Match]:
        """Stretches of a query that occur and lie in no longer one that does, in order."""
        lengths, counts = self.longest_matches(tokens)
        ends = np.arange(len(lengths)) + lengths
        before = np.concatenate([[0], ends[:-1]])
        wanted = np.flatnonzero((ends > before) & (lengths >= max(1, shortest)))
        return [Match(int(i), int(ends[i]), int(counts[i])) for i in wanted]

    def longest_match(self, tokens: Tokens) -> Match:
        """The longest stretch of a query that occurs; the first of equally long ones."""
        lengths = self.longest(tokens)
        start = int(lengths.argmax())
        end = start + int(lengths[start])
        return Match(start, end, self.count(tokens[start:end])) if end > start else Match(0, 0, 0)

    def ngram_probabilities(self, tokens: Tokens, n: int) -> Probabilities:
        """The probability of each token after the `n - 1` before it (fewer at the beginning)."""
        if n < 1:
            raise CorpusError("n", expected="1 or more", got=str(n), fix="Give the n of n-grams.")
        places = np.arange(len(tokens))
        return self._probabilities(tokens, np.minimum(places, n - 1))

    def infinity_probabilities(self, tokens: Tokens) -> Probabilities:
        """The probability of each token after the longest context that is ever followed.

        References:
            Liu et al., "Infini-gram: Scaling Unbounded n-gram Language Models to a Trillion
            Tokens", COLM 2024, section 2. There the ends of documents count as something that
            follows; here they do not, so that probabilities add up to one.
        """
        lengths = self.longest(tokens)
        there = np.flatnonzero(lengths)
        followed = self.found(tokens, there, there + lengths[there], followed=True).followed
        # A stretch that only ever ends documents is followed without its last token.
        lengths[there] -= followed == 0
        places = np.arange(len(lengths))
        # The longer a context, the earlier it begins; and ends never fall as beginnings rise.
        starts = np.searchsorted(places + lengths, places)
        return self._probabilities(tokens, places - starts)

    def _probabilities(self, tokens: Tokens, lengths: Int64[np.ndarray, " token"]) -> Probabilities:
        """Of every token after contexts of these lengths."""
        if len(tokens) == 0:
            self.count(tokens)  # which says what is wrong
        places = np.arange(len(lengths))
        there = np.flatnonzero(lengths)
        starts = places - lengths
        contexts = np.full(len(lengths), self.tokens)
        contexts[there] = self.found(tokens, starts[there], places[there], followed=True).followed
        counts = self.found(tokens, starts, places + 1).counts
        share = np.full(len(lengths), np.nan)
        np.divide(counts, contexts, out=share, where=contexts > 0)
        return Probabilities(share, lengths, contexts, counts)
