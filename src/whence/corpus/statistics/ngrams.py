"""The most frequent n-grams of a corpus, exactly, in bounded memory.

A first pass counts buckets of n-grams: a bucket is never rarer than an n-gram in it. Then the
fullest buckets are counted out, some millions of n-grams at a time, until no bucket that is
left could hold an n-gram that belongs into the list. Most often that takes one more pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64, UInt64

from whence.core.errors import CorpusError
from whence.core.progress import progress
from whence.corpus.statistics.windows import windows
from whence.corpus.store import Corpus

_BUCKET_BITS = 20
_AT_ONCE = 1 << 22


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
    """
    if n < 1 or limit < 1:
        raise CorpusError(
            "n-grams",
            expected="a positive length and a positive limit",
            got=f"{n} and {limit}",
            fix="Give numbers such as 3 and 20.",
        )
    buckets = np.zeros(1 << _BUCKET_BITS, np.int64)
    for _, numbers in progress(windows(corpus, n), f"{n}-grams"):
        buckets += np.bincount(_bucket(numbers), minlength=len(buckets))
    best: list[Ngram] = []
    for fullest, chosen in _groups(buckets):
        if len(best) == limit and fullest < best[-1].count:
            break
        best = _best([*best, *_counted(corpus, n, chosen, limit)], limit)
    return best


def _bucket(numbers: UInt64[np.ndarray, " window"]) -> Int64[np.ndarray, " window"]:
    return (numbers >> np.uint64(64 - _BUCKET_BITS)).astype(np.int64)


def _groups(
    buckets: Int64[np.ndarray, " bucket"],
) -> Iterator[tuple[int, Bool[np.ndarray, " bucket"]]]:
    """Buckets in groups that fit into memory, fullest first, with the fullest one's count."""
    order = np.argsort(-buckets, kind="stable")
    order = order[: np.count_nonzero(buckets)]
    filled = np.cumsum(buckets[order])
    start, taken = 0, 0
    while start < len(order):
        stop = max(start + 1, int(np.searchsorted(filled, taken + _AT_ONCE, side="right")))
        chosen = np.zeros(len(buckets), bool)
        chosen[order[start:stop]] = True
        yield int(buckets[order[start]]), chosen
        start, taken = stop, int(filled[stop - 1])


def _counted(
    corpus: Corpus, n: int, chosen: Bool[np.ndarray, " bucket"], limit: int
) -> list[Ngram]:
    runs: dict[bytes, int] = {}
    for places, numbers in windows(corpus, n):
        wanted = places[chosen[_bucket(numbers)]]
        if len(wanted) == 0:
            continue
        rows = np.ascontiguousarray(corpus.tokens[wanted[:, None] + np.arange(n)])
        kinds, counts = np.unique(rows.view(f"V{rows.itemsize * n}").ravel(), return_counts=True)
        for kind, count in zip(kinds.tolist(), counts.tolist(), strict=True):
            runs[kind] = runs.get(kind, 0) + count
    if not runs:
        return []
    counts = np.fromiter(runs.values(), np.int64, len(runs))
    least = np.partition(counts, -limit)[-limit] if len(counts) > limit else 0
    kind = corpus.tokens.dtype
    found = [
        Ngram(tuple(np.frombuffer(run, kind).tolist()), count)
        for run, count in runs.items()
        if count >= least
    ]
    return _best(found, limit)


def _best(found: list[Ngram], limit: int) -> list[Ngram]:
    return sorted(found, key=lambda ngram: (-ngram.count, ngram.tokens))[:limit]
