"""Near-verbatim matches: the same words but for a few, or but for case, blanks and marks.

Seed and extend. Every run of a few words (three, unless told otherwise) that stands verbatim in
the corpus is a seed; around each of its occurrences the match grows in both directions, word by
word, as long as the edits last (a word put in, left out or replaced; case, blanks and
punctuation cost nothing). How far it can grow with d edits follows from how far with d - 1
(Landau and Vishkin), so an extension costs a few dozen comparisons for each edit.

Between k edits lie k + 1 runs without one, so a match of s (k + 1) words or more has a run of s
words. If that is written the same in both, marks between its words included, and occurs no
more than `common` times, the match is found. What differs in case in every few words is missed.

References: Landau and Vishkin, "Fast parallel and serial approximate string matching", 1989;
the seeds as in Altschul et al., "Basic local alignment search tool", 1990.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from whence.corpus.index import Index
from whence.corpus.store import Corpus
from whence.corpus.trace.settings import TraceSettings
from whence.corpus.trace.spans import Tokens, readings

_WORD = re.compile(r"\w+(?:['’]\w+)*")
_SHOWN = 50


@dataclass(frozen=True, slots=True)
class NearMatch:
    """A stretch of the text that a document nearly holds.

    Attributes:
        start: its first character in the text.
        end: one past its last.
        text: the characters.
        words: how many words of the text.
        edits: words put in, left out or replaced.
        id: of the document.
        document: its position in the corpus.
        document_start: first character of the match in the document.
        document_end: one past its last.
        document_text: what the document says there.
    """

    start: int
    end: int
    text: str
    words: int
    edits: int
    id: str
    document: int
    document_start: int
    document_end: int
    document_text: str


@dataclass(frozen=True, slots=True)
class _Words:
    """The words of a text, folded, and where they are."""

    text: str
    folded: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]


def near_matches(
    corpus: Corpus, index: Index, text: str, settings: TraceSettings
) -> tuple[NearMatch, ...]:
    """Stretches of a text that documents hold with a few edits, the longest first.

    Verbatim matches are left out, and so is what lies inside a longer match in the same document.

    Args:
        corpus: the documents.
        index: of the corpus or a slice of it.
        text: what is traced.
        settings: edits, seed, and how common a seed may be.
    """
    mine = _words(text)
    documents: dict[int, _Words] = {}
    found: dict[int, list[_Grown]] = {}
    for first, document in _seeds(corpus, index, mine, settings):
        if document not in documents:
            documents[document] = _words(corpus.text(document))
        theirs, known = documents[document], found.setdefault(document, [])
        for at in _occurrences(mine.folded[first : first + settings.seed], theirs.folded):
            if not any(grown.holds(first, at, settings.seed) for grown in known):
                known.append(_grown(mine, theirs, (first, at), settings.seed, settings.edits))
    every = [
        _match(corpus, mine, documents[document], document, grown)
        for document, matches in found.items()
        for grown in _outermost(matches)
    ]
    every = [match for match in every if match.text != match.document_text]
    every.sort(key=lambda m: (m.edits - m.words, m.start, m.document))
    return tuple(every[:_SHOWN])


def _words(text: str) -> _Words:
    found = list(_WORD.finditer(text))
    return _Words(
        text,
        tuple(m[0].casefold().replace("’", "'") for m in found),
        tuple((m.start(), m.end()) for m in found),
    )


def _seeds(
    corpus: Corpus, index: Index, mine: _Words, settings: TraceSettings
) -> Iterator[tuple[int, int]]:
    """Runs of `seed` words by their first, each with a document that holds it verbatim."""
    queries: dict[tuple[int, Tokens], None] = {}
    for reading in readings(corpus, mine.text):
        # The tokens of a run: a word's first token may begin with the blank before it.
        firsts = np.searchsorted(reading.ends, [start for start, _ in mine.spans], side="right")
        lasts = np.searchsorted(reading.ends, [end for _, end in mine.spans], side="left") + 1
        for first in range(len(mine.spans) - settings.seed + 1):
            low, high = firsts[first], lasts[first + settings.seed - 1]
            queries[first, tuple(reading.tokens[low:high].tolist())] = None
    counts = index.count_many([tokens for _, tokens in queries]) if queries else ()
    for (first, tokens), count in zip(queries, counts, strict=True):
        if 0 < count <= settings.common:
            for document in sorted({place.document for place in index.locate(tokens)}):
                yield first, document


def _occurrences(run: Sequence[str], words: Sequence[str]) -> list[int]:
    n = len(run)
    return [i for i in range(len(words) - n + 1) if tuple(words[i : i + n]) == tuple(run)]


@dataclass(frozen=True, slots=True)
class _Grown:
    """A match as runs of words: [first, last) of mine and of theirs."""

    mine: tuple[int, int]
    theirs: tuple[int, int]
    edits: int

    def holds(self, a: int, b: int, length: int) -> bool:
        """Whether a run of words at a (mine) and b (theirs) lies inside."""
        return (
            self.mine[0] <= a
            and a + length <= self.mine[1]
            and self.theirs[0] <= b
            and b + length <= self.theirs[1]
        )


def _grown(mine: _Words, theirs: _Words, seed: tuple[int, int], length: int, k: int) -> _Grown:
    """The longest match around a seed of `length` words with at most k edits."""
    a, b = seed
    right = _furthest(mine.folded[a + length :], theirs.folded[b + length :], k)
    left = _furthest(mine.folded[:a][::-1], theirs.folded[:b][::-1], k)
    up, down = max(
        ((i, j) for i in range(k + 1) for j in range(k + 1 - i)),
        # An edit must win more than the words it costs.
        key=lambda pair: (left[pair[0]][0] + right[pair[1]][0] - 2 * sum(pair), -sum(pair)),
    )
    return _Grown(
        (a - left[up][0], a + length + right[down][0]),
        (b - left[up][1], b + length + right[down][1]),
        up + down,
    )


def _match(corpus: Corpus, mine: _Words, theirs: _Words, document: int, grown: _Grown) -> NearMatch:
    (start, end), (there, then) = (
        (words.spans[first][0], words.spans[last - 1][1])
        for words, (first, last) in ((mine, grown.mine), (theirs, grown.theirs))
    )
    return NearMatch(
        start,
        end,
        mine.text[start:end],
        grown.mine[1] - grown.mine[0],
        grown.edits,
        corpus.ids[document],
        document,
        there,
        then,
        theirs.text[there:then],
    )


def _furthest(mine: Sequence[str], theirs: Sequence[str], edits: int) -> list[tuple[int, int]]:
    """How far two word sequences agree from their beginnings with 0, 1, ... edits.

    Returns:
        For each number of edits: words of mine and of theirs, both ending in equal words; never
        shorter than with fewer edits. On each diagonal only the furthest place is kept; where
        that one ends in an edit, an equal word just before it may be missed.
    """
    reach: dict[int, int] = {0: _agree(mine, theirs, 0, 0)}  # diagonal -> words of mine
    best = [(reach[0], reach[0])]
    for _ in range(edits):
        grown: dict[int, int] = {}
        for diagonal in range(min(reach) - 1, max(reach) + 2):
            options = [
                reach.get(diagonal, -2) + 1,  # replaced
                reach.get(diagonal + 1, -2),  # put in by the document
                reach.get(diagonal - 1, -2) + 1,  # left out by the document
            ]
            at = min(max(options), len(mine))
            if at >= 0 and 0 <= at - diagonal <= len(theirs):
                grown[diagonal] = at + _agree(mine, theirs, at, at - diagonal)
        reach |= {d: max(at, reach.get(d, -1)) for d, at in grown.items()}
        longest = max(
            (
                (at, at - d)
                for d, at in reach.items()
                if at > 0 and at - d > 0 and mine[at - 1] == theirs[at - d - 1]
            ),
            default=best[-1],
        )
        best.append(max(best[-1], longest))
    return best


def _agree(mine: Sequence[str], theirs: Sequence[str], i: int, j: int) -> int:
    n = 0
    while i + n < len(mine) and j + n < len(theirs) and mine[i + n] == theirs[j + n]:
        n += 1
    return n


def _outermost(matches: list[_Grown]) -> list[_Grown]:
    """Of the matches in one document, those whose words of mine no other one holds."""
    kept: list[_Grown] = []
    for match in sorted(matches, key=lambda m: (m.mine[0], -m.mine[1], m.edits, m.theirs)):
        if not any(o.mine[0] <= match.mine[0] and match.mine[1] <= o.mine[1] for o in kept):
            kept.append(match)
    return kept
