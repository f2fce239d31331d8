"""Documents that are there more than once: to the letter, or nearly."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from whence.corpus.groups import nearly_equal
from whence.corpus.store import Corpus


@dataclass(frozen=True, slots=True, eq=False)
class Duplicates:
    """Documents in clusters of equal, and of nearly equal ones.

    Attributes:
        equal: of each document, the first one with the same text.
        near: of each document, the first one of its cluster of near copies.
        threshold: near copies share at least this much (see `near_duplicates`).
    """

    equal: Int64[np.ndarray, " document"]
    near: Int64[np.ndarray, " document"]
    threshold: float


def find_duplicates(corpus: Corpus, threshold: float = 0.8) -> Duplicates:
    """Find equal documents by their digests, near ones by sketches and an exact comparison.

    Args:
        corpus: the documents.
        threshold: the share of runs of five words that near copies have in common.

    Raises:
        CorpusError: the threshold is no share.
    """
    equal, near = nearly_equal(corpus, threshold)
    return Duplicates(equal, near, threshold)


def equal_documents(corpus: Corpus) -> Int64[np.ndarray, " document"]:
    """Of each document, the first one that has the same text."""
    first: dict[bytes, int] = {}
    return np.array(
        [
            first.setdefault(hashlib.sha256(corpus.text(i).encode()).digest(), i)
            for i in range(corpus.n_documents)
        ],
        np.int64,
    )


def clusters(first: Int64[np.ndarray, " document"]) -> list[list[int]]:
    """The clusters of at least two documents, largest first, then in the order of the corpus."""
    order = np.argsort(first, kind="stable")
    starts = np.flatnonzero(np.diff(first[order], prepend=-1))
    groups = [group.tolist() for group in np.split(order, starts[1:])]
    return sorted((g for g in groups if len(g) > 1), key=lambda g: (-len(g), g[0]))
