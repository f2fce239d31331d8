"""How often texts occur in a corpus, alone and together: in one document, and near each other.

A text is looked for under all its spellings (`whence.corpus.spellings`), exactly and as whole
tokens. Two texts are near in a place of the first when some occurrence of the second lies with
it in a stretch of at most `window` tokens of one document, before, behind or overlapping.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64

from whence.core.errors import CorpusError
from whence.core.progress import progress
from whence.corpus.lookup import spellings
from whence.corpus.store import Corpus

_KEPT = 1 << 25  # places held in memory at a time, 16 bytes each


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Every occurrence of a text, in the order of the corpus.

    Attributes:
        starts: its first token, counted through the whole corpus.
        ends: one past its last.
    """

    starts: Int64[np.ndarray, " place"]
    ends: Int64[np.ndarray, " place"]

    def __len__(self) -> int:
        return len(self.starts)

    def documents(self, corpus: Corpus) -> Int64[np.ndarray, " place"]:
        """The document of each."""
        where: Int64[np.ndarray, " place"] = (
            np.searchsorted(corpus.offsets, self.starts, side="right") - 1
        )
        return where


@dataclass(frozen=True, slots=True, eq=False)
class PairCounts:
    """Counts of pairs of texts, the first of which is what the second is expected near.

    Attributes:
        documents: documents that hold both.
        first_documents: documents that hold the first.
        second_documents: documents that hold the second.
        near: places of the first that have the second near.
        first_places: places of the first.
        window: what near means, in tokens.
    """

    documents: Int64[np.ndarray, " pair"]
    first_documents: Int64[np.ndarray, " pair"]
    second_documents: Int64[np.ndarray, " pair"]
    near: Int64[np.ndarray, " pair"]
    first_places: Int64[np.ndarray, " pair"]
    window: int


def find_places(corpus: Corpus, texts: Iterable[str]) -> Places:
    """Every occurrence of a text that has several names; one that two names share counts once.

    Args:
        corpus: where to look.
        texts: the names: one text, or an entity's aliases.
    """
    index = corpus.index()
    found: set[tuple[int, ...]] = set()
    for text in texts:
        found.update(spellings(corpus, text))
    starts, ends = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for tokens in sorted(found):
        places = index.locate(tokens)
        begins = np.array([p.offset for p in places], np.int64)
        begins += corpus.offsets[[p.document for p in places]]
        starts.append(begins)
        ends.append(begins + len(tokens))
    return _merged(np.concatenate(starts), np.concatenate(ends))


def count_pairs(
    corpus: Corpus,
    first: Sequence[Sequence[str]],
    second: Sequence[Sequence[str]],
    pairs: Int64[np.ndarray, "pair two"],
    window: int = 64,
) -> PairCounts:
    """Count pairs of texts over a corpus.

    Args:
        corpus: where to count.
        first: the first texts, each with all its names.
        second: the second texts, each with all its names.
        pairs: positions in `first` and `second`.
        window: what near means, in tokens.

    Raises:
        CorpusError: the window is not positive, or a text is empty.
    """
    if window < 1:
        raise CorpusError(
            "window", expected="at least one token", got=str(window), fix="Give one such as 64."
        )
    counts = np.zeros((5, len(pairs)), np.int64)
    seconds = _Remembered(corpus, second)
    # In the order of the first text, so that its places are looked up once.
    previous, left = -1, Places(np.empty(0, np.int64), np.empty(0, np.int64))
    for k in progress(np.argsort(pairs[:, 0], kind="stable").tolist(), "pairs", len(pairs)):
        i, j = pairs[k].tolist()
        if i != previous:
            previous, left = i, find_places(corpus, first[i])
        right = seconds.get(j)
        left_documents = np.unique(left.documents(corpus))
        right_documents = np.unique(right.documents(corpus))
        both = np.intersect1d(left_documents, right_documents, assume_unique=True)
        near_count = int(near_places(corpus, left, right, window).sum()) if len(both) else 0
        counts[:, k] = len(both), len(left_documents), len(right_documents), near_count, len(left)
    documents, with_first, with_second, near, places = counts
    return PairCounts(documents, with_first, with_second, near, places, window)


def near_places(
    corpus: Corpus, first: Places, second: Places, window: int
) -> Bool[np.ndarray, " place"]:
    """Which places of the first text have the second near."""
    near = np.zeros(len(first), bool)
    if len(second) == 0:
        return near
    documents = first.documents(corpus)
    low, high = corpus.offsets[documents], corpus.offsets[documents + 1]
    lengths = second.ends - second.starts
    for length in np.unique(lengths[lengths <= window]).tolist():
        starts = second.starts[lengths == length]
        # Both lie in one stretch: from the earlier start to the later end are `window` tokens.
        earliest = np.maximum(first.ends - window, low)
        latest = np.minimum(first.starts + window, high) - length
        next_start = np.searchsorted(starts, earliest)
        there = next_start < len(starts)
        near[there] |= starts[next_start[there]] <= latest[there]
    fits: Bool[np.ndarray, " place"] = first.ends - first.starts <= window
    near &= fits
    return near


class _Remembered:
    """Places of texts, kept until there are too many of them."""

    def __init__(self, corpus: Corpus, texts: Sequence[Sequence[str]]) -> None:
        self._corpus, self._texts = corpus, texts
        self._known: dict[int, Places] = {}
        self._size = 0

    def get(self, which: int) -> Places:
        if which not in self._known:
            found = find_places(self._corpus, self._texts[which])
            self._size += len(found)
            if self._size > _KEPT:
                self._known, self._size = {}, len(found)
            self._known[which] = found
        return self._known[which]


def _merged(starts: Int64[np.ndarray, " place"], ends: Int64[np.ndarray, " place"]) -> Places:
    """Places in order; of those that lie inside another one, only that."""
    if len(starts) == 0:
        return Places(starts, ends)
    order = np.lexsort((-ends, starts))
    starts, ends = starts[order], ends[order]
    furthest = np.maximum.accumulate(ends)
    outside = np.ones(len(starts), bool)
    outside[1:] = ends[1:] > furthest[:-1]
    return Places(starts[outside], ends[outside])
