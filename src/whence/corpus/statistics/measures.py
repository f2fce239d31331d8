"""One row of numbers a document, from which whole, slices and filters are made alike.

Documents are read one at a time; what stays in memory is some 140 bytes for each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Int64

from whence.core.progress import progress
from whence.corpus.lookup import words
from whence.corpus.statistics.characters import CLASSES, count_characters
from whence.corpus.statistics.languages import language_teller
from whence.corpus.statistics.personal import PERSONAL, find_personal, mask
from whence.corpus.store import Corpus

_EXAMPLES = 5


@dataclass(frozen=True, slots=True, eq=False)
class Measures:
    """What was counted in each document of a corpus, in its order.

    Attributes:
        tokens: tokens of each document.
        bytes: bytes of its text in UTF-8.
        words: its words: runs of letters, digits and underscores.
        characters: its characters of each of `characters.CLASSES`.
        personal: its matches of each of `personal.PERSONAL`.
        languages: the code of its language; empty when nobody asked.
        examples: for each kind of personal data the first few matches, masked.
    """

    tokens: Int64[np.ndarray, " document"]
    bytes: Int64[np.ndarray, " document"]
    words: Int64[np.ndarray, " document"]
    characters: Int64[np.ndarray, "document class"]
    personal: Int64[np.ndarray, "document pattern"]
    languages: tuple[str, ...] = ()
    examples: dict[str, list[str]] = field(default_factory=dict)

    def share(self, character_class: str) -> Int64[np.ndarray, " document"]:
        """How many characters of one class each document has."""
        return self.characters[:, CLASSES.index(character_class)]

    def of(self, documents: Bool[np.ndarray, " document"]) -> Measures:
        """The rows of some of the documents; examples stay with the whole."""
        told = tuple(np.array(self.languages, object)[documents]) if self.languages else ()
        return Measures(
            self.tokens[documents],
            self.bytes[documents],
            self.words[documents],
            self.characters[documents],
            self.personal[documents],
            told,
        )


def measure(
    corpus: Corpus,
    *,
    languages: bool = False,
    hear: Callable[[int, list[str]], None] | None = None,
) -> Measures:
    """Count what each document holds.

    Args:
        corpus: the documents.
        languages: tell each document's language too, some thousand documents a second.
        hear: called with each document and its words, so that who counts them need not read again.

    Raises:
        MissingExtraError: languages are asked for, and py3langid is not installed.
    """
    n = corpus.n_documents
    tell = language_teller() if languages else None
    counted_words = np.zeros(n, np.int64)
    characters = np.zeros((n, len(CLASSES)), np.int64)
    personal = np.zeros((n, len(PERSONAL)), np.int64)
    told: list[str] = []
    examples: dict[str, list[str]] = {kind: [] for kind in PERSONAL}
    for i in progress(range(n), "measuring", n):
        text = corpus.text(i)
        found_words = words(text)
        counted_words[i] = len(found_words)
        if hear is not None:
            hear(i, found_words)
        characters[i] = count_characters(text)
        for found in find_personal(text):
            personal[i, PERSONAL.index(found.kind)] += 1
            shown = examples[found.kind]
            if len(shown) < _EXAMPLES:
                shown.append(mask(text[found.start : found.end]))
        if tell is not None:
            told.append(tell(text))
    return Measures(
        tokens=np.asarray(corpus.lengths, np.int64),
        bytes=np.diff(corpus.text_offsets),
        words=counted_words,
        characters=characters,
        personal=personal,
        languages=tuple(told),
        examples=examples,
    )
