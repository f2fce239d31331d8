"""Was a benchmark in the corpus? Runs of its words that documents have too.

Words are compared, not tokens: runs of letters and digits in lower case, so that neither the
tokenizer nor punctuation hides a copy. An item is *contaminated* when more than a given share of
its runs of n words stand in the corpus; at 0, one run is enough. Runs of 13 words were used for
GPT-3 (Brown et al., 2020, appendix C), of 8 for PaLM (Chowdhery et al., 2022, section 8, with a
share of 0.7). An item of fewer than n words cannot be told.

The corpus is read once, a document at a time; in memory are the benchmark's runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64

from whence.core.errors import CorpusError, SourceError
from whence.core.progress import progress
from whence.corpus.lookup import words
from whence.corpus.statistics.windows import window_numbers
from whence.corpus.store import Corpus
from whence.corpus.tasks.examples import rows_of_file

_DOCUMENTS = 5  # named for an item


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a benchmark.

    Attributes:
        id: its `id`, or else its line.
        texts: its texts; no run of words crosses from one into the next.
        row: the whole line, as it was read.
    """

    id: str
    texts: tuple[str, ...]
    row: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LongestMatch:
    """The longest run of tokens that an item shares with the corpus, letter for letter.

    Attributes:
        text: the run.
        tokens: its length.
        count: how often the corpus has it.
        document: the first document that has it.
    """

    text: str
    tokens: int
    count: int
    document: str | None


@dataclass(frozen=True, slots=True, eq=False)
class Contamination:
    """What a benchmark and a corpus have in common.

    Attributes:
        items: the benchmark.
        lengths: the n of the runs of words.
        runs: different runs that each item has.
        found: how many of them the corpus has.
        documents: for each item, ids of the first documents that share a run.
        longest: for each item its longest exact match; empty when nobody asked.
        hits: for each document, the runs of the benchmark that begin in it.
    """

    items: tuple[Item, ...]
    lengths: tuple[int, ...]
    runs: Int64[np.ndarray, "item length"]
    found: Int64[np.ndarray, "item length"]
    documents: tuple[tuple[str, ...], ...]
    longest: tuple[LongestMatch, ...]
    hits: Int64[np.ndarray, "document length"]

    def verdicts(self, n: int, share: float = 0.0) -> list[bool | None]:
        """Whether each item is contaminated by the rule above; None when it is too short.

        Raises:
            CorpusError: runs of n words were not looked for.
        """
        column = self._column(n)
        return [
            None if total == 0 else bool(there > share * total)
            for total, there in zip(
                self.runs[:, column].tolist(), self.found[:, column].tolist(), strict=True
            )
        ]

    def documents_with(self, n: int) -> Int64[np.ndarray, " document"]:
        """Positions of the documents that hold a run of n words of the benchmark."""
        return np.flatnonzero(self.hits[:, self._column(n)])

    def _column(self, n: int) -> int:
        if n not in self.lengths:
            raise CorpusError(
                "n",
                expected=f"one of {', '.join(map(str, self.lengths))}",
                got=str(n),
                fix="Name it among the lengths to look for.",
            )
        return self.lengths.index(n)


def read_items(path: Path, fields: Sequence[str] = ()) -> list[Item]:
    """Read a benchmark from a JSONL file.

    Args:
        path: the file.
        fields: what is looked at; by default every field that is a text or a list of texts,
            the `id` left out.

    Raises:
        SourceError: the file cannot be read, or an item has no such text.
    """
    items = []
    for number, row in rows_of_file(path):
        chosen = fields or [name for name in row if name != "id"]
        texts = tuple(text for name in chosen for text in _texts(row.get(name)))
        if not texts:
            there = ", ".join(f"{k} ({type(v).__name__})" for k, v in list(row.items())[:12])
            raise SourceError(
                f"{path}, line {number}",
                expected=f"text in {', '.join(fields)}" if fields else "a field with text",
                got=f"the fields {there}",
                fix="Name the fields that hold the benchmark's texts with --field.",
            )
        items.append(Item(str(row.get("id", number)), texts, row))
    return items


