"""Tokens in which little stands twice: real text, and more of its kind from a trigram model.

What lies on a machine repeats itself (licences, vendored packages), and an index that sorts by
comparing suffixes to the end then sorts for minutes. Here every run of RUN tokens stands once:
whatever lies in one that stood earlier is cut out, and pieces of at least LEAST tokens stay. When
that leaves too little, the rest is sampled: each token follows two as it does at a random place
of the real text.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

RUN, LEAST, SAMPLED = 32, 64, 1000
TABLE_BITS = 32
"""Runs are told apart by a hash, in a table of 2^32 bits; so one in fifty goes although new."""


def hashes(tokens: np.ndarray) -> np.ndarray:
    """A hash of every run of RUN tokens."""
    with np.errstate(over="ignore"):
        mixed = (tokens.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
        total = np.zeros(len(tokens) - RUN + 1, np.uint64)
        for place in range(RUN):
            total = total * np.uint64(0xD6E8FEB86659FD93) + mixed[place : place + len(total)]
        return (total ^ total >> np.uint64(32)) * np.uint64(0xBF58476D1CE4E5B9)


class Seen:
    """Which runs stood before."""

    def __init__(self) -> None:
        self.bits = np.zeros(1 << (TABLE_BITS - 3), np.uint8)

    def __call__(self, found: np.ndarray) -> np.ndarray:
        """Whether each did; all of them did from now on."""
        place = found >> np.uint64(64 - TABLE_BITS)
        byte, bit = place >> np.uint64(3), np.uint8(1) << (place & np.uint64(7)).astype(np.uint8)
        before = (self.bits[byte] & bit) > 0
        _, first = np.unique(place, return_index=True)
        again = np.ones(len(place), bool)
        again[first] = False
        np.bitwise_or.at(self.bits, byte, bit)
        return before | again


def new_pieces(tokens: np.ndarray, seen: Seen) -> list[np.ndarray]:
    """What of a document did not stand before, in pieces."""
    if len(tokens) < LEAST:
        return []
    covered = np.zeros(len(tokens) + 1, np.int64)
    repeated = np.flatnonzero(seen(hashes(tokens)))
    np.add.at(covered, repeated, 1)
    np.add.at(covered, repeated + RUN, -1)
    new = np.concatenate([[False], np.cumsum(covered)[:-1] == 0, [False]])
    edges = np.flatnonzero(new[1:] != new[:-1]).reshape(-1, 2)
    return [tokens[a:b] for a, b in edges if b - a >= LEAST]


def sampled(tokens: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Documents of SAMPLED tokens each, one a row, from the trigrams of some tokens."""
    rng = np.random.default_rng(seed)
    pairs = tokens[:-2].astype(np.uint32) << np.uint32(16) | tokens[1:-1]
    order = np.argsort(pairs, kind="stable")
    kinds, first, many = np.unique(pairs[order], return_index=True, return_counts=True)
    made = np.empty((SAMPLED, count), tokens.dtype)
    made[:2] = np.stack([tokens[start : start + count] for start in rng.integers(0, 1000, 2)])
    for step in range(2, SAMPLED):
        asked = made[step - 2].astype(np.uint32) << np.uint32(16) | made[step - 1]
        at = np.minimum(np.searchsorted(kinds, asked), len(kinds) - 1)
        at[kinds[at] != asked] = rng.integers(0, len(kinds))  # two that never met
        made[step] = tokens[order[first[at] + (rng.random(count) * many[at]).astype(np.int64)] + 2]
    return made.T


def varied(tokens: np.ndarray, bounds: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray, int]:
    """So many tokens, the bounds of their documents, and how many of them are real."""
    seen, kept, total = Seen(), [], 0
    for start, end in pairwise(bounds.tolist()):
        for piece in new_pieces(tokens[start:end], seen):
            kept.append(piece)
            total += len(piece)
        if total >= n:
            break
    real = np.concatenate(kept)
    lengths = [len(piece) for piece in kept]
    del seen, kept
    if total < n:
        more = sampled(real, -(-(n - total) // SAMPLED), seed=0)
        lengths += [SAMPLED] * len(more)
        real = np.concatenate([real, more.reshape(-1)])
    return real, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64), total
