"""Which stretches of a text stand word for word in the corpus.

From every token of the text goes the longest match in the corpus (one look-up each). It is
cut back until it ends where a word ends and holds no end of a sentence but its own last
characters; what then lies inside another stretch goes. What is left are the *maximal
self-contained spans*: none can be made longer.

A tokenizer writes the first word of a text in one way at the beginning of a document and in
another after a blank, so the text is read in both; the two differ in the first tokens alone.

Reference: Liu et al., "OLMoTrace: Tracing Language Model Outputs Back to Trillions of Training
Tokens", 2025, section 3, step 1 and algorithm 1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64

from whence.core.errors import CorpusError
from whence.corpus.index import Index
from whence.corpus.spans import spans_of
from whence.corpus.store import Corpus
from whence.corpus.trace.settings import TraceSettings

Tokens = tuple[int, ...]

_WORD = re.compile(r"\w")
# A dot inside a number or an abbreviation has no blank after it and ends nothing.
_SENTENCE_END = re.compile(r"[.!?…]+[\"'”’)\]]*(?=\s|\Z)|[。！？]+[」』”’]*|\n")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A stretch of the text that occurs in the corpus.

    Attributes:
        start: its first character in the text.
        end: one past its last character.
        sequences: the token sequences that read so; more than one at the text's beginning.
        count: occurrences of all of them.
    """

    start: int
    end: int
    sequences: tuple[Tokens, ...]
    count: int


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """The tokens of a text and the characters that each of them stands for."""

    tokens: Int64[np.ndarray, " token"]
    starts: Int64[np.ndarray, " token"]
    ends: Int64[np.ndarray, " token"]


def readings(corpus: Corpus, text: str) -> list[Reading]:
    """A text as it is tokenised at the beginning of a document and after a blank.

    Raises:
        CorpusError: the text is empty or no UTF-8.
    """
    if not text.strip():
        raise CorpusError(
            "text", expected="a text to trace", got="an empty one", fix="Give some words."
        )
    _check_utf8(text)
    found: dict[Tokens, Reading] = {}
    for before in ("", " "):
        encoding = corpus.fast_tokenizer.encode(before + text, add_special_tokens=False)
        spans = spans_of(encoding, before + text)
        starts = np.maximum(spans.starts - len(before), 0)
        ends = spans.ends - len(before)
        kept = ends > 0  # a token that is the blank alone is no part of the text
        tokens = np.array(encoding.ids, np.int64)[kept]
        found.setdefault(tuple(tokens.tolist()), Reading(tokens, starts[kept], ends[kept]))
    return [reading for tokens, reading in found.items() if tokens]


def candidates(corpus: Corpus, index: Index, text: str, settings: TraceSettings) -> list[Candidate]:
    """The maximal self-contained spans of a text, in its order.

    Args:
        corpus: whose tokenizer reads the text.
        index: of the corpus, or of a slice of it.
        text: what is traced.
        settings: the bounds of a span.
    """
    found: dict[tuple[int, int], set[Tokens]] = {}
    first, *others = readings(corpus, text)
    longest = index.longest(first.tokens)
    heads = [(other, _of_head(index, other, first, longest)) for other in others]
    for reading, lengths in [(first, longest), *heads]:
        for start, end in _token_spans(text, reading, lengths, settings):
            place = _stripped(text, int(reading.starts[start]), int(reading.ends[end - 1]))
            found.setdefault(place, set()).add(tuple(reading.tokens[start:end].tolist()))
    kept = _maximal(found)
    queries = [(place, tokens) for place in kept for tokens in sorted(found[place])]
    counts = index.count_many([tokens for _, tokens in queries])
    totals = dict.fromkeys(kept, 0)
    for (place, _), count in zip(queries, counts.tolist(), strict=True):
        totals[place] += count
    return [Candidate(*place, tuple(sorted(found[place])), totals[place]) for place in kept]


