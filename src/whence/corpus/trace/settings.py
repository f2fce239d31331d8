"""What decides a trace: how much is shown, and what counts as a stretch worth showing."""

from __future__ import annotations

from dataclasses import dataclass

from whence.core.errors import CorpusError

HIGH, MEDIUM = 0.5, 0.3
"""Relevance from which a document counts as of high and of medium relevance (see `relevance`)."""


@dataclass(frozen=True, slots=True)
class TraceSettings:
    """How a text is traced; the values of OLMoTrace unless said otherwise.

    Attributes:
        keep: spans kept, as a share of the text's tokens: the ceil(keep * tokens) rarest. With
            0.05 a text of 100 tokens has 5; 1.0 keeps all of them.
        shortest: tokens of the shortest span. OLMoTrace has no such bound; a single token says
            nothing about where a text comes from, so ours begins at 2.
        documents: shown for each span, the most relevant first.
        candidates: occurrences of a span that are looked at, the first in the corpus's order.
            A span that occurs more often than this is a common phrase, for which no document
            is *the* source.
        whole_words: spans begin and end where words do.
        within_sentences: no span goes on after the end of a sentence or a line.
        edits: words that may be put in, left out or replaced within one near-verbatim match;
            0 looks for verbatim matches alone.
        fold: look for matches that are equal but for case, blanks and punctuation between words.
        seed: words that a near-verbatim match has in one verbatim piece.
        common: occurrences from which such a piece is too common to begin with.
    """

    keep: float = 0.05
    shortest: int = 2
    documents: int = 10
    candidates: int = 1000
    whole_words: bool = True
    within_sentences: bool = True
    edits: int = 0
    fold: bool = False
    seed: int = 3
    common: int = 100

    def __post_init__(self) -> None:
        for name, lowest in (
            ("shortest", 1),
            ("documents", 1),
            ("candidates", 1),
            ("edits", 0),
            ("seed", 1),
            ("common", 1),
        ):
            if getattr(self, name) < lowest:
                raise _wrong(name, f"at least {lowest}", getattr(self, name))
        if not 0 < self.keep <= 1:
            raise _wrong("keep", "a share above 0 and at most 1", self.keep)

    @property
    def near(self) -> bool:
        """Whether near-verbatim matches are looked for."""
        return self.fold or self.edits > 0


def _wrong(name: str, expected: str, got: object) -> CorpusError:
    return CorpusError(
        f"trace, {name}", expected=expected, got=str(got), fix="Leave it out for the default."
    )
