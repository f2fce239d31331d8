"""Searching the text itself: byte by byte, whatever the tokenizer.

A token is found only where the tokenizer puts it; a text is found wherever it stands, in the
middle of a word too. Places are given in bytes and in characters of their document.

Case is disregarded as Unicode's full case folding has it (`str.casefold`), by asking for all
spellings that fold to the same and occur: they are found from the left, and a beginning that does
not occur has no spellings. So it is exact, takes nothing on disk, and costs one batch of
look-ups a character; a place is counted once, since no spelling begins another.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import chain
from sys import maxunicode
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Int64

from whence.core.errors import CorpusError
from whence.corpus.index.boolean import Placed, Places, places_of
from whence.corpus.index.files import IndexSettings, open_index
from whence.corpus.index.interface import Occurrence

if TYPE_CHECKING:
    from whence.corpus.store import Corpus

_LONGEST_FOLD = 3
_SURROGATES = range(0xD800, 0xE000)


@dataclass(frozen=True, slots=True, eq=False)
class TextIndex:
    """Exact search of a corpus's text.

    Attributes:
        corpus: whose text.
        index: over its bytes, with everything that an index of tokens can do.
    """

    corpus: Corpus
    index: Placed

    def count(self, text: str, *, ignore_case: bool = False, word_start: bool = False) -> int:
        """How often a text occurs, overlaps included.

        Args:
            text: what to look for.
            ignore_case: whatever its case.
            word_start: only where no letter, digit or underscore stands before it. This looks
                at every place where the text occurs.

        Raises:
            CorpusError: the text is empty, or not in UTF-8.
        """
        if word_start:
            return len(self._places(text, ignore_case, word_start).documents)
        return int(self.index.count_many(self.spellings(text, ignore_case)).sum())

    def locate(
        self,
        text: str,
        limit: int | None = None,
        *,
        ignore_case: bool = False,
        word_start: bool = False,
    ) -> list[Occurrence]:
        """Where a text occurs, offsets in bytes of the document, in corpus order; see `count`."""
        places = self._places(text, ignore_case, word_start)
        pairs = zip(places.documents[:limit].tolist(), places.offsets[:limit].tolist(), strict=True)
        return [Occurrence(document, offset) for document, offset in pairs]

    def characters(self, occurrence: Occurrence) -> int:
        """How many characters stand before a place in its document."""
        start = int(self.corpus.text_offsets[occurrence.document])
        before = self.corpus.text_bytes[start : start + occurrence.offset]
        # Bytes that go on with a character do not count.
        return int(((before & 0xC0) != 0x80).sum())

    def spellings(self, text: str, ignore_case: bool = True) -> list[bytes]:
        """The byte sequences of a text that occur, in all cases of its letters."""
        if not ignore_case:
            return [_encoded(text)]
        folded = _encoded(text).decode().casefold()
        # Beginnings that occur, by how much of the folded text they are.
        alive: list[list[bytes]] = [[] for _ in range(len(folded) + _LONGEST_FOLD)]
        alive[0] = [b""]
        for done in range(len(folded)):
            tried = [
                (done + size, before + letter)
                for size in range(1, _LONGEST_FOLD + 1)
                for letter in _unfolded(folded[done : done + size])
                for before in alive[done]
                if done + size <= len(folded)
            ]
            counts = self.index.count_many([spelled for _, spelled in tried]).tolist()
            for (end, spelled), count in zip(tried, counts, strict=True):
                if count and spelled not in alive[end]:
                    alive[end].append(spelled)
        return sorted(alive[len(folded)])

    def _places(self, text: str, ignore_case: bool, word_start: bool) -> Places:
        found = [places_of(self.index, each) for each in self.spellings(text, ignore_case)]
        documents = np.concatenate([np.zeros(0, np.int64), *(each.documents for each in found)])
        offsets = np.concatenate([np.zeros(0, np.int64), *(each.offsets for each in found)])
        order = np.lexsort((offsets, documents))
        documents, offsets = documents[order], offsets[order]
        if word_start:
            first = self._starts_word(documents, offsets)
            documents, offsets = documents[first], offsets[first]
        return Places(documents, offsets)

    def _starts_word(
        self, documents: Int64[np.ndarray, " place"], offsets: Int64[np.ndarray, " place"]
    ) -> Bool[np.ndarray, " place"]:
        """Where no letter, digit or underscore stands before a place."""
        text, at = self.corpus.text_bytes, self.corpus.text_offsets[documents] + offsets
        starts: Bool[np.ndarray, " place"] = offsets == 0
        before = text[np.maximum(at - 1, 0)]
        starts |= ~_WORD_BYTES[before]
        for i in np.flatnonzero((before >= 0x80) & (offsets > 0)):
            tail = text[max(at[i] - 4, at[i] - offsets[i]) : at[i]].tobytes()
            starts[i] = not tail.decode(errors="ignore")[-1].isalnum()
        return starts


_WORD_BYTES = np.array([chr(b).isalnum() or b == ord("_") or b >= 0x80 for b in range(256)])


def open_text_index(corpus: Corpus, settings: IndexSettings | None = None) -> TextIndex:
    """Open the index of a corpus's text, or make it.

    It takes about as many bytes for a byte of text as the index of tokens takes for a token.
    """
    return TextIndex(corpus, open_index(corpus, settings or IndexSettings(over="text")))


def _encoded(text: str) -> bytes:
    if not text or any(ord(letter) in _SURROGATES for letter in text):
        raise CorpusError(
            "query",
            expected="a text in UTF-8 of at least one character",
            got=ascii(text)[:200],
            fix="Give a text to look for.",
        )
    return text.encode()


@cache
def _foldings() -> dict[str, list[bytes]]:
    """For each folded text of a character, all characters that fold to it."""
    found: dict[str, list[bytes]] = {}
    for number in chain(range(_SURROGATES.start), range(_SURROGATES.stop, maxunicode + 1)):
        letter = chr(number)
        folded = letter.casefold()
        if folded != letter:
            found.setdefault(folded, []).append(letter.encode())
    return found


def _unfolded(folded: str) -> list[bytes]:
    """The single characters that fold to this."""
    itself = [folded.encode()] if len(folded) == 1 and folded.casefold() == folded else []
    return itself + _foldings().get(folded, [])
