"""Every run of n tokens of a corpus as one number, a block of the corpus at a time.

The number is a polynomial of the tokens modulo 2^64, its bits then mixed. Equal runs have
equal numbers; that different runs have different ones is likely and never relied upon: who
needs to know compares the tokens.

The polynomial of 2k tokens follows from that of k, so a run of n costs log2(n) steps.

Reference: Karp and Rabin, "Efficient randomized pattern-matching algorithms", IBM Journal of
Research and Development 31(2), 1987; the mixing is the finaliser of SplitMix64 (Steele et al.,
OOPSLA 2014).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Int64, Integer, UInt64

from whence.corpus.sketches import mixed
from whence.corpus.store import Corpus

_BLOCK = 1 << 17  # what is worked on stays in the processor's cache
_BASE = 0x9E3779B97F4A7C15


def windows(
    corpus: Corpus, n: int
) -> Iterator[tuple[Int64[np.ndarray, " window"], UInt64[np.ndarray, " window"]]]:
    """Where runs of n tokens begin, and their numbers; none crosses the end of a document.

    Yields:
        Places in `corpus.tokens`, rising, and the number of the run that begins there.
    """
    for start in range(0, corpus.n_tokens, _BLOCK):
        stop = min(start + _BLOCK + n - 1, corpus.n_tokens)
        if stop - start < n:
            return
        numbers = window_numbers(corpus.tokens[start:stop], n)
        places = np.arange(start, start + len(numbers))
        ends = corpus.offsets[np.searchsorted(corpus.offsets, places, side="right")]
        whole = places + n <= ends
        yield places[whole], numbers[whole]


def window_numbers(tokens: Integer[np.ndarray, " token"], n: int) -> UInt64[np.ndarray, " window"]:
    """The number of each run of n tokens, by its first token."""
    width, power = 1, _BASE  # of the runs in `doubled`, and base**width
    doubled = tokens.astype(np.uint64) + np.uint64(1)
    found, length = np.zeros(len(tokens) + 1, np.uint64), 0
    rest = n
    while True:
        if rest & 1:
            # What is found so far comes first, the next `width` tokens behind it.
            tail = doubled[length:]
            found = found[: len(tail)] * np.uint64(power) + tail
            length += width
        rest >>= 1
        if not rest:
            return mixed(found)
        doubled = doubled[:-width] * np.uint64(power) + doubled[width:]
        power = power * power % (1 << 64)
        width *= 2
