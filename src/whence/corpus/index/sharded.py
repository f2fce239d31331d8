"""Shards searched as one index: counts add, lengths are the longest, places are merged.

Most answers are made of two questions to every shard: which suffixes begin with some stretches
of a query (`_found`), and how much of what begins at each token occurs at all (`_longest`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from heapq import nsmallest
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Int64, Integer

from whence.core.errors import CorpusError
from whence.corpus.index._kernel import DamageError, QueryError
from whence.corpus.index.interface import (
    Following,
    LongestMatches,
    Match,
    Occurrence,
    Probabilities,
    Repeat,
    Tokens,
)
from whence.corpus.index.shard import Shard, fault


class _Found(NamedTuple):
    """For each stretch asked about, how often it occurs, and how often with more after it."""

    counts: Int64[np.ndarray, " stretch"]
    followed: Int64[np.ndarray, " stretch"]


@dataclass(frozen=True, slots=True, eq=False)
class ShardedIndex:
    """An opened index; see `whence.corpus.index.Index` for what it does.

    Attributes:
        shards: in the order of their documents.
        threads: that answer a batch of queries side by side.
        reopen: opens the same in another process.
        selected: documents that count, if not all.
    """

    shards: tuple[Shard, ...]
    threads: int
    reopen: tuple[Callable[..., Any], tuple[Any, ...]]
    selected: Bool[np.ndarray, " document"] | None = None

    @property
    def documents(self) -> int:
        """How many documents, those that do not count included."""
        return self.shards[-1].first + self.shards[-1].documents

    @property
    def bounds(self) -> Int64[np.ndarray, " bound"]:
        """Where each document begins among all tokens, and the end."""
        lengths = [np.diff(shard.source.bounds) for shard in self.shards]
        return np.concatenate([[0], np.cumsum(np.concatenate(lengths))])

    @property
    def tokens(self) -> int:
        """How many tokens count."""
        return sum(shard.packing.count - shard.separators for shard in self.shards)

    def contains(self, tokens: Tokens) -> bool:
        """Whether a sequence occurs."""
        return self.count(tokens) > 0

    def count(self, tokens: Tokens) -> int:
        """How often a sequence occurs, overlaps included."""
        total = 0
        try:
            for shard in self.shards:
                total += shard.suffixes.count(tokens)
        except (QueryError, DamageError) as error:
            raise fault(error, self.shards[0].source) from None
        return total

    def count_many(
        self, queries: Sequence[Tokens] | Integer[np.ndarray, "query token"]
    ) -> Int64[np.ndarray, " query"]:
        """The counts of many sequences; fastest for an array with one in each row."""
        if isinstance(queries, np.ndarray):
            rows, length = queries.shape
            starts = np.arange(rows, dtype=np.int64) * length
            return self._found(queries.reshape(-1), starts, starts + length).counts
        asked: list[Any] = list(queries)
        total = np.zeros(len(asked), np.int64)
        for shard in self.shards:
            found = np.empty(len(asked), np.int64)
            with self._faults():
                shard.suffixes.count_each(asked, found, self.threads)
            total += found
        return total

    def locate(self, tokens: Tokens, limit: int | None = None) -> list[Occurrence]:
        """Where a sequence occurs, in corpus order; the first `limit` of them."""
        found: list[Occurrence] = []
        for shard in self.shards:
            left = None if limit is None else limit - len(found)
            if left is not None and left <= 0 and found:
                break
            with self._faults():
                low, high, *_ = shard.suffixes.range(tokens)
            found += self._occurrences(shard, low, high, left)
        return found

    def locate_all(
        self, tokens: Tokens | bytes
    ) -> tuple[Int64[np.ndarray, " place"], Int64[np.ndarray, " place"]]:
        """Where a sequence occurs, in corpus order: positions of documents, and offsets."""
        documents, offsets = [], []
        for shard in self.shards:
            with self._faults():
                low, high, *_ = shard.suffixes.range(tokens)
                found = shard.suffixes.places(low, high, high - low)
            places = np.frombuffer(found, np.int64)
            places.sort()
            which, offset = shard.addresses(places)
            documents.append(which)
            offsets.append(offset)
        return np.concatenate(documents), np.concatenate(offsets)

    def next(self, tokens: Tokens) -> Following:
        """What follows a sequence; for the empty one, how often each token occurs."""
        with self._faults():
            pairs = [shard.following(tokens) for shard in self.shards]
        if len(pairs) == 1:
            return Following(pairs[0][:, 0], pairs[0][:, 1])
        together = np.concatenate(pairs)
        kinds, which = np.unique(together[:, 0], return_inverse=True)
        counts = np.zeros(len(kinds), np.int64)
        np.add.at(counts, which, together[:, 1])
        order = np.lexsort((kinds, -counts))
        return Following(kinds[order], counts[order])

    def longest_matches(self, tokens: Tokens) -> LongestMatches:
        """The longest stretch that occurs from each token of a query on."""
        lengths = self._longest(tokens)
        there = np.flatnonzero(lengths)
        counts = np.zeros(len(lengths), np.int64)
        counts[there] = self._found(tokens, there, there + lengths[there]).counts
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
        lengths = self._longest(tokens)
        start = int(lengths.argmax())
        end = start + int(lengths[start])
        return Match(start, end, self.count(tokens[start:end])) if end > start else Match(0, 0, 0)

    def longest_by_document(self, tokens: Tokens) -> Int64[np.ndarray, " document"]:
        """The length of the longest stretch of a query in each document."""
        lengths = self._longest(tokens)
        starts = np.repeat(np.arange(len(lengths)), lengths)
        steps = np.arange(len(starts)) - np.repeat(np.cumsum(lengths) - lengths, lengths) + 1
        best = np.zeros(self.documents, np.int64)
        for shard in self.shards:
            ranges = self._ranges(shard, tokens, starts, starts + steps)[:, :2]
            # The same words asked about twice need one look.
            ranges, which = np.unique(ranges, axis=0, return_inverse=True)
            most = np.zeros(len(ranges), np.int64)
            np.maximum.at(most, which.reshape(-1), steps)
            mine = best[shard.first : shard.first + shard.documents]
            with self._faults():
                shard.suffixes.raise_documents(ranges, most, mine)
        return best

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
        lengths = self._longest(tokens)
        there = np.flatnonzero(lengths)
        followed = self._found(tokens, there, there + lengths[there], followed=True).followed
        # A stretch that only ever ends documents is followed without its last token.
        lengths[there] -= followed == 0
        places = np.arange(len(lengths))
        # The longer a context, the earlier it begins; and ends never fall as beginnings rise.
        starts = np.searchsorted(places + lengths, places)
        return self._probabilities(tokens, places - starts)

    def repeats(self, shortest: int, limit: int | None = None) -> Iterator[Repeat]:
        """What occurs more than once; the longest `limit`, longest first, or all.

        Told is what has at least `shortest` tokens and would lose an occurrence if it were any
        longer, on either side. With several shards, what repeats inside each.
        """
        if self.shards[0].source.foreign:
            raise CorpusError(
                "repeats",
                expected="an index that Whence made",
                got="one of infini-gram",
                fix="Make a corpus of its documents: whence corpus build",
            )
        told: list[tuple[int, int, int, int]] = []
        for number, shard in enumerate(self.shards):
            with self._faults():
                triples = shard.suffixes.repeats(shortest, -1 if limit is None else limit)
            rows = np.frombuffer(triples, np.int64).reshape(-1, 3)
            told += [(int(row[0]), int(row[1]), number, int(row[2])) for row in rows]
        if limit is not None:
            told = nsmallest(limit, told, key=lambda each: (-each[0], -each[1], *each[2:]))
        for length, count, number, place in told:
            yield Repeat(length, count, _occurrences(self.shards[number], np.array([place]))[0])

    def restricted(self, documents: Bool[np.ndarray, " document"]) -> ShardedIndex:
        """The same index, as if only some documents were in the corpus.

        One pass over the suffixes, of which those that count are then held in memory.
        """
        if documents.shape != (self.documents,):
            raise CorpusError(
                "documents",
                expected=f"a value for each of {self.documents} documents",
                got=f"{documents.shape[0]}",
                fix="Give an array of booleans, one a document.",
            )
        if self.selected is not None:
            documents = documents & self.selected
        with self._faults():
            shards = tuple(
                shard.restricted(documents[shard.first : shard.first + shard.documents])
                for shard in self.shards
            )
        return ShardedIndex(shards, self.threads, self.reopen, documents.copy())

    def __reduce__(self) -> tuple[Any, ...]:
        # A worker process opens the files itself rather than being sent their content.
        return (_reopen, (*self.reopen, self.selected))

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except (QueryError, DamageError) as error:
            raise fault(error, self.shards[0].source) from None

    def _longest(self, tokens: Tokens) -> Int64[np.ndarray, " token"]:
        if len(tokens) == 0:
            raise fault(QueryError(), self.shards[0].source)
        longest = np.zeros(len(tokens), np.int64)
        for shard in self.shards:
            found = np.empty(len(tokens), np.int64)
            with self._faults():
                shard.suffixes.longest(tokens, found, self.threads)
            np.maximum(longest, found, out=longest)
        return longest

    def _ranges(
        self,
        shard: Shard,
        tokens: Tokens,
        starts: Int64[np.ndarray, " stretch"],
        ends: Int64[np.ndarray, " stretch"],
        followed: bool = False,
    ) -> Int64[np.ndarray, "stretch 4"]:
        """The range of each stretch in a shard, and that of what goes on after it."""
        ranges = np.empty((len(starts), 4), np.int64)
        with self._faults():
            shard.suffixes.find_spans(tokens, starts, ends, ranges, followed, self.threads)
        return ranges

    def _found(
        self,
        tokens: Tokens,
        starts: Int64[np.ndarray, " stretch"],
        ends: Int64[np.ndarray, " stretch"],
        followed: bool = False,
    ) -> _Found:
        counts = np.zeros((2, len(starts)), np.int64)
        for shard in self.shards:
            ranges = self._ranges(shard, tokens, starts, ends, followed)
            counts += (ranges[:, [1, 3]] - ranges[:, [0, 2]]).T
        return _Found(counts[0], counts[1])

    def _probabilities(self, tokens: Tokens, lengths: Int64[np.ndarray, " token"]) -> Probabilities:
        """Of every token after contexts of these lengths."""
        if len(tokens) == 0:
            raise fault(QueryError(), self.shards[0].source)
        places = np.arange(len(lengths))
        there = np.flatnonzero(lengths)
        starts = places - lengths
        contexts = np.full(len(lengths), self.tokens)
        contexts[there] = self._found(tokens, starts[there], places[there], followed=True).followed
        counts = self._found(tokens, starts, places + 1).counts
        share = np.full(len(lengths), np.nan)
        np.divide(counts, contexts, out=share, where=contexts > 0)
        return Probabilities(share, lengths, contexts, counts)

    def _occurrences(
        self, shard: Shard, low: int, high: int, limit: int | None
    ) -> list[Occurrence]:
        with self._faults():
            found = shard.suffixes.places(low, high, high - low if limit is None else limit)
        places = np.frombuffer(found, np.int64)
        places.sort()
        return _occurrences(shard, places)


def _occurrences(shard: Shard, places: Int64[np.ndarray, " place"]) -> list[Occurrence]:
    documents, offsets = shard.addresses(places)
    pairs = zip(documents.tolist(), offsets.tolist(), strict=True)
    return [Occurrence(document, offset) for document, offset in pairs]


def _reopen(
    opening: Callable[..., ShardedIndex],
    arguments: tuple[Any, ...],
    selected: Bool[np.ndarray, " document"] | None,
) -> ShardedIndex:
    index = opening(*arguments)
    return index if selected is None else index.restricted(selected)
