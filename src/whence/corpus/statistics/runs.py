"""Equal runs of n tokens brought together, a share of them at a time.

The number of a run (`windows`) and the place where it begins are packed into one word of 64 bits
and sorted as such, which processors do several times faster than sorting places by numbers. For
the place fewer bits of the number are left, so now and then two different runs meet under one
number: all that stand together are compared, token by token, and sorted out by hand where they
differ. Nothing rests on numbers alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64, UInt64

from whence.core.progress import progress
from whence.corpus.statistics.windows import windows
from whence.corpus.store import Corpus

_AT_ONCE = 1 << 25


@dataclass(frozen=True, slots=True, eq=False)
class Runs:
    """Some of the runs of a corpus, equal ones beside each other.

    Attributes:
        places: where they begin, rising among equal ones.
        same: of each but the first, whether it is equal to the one before.
    """

    places: Int64[np.ndarray, " run"]
    same: Bool[np.ndarray, " later"]


def equal_runs(corpus: Corpus, n: int, title: str) -> Iterator[Runs]:
    """All runs of n tokens that lie within a document, in shares; equal ones are in one share.

    Takes 16 bytes of memory for each of some 34 million runs of a share.

    Args:
        corpus: the documents.
        n: tokens of a run.
        title: what the progress bar says.
    """
    shares = max(1, -(-corpus.n_tokens // _AT_ONCE))
    for share in progress(range(shares), title, shares):
        yield _share(corpus, n, share, shares)


def _share(corpus: Corpus, n: int, share: int, shares: int) -> Runs:
    bits = np.uint64(max(1, corpus.n_tokens.bit_length()))
    kept: list[UInt64[np.ndarray, " run"]] = [np.empty(0, np.uint64)]
    for places, numbers in windows(corpus, n):
        # The upper half of a number says whose it is, the lower half stays in the word.
        mine = (numbers >> np.uint64(32)) * np.uint64(shares) >> np.uint64(32) == share
        packed = numbers << bits | places.astype(np.uint64)
        kept.append(packed[mine] if shares > 1 else packed)
    words = np.concatenate(kept)
    kept.clear()
    words.sort()
    same = (words[1:] ^ words[:-1]) >> bits == 0
    words &= (np.uint64(1) << bits) - np.uint64(1)
    places = words.view(np.int64)
    later = np.flatnonzero(same)
    different = later[~_equal(corpus, places[later], places[later + 1], n)]
    _sort_out(corpus, n, places, same, different)
    return Runs(places, same)


def _equal(
    corpus: Corpus, some: Int64[np.ndarray, " run"], others: Int64[np.ndarray, " run"], n: int
) -> Bool[np.ndarray, " run"]:
    """Whether the runs at some places are those at others, eight bytes at a time."""
    if len(some) == 0:
        return np.empty(0, bool)
    tokens = np.ascontiguousarray(corpus.tokens)
    width = tokens.itemsize
    step = 8 // width if n * width >= 8 else 1
    kind = np.dtype("<u8") if step > 1 else tokens.dtype
    wide = np.ndarray((len(tokens) - step + 1,), kind, tokens, strides=(width,))
    equal = np.ones(len(some), bool)
    for offset in sorted({*range(0, n - step + 1, step), n - step}):
        equal &= wide[some + offset] == wide[others + offset]
    return equal


def _sort_out(
    corpus: Corpus,
    n: int,
    places: Int64[np.ndarray, " run"],
    same: Bool[np.ndarray, " later"],
    different: Int64[np.ndarray, " different"],
) -> None:
    """Set apart, in place, different runs that stand under one number."""
    done = 0
    for at in different.tolist():
        if at < done:
            continue
        first = at
        while first > 0 and same[first - 1]:
            first -= 1
        last = at + 1
        while last < len(same) and same[last]:
            last += 1
        found: dict[bytes, list[int]] = {}
        for place in places[first : last + 1].tolist():
            found.setdefault(corpus.tokens[place : place + n].tobytes(), []).append(place)
        places[first : last + 1] = [place for group in found.values() for place in group]
        same[first:last] = [k > 0 for group in found.values() for k in range(len(group))][1:]
        done = last