def _of_head(
    index: Index, other: Reading, first: Reading, longest: Int64[np.ndarray, " token"]
) -> Int64[np.ndarray, " other"]:
    """Lengths of the matches that begin where another reading differs from the first; else 0.

    From where the two agree, so do their matches; one that begins before reaches at most as far
    as the match that begins where they meet.
    """
    shorter = min(len(other.tokens), len(first.tokens))
    same = other.tokens[::-1][:shorter] == first.tokens[::-1][:shorter]
    agree = int(np.argmin(same)) if not same.all() else shorter  # tokens at the end
    meet = len(other.tokens) - agree
    stop = meet + (int(longest[len(first.tokens) - agree]) if agree else 0)
    lengths = np.zeros(len(other.tokens), np.int64)
    if meet:
        lengths[:meet] = index.longest(other.tokens[:stop])[:meet]
    return lengths


def _token_spans(
    text: str, reading: Reading, lengths: Int64[np.ndarray, " token"], settings: TraceSettings
) -> Iterator[tuple[int, int]]:
    """Spans of tokens as long as they can be, none inside an earlier one."""
    begins, ends = _bounds(text, reading, whole_words=settings.whole_words)
    stops = _stops(text, reading) if settings.within_sentences else None
    furthest = 0
    # The last place at or before each where a span may end.
    last = np.maximum.accumulate(np.where(ends, np.arange(len(ends)), 0))
    for start in np.flatnonzero(begins[:-1] & (lengths >= settings.shortest)).tolist():
        end = start + int(lengths[start])
        if stops is not None:
            end = min(end, int(stops[start]))
        end = int(last[end])
        if end - start >= settings.shortest and end > furthest:
            yield start, end
            furthest = end


def _bounds(
    text: str, reading: Reading, *, whole_words: bool
) -> tuple[Bool[np.ndarray, " bound"], Bool[np.ndarray, " bound"]]:
    """Between which tokens a span may begin, and end; one bound more than tokens.

    Bytes of one character belong together always.
    """
    n = len(reading.tokens)
    begins, ends = np.ones(n + 1, bool), np.ones(n + 1, bool)
    split = reading.ends[:-1] > reading.starts[1:]
    begins[1:n][split] = ends[1:n][split] = False
    if whole_words:
        for bound in range(1, n):
            inside = _inside_a_word(text, int(reading.starts[bound]))
            begins[bound] &= not inside
            ends[bound] &= not inside
    return begins, ends


def _inside_a_word(text: str, place: int) -> bool:
    if not 0 < place < len(text):
        return False
    return bool(_WORD.match(text[place - 1]) and _WORD.match(text[place]))


def _stops(text: str, reading: Reading) -> Int64[np.ndarray, " token"]:
    """For each token, the bound that no span beginning there may pass.

    A sentence's end belongs to the sentence; blanks between sentences to neither, so a token
    that is nothing but a line's end cannot begin a span that goes on.
    """
    n = len(reading.tokens)
    places = [match.end() for match in _SENTENCE_END.finditer(text)]
    bounds = np.unique(np.searchsorted(reading.ends, places, side="left") + 1)
    bounds = np.append(bounds[bounds < n], n)
    return bounds[np.searchsorted(bounds, np.arange(n), side="right")]


def _stripped(text: str, start: int, end: int) -> tuple[int, int]:
    piece = text[start:end]
    return start + len(piece) - len(piece.lstrip()), end - len(piece) + len(piece.rstrip())


def _maximal(found: dict[tuple[int, int], set[Tokens]]) -> list[tuple[int, int]]:
    kept: list[tuple[int, int]] = []
    for start, end in sorted(found, key=lambda place: (place[0], -place[1])):
        if start < end and (not kept or end > kept[-1][1]):
            kept.append((start, end))
    return kept


def _check_utf8(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise CorpusError(
            "text", expected="text in UTF-8", got=ascii(text)[:80], fix="Give the text in UTF-8."
        ) from None
