"""The index as a suffix array.

All documents' tokens are laid end to end, each id raised by one and a 0 after each document;
a query never holds a 0, so no match crosses a document's end. The array lists every place of
this stream in the order of what follows there, so all places that begin with a query lie
together, and binary search finds them token by token. A table of where each first token's
places begin saves the first search.

Making it takes about 20 bytes of memory a token. Searching reads a few pages of the
memory-mapped files a query.

Reference: Manber and Myers, "Suffix arrays: a new method for on-line string searches", SIAM
Journal on Computing 22(5), 1993; the sorting is libdivsufsort's, by way of `pydivsufsort`.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Int, Int64, UInt

from whence.core.errors import CorpusError, DamagedError
from whence.core.progress import bar
from whence.core.records import building, check_sizes, full_disk_is_an_error, read_json, write_json
from whence.corpus.arrays import open_array, save_array
from whence.corpus.index import Following, Match, Occurrence, Tokens

if TYPE_CHECKING:
    from whence.corpus.store import Corpus

VERSION = 1
_FEW = 8


def build_suffixes(corpus: Corpus, folder: Path) -> None:
    """Sort a corpus and write the sealed folder of its index."""
    from pydivsufsort import divsufsort  # noqa: PLC0415

    with full_disk_is_an_error(folder), bar("indexing", 3, "step") as shown:
        stream = _stream(corpus)
        shown.update()
        suffixes = divsufsort(stream)
        shown.update()
        counts = np.bincount(stream, minlength=corpus.vocabulary_size + 1)
        with building(folder) as temporary:
            save_array(temporary / "stream.npy", stream)
            save_array(temporary / "suffixes.npy", suffixes)
            starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
            save_array(temporary / "starts.npy", starts)
            write_json(
                temporary / "index.json",
                {
                    "whence": "index",
                    "kind": "suffix array",
                    "version": VERSION,
                    "corpus": corpus.digest,
                    "tokens": corpus.n_tokens,
                    "documents": corpus.n_documents,
                },
            )


def _stream(corpus: Corpus) -> UInt[np.ndarray, " place"]:
    kind: Any = np.uint16 if corpus.vocabulary_size < 1 << 16 else np.uint32
    stream = np.zeros(corpus.n_tokens + corpus.n_documents, kind)
    step = 1 << 22
    for start in range(0, corpus.n_tokens, step):
        tokens = corpus.tokens[start : start + step]
        places = np.arange(start, start + len(tokens))
        document = np.searchsorted(corpus.offsets, places, side="right") - 1
        stream[places + document] = np.add(tokens, 1, dtype=kind, casting="unsafe")
    return stream


@dataclass(frozen=True, slots=True, eq=False)
class SuffixArray:
    """An opened index; see `whence.corpus.index.Index` for what it does.

    Attributes:
        stream: token ids raised by one, 0 after each document.
        suffixes: places of the stream, in the order of what begins there.
        starts: for each raised id, the first of its suffixes; one more entry for the end.
        documents: where each document begins in the stream.
        place: for messages.
    """

    stream: UInt[np.ndarray, " place"]
    suffixes: Int[np.ndarray, " place"]
    starts: Int64[np.ndarray, " id"]
    documents: Int64[np.ndarray, " document"]
    place: str

    @classmethod
    def open(cls, corpus: Corpus, folder: Path) -> SuffixArray:
        """Open the index of this very corpus.

        Raises:
            DamagedError: a file is truncated, or the index belongs to another corpus.
        """
        check_sizes(folder)
        record = read_json(folder / "index.json")
        if record.get("corpus") != corpus.digest or record.get("version") != VERSION:
            raise DamagedError(
                str(folder),
                expected=f"an index of this corpus ({corpus.digest[:19]}), version {VERSION}",
                got=f"one of {str(record.get('corpus'))[:19]}, version {record.get('version')}",
                fix="Remove the folder; it is made again when needed.",
            )
        arrays: dict[str, Any] = {
            name: open_array(folder / f"{name}.npy") for name in ("stream", "suffixes", "starts")
        }
        begins = corpus.offsets[:-1] + np.arange(corpus.n_documents)
        return cls(**arrays, documents=begins, place=str(corpus.path))

    def count(self, tokens: Tokens) -> int:
        """How often a sequence occurs, overlaps included."""
        low, high = self._range(self._query(tokens))
        return high - low

    def count_many(self, queries: Sequence[Tokens]) -> Int64[np.ndarray, " query"]:
        """The counts of many sequences."""
        asked = [self._query(query) for query in queries]
        low = np.array([self.starts[query[0]] for query in asked], np.int64)
        high = np.array([self.starts[query[0] + 1] for query in asked], np.int64)
        longest = max(map(len, asked), default=0)
        for depth in range(1, longest):
            rows = np.array([i for i, q in enumerate(asked) if len(q) > depth and low[i] < high[i]])
            if len(rows) == 0:
                break
            token = np.array([asked[i][depth] for i in rows], np.int64)
            before = self._search(low[rows], high[rows], depth, token)
            high[rows] = self._search(before, high[rows], depth, token + 1)
            low[rows] = before
        return high - low

    def locate(self, tokens: Tokens, limit: int | None = None) -> list[Occurrence]:
        """Where a sequence occurs, in corpus order; the first `limit` of them."""
        low, high = self._range(self._query(tokens))
        places = self.suffixes[low:high]
        if limit is not None and limit < len(places):
            places = np.partition(places, limit)[:limit] if limit > 0 else places[:0]
        places = np.sort(places)
        documents = np.searchsorted(self.documents, places, side="right") - 1
        offsets = places - self.documents[documents]
        return [Occurrence(d, o) for d, o in zip(documents.tolist(), offsets.tolist(), strict=True)]

    def next(self, tokens: Tokens) -> Following:
        """What follows a sequence; for the empty one, how often each token occurs."""
        if len(tokens) == 0:
            counts = np.diff(self.starts)
        else:
            query = self._query(tokens)
            low, high = self._range(query)
            after = self.stream[self.suffixes[low:high].astype(np.int64) + len(query)]
            counts = np.bincount(after, minlength=1)
        counts = counts[1:]
        found = np.flatnonzero(counts)
        order = np.lexsort((found, -counts[found]))
        return Following(found[order], counts[found[order]])

    def longest_match(self, tokens: Tokens) -> Match:
        """The longest stretch of a query that occurs; the first of equally long ones."""
        query = self._query(tokens)
        best = Match(0, 0, 0)
        for start in range(len(query)):
            end = start + (best.end - best.start) + 1
            if end > len(query):
                break
            low, high = self._range(query[start:end])
            while high > low:
                best = Match(start, end, high - low)
                if end == len(query):
                    break
                low, high = self._narrow(low, high, end - start, query[end])
                end += 1
        return best

    def longest_by_document(self, tokens: Tokens) -> Int64[np.ndarray, " document"]:
        """The length of the longest stretch of a query in each document."""
        query = self._query(tokens)
        best = np.zeros(len(self.documents), np.int64)
        for start in range(len(query)):
            for length, places in self._beginnings(query[start:]):
                documents = np.searchsorted(self.documents, places, side="right") - 1
                best[documents] = np.maximum(best[documents], length)
        return best

    def _beginnings(self, query: Sequence[int]) -> Iterator[tuple[int, Int[np.ndarray, " match"]]]:
        """Places that begin as a query does: how many tokens they share, and where they are.

        A place may come several times; the largest number is the right one.
        """
        low, high = int(self.starts[query[0]]), int(self.starts[query[0] + 1])
        for depth in range(1, len(query) + 1):
            if high - low <= _FEW:
                for i in range(low, high):
                    yield self._shared(int(self.suffixes[i]), query), self.suffixes[i : i + 1]
                return
            yield depth, self.suffixes[low:high]
            if depth < len(query):
                low, high = self._narrow(low, high, depth, query[depth])

    def _shared(self, place: int, query: Sequence[int]) -> int:
        there = self.stream[place : place + len(query)]
        differing = np.flatnonzero(there != np.array(query[: len(there)]))
        return int(differing[0]) if len(differing) else len(there)

    def _query(self, tokens: Tokens) -> list[int]:
        query = [int(token) + 1 for token in tokens]
        if not query:
            raise CorpusError(
                "query",
                expected="at least one token",
                got="none",
                fix="Give a text or token ids to look for.",
            )
        largest = len(self.starts) - 2
        for token in query:
            if not 0 < token <= largest:
                raise CorpusError(
                    "query",
                    expected=f"token ids from 0 to {largest - 1}",
                    got=str(token - 1),
                    fix=f"Encode the text with the tokenizer of {self.place}.",
                )
        return query

    def _range(self, query: Sequence[int]) -> tuple[int, int]:
        """Which suffixes begin with a query (ids raised by one)."""
        low, high = int(self.starts[query[0]]), int(self.starts[query[0] + 1])
        for depth in range(1, len(query)):
            if high - low <= 1:
                return (low, high) if self._begins(low, high, query) else (low, low)
            low, high = self._narrow(low, high, depth, query[depth])
        return low, high

    def _begins(self, low: int, high: int, query: Sequence[int]) -> bool:
        if low == high:
            return False
        place = int(self.suffixes[low])
        there: list[int] = self.stream[place : place + len(query)].tolist()
        return there == list(query)

    def _search(
        self,
        low: Int64[np.ndarray, " row"],
        high: Int64[np.ndarray, " row"],
        depth: int,
        token: Int64[np.ndarray, " row"],
    ) -> Int64[np.ndarray, " row"]:
        """For many ranges at once: the first place whose token at `depth` is not smaller."""
        low, high = low.copy(), high.copy()
        while True:
            open_rows = np.flatnonzero(low < high)
            if len(open_rows) == 0:
                return low
            middle = (low[open_rows] + high[open_rows]) // 2
            places = self.suffixes[middle].astype(np.int64) + depth
            smaller = self.stream[places] < token[open_rows]
            low[open_rows[smaller]] = middle[smaller] + 1
            high[open_rows[~smaller]] = middle[~smaller]

    def _narrow(self, low: int, high: int, depth: int, token: int) -> tuple[int, int]:
        """Of suffixes that agree in `depth` tokens, those whose next is `token`."""
        stream = self.stream

        def after(place: Any) -> Any:
            return stream[int(place) + depth]

        # All of these agree in tokens that are no 0, so the next place is inside the stream.
        low = bisect_left(self.suffixes, token, low, high, key=after)
        return low, bisect_right(self.suffixes, token, low, high, key=after)
