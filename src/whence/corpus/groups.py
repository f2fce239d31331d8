"""Documents that belong together: near copies, equal metadata, a word in common.

Such groups are taken away as one cause, since single documents are often redundant.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np
from jaxtyping import Int64, UInt32, UInt64

from whence.core.errors import CorpusError
from whence.core.progress import progress
from whence.corpus.lookup import words
from whence.corpus.sketches import BINS, Sketcher, candidates, shingles
from whence.corpus.store import Corpus

_REMEMBERED = 1024


def near_duplicates(corpus: Corpus, threshold: float = 0.8) -> list[list[int]]:
    """Groups of documents that say nearly the same.

    Two documents are near copies when at least `threshold` of all the runs of five words that
    are in either are in both (Jaccard similarity), or when their texts are equal. Candidates
    are found by sketches (see `sketches`), which may miss a pair that is only just above the
    threshold; no pair below it is ever joined. A group holds whatever is connected by such pairs.
    Takes half a kilobyte of memory a document.

    Args:
        corpus: the documents.
        threshold: in (0, 1].

    Returns:
        Groups of at least two positions, each in order, ordered by their first.

    References:
        Broder, "On the resemblance and containment of documents", 1997.
    """
    groups: dict[int, list[int]] = {}
    for i, first in enumerate(nearly_equal(corpus, threshold)[1].tolist()):
        groups.setdefault(first, []).append(i)
    return sorted(group for group in groups.values() if len(group) > 1)


def nearly_equal(
    corpus: Corpus, threshold: float
) -> tuple[Int64[np.ndarray, " document"], Int64[np.ndarray, " document"]]:
    """Of each document, the first with the same text, and the first of its near copies.

    In one pass over the texts; see `near_duplicates`.

    Raises:
        CorpusError: the threshold is no share.
    """
    if not 0 < threshold <= 1:
        raise CorpusError(
            "threshold",
            expected="a share above 0 and at most 1",
            got=str(threshold),
            fix="Give a number such as 0.8.",
        )
    first, kept, sketches = _sketched(corpus)
    parents = first.tolist()
    compared: set[tuple[int, int]] = set()
    sketcher = Sketcher()

    @lru_cache(_REMEMBERED)
    def runs(i: int) -> UInt64[np.ndarray, " run"]:
        return np.unique(sketcher.runs(corpus.text(i)))

    for a, b in progress(candidates(sketches, threshold), "near copies"):
        i, j = kept[a], kept[b]
        one, other = _root(parents, i), _root(parents, j)
        if one == other or (i, j) in compared:
            continue
        compared.add((i, j))
        # By numbers first, which is ten times as fast; by the words themselves who may be joined.
        both = len(np.intersect1d(runs(i), runs(j), assume_unique=True))
        if both < threshold * (len(runs(i)) + len(runs(j)) - both):
            continue
        mine, its = shingles(corpus.text(i)), shingles(corpus.text(j))
        if len(mine & its) >= threshold * len(mine | its):
            parents[max(one, other)] = min(one, other)
    near = np.array([_root(parents, i) for i in range(corpus.n_documents)], np.int64)
    return first, near


def _sketched(
    corpus: Corpus,
) -> tuple[Int64[np.ndarray, " document"], list[int], UInt32[np.ndarray, "kept bin"]]:
    """Of each document the first with its text; these first ones, and their sketches."""
    sketcher, seen = Sketcher(), dict[bytes, int]()
    first = np.arange(corpus.n_documents)
    kept: list[int] = []
    sketches = np.empty((corpus.n_documents, BINS), np.uint32)
    for i in progress(range(corpus.n_documents), "sketches", corpus.n_documents):
        text = corpus.text(i)
        first[i] = seen.setdefault(hashlib.sha256(text.encode()).digest(), i)
        if first[i] == i:
            sketches[len(kept)] = sketcher(text)
            kept.append(i)
    return first, kept, sketches[: len(kept)]


def group_by(corpus: Corpus, field: str) -> dict[str, list[int]]:
    """Positions of the documents with each value of a metadata field; "" where it is absent.

    Raises:
        CorpusError: there is no such field.
    """
    if field not in corpus.metadata.column_names:
        raise CorpusError(
            str(corpus.path),
            expected=f"a metadata field out of {', '.join(corpus.metadata.column_names)}",
            got=repr(field),
            fix="Name one of these.",
        )
    groups: dict[str, list[int]] = {}
    for i, value in enumerate(corpus.metadata.column(field).to_pylist()):
        groups.setdefault("" if value is None else str(value), []).append(i)
    return groups


def with_word(corpus: Corpus, word: str) -> list[int]:
    """Positions of the documents that hold a word or a phrase, whatever its case.

    Words are compared whole: "art" is not in "start".

    Raises:
        CorpusError: there is no letter or digit in it.
    """
    wanted = words(word)
    if not wanted:
        raise CorpusError(
            "word", expected="a word", got=repr(word), fix="Give at least one letter or digit."
        )
    phrase = f" {' '.join(wanted)} "
    return [
        i for i in range(corpus.n_documents) if phrase in f" {' '.join(words(corpus.text(i)))} "
    ]


def _root(parents: list[int], i: int) -> int:
    while parents[i] != i:
        parents[i] = parents[parents[i]]
        i = parents[i]
    return i
