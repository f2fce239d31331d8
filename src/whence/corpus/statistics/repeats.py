"""Long stretches of tokens that occur more than once.

All runs of `length` tokens are brought together (`runs`), a share of them at a time so that
memory stays bounded. A run that occurred before, earlier in the corpus, is a copy; copies that
follow one another as their originals do are one longer copy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64

from whence.core.errors import CorpusError
from whence.corpus.statistics.runs import equal_runs
from whence.corpus.store import Corpus


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

    Takes two bytes of memory a token, up to 48 for each token of a copy, and half a gigabyte to
    sort in.

    Raises:
        CorpusError: the length is not positive.
    """
    if length < 1:
        raise CorpusError(
            "length", expected="at least one token", got=str(length), fix="Give one such as 32."
        )
    repeated = np.zeros(corpus.n_tokens, bool)
    copied = np.zeros(corpus.n_tokens, bool)
    copies: list[Int64[np.ndarray, " copy"]] = []
    originals: list[Int64[np.ndarray, " copy"]] = []
    for runs in equal_runs(corpus, length, "repeats"):
        same = np.flatnonzero(runs.same)
        earlier, later = runs.places[same], runs.places[same + 1]
        repeated[earlier] = repeated[later] = copied[later] = True
        copies.append(later)
        originals.append(earlier)
    at, origin = _in_order(np.concatenate(copies), np.concatenate(originals), corpus.n_tokens)
    copies.clear()
    originals.clear()
    return Repeats(
        length,
        _covered(corpus, repeated, length),
        _covered(corpus, copied, length),
        tuple(_longest(corpus, at, origin, length, limit)),
    )


def _in_order(
    at: Int64[np.ndarray, " copy"], origin: Int64[np.ndarray, " copy"], tokens: int
) -> tuple[Int64[np.ndarray, " copy"], Int64[np.ndarray, " copy"]]:
    """Copies by their places, which all differ, each with its original."""
    if tokens >= 1 << 31:
        order = np.argsort(at)
        return at[order], origin[order]
    packed = at << 32 | origin
    packed.sort()
    return packed >> 32, packed & 0xFFFFFFFF


def _covered(
    corpus: Corpus, starts: Bool[np.ndarray, " token"], length: int
) -> Int64[np.ndarray, " document"]:
    """Tokens of each document inside the runs that begin at some places."""
    places = np.flatnonzero(starts)
    # No run leaves its document, so only the last of a document has nothing to overlap with.
    widths = np.minimum(np.diff(places, append=corpus.n_tokens + length), length)
    covered = np.concatenate([[0], np.cumsum(widths)])
    return np.diff(covered[np.searchsorted(places, corpus.offsets)])


def _longest(
    corpus: Corpus,
    at: Int64[np.ndarray, " copy"],
    origin: Int64[np.ndarray, " copy"],
    length: int,
    limit: int,
) -> list[Copy]:
    if len(at) == 0:
        return []
    broken = (np.diff(at) != 1) | (np.diff(origin) != 1)
    if length == 1:
        # Longer runs that begin beside each other lie in one document.
        for places in (at, origin):
            documents = np.searchsorted(corpus.offsets, places, side="right")
            broken |= np.diff(documents) != 0
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
