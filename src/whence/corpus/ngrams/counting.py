"""Counting all n-grams of a corpus, order by order, in bounded memory.

Every document is framed by two symbols of its own, one for its start and one for its end. The
n-grams of each order are numbered in lexicographic order, and one of them is written as a single
number: the number of its first n-1 tokens, times the size of the vocabulary, plus its last token.
So each order is one sorted array of integers (`keys`), a binary search finds an n-gram, and
everything that can follow a context lies together.

To count one order, every place of the text needs the number of the shorter n-gram that begins
there; these numbers lie in a file. Ranges of contexts are taken one after the other, each as
large as memory allows: their places are collected in one pass over the file, sorted and counted.
A range holds at least one context, so the memory needed is never below that of the places of the
most frequent one.

Also counted is what Kneser-Ney smoothing asks for: in how many different n-grams each shorter
one is the ending.

    keys      n-gram -> number of its beginning * symbols + last token     sorted
    counts    how often each occurs
    endings   number of the n-gram without its first token
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Int64

from whence.core.progress import bar
from whence.corpus.store import Corpus

# Bytes that sorting takes for each place: key, order of the sort, place, number.
_BYTES_A_PLACE = 48
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Symbols:
    """The tokens of a vocabulary and the two that frame a document."""

    vocabulary: int

    @property
    def start(self) -> int:
        """Stands before a document; never predicted."""
        return self.vocabulary

    @property
    def end(self) -> int:
        """Stands after a document; predicted like a token."""
        return self.vocabulary + 1

    @property
    def total(self) -> int:
        """How many symbols there are."""
        return self.vocabulary + 2


@dataclass(frozen=True, slots=True)
class Counted:
    """The n-grams of one order, in files.

    Attributes:
        order: how many tokens each has.
        keys: sorted; see the module.
        counts: how often each occurs.
        endings: the number of each without its first token, in the order below.
        continuations: in how many n-grams of the next order each is the ending; of the
            highest order it is not known.
    """

    order: int
    keys: Int64[np.ndarray, " ngram"]
    counts: Int64[np.ndarray, " ngram"]
    endings: Int64[np.ndarray, " ngram"]
    continuations: Int64[np.ndarray, " ngram"] | None


def count_ngrams(
    corpus: Corpus,
    order: int,
    folder: Path,
    *,
    documents: Bool[np.ndarray, " document"] | None = None,
    memory: int = 1 << 30,
) -> list[Counted]:
    """Count the n-grams of every order up to the highest.

    Args:
        corpus: the documents.
        order: the highest.
        folder: for the files; an empty folder that the caller removes.
        documents: which of them count; all by default.
        memory: bytes for sorting.

    Returns:
        One entry an order, from 1.
    """
    symbols = Symbols(corpus.vocabulary_size)
    stream = _framed(corpus, symbols, folder, documents)
    unigrams = np.zeros(symbols.total, np.int64)
    for start in range(0, len(stream), _CHUNK):
        unigrams += np.bincount(stream[start : start + _CHUNK], minlength=symbols.total)
    nothing = np.zeros(symbols.total, np.int64)
    counted = [Counted(1, np.arange(symbols.total), unigrams, nothing, None)]
    numbers = stream
    with bar("counting n-grams", order - 1, "order") as shown:
        for n in range(2, order + 1):
            found, numbers = _longer(counted[-1], stream, numbers, symbols, folder, memory)
            counted[-1] = _with_continuations(counted[-1], found, folder)
            counted.append(found)
            shown.update()
            (folder / f"numbers-{n - 1}.bin").unlink(missing_ok=True)
    return counted


def _framed(
    corpus: Corpus,
    symbols: Symbols,
    folder: Path,
    documents: Bool[np.ndarray, " document"] | None,
) -> Int64[np.ndarray, " place"]:
    """All chosen documents' tokens, each between its start and its end."""
    chosen = np.arange(corpus.n_documents) if documents is None else np.flatnonzero(documents)
    lengths = corpus.lengths[chosen] + 2
    begins = np.concatenate([[0], np.cumsum(lengths)])
    stream: Int64[np.ndarray, " place"]
    stream = mapped(folder / "stream.bin", np.int64, int(begins[-1]))
    for which, begin, length in zip(chosen, begins, lengths, strict=False):
        stream[begin] = symbols.start
        tokens = corpus.tokens[corpus.offsets[which] : corpus.offsets[which + 1]]
        stream[begin + 1 : begin + length - 1] = tokens
        stream[begin + length - 1] = symbols.end
    return stream


