"""Searching a corpus: how often tokens occur, where, and what follows them.

Everything here is about exact sequences of token ids inside one document; a match never
crosses from one document into the next. `Index` is the interface; the implementation here is
a suffix array (`suffixes`), kept beside the corpus and bound to it by digest.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int64, Integer

from whence.core.errors import BusyError
from whence.core.locks import hold
from whence.core.records import full_disk_is_an_error

if TYPE_CHECKING:
    from whence.corpus.store import Corpus

FOLDER = "index"
Tokens = Sequence[int] | Integer[np.ndarray, " token"]


@dataclass(frozen=True, slots=True, order=True)
class Occurrence:
    """Where a token sequence begins.

    Attributes:
        document: position of the document in the corpus.
        offset: position of the first token in the document.
    """

    document: int
    offset: int


@dataclass(frozen=True, slots=True)
class Match:
    """A stretch of a query that occurs in the corpus.

    Attributes:
        start: its first token in the query.
        end: one past its last token; equal to start when nothing occurs.
        count: how often it occurs in the corpus.
    """

    start: int
    end: int
    count: int


class Following(NamedTuple):
    """What comes after a sequence; ends of documents are not counted.

    Attributes:
        tokens: token ids, most frequent first, then by id.
        counts: how often each follows.
    """

    tokens: Int64[np.ndarray, " following"]
    counts: Int64[np.ndarray, " following"]


@runtime_checkable
class Index(Protocol):
    """What every index of a corpus can do."""

    def count(self, tokens: Tokens) -> int:
        """How often a sequence occurs, overlaps included."""

    def count_many(self, queries: Sequence[Tokens]) -> Int64[np.ndarray, " query"]:
        """The counts of many sequences."""

    def locate(self, tokens: Tokens, limit: int | None = None) -> list[Occurrence]:
        """Where a sequence occurs, in corpus order; the first `limit` of them."""

    def next(self, tokens: Tokens) -> Following:
        """What follows a sequence; for the empty one, how often each token occurs."""

    def longest_match(self, tokens: Tokens) -> Match:
        """The longest stretch of a query that occurs; the first of equally long ones."""

    def longest_by_document(self, tokens: Tokens) -> Int64[np.ndarray, " document"]:
        """The length of the longest stretch of a query in each document."""


def open_index(corpus: Corpus) -> Index:
    """Open the index of a corpus, or make it.

    Raises:
        DamagedError: its files are damaged, or it belongs to another corpus.
        StorageError: the disk is full or the corpus's folder cannot be written.
    """
    from whence.corpus.suffixes import SuffixArray, build_suffixes  # noqa: PLC0415

    folder = corpus.path / FOLDER
    while not folder.exists():
        try:
            with full_disk_is_an_error(folder), hold(corpus.path):
                if not folder.exists():
                    build_suffixes(corpus, folder)
        except BusyError:
            # Another process is making this very index; its lock is freed even if it dies.
            time.sleep(0.1)
    return SuffixArray.open(corpus, folder)
