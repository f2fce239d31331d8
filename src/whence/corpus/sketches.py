"""What a document's runs of words look like, in half a kilobyte.

Each run of five words gets a number of 64 bits. Its first bits choose one of 128 bins, and each
bin keeps the smallest number that fell into it. For a bin that stays empty, as many do in short
documents, all runs are ordered anew and the first of them is kept. Of two documents the share of
bins that agree then estimates the share of runs that they have in common, as it does with 128
independent orders of the runs (MinHash), for a hundredth of the work in long documents.

References: Broder, "On the resemblance and containment of documents", 1997; Li, Owen and Zhang,
"One permutation hashing", NIPS 2012; Dahlgaard, Knudsen and Thorup, "Fast similarity sketching",
FOCS 2017 (their rounds, all but the first of which are left out here).
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b

import numpy as np
from jaxtyping import UInt32, UInt64

from whence.corpus.lookup import words

SHINGLE = 5
"""Words of a run; a shorter document is one run."""
BINS = 128
_EMPTY = np.uint32(0xFFFFFFFF)
_BASE = 0x9E3779B97F4A7C15
_MOST_KINDS = 1 << 20
_ORDERS = np.random.default_rng(1).integers(0, 1 << 64, BINS, np.uint64)


class Sketcher:
    """Makes sketches; remembers the numbers of words, up to a million of them."""

    def __init__(self) -> None:
        self._numbers = _Numbers()

    def runs(self, text: str) -> UInt64[np.ndarray, " run"]:
        """The numbers of the runs of five words of a text, in order."""
        if len(self._numbers) > _MOST_KINDS:
            self._numbers.clear()
        found = words(text) or [text]
        numbers = np.fromiter(map(self._numbers.__getitem__, found), np.uint64, len(found))
        return mixed(_rolled(numbers))

    def __call__(self, text: str) -> UInt32[np.ndarray, " bin"]:
        """The sketch of a text."""
        runs = self.runs(text)
        smallest = np.full(BINS, _EMPTY)
        # Even numbers here, odd ones below: what fell into a bin and what was drawn never agree.
        low = (runs & np.uint64(0xFFFFFFFE)).astype(np.uint32)
        np.minimum.at(smallest, (runs >> np.uint64(57)).astype(np.intp), low)
        empty = np.flatnonzero(smallest == _EMPTY)
        if len(empty):
            orders = mixed(runs ^ _ORDERS[empty, None])
            smallest[empty] = (orders.min(axis=1) >> np.uint64(32)).astype(np.uint32) | np.uint32(1)
        return smallest


def mixed(numbers: UInt64[np.ndarray, "*shape"]) -> UInt64[np.ndarray, "*shape"]:
    """The same numbers with all bits depending on all: the finaliser of SplitMix64.

    References: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA
    2014.
    """
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        numbers = (numbers ^ (numbers >> np.uint64(shift))) * np.uint64(factor)
    found: UInt64[np.ndarray, "*shape"] = numbers ^ (numbers >> np.uint64(31))
    return found


def shingles(text: str) -> set[str]:
    """The runs of five words themselves."""
    found = words(text) or [text]
    count = max(1, len(found) - SHINGLE + 1)
    return {" ".join(found[k : k + SHINGLE]) for k in range(count)}


def candidates(
    sketches: UInt32[np.ndarray, "document bin"], threshold: float
) -> Iterator[tuple[int, int]]:
    """Pairs of documents that may be similar, the earlier one first; some come repeatedly.

    Bins are cut into bands of as many as let a pair at the threshold through with 999 of 1,000
    chances. Of those that agree in a band, pairs pass whose estimate is at most four standard
    deviations below the threshold.

    Args:
        sketches: of all documents.
        threshold: the similarity that is looked for.
    """
    rows = _rows(threshold)
    least = BINS * (threshold - 4 * (threshold * (1 - threshold) / BINS) ** 0.5)
    for start in range(0, BINS - rows + 1, rows):
        band = np.ascontiguousarray(sketches[:, start : start + rows])
        _, group = np.unique(band.view(f"V{4 * rows}").ravel(), return_inverse=True)
        order = np.argsort(group, kind="stable")
        bounds = np.flatnonzero(np.diff(group[order], prepend=-1, append=-1))
        for at in np.flatnonzero(np.diff(bounds) > 1).tolist():
            some = order[bounds[at] : bounds[at + 1]]
            for k in range(1, len(some)):
                agreed = (sketches[some[:k]] == sketches[some[k]]).sum(axis=1)
                for i in some[:k][agreed >= least].tolist():
                    yield i, int(some[k])


def _rows(threshold: float) -> int:
    """Bins of a band."""
    return max((r for r in range(1, BINS) if (1 - threshold**r) ** (BINS // r) <= 1e-3), default=1)


class _Numbers(dict[str, int]):
    def __missing__(self, word: str) -> int:
        number = int.from_bytes(blake2b(word.encode("utf-8", "replace"), digest_size=8).digest())
        self[word] = number
        return number


def _rolled(numbers: UInt64[np.ndarray, " word"]) -> UInt64[np.ndarray, " run"]:
    """A number for each run: the polynomial of its words modulo 2^64."""
    width = min(SHINGLE, len(numbers))
    count = len(numbers) - width + 1
    found = np.zeros(count, np.uint64)
    for k in range(width):
        found = found * np.uint64(_BASE) + numbers[k : k + count]
    return found
