"""Modified Kneser-Ney smoothing: from counts to probabilities.

    p(w | h) = max(a(hw) - D(a(hw)), 0) / sum_v a(hv)  +  gamma(h) p(w | h')

with h' the context h without its first token, and gamma(h) what the discounts set free. The
counts `a` are the real ones for the highest order and for what begins a document; else a(g) is
the number of different tokens that come before g, since a lower order is asked only where the
higher one does not know. There are three discounts for each order, for counts of one, two, and
three or more; with n_c the number of n-grams of count c,

    Y = n_1 / (n_1 + 2 n_2),   D_c = c - (c + 1) Y n_(c+1) / n_c.

The lowest order is interpolated with the uniform distribution over the vocabulary and the end of
a document, so that nothing has probability 0.

A small corpus may have no n-grams of some count, or discounts that are no discounts (below 0, or
above the count). Then the order takes 0.5, 1 and 1.5, as KenLM does when it is told to fall back,
and the model's record says so.

References: Chen and Goodman, "An empirical study of smoothing techniques for language modeling",
1999, section 3; Heafield et al., "Scalable modified Kneser-Ney language model estimation", 2013.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float64, Int64

from whence.corpus.ngrams.counting import Counted, Symbols, mapped

FALLBACK = (0.5, 1.0, 1.5)
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Discounts:
    """What is taken from counts of one, two, and three or more.

    Attributes:
        values: the three of them.
        estimated: from the counts; else they are `FALLBACK`.
    """

    values: tuple[float, float, float]
    estimated: bool


@dataclass(frozen=True, slots=True)
class Smoothed:
    """Probabilities of one order.

    Attributes:
        probability: of each n-gram's last token after the others.
        backoff: gamma of each (n-1)-gram as a context; 1 where it has no continuation.
        discounts: of this order.
    """

    probability: Float[np.ndarray, " ngram"]
    backoff: Float[np.ndarray, " context"]
    discounts: Discounts


def smooth(counted: Sequence[Counted], symbols: Symbols, folder: Path) -> Iterator[Smoothed]:
    """Probabilities of every order, from 1 up; memory holds a chunk of them.

    Args:
        counted: of every order.
        symbols: of the vocabulary.
        folder: for the results' files, which the caller removes.
    """
    start = symbols.start  # the number of the first n-gram that begins with a document's start
    lower = np.full(symbols.total, 1 / (symbols.total - 1), np.float32)
    for found in counted:
        n = found.order
        if n > 1:
            start = int(np.searchsorted(found.keys, start * symbols.total))
        discounts = discounts_of(_counts_of_counts(found, start))
        contexts = 1 if n == 1 else len(counted[n - 2].keys)
        probability = mapped(folder / f"probability-{n}.bin", np.float32, len(found.keys))
        backoff = mapped(folder / f"backoff-{n}.bin", np.float32, contexts)
        backoff[:] = 1
        for low, high in _chunks(found.keys, symbols.total, whole=n == 1):
            parents = found.keys[low:high] // symbols.total if n > 1 else 0
            part, names, freed = _interpolated(
                _adjusted(found, start, low, high),
                np.broadcast_to(parents, high - low),
                lower[found.endings[low:high]],
                discounts.values,
            )
            probability[low:high] = part
            backoff[names] = freed
        if n == 1:
            probability[symbols.start] = 0.0
        yield Smoothed(probability, backoff, discounts)
        lower = probability


def _adjusted(found: Counted, start: int, low: int, high: int) -> Int64[np.ndarray, " ngram"]:
    """The counts that smoothing uses, of n-grams [low, high)."""
    counts = np.array(found.counts[low:high])
    if found.continuations is not None:
        # Nothing can come before a document's start, so what begins with it keeps its counts.
        inside = np.arange(low, high) < start
        continuations = found.continuations[low:high]
        counts = np.where(inside | (continuations > 0), continuations, counts)
    if found.order == 1 and low <= start < high:
        counts[start - low] = 0  # it is never predicted
    return counts


def _counts_of_counts(found: Counted, start: int) -> Int64[np.ndarray, " count"]:
    """How many n-grams have a count of 0, 1, 2, 3 and 4."""
    total = np.zeros(6, np.int64)
    for low in range(0, len(found.keys), _CHUNK):
        counts = _adjusted(found, start, low, min(low + _CHUNK, len(found.keys)))
        total += np.bincount(np.minimum(counts, 5), minlength=6)
    return total[:5]


def discounts_of(counts: Int64[np.ndarray, " count"]) -> Discounts:
    """The three discounts of an order, or the fallback where they cannot be estimated.

    Args:
        counts: how many n-grams have a count of 0, 1, 2, 3 and 4.
    """
    n1, n2, n3, n4 = (int(count) for count in counts[1:5])
    if not (n1 and n2 and n3):
        return Discounts(FALLBACK, estimated=False)
    y = n1 / (n1 + 2 * n2)
    values = (1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3)
    if any(not 0 <= value <= count for count, value in enumerate(values, 1)):
        return Discounts(FALLBACK, estimated=False)
    return Discounts(values, estimated=True)


def _interpolated(
    adjusted: Int64[np.ndarray, " ngram"],
    parents: Int64[np.ndarray, " ngram"],
    lower: Float[np.ndarray, " ngram"],
    discounts: tuple[float, float, float],
) -> tuple[
    Float64[np.ndarray, " ngram"],
    Int64[np.ndarray, " context"],
    Float64[np.ndarray, " context"],
]:
    """Probabilities of n-grams of whole contexts; the contexts and their gammas."""
    firsts = np.flatnonzero(np.diff(parents, prepend=-1))
    sizes = np.diff(np.append(firsts, len(parents)))
    taken = np.array([0.0, *discounts])[np.minimum(adjusted, 3)]
    total = np.add.reduceat(adjusted, firsts).astype(np.float64)
    freed = np.add.reduceat(taken, firsts) / total
    share = np.maximum(adjusted - taken, 0) / np.repeat(total, sizes)
    return share + np.repeat(freed, sizes) * lower, parents[firsts], freed


def _chunks(
    keys: Int64[np.ndarray, " ngram"], total: int, *, whole: bool
) -> Iterator[tuple[int, int]]:
    """Ranges of n-grams that part no context."""
    low = 0
    while low < len(keys):
        high = len(keys)
        if not whole and low + _CHUNK < len(keys):
            parent = int(keys[low + _CHUNK]) // total
            high = int(np.searchsorted(keys, parent * total))
            if high <= low:  # one context alone is larger than a chunk
                high = int(np.searchsorted(keys, (parent + 1) * total))
        yield low, high
        low = high