def _longer(
    shorter: Counted,
    stream: Int64[np.ndarray, " place"],
    numbers: Int64[np.ndarray, " place"],
    symbols: Symbols,
    folder: Path,
    memory: int,
) -> tuple[Counted, Int64[np.ndarray, " place"]]:
    """The n-grams one token longer, and their numbers at every place; -1 where there is none."""
    n = shorter.order + 1
    new = mapped(folder / f"numbers-{n}.bin", np.int64, len(stream))
    new[:] = -1
    names = ("keys", "counts", "endings")
    files = {name: (folder / f"{name}-{n}.bin").open("wb") for name in names}
    total = 0
    try:
        for low, high in _ranges(shorter.counts, max(1, memory // _BYTES_A_PLACE)):
            places = _places(stream, numbers, symbols, n, low, high)
            keys = numbers[places] * symbols.total + stream[places + n - 1]
            order = np.argsort(keys, kind="stable")
            places, keys = places[order], keys[order]
            fresh = np.ones(len(keys), bool)
            fresh[1:] = keys[1:] != keys[:-1]
            firsts = np.flatnonzero(fresh)
            new[places] = total + np.cumsum(fresh) - 1
            files["keys"].write(keys[firsts].tobytes())
            files["counts"].write(np.diff(np.append(firsts, len(keys))).tobytes())
            files["endings"].write(numbers[places[firsts] + 1].tobytes())
            total += len(firsts)
    finally:
        for file in files.values():
            file.close()
    keys, counts, endings = (mapped(folder / f"{x}-{n}.bin", np.int64, total) for x in names)
    return Counted(n, keys, counts, endings, None), new


def _places(
    stream: Int64[np.ndarray, " place"],
    numbers: Int64[np.ndarray, " place"],
    symbols: Symbols,
    n: int,
    low: int,
    high: int,
) -> Int64[np.ndarray, " found"]:
    """Where an n-gram begins whose first n-1 tokens have a number in [low, high)."""
    found = []
    for start in range(0, len(stream) - n + 1, _CHUNK):
        stop = min(start + _CHUNK, len(stream) - n + 1)
        here = numbers[start:stop]
        # What ends a document has nothing after it.
        inside = stream[start + n - 2 : stop + n - 2] != symbols.end
        found.append(np.flatnonzero((here >= low) & (here < high) & inside) + start)
    return np.concatenate(found) if found else np.zeros(0, np.int64)


def _ranges(counts: Int64[np.ndarray, " ngram"], room: int) -> Iterator[tuple[int, int]]:
    """Ranges of n-grams that occur at most `room` times together, or are a single one."""
    ends = np.cumsum(counts)
    low = 0
    while low < len(counts):
        before = int(ends[low - 1]) if low else 0
        high = max(low + 1, int(np.searchsorted(ends, before + room, side="right")))
        yield low, high
        low = high


def _with_continuations(shorter: Counted, longer: Counted, folder: Path) -> Counted:
    n = len(shorter.keys)
    found = mapped(folder / f"continuations-{shorter.order}.bin", np.int64, n)
    for start in range(0, len(longer.keys), _CHUNK):
        np.add.at(found, np.asarray(longer.endings[start : start + _CHUNK]), 1)
    return Counted(shorter.order, shorter.keys, shorter.counts, shorter.endings, found)


def mapped(path: Path, kind: Any, length: int) -> Any:
    """An array in a file, made if it is not there; an empty one has no file."""
    if length == 0:
        return np.zeros(0, kind)
    if not path.exists():
        with path.open("wb") as file:
            file.truncate(length * np.dtype(kind).itemsize)
    return np.asarray(np.memmap(path, kind, mode="r+", shape=(length,)))


def lookup(
    keys: Int64[np.ndarray, " ngram"], wanted: Int64[np.ndarray, " query"]
) -> Int64[np.ndarray, " query"]:
    """The numbers of n-grams by their keys; -1 where there is none."""
    at = np.searchsorted(keys, wanted)
    found = np.full(len(wanted), -1, np.int64)
    inside = at < len(keys)
    hit = np.flatnonzero(inside)[keys[at[inside]] == wanted[inside]]
    found[hit] = at[hit]
    return found
