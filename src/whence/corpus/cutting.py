"""Cutting a long document where its author paused.

Of the places at which a piece may end, the last good one in the second half of the room is
taken: the end of a paragraph, else of a line, else of a sentence, else a blank, else any
character. The blanks at a cut belong to no piece (the indentation of the next line stays);
nothing else is lost, and no piece is longer than asked for.

A document is encoded whole to see where cuts may fall, and each piece again by itself, since
it is a document of its own from then on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt32
from tokenizers import Encoding, Tokenizer

from whence.core.errors import SourceError
from whence.corpus.spans import Spans, spans_of
from whence.corpus.tokenizer import encode_batch

# In each, the group that matched is what is left out between two pieces.
_PAUSES = (
    re.compile(r"(\n(?:[^\S\n]*\n)+)"),
    re.compile(r"(\n)"),
    re.compile(r"[.!?][\"'”’)\]]*(\s+)|[。！？][”’」』）]*(\s*)"),
    re.compile(r"(\s+)"),
)
_BLANK_LINES = re.compile(r"(?:[^\S\n]*\n)*")
_SMALLER = 0.75


class Cut(NamedTuple):
    """A piece of a text.

    Attributes:
        start: its first character in the text.
        stop: one past its last.
        tokens: its tokens, encoded by itself.
    """

    start: int
    stop: int
    tokens: UInt32[np.ndarray, " token"]


def cut_all(
    tokenizer: Tokenizer, texts: Sequence[str], places: Sequence[str], max_tokens: int
) -> list[list[Cut]]:
    """Cut each text into pieces of at most `max_tokens` tokens, in order.

    A text that fits is one piece, as it is. A piece of nothing but blanks is left out.

    Args:
        tokenizer: as documents are encoded.
        texts: the documents.
        places: where each came from, for messages.
        max_tokens: the most a piece may have.

    Raises:
        SourceError: a single character takes more tokens than that.
    """
    encodings = tokenizer.encode_batch(list(texts), add_special_tokens=False)
    planned = [_plan(e, text, max_tokens) for e, text in zip(encodings, texts, strict=True)]
    wanted = [text[a:b] for text, spans in zip(texts, planned, strict=True) for a, b in spans or ()]
    encoded = iter(encode_batch(tokenizer, wanted))
    result = []
    for text, place, spans, whole in zip(texts, places, planned, encodings, strict=True):
        if spans is None:
            result.append([Cut(0, len(text), np.array(whole.ids, np.uint32))])
            continue
        cuts = [Cut(start, stop, next(encoded)) for start, stop in spans]
        result.append(
            [fit for c in cuts for fit in _fitting(tokenizer, text, c, max_tokens, place)]
        )
    return result


def _plan(encoding: Encoding, text: str, max_tokens: int) -> list[tuple[int, int]] | None:
    """Where to cut a text; None when it fits as it is."""
    if len(encoding.ids) <= max_tokens:
        return None
    return list(_cuts(spans_of(encoding, text), text, max_tokens))


def _fitting(
    tokenizer: Tokenizer, text: str, piece: Cut, max_tokens: int, place: str
) -> Iterator[Cut]:
    """The piece, or smaller ones where it takes more tokens by itself than inside the text."""
    allowed = max_tokens
    pieces = [piece]
    while any(len(p.tokens) > max_tokens for p in pieces):
        allowed = int(allowed * _SMALLER)
        if allowed == 0:
            raise SourceError(
                place,
                expected=f"characters of at most {max_tokens} tokens",
                got=f"one near {text[piece.start : piece.start + 20]!r} that takes more",
                fix="Give a larger --max-tokens.",
            )
        inside = text[piece.start : piece.stop]
        encoding = tokenizer.encode(inside, add_special_tokens=False)
        spans = list(_cuts(spans_of(encoding, inside), inside, allowed))
        encoded = encode_batch(tokenizer, [inside[a:b] for a, b in spans])
        pieces = [
            Cut(piece.start + a, piece.start + b, tokens)
            for (a, b), tokens in zip(spans, encoded, strict=True)
        ]
    yield from pieces


def _cuts(spans: Spans, text: str, allowed: int) -> Iterator[tuple[int, int]]:
    """Spans of characters that hold at most `allowed` tokens each, unless one character does."""
    start = 0
    while start < len(text):
        first = int(np.searchsorted(spans.starts, start))
        if first + allowed >= len(spans.starts):
            stop = following = len(text)
        else:
            # What comes before the first token left out; a character that is only half in
            # goes to the next piece.
            room = max(int(spans.starts[first + allowed]), start + 1)
            stop, following = _pause(text, start, room)
        if text[start:stop].strip():
            yield start, stop
        start = following


def _pause(text: str, start: int, end: int) -> tuple[int, int]:
    """Where a piece that must end by `end` ends, and where the next one starts."""
    first = max((start + end) // 2, start + 1)
    for pattern in _PAUSES:
        # One character further than the room, so that a pause right at its end counts.
        spans = [m.span(m.lastindex or 0) for m in pattern.finditer(text, first, end + 1)]
        spans = [span for span in spans if span[0] <= end]
        if spans:
            stop, following = spans[-1]
            blank = _BLANK_LINES.match(text, following)
            # The pattern may have begun inside a longer run of blanks.
            kept = len(text[start:stop].rstrip())
            return start + kept, blank.end() if blank else following
    return end, end
