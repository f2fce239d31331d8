"""The most frequent n-grams of a corpus, exactly, in bounded memory.

Where the corpus has an index, its n-grams are searched like a tree, the most frequent beginning
first: no n-gram is more frequent than its beginning, so the first whole ones that are met are
those of the list. Without an index, or when that takes too many steps (long n-grams of which none
is frequent), all runs of n tokens are brought together and counted (`runs`).
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from whence.core.errors import CorpusError
from whence.corpus.index import describe_index
from whence.corpus.index.interface import Following, Index
from whence.corpus.statistics.runs import equal_runs
from whence.corpus.store import Corpus

_STEPS = 50_000  # some seconds
_BLOCK = 1 << 18


@dataclass(frozen=True, slots=True)
class Ngram:
    """A run of tokens and how often it occurs in the corpus."""

    tokens: tuple[int, ...]
    count: int


def top_ngrams(corpus: Corpus, n: int, limit: int = 20) -> list[Ngram]:
    """The `limit` most frequent runs of n tokens: by count, then by their token ids.

    A run does not cross the end of a document; overlapping ones count.

    Raises:
        CorpusError: n or the limit is not positive.
        DamagedError: the corpus has an index, and it is damaged.
    """
    if n < 1 or limit < 1:
        raise CorpusError(
            "n-grams",
            expected="a positive length and a positive limit",
            got=f"{n} and {limit}",
            fix="Give numbers such as 3 and 20.",
        )
    if n == 1:
        return _top_tokens(count_tokens(corpus), limit)
    found = _searched(corpus.index(), n, limit) if _has_index(corpus) else None
    return _counted(corpus, n, limit) if found is None else found


def count_tokens(corpus: Corpus) -> Int64[np.ndarray, " id"]:
    """How often each token of the vocabulary occurs."""
    counts = np.zeros(corpus.vocabulary_size, np.int64)
    step = 1 << 22
    for start in range(0, corpus.n_tokens, step):
        counts += np.bincount(corpus.tokens[start : start + step], minlength=len(counts))
    return counts


def _has_index(corpus: Corpus) -> bool:
    return "tokens" in describe_index(corpus)


def _top_tokens(counts: Int64[np.ndarray, " id"], limit: int) -> list[Ngram]:
    order = np.argsort(-counts, kind="stable")[:limit]
    return [Ngram((i,), int(counts[i])) for i in order.tolist() if counts[i]]


def _searched(index: Index, n: int, limit: int) -> list[Ngram] | None:
    """From the index, or None when it takes too many steps."""
    found: list[Ngram] = []
    # Brothers come in order, so one of them waits for its turn and stands for the others.
    waiting: list[tuple[int, tuple[int, ...], int, Following]] = []

    def add(before: tuple[int, ...], following: Following, rank: int) -> None:
        if rank < len(following.tokens):
            run = (*before, int(following.tokens[rank]))
            heapq.heappush(waiting, (-int(following.counts[rank]), run, rank, following))

    add((), index.next(()), 0)
    for _ in range(_STEPS):
        if not waiting or len(found) == limit:
            return found
        count, run, rank, brothers = heapq.heappop(waiting)
        add(run[:-1], brothers, rank + 1)
        if len(run) == n:
            found.append(Ngram(run, -count))
        else:
            add(run, index.next(run), 0)
    return None


def _counted(corpus: Corpus, n: int, limit: int) -> list[Ngram]:
    best: list[Ngram] = []
    for runs in equal_runs(corpus, n, f"{n}-grams"):
        starts = np.flatnonzero(np.concatenate([[True], ~runs.same])[: len(runs.places)])
        counts = np.diff(starts, append=len(runs.places))
        least = np.sort(counts)[-limit] if len(counts) > limit else 0
        if len(best) == limit:
            least = max(least, best[-1].count)
        chosen = np.flatnonzero(counts >= least)
        # Where no n-gram is frequent, most of them are among those that share the last count.
        for begin in range(0, len(chosen), _BLOCK):
            some = chosen[begin : begin + _BLOCK]
            best = _best(corpus, n, limit, best, runs.places[starts[some]], counts[some])
    return best


def _best(
    corpus: Corpus,
    n: int,
    limit: int,
    best: list[Ngram],
    places: Int64[np.ndarray, " ngram"],
    counts: Int64[np.ndarray, " ngram"],
) -> list[Ngram]:
    rows = corpus.tokens[places[:, None] + np.arange(n)].astype(np.int64)
    order = np.lexsort((*rows.T[::-1], -counts))[:limit]
    pairs = zip(rows[order].tolist(), counts[order].tolist(), strict=True)
    found = [*best, *(Ngram(tuple(run), count) for run, count in pairs)]
    return sorted(found, key=lambda ngram: (-ngram.count, ngram.tokens))[:limit]
