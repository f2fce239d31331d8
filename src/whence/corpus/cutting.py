"""Cutting a long document where its author paused.

Of the places at which a piece may end, the last good one in the second half of the room is
taken: the end of a paragraph, else of a line, else of a sentence, else a blank, else any
token. The blanks at a cut belong to no piece (the indentation of the next line stays);
nothing else is lost, and no piece is longer than asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tokenizers import Tokenizer

from whence.core.errors import SourceError

# In each, the group that matched is what is left out between two pieces.
_PAUSES = (
    re.compile(r"(\n(?:[^\S\n]*\n)+)"),
    re.compile(r"(\n)"),
    re.compile(r"[.!?][\"'”’)\]]*(\s+)|[。！？][”’」』）]*(\s*)"),
    re.compile(r"(\s+)"),
)
_BLANK_LINES = re.compile(r"(?:[^\S\n]*\n)*")
_WINDOW = 8
"""Characters a token that are looked at first; more when these were not enough."""


def cut(tokenizer: Tokenizer, text: str, max_tokens: int, place: str) -> Iterator[tuple[int, int]]:
    """Character spans of pieces of at most `max_tokens` tokens, in order.

    A text that fits is one piece, as it is. A piece of nothing but blanks is left out.

    Raises:
        SourceError: a single character takes more tokens than that.
    """
    start = 0
    while start < len(text):
        stop, following = _piece(tokenizer, text, start, max_tokens)
        if stop == start:
            raise SourceError(
                place,
                expected=f"characters of at most {max_tokens} tokens",
                got=f"{text[start]!r}, which takes more",
                fix="Give a larger --max-tokens.",
            )
        if text[start:stop].strip():
            yield start, stop
        start = following


def _piece(tokenizer: Tokenizer, text: str, start: int, max_tokens: int) -> tuple[int, int]:
    """Where the piece from `start` stops and the next one starts; (start, start) if none fits."""
    # By itself a piece may take more tokens than it took inside the text, hence the check and
    # the smaller tries.
    for allowed in range(max_tokens, 0, -1):
        end = start + _room(tokenizer, text, start, allowed)
        if end == len(text):
            stop, following = end, end
        else:
            stop, following = _pause(text, start, end)
        if start < stop and _length(tokenizer, text[start:stop]) <= max_tokens:
            return stop, following
    return start, start


def _room(tokenizer: Tokenizer, text: str, start: int, allowed: int) -> int:
    """How many characters the first `allowed` tokens from `start` cover."""
    size = _WINDOW * allowed
    while True:
        window = text[start : start + size]
        encoding = tokenizer.encode(window, add_special_tokens=False)
        if len(encoding.ids) > allowed:
            return max(end for _, end in encoding.offsets[:allowed])
        if start + size >= len(text):
            return len(window)
        size *= 4


def _pause(text: str, start: int, end: int) -> tuple[int, int]:
    first = max((start + end) // 2, start + 1)
    for pattern in _PAUSES:
        # One character further than the room, so that a pause right at its end counts.
        spans = [m.span(m.lastindex or 0) for m in pattern.finditer(text, first, end + 1)]
        spans = [span for span in spans if span[0] <= end]
        if spans:
            stop, following = spans[-1]
            blank = _BLANK_LINES.match(text, following)
            return stop, blank.end() if blank else following
    return end, end


def _length(tokenizer: Tokenizer, text: str) -> int:
    return len(tokenizer.encode(text, add_special_tokens=False).ids)
