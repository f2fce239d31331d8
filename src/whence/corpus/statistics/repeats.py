"""Long stretches of tokens that occur more than once.

All runs of `length` tokens are numbered (`windows`) and sorted, a share of the numbers at a
time so that memory stays bounded; equal neighbours are compared token by token. A run that
occurred before, earlier in the corpus, is a copy; copies that follow one another as their
originals do are one longer copy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64, UInt64

from whence.core.errors import CorpusError
from whence.core.progress import progress
from whence.corpus.statistics.windows import windows
from whence.corpus.store import Corpus

_AT_ONCE = 1 << 23


@dataclass(frozen=True, slots=True)
class Copy:
    """A stretch that occurred before.

    Attributes:
        document: where it is: position of the document.
        offset: its first token in that document.
        tokens: its length.
        original: document of the occurrence just before it.
        original_offset: where that begins.
    """

    document: int
    offset: int
    tokens: int
    original: int
    original_offset: int


@dataclass(frozen=True, slots=True, eq=False)
class Repeats:
    """What is in a corpus more than once.

    Attributes:
        length: stretches of at least this many tokens were looked for.
        repeated: of each document, the tokens in stretches that occur elsewhere too.
        copied: of each document, the tokens in stretches that occurred before: less the first.
        longest: the longest copies, each text once.
    """

    length: int
    repeated: Int64[np.ndarray, " document"]
    copied: Int64[np.ndarray, " document"]
    longest: tuple[Copy, ...]


def find_repeats(corpus: Corpus, length: int = 32, limit: int = 10) -> Repeats:
    """Find the stretches of at least `length` tokens that occur more than once.

    Takes two bytes of memory a token, sixteen for each token of a copy, and half a gigabyte to
    sort in.

    Raises:
        CorpusError: the length is not positive.
    """
    if length < 1:
        raise CorpusError(
            "length", expected="at least one token", got=str(length), fix="Give one such as 32."
        )
    repeated = np.zeros(corpus.n_tokens + 1, bool)
    copied = np.zeros(corpus.n_tokens + 1, bool)
    copies: list[Int64[np.ndarray, " copy"]] = []
    originals: list[Int64[np.ndarray, " copy"]] = []
    shares = -(-corpus.n_tokens // _AT_ONCE)
    for share in progress(range(shares), "repeats", shares):
        earlier, later = _equal_runs(corpus, length, share, shares)
        repeated[earlier] = repeated[later] = copied[later] = True
        copies.append(later)
        originals.append(earlier)
    at, origin = np.concatenate(copies), np.concatenate(originals)
    order = np.argsort(at)
    return Repeats(
        length,
        _covered(corpus, repeated, length),
        _covered(corpus, copied, length),
        tuple(_longest(corpus, at[order], origin[order], length, limit)),
    )


def _equal_runs(
    corpus: Corpus, length: int, share: int, shares: int
) -> tuple[Int64[np.ndarray, " copy"], Int64[np.ndarray, " copy"]]:
    """Places of runs with an equal one before them, and of the nearest such one."""
    kept: list[tuple[Int64[np.ndarray, " window"], UInt64[np.ndarray, " window"]]] = []
    for places, numbers in windows(corpus, length):
        mine = numbers % np.uint64(shares) == share if shares > 1 else slice(None)
        kept.append((places[mine], numbers[mine]))
    if not kept:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    places = np.concatenate([p for p, _ in kept])
    numbers = np.concatenate([n for _, n in kept])
    # Stable, so that of equal numbers the earlier place comes first.
    order = np.argsort(numbers, kind="stable")
    places, numbers = places[order], numbers[order]
    same = np.flatnonzero(numbers[1:] == numbers[:-1])
    earlier, later = places[same], places[same + 1]
    equal = np.ones(len(same), bool)
    for k in range(length):
        equal &= corpus.tokens[earlier + k] == corpus.tokens[later + k]
    return earlier[equal], later[equal]


def _covered(
    corpus: Corpus, starts: Bool[np.ndarray, " bound"], length: int
) -> Int64[np.ndarray, " document"]:
    """Tokens of each document inside the runs that begin at some places."""
    begun = np.cumsum(starts[:-1], dtype=np.int64)
    begun[length:] -= begun[:-length].copy()
    inside = np.concatenate([[0], np.cumsum(begun > 0)])
    covered: Int64[np.ndarray, " document"] = np.diff(inside[corpus.offsets])
    return covered


def _longest(
    corpus: Corpus,
    at: Int64[np.ndarray, " copy"],
    origin: Int64[np.ndarray, " copy"],
    length: int,
    limit: int,
) -> list[Copy]:
    if len(at) == 0:
        return []
    broken = np.zeros(len(at) - 1, bool)
    for places in (at, origin):
        documents = np.searchsorted(corpus.offsets, places, side="right")
        broken |= (np.diff(places) != 1) | (np.diff(documents) != 0)
    first = np.concatenate([[0], np.flatnonzero(broken) + 1])
    runs = np.diff(np.append(first, len(at))) + length - 1
    found: list[Copy] = []
    seen: set[bytes] = set()
    for k in np.lexsort((at[first], -runs)).tolist():
        if len(found) == limit:
            break
        place, there, n = int(at[first[k]]), int(origin[first[k]]), int(runs[k])
        text = corpus.tokens[place : place + n].tobytes()
        if text in seen:
            continue
        seen.add(text)
        mine, other = (
            int(np.searchsorted(corpus.offsets, p, side="right")) - 1 for p in (place, there)
        )
        offsets = place - int(corpus.offsets[mine]), there - int(corpus.offsets[other])
        found.append(Copy(mine, offsets[0], n, other, offsets[1]))
    return found
