"""An index whose shards are held by the workers of an engine, on one machine or on many.

Each worker opens some of the shards, in a row, and answers for them with the same code that
answers for all of them in one process (`sharded`). Counts add, lengths are the longest, places
come in the order of the workers. A question costs one round to all workers; a batch costs no more.

    with spread_index([corpus], open_engine("ray", workers=8)) as index:
        index.count_many(queries)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from heapq import nsmallest
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Int64, Integer

from whence.core.engines import Engine, Team
from whence.core.errors import CorpusError
from whence.corpus.index.derived import Derived, Found
from whence.corpus.index.files import IndexSettings, open_indexes
from whence.corpus.index.interface import Following, Occurrence, Repeat, Tokens
from whence.corpus.index.sharded import ShardedIndex, merged

if TYPE_CHECKING:
    from whence.corpus.store import Corpus


@dataclass(frozen=True, slots=True, eq=False)
class _Held:
    """What a worker has opened.

    Attributes:
        views: its shards as an index of their own, whole and restricted, by number.
        first: the document of the corpus that is its first.
    """

    views: list[ShardedIndex]
    first: int


def _hold(index: ShardedIndex, first: int, last: int) -> _Held:
    base = index.shards[first].first
    shards = tuple(replace(s, first=s.first - base) for s in index.shards[first:last])
    return _Held([ShardedIndex(shards, index.threads, index.reopen)], base)


def _ask(held: _Held, question: tuple[int, str, tuple[Any, ...]]) -> Any:
    view, name, arguments = question
    answer = getattr(held.views[view], name)(*arguments)
    return list(answer) if isinstance(answer, Iterator) else answer


def _restrict(held: _Held, question: tuple[int, Bool[np.ndarray, " document"]]) -> tuple[int, int]:
    """Add a view; its number, which is the same with all workers, and its tokens."""
    view, documents = question
    mine = documents[held.first : held.first + held.views[view].documents]
    held.views.append(held.views[view].restricted(mine))
    return len(held.views) - 1, held.views[-1].tokens


@dataclass(frozen=True, slots=True, eq=False)
class SpreadIndex(Derived):
    """An index held by workers; see `whence.corpus.index.Index` for what it does.

    Attributes:
        team: the workers.
        firsts: the first document of each.
        bounds: where each document begins among all tokens, and the end.
        vocabulary: token ids are below this.
        tokens: how many tokens count.
        view: under which number the workers know the documents that count.
    """

    team: Team[_Held]
    firsts: tuple[int, ...]
    bounds: Int64[np.ndarray, " bound"]
    vocabulary: int
    tokens: int
    view: int = 0

    @property
    def documents(self) -> int:
        """How many documents, those that do not count included."""
        return len(self.bounds) - 1

    def count(self, tokens: Tokens) -> int:
        """How often a sequence occurs, overlaps included."""
        return int(sum(self._each("count", tokens)))

    def count_many(
        self, queries: Sequence[Tokens] | Integer[np.ndarray, "query token"]
    ) -> Int64[np.ndarray, " query"]:
        """The counts of many sequences; fastest for an array with one in each row."""
        total: Int64[np.ndarray, " query"] = np.sum(self._each("count_many", queries), axis=0)
        return total

    def locate(self, tokens: Tokens, limit: int | None = None) -> list[Occurrence]:
        """Where a sequence occurs, in corpus order; the first `limit` of them."""
        found = [
            Occurrence(first + each.document, each.offset)
            for first, part in zip(self.firsts, self._each("locate", tokens, limit), strict=True)
            for each in part
        ]
        return found[:limit]

    def locate_all(
        self, tokens: Tokens | bytes
    ) -> tuple[Int64[np.ndarray, " place"], Int64[np.ndarray, " place"]]:
        """Where a sequence occurs, in corpus order: positions of documents, and offsets."""
        parts = self._each("locate_all", tokens)
        documents = [first + part[0] for first, part in zip(self.firsts, parts, strict=True)]
        return np.concatenate(documents), np.concatenate([part[1] for part in parts])

    def next(self, tokens: Tokens) -> Following:
        """What follows a sequence; for the empty one, how often each token occurs."""
        return merged(self._each("next", tokens))

    def longest_by_document(self, tokens: Tokens) -> Int64[np.ndarray, " document"]:
        """The length of the longest stretch of a query in each document."""
        return np.concatenate(self._each("longest_by_document", tokens))

    def repeats(self, shortest: int, limit: int | None = None) -> Iterator[Repeat]:
        """What occurs more than once in some shard; the longest `limit`, or all."""
        parts = zip(self.firsts, self._each("repeats", shortest, limit), strict=True)
        told = [(first, repeat) for first, part in parts for repeat in part]
        if limit is not None:
            told = nsmallest(limit, told, key=lambda each: (-each[1].length, -each[1].count))
        for first, repeat in told:
            place = repeat.example
            yield replace(repeat, example=place._replace(document=first + place.document))

    def restricted(self, documents: Bool[np.ndarray, " document"]) -> SpreadIndex:
        """The same index, as if only some documents were in the corpus."""
        if documents.shape != (self.documents,):
            raise CorpusError(
                "documents",
                expected=f"a value for each of {self.documents} documents",
                got=f"{documents.shape[0]}",
                fix="Give an array of booleans, one a document.",
            )
        made = self.team.each(_restrict, (self.view, documents))
        return replace(self, view=made[0][0], tokens=sum(tokens for _, tokens in made))

    def longest(self, tokens: Tokens) -> Int64[np.ndarray, " token"]:
        """The length of the longest stretch that occurs from each token of a query on."""
        longest: Int64[np.ndarray, " token"] = np.max(self._each("longest", tokens), axis=0)
        return longest

    def found(
        self,
        tokens: Tokens,
        starts: Int64[np.ndarray, " stretch"],
        ends: Int64[np.ndarray, " stretch"],
        followed: bool = False,
    ) -> Found:
        """How often stretches of a query occur, and if asked, with something after them."""
        parts = self._each("found", tokens, starts, ends, followed)
        return Found(*np.sum([np.stack(part) for part in parts], axis=0))

    def _each(self, name: str, *arguments: Any) -> list[Any]:
        return self.team.each(_ask, (self.view, name, arguments))


@contextmanager
def spread_index(
    corpora: Sequence[Corpus], engine: Engine, settings: IndexSettings | None = None
) -> Iterator[SpreadIndex]:
    """Open the indexes of corpora as one, their shards shared out among workers.

    Args:
        corpora: as for `open_indexes`; on a cluster, where every machine finds them.
        engine: what the workers run on. There are no more of them than shards.
        settings: how indexes that there are not yet are made, here; better make them before.

    Raises: as `open_indexes`, and
        WorkerError: a worker died.
    """
    whole = open_indexes(corpora, settings)
    edges = _edges(whole, engine.workers)
    arguments = [(whole, first, last) for first, last in pairwise(edges)]
    with engine.team(_hold, arguments) as team:
        yield SpreadIndex(
            team,
            tuple(whole.shards[first].first for first, _ in pairwise(edges)),
            whole.bounds,
            whole.shards[0].source.vocabulary,
            whole.tokens,
        )


def _edges(index: ShardedIndex, workers: int) -> list[int]:
    """Shards in a row for each worker, with about as many tokens; each gets at least one."""
    before = np.cumsum([shard.packing.count for shard in index.shards])
    workers = min(workers, len(before))
    wanted = np.searchsorted(before, before[-1] * np.arange(1, workers) / workers) + 1
    edges = [0]
    for number, edge in enumerate(wanted.tolist()):
        left = workers - 1 - number
        edges.append(min(max(edge, edges[-1] + 1), len(before) - left))
    return [*edges, len(before)]