def find_contamination(
    corpus: Corpus,
    items: Sequence[Item],
    lengths: Sequence[int] = (8, 13),
    *,
    longest: bool = True,
) -> Contamination:
    """Compare a benchmark with a corpus.

    Args:
        corpus: the documents.
        items: the benchmark.
        lengths: runs of so many words are looked for.
        longest: look for each item's longest exact match too (needs the index).

    Raises:
        CorpusError: there is no item, or a length is not positive.
    """
    if not items or not lengths or min(lengths) < 1:
        raise CorpusError(
            "contamination",
            expected="items, and positive numbers of words",
            got=f"{len(items)} items, lengths {list(lengths)}",
            fix="Give lengths such as 8 and 13.",
        )
    vocabulary: dict[str, int] = {}
    coded = [[_coded(text, vocabulary) for text in item.texts] for item in items]
    found = [_Runs(coded, n) for n in lengths]
    hits = np.zeros((corpus.n_documents, len(lengths)), np.int64)
    for i in progress(range(corpus.n_documents), "comparing", corpus.n_documents):
        known = np.array([vocabulary.get(w, 0) for w in words(corpus.text(i))], np.int64)
        for k, runs in enumerate(found):
            hits[i, k] = runs.look(known, i)
    return Contamination(
        items=tuple(items),
        lengths=tuple(lengths),
        runs=np.stack([runs.totals() for runs in found], axis=1),
        found=np.stack([runs.seen() for runs in found], axis=1),
        documents=tuple(
            tuple(corpus.ids[i] for i in _first(found, item)) for item in range(len(items))
        ),
        longest=tuple(_longest(corpus, item) for item in items) if longest else (),
        hits=hits,
    )


class _Runs:
    """A benchmark's runs of n words, and which of them were seen."""

    def __init__(self, coded: Sequence[Sequence[Int64[np.ndarray, " _"]]], n: int) -> None:
        self._n = n
        self._of: list[set[tuple[int, ...]]] = [
            {tuple(text[i : i + n].tolist()) for text in texts for i in range(len(text) - n + 1)}
            for texts in coded
        ]
        self._documents: dict[tuple[int, ...], list[int]] = {
            run: [] for own in self._of for run in own
        }
        numbers = [window_numbers(text, n) for texts in coded for text in texts if len(text) >= n]
        self._numbers = np.unique(np.concatenate([np.empty(0, np.uint64), *numbers]))

    def look(self, known: Int64[np.ndarray, " word"], document: int) -> int:
        """Look through a document, its words numbered, 0 for those that no item has."""
        if len(known) < self._n or len(self._numbers) == 0:
            return 0
        numbers = window_numbers(known, self._n)
        place = np.minimum(np.searchsorted(self._numbers, numbers), len(self._numbers) - 1)
        hits = 0
        for i in np.flatnonzero(self._numbers[place] == numbers).tolist():
            # The number only says where to look; the words decide.
            documents = self._documents.get(tuple(known[i : i + self._n].tolist()))
            if documents is None:
                continue
            hits += 1
            if len(documents) < _DOCUMENTS and document not in documents:
                documents.append(document)
        return hits

    def totals(self) -> Int64[np.ndarray, " item"]:
        return np.array([len(own) for own in self._of], np.int64)

    def seen(self) -> Int64[np.ndarray, " item"]:
        return np.array([sum(bool(self._documents[r]) for r in own) for own in self._of], np.int64)

    def documents(self, item: int) -> set[int]:
        return {document for run in self._of[item] for document in self._documents[run]}


def _first(found: Sequence[_Runs], item: int) -> list[int]:
    """The first documents that share the item's longest runs."""
    for runs in sorted(found, key=lambda runs: -runs._n):
        documents = runs.documents(item)
        if documents:
            return sorted(documents)[:_DOCUMENTS]
    return []


def _coded(text: str, vocabulary: dict[str, int]) -> Int64[np.ndarray, " word"]:
    return np.array([vocabulary.setdefault(w, len(vocabulary) + 1) for w in words(text)], np.int64)


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value] if value.strip() else []
    if isinstance(value, list):
        return [text for inner in value for text in _texts(inner)]
    return []


def _longest(corpus: Corpus, item: Item) -> LongestMatch:
    index = corpus.index()
    best: tuple[int, list[int], int] = (0, [], 0)
    for text in item.texts:
        # Tokens at the beginning of a text differ from those after a blank.
        for reading in (text, " " + text.lstrip()):
            tokens = corpus.encode(reading).tolist()
            match = index.longest_match(tokens)
            if match.end - match.start > best[0]:
                best = (match.end - match.start, tokens[match.start : match.end], match.count)
    length, tokens, count = best
    where = index.locate(tokens, 1) if tokens else []
    return LongestMatch(
        text=corpus.decode(tokens) if tokens else "",
        tokens=length,
        count=count,
        document=corpus.ids[where[0].document] if where else None,
    )
