"""Shards searched as one index: counts add, lengths are the longest, places are merged.

Here is what looks into shards; what follows from that is in `derived`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from heapq import nsmallest
from typing import Any

import numpy as np
from jaxtyping import Bool, Int64, Integer

from whence.core.errors import CorpusError
from whence.corpus.index._kernel import DamageError, QueryError
from whence.corpus.index.derived import Derived, Found
from whence.corpus.index.interface import (
    Following,
    LongestMatches,
    Occurrence,
    Repeat,
    Tokens,
)
from whence.corpus.index.shard import Shard, fault


@dataclass(frozen=True, slots=True, eq=False)
class ShardedIndex(Derived):
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
        rows = queries if isinstance(queries, np.ndarray) else None
        asked: Any = list(queries) if rows is None else rows.reshape(-1)
        total = np.zeros(len(queries), np.int64)
        for shard in self.shards:
            found = np.empty(len(queries), np.int64)
            with self._faults():
                if rows is None:
                    shard.suffixes.count_each(asked, found, self.threads)
                else:
                    shard.suffixes.count_rows(asked, rows.shape[1], found, self.threads)
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
        return merged([Following(found[:, 0], found[:, 1]) for found in pairs])

    def longest_matches(self, tokens: Tokens) -> LongestMatches:
        """The longest stretch that occurs from each token of a query on."""
        longest, counts = self._matches(self.shards[0], tokens, counted=True)
        for shard in self.shards[1:]:
            lengths, more = self._matches(shard, tokens, counted=True)
            counts = np.where(lengths > longest, more, counts + more * (lengths == longest))
            np.maximum(longest, lengths, out=longest)
        return LongestMatches(longest, counts)

    def longest_by_document(self, tokens: Tokens) -> Int64[np.ndarray, " document"]:
        """The length of the longest stretch of a query in each document."""
        lengths = self.longest(tokens)
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

    def longest(self, tokens: Tokens) -> Int64[np.ndarray, " token"]:
        """The length of the longest stretch that occurs from each token of a query on."""
        longest = self._matches(self.shards[0], tokens).lengths
        for shard in self.shards[1:]:
            np.maximum(longest, self._matches(shard, tokens).lengths, out=longest)
        return longest

    def _matches(self, shard: Shard, tokens: Tokens, counted: bool = False) -> LongestMatches:
        """The longest matches in one shard; their counts only where they are wanted."""
        if len(tokens) == 0:
            raise fault(QueryError(), shard.source)
        lengths, counts = np.zeros((2, len(tokens)), np.int64)
        with self._faults():
            shard.suffixes.longest(tokens, lengths, counts if counted else None, self.threads)
        return LongestMatches(lengths, counts)

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

    def found(
        self,
        tokens: Tokens,
        starts: Int64[np.ndarray, " stretch"],
        ends: Int64[np.ndarray, " stretch"],
        followed: bool = False,
    ) -> Found:
        """How often stretches of a query occur, and if asked, with something after them."""
        counts = np.zeros((2, len(starts)), np.int64)
        for shard in self.shards:
            ranges = self._ranges(shard, tokens, starts, ends, followed)
            counts += (ranges[:, [1, 3]] - ranges[:, [0, 2]]).T
        return Found(counts[0], counts[1])

    def _occurrences(
        self, shard: Shard, low: int, high: int, limit: int | None
    ) -> list[Occurrence]:
        with self._faults():
            found = shard.suffixes.places(low, high, high - low if limit is None else limit)
        places = np.frombuffer(found, np.int64)
        places.sort()
        return _occurrences(shard, places)


def merged(parts: Sequence[Following]) -> Following:
    """What follows in several parts of a corpus, as one."""
    if len(parts) == 1:
        return parts[0]
    kinds, which = np.unique(np.concatenate([p.tokens for p in parts]), return_inverse=True)
    counts = np.zeros(len(kinds), np.int64)
    np.add.at(counts, which, np.concatenate([p.counts for p in parts]))
    order = np.lexsort((kinds, -counts))
    return Following(kinds[order], counts[order])


def _occurrences(shard: Shard, places: Int64[np.ndarray, " place"]) -> list[Occurrence]:
    documents, offsets = shard.addresses(places)
    return list(map(Occurrence, documents.tolist(), offsets.tolist()))


def _reopen(
    opening: Callable[..., ShardedIndex],
    arguments: tuple[Any, ...],
    selected: Bool[np.ndarray, " document"] | None,
) -> ShardedIndex:
    index = opening(*arguments)
    return index if selected is None else index.restricted(selected)
