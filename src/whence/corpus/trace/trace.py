"""From a text to the documents that say the same, word for word.

    result = trace(corpus, answer, prompt=question)
    result.spans[0].text, result.spans[0].count, result.spans[0].documents
    result.save("answer.html")

The steps are those of OLMoTrace. (1) All maximal self-contained spans (`spans`). (2) Of these
the ceil(keep * tokens) with the smallest unigram probability, the product of their tokens'
frequencies: a long or rare stretch is worth a look, "one of the most" is not. (3) The documents
that hold each. (4) Spans that overlap become one stretch to mark, equal documents one. (5)
Documents ordered by what they have to do with prompt and text (`relevance`).

A span is found because it is there. That it is *why* the model said so is another claim, which
only taking the document away can test (`whence explain`).

Reference: Liu et al., "OLMoTrace: Tracing Language Model Outputs Back to Trillions of Training
Tokens", 2025, section 3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64

from whence.core.errors import CorpusError
from whence.core.records import write_json
from whence.corpus.index import Index, Occurrence
from whence.corpus.store import Corpus
from whence.corpus.trace.near import NearMatch, near_matches
from whence.corpus.trace.relevance import level, log_unigram_probability, relevance
from whence.corpus.trace.settings import TraceSettings
from whence.corpus.trace.spans import Candidate, candidates

VERSION = 1


@dataclass(frozen=True, slots=True)
class Source:
    """A document that holds a span.

    Attributes:
        id: of the document.
        document: its position in the corpus.
        offset: the span's first token in the document.
        relevance: to prompt and text; 1 is as much as the query itself (see `relevance`).
        copies: documents with the very same tokens, this one counted.
    """

    id: str
    document: int
    offset: int
    relevance: float
    copies: int = 1


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of the text that stands in the corpus word for word.

    Attributes:
        start: its first character in the text.
        end: one past its last.
        text: the characters.
        tokens: how many tokens.
        count: how often it occurs in the corpus.
        log_probability: of its tokens by their frequency alone, nats; the lower, the rarer.
        documents: that hold it, the most relevant first.
    """

    start: int
    end: int
    text: str
    tokens: int
    count: int
    log_probability: float
    documents: tuple[Source, ...]

    @property
    def relevance(self) -> float:
        """Of its most relevant document."""
        return max((source.relevance for source in self.documents), default=0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """What a text shares with a corpus.

    Attributes:
        corpus: where it was looked for.
        text: what was traced.
        prompt: what the text answers; counts for the relevance of documents alone.
        tokens: of the text.
        found: maximal spans before the rarest were chosen.
        covered: share of the text's letters and digits that lie in any of those.
        spans: the chosen ones, the rarest first.
        near: near-verbatim matches, the longest first; empty when none were asked for.
        settings: how it was traced.
    """

    corpus: Corpus
    text: str
    prompt: str
    tokens: int
    found: int
    covered: float
    spans: tuple[Span, ...]
    near: tuple[NearMatch, ...]
    settings: TraceSettings

    @property
    def stretches(self) -> list[tuple[int, int, tuple[int, ...]]]:
        """Spans that overlap or touch, put together: start, end, numbers of the spans."""
        joined: list[tuple[int, int, tuple[int, ...]]] = []
        for number, span in sorted(enumerate(self.spans), key=lambda pair: pair[1].start):
            if joined and span.start <= joined[-1][1]:
                start, end, numbers = joined.pop()
                joined.append((start, max(end, span.end), (*numbers, number)))
            else:
                joined.append((span.start, span.end, (number,)))
        return joined

    @property
    def documents(self) -> list[tuple[Source, tuple[int, ...]]]:
        """Every document once, the most relevant first, with the numbers of its spans."""
        held: dict[int, list[int]] = {}
        sources: dict[int, Source] = {}
        for number, span in enumerate(self.spans):
            for source in span.documents:
                held.setdefault(source.document, []).append(number)
                sources.setdefault(source.document, source)
        order = sorted(sources.values(), key=lambda s: (-s.relevance, s.document))
        return [(source, tuple(held[source.document])) for source in order]

    def context(self, span: Span, source: Source, around: int = 40) -> tuple[str, str, str]:
        """A span in one of its documents: what stands before it, itself, what stands after.

        Args:
            span: one of these.
            source: one of its documents.
            around: tokens shown on either side.
        """
        corpus = self.corpus
        base, stop = (int(b) for b in corpus.offsets[source.document : source.document + 2])
        first = base + source.offset
        last = first + span.tokens
        low, high = max(base, first - around), min(stop, last + around)
        before, match, after = (
            corpus.decode(corpus.tokens[start:end]) if start < end else ""
            for start, end in ((low, first), (first, last), (last, high))
        )
        # A token often begins with the blank before its word.
        blank = match[: len(match) - len(match.lstrip())]
        return (
            ("… " if low > base else "") + before + blank,
            match[len(blank) :],
            after + (" …" if high < stop else ""),
        )

    def to_json(self) -> dict[str, Any]:
        """The record: plain data."""
        return {
            "whence": "trace",
            "version": VERSION,
            "corpus": {"path": str(self.corpus.path), "digest": self.corpus.digest},
            "text": self.text,
            "prompt": self.prompt,
            "tokens": self.tokens,
            "found": self.found,
            "covered": self.covered,
            "spans": [_span_record(span) for span in self.spans],
            "stretches": [
                {"start": start, "end": end, "spans": list(numbers)}
                for start, end, numbers in self.stretches
            ],
            "documents": [
                {
                    "id": source.id,
                    "relevance": round(source.relevance, 6),
                    "level": level(source.relevance),
                    "spans": list(numbers),
                }
                for source, numbers in self.documents
            ],
            "near": [asdict(match) for match in self.near],
            "settings": asdict(self.settings),
        }

    def save(self, path: Path | str) -> None:
        """Write the page (`.html`) or the record (`.json`).

        Raises:
            CorpusError: the name ends otherwise.
            StorageError: the disk is full or the place cannot be written.
        """
        path = Path(path)
        if path.suffix == ".json":
            write_json(path, self.to_json())
        elif path.suffix in (".html", ".htm"):
            from whence.corpus.trace.page import write_page  # noqa: PLC0415

            write_page(self, path)
        else:
            raise CorpusError(
                str(path),
                expected="a name that ends in .html or .json",
                got=path.suffix or "no ending",
                fix="Name a page.html or a record.json.",
            )


def trace(
    corpus: Corpus,
    text: str,
    *,
    prompt: str = "",
    settings: TraceSettings | None = None,
    index: Index | None = None,
) -> Trace:
    """Find where the words of a text stand in a corpus.

    Args:
        corpus: the documents.
        text: of any length: a model's whole answer in one call.
        prompt: what the text answers; it helps to order documents.
        settings: how much is shown, and what counts as a span.
        index: of a slice of the corpus (`corpus.index().restricted(...)`); all of it by default.

    Raises:
        CorpusError: the text is empty.
    """
    settings = settings or TraceSettings()
    index = corpus.index() if index is None else index
    every = candidates(corpus, index, text, settings)
    query = corpus.encode(prompt + text)
    tokens = len(query) - (len(corpus.encode(prompt)) if prompt else 0)
    kept = _rarest(corpus, every, math.ceil(settings.keep * tokens))
    places = [_places(index, candidate, settings.candidates) for candidate, _ in kept]
    scored = _scored(corpus, query, places)
    spans = tuple(
        Span(
            candidate.start,
            candidate.end,
            text[candidate.start : candidate.end],
            len(candidate.sequences[0]),
            candidate.count,
            rarity,
            _sources(corpus, where, scored, settings.documents),
        )
        for (candidate, rarity), where in zip(kept, places, strict=True)
    )
    near = near_matches(corpus, index, text, settings) if settings.near else ()
    return Trace(
        corpus, text, prompt, tokens, len(every), _covered(text, every), spans, near, settings
    )


def _rarest(
    corpus: Corpus, found: Sequence[Candidate], limit: int
) -> list[tuple[Candidate, float]]:
    scored = [(c, log_unigram_probability(corpus, c.sequences[0])) for c in found]
    return sorted(scored, key=lambda pair: (pair[1], pair[0].start))[:limit]


def _places(index: Index, candidate: Candidate, limit: int) -> list[Occurrence]:
    found = {o for tokens in candidate.sequences for o in index.locate(tokens, limit)}
    first: dict[int, Occurrence] = {}
    for occurrence in sorted(found):
        first.setdefault(occurrence.document, occurrence)
    return list(first.values())


def _scored(
    corpus: Corpus,
    query: Int64[np.ndarray, " token"],
    places: Sequence[Sequence[Occurrence]],
) -> dict[int, float]:
    documents = sorted({o.document for where in places for o in where})
    values = relevance(corpus, query, documents)
    return dict(zip(documents, values.tolist(), strict=True))


def _sources(
    corpus: Corpus, places: Sequence[Occurrence], scored: dict[int, float], limit: int
) -> tuple[Source, ...]:
    ranked = sorted(places, key=lambda o: (-scored[o.document], o.document))
    copies: dict[bytes, list[Occurrence]] = {}
    for place in ranked:
        bounds = corpus.offsets[place.document : place.document + 2]
        content = corpus.tokens[bounds[0] : bounds[1]].tobytes()
        if content in copies or len(copies) < limit:
            copies.setdefault(content, []).append(place)
    return tuple(
        Source(
            corpus.ids[same[0].document],
            same[0].document,
            same[0].offset,
            scored[same[0].document],
            len(same),
        )
        for same in copies.values()
    )


def _covered(text: str, found: Sequence[Candidate]) -> float:
    inside = np.zeros(len(text), bool)
    for candidate in found:
        inside[candidate.start : candidate.end] = True
    letters = np.array([letter.isalnum() for letter in text], bool)
    return float(inside[letters].mean()) if letters.any() else 0.0


def _span_record(span: Span) -> dict[str, Any]:
    return {
        "start": span.start,
        "end": span.end,
        "text": span.text,
        "tokens": span.tokens,
        "count": span.count,
        "log_probability": round(span.log_probability, 6),
        "relevance": round(span.relevance, 6),
        "level": level(span.relevance),
        "documents": [
            {
                "id": source.id,
                "offset": source.offset,
                "relevance": round(source.relevance, 6),
                "copies": source.copies,
            }
            for source in span.documents
        ],
    }
