"""Near-verbatim matches: the same words but for a few, or but for case, blanks and marks.

Seed and extend. A run of words that stands verbatim in the corpus is a seed; around each of its
occurrences the match grows in both directions, word by word, as long as the edits last (a word
put in, left out or replaced; case, blanks and punctuation cost nothing). How far it can grow
with d edits follows from how far with d - 1 (Landau and Vishkin), so an extension costs a few
dozen comparisons for each edit.

A match of m words with k edits between its words has an exact run of at least
floor((m - k) / (k + 1)) words, so with a seed of s words every match of (s + 1)(k + 1) words or
more is found, as long as its seed is written in the same case and is not among those whose
occurrences are too many to look at. What only differs in case in *every* word has no seed.

References: Landau and Vishkin, "Fast parallel and serial approximate string matching", 1989;
the seeds as in Altschul et al., "Basic local alignment search tool", 1990.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from whence.corpus.index import Index, Occurrence
from whence.corpus.store import Corpus
from whence.corpus.trace.settings import TraceSettings
from whence.corpus.trace.spans import candidates

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
        settings: edits, seed, and how many occurrences of a seed are looked at.
    """
    mine = _words(text)
    documents: dict[int, _Words] = {}
    found: dict[int, list[NearMatch]] = {}
    seen: set[tuple[int, int, int]] = set()
    for first, last, place in _seeds(corpus, index, text, mine, settings):
        theirs = documents.setdefault(place.document, _words(corpus.text(place.document)))
        for at in _occurrences(mine.folded[first:last], theirs.folded):
            # Seeds of one match lie on one diagonal until an edit shifts it.
            if (place.document, at - first, first) in seen:
                continue
            seen.add((place.document, at - first, first))
            match = _grown(corpus, mine, theirs, (first, at), last - first, place, settings)
            if match is not None:
                found.setdefault(place.document, []).append(match)
    every = [match for matches in found.values() for match in _outermost(matches)]
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
    corpus: Corpus, index: Index, text: str, mine: _Words, settings: TraceSettings
) -> Iterator[tuple[int, int, Occurrence]]:
    """Runs of words (first, last) that stand verbatim in the corpus, and one place of each a time.

    A run that occurs too often is skipped: it seeds every document.
    """
    starts = [start for start, _ in mine.spans]
    for candidate in candidates(corpus, index, text, settings):
        inside = [i for i, at in enumerate(starts) if candidate.start <= at < candidate.end]
        if len(inside) < settings.seed or candidate.count > settings.candidates:
            continue
        documents: set[int] = set()
        for tokens in candidate.sequences:
            for place in index.locate(tokens, settings.candidates):
                if place.document not in documents:
                    documents.add(place.document)
                    yield inside[0], inside[-1] + 1, place


def _occurrences(run: Sequence[str], words: Sequence[str]) -> list[int]:
    n = len(run)
    return [i for i in range(len(words) - n + 1) if tuple(words[i : i + n]) == tuple(run)]


def _grown(
    corpus: Corpus,
    mine: _Words,
    theirs: _Words,
    seed: tuple[int, int],
    length: int,
    place: Occurrence,
    settings: TraceSettings,
) -> NearMatch | None:
    """The longest match around a seed within the edits; None if that is a verbatim one."""
    (a, b), k = seed, settings.edits
    right = _furthest(mine.folded[a + length :], theirs.folded[b + length :], k)
    left = _furthest(mine.folded[:a][::-1], theirs.folded[:b][::-1], k)
    best = max(
        ((i, j) for i in range(k + 1) for j in range(k + 1 - i)),
        # An edit must win more than the words it costs.
        key=lambda pair: (left[pair[0]][0] + right[pair[1]][0] - 2 * sum(pair), -sum(pair)),
    )
    (up, their_up), (down, their_down) = left[best[0]], right[best[1]]
    first, last = a - up, a + length + down
    start, end = mine.spans[first][0], mine.spans[last - 1][1]
    there = theirs.spans[b - their_up][0], theirs.spans[b + length + their_down - 1][1]
    said, written = mine.text[start:end], theirs.text[slice(*there)]
    if said == written:
        return None
    return NearMatch(
        start,
        end,
        said,
        last - first,
        sum(best),
        corpus.ids[place.document],
        place.document,
        *there,
        written,
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


def _outermost(matches: list[NearMatch]) -> list[NearMatch]:
    """Of the matches in one document, those that no other one holds."""
    ordered = sorted(set(matches), key=lambda m: (m.start, -m.end, m.edits))
    kept: list[NearMatch] = []
    for match in ordered:
        if not any(other.start <= match.start and match.end <= other.end for other in kept):
            kept.append(match)
    return kept
