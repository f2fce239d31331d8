"""Between the characters of a text and its tokens.

The tokenizer itself says which characters each token came from. Two traps are met here. A
byte-level token may be a part of a character: its span is that whole character, so several
tokens share one span. And a token that stands for no character at all (a dummy blank that
SentencePiece puts before a text) has an empty span or its neighbour's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64
from tokenizers import Encoding

from whence.core.errors import CorpusError


@dataclass(frozen=True, slots=True, eq=False)
class Spans:
    """Characters [start, end) of each token; both never fall from one token to the next.

    Attributes:
        starts: no character of this or any later token comes before it.
        ends: no character of this or any earlier token comes after it.
    """

    starts: Int64[np.ndarray, " token"]
    ends: Int64[np.ndarray, " token"]
    length: int


def spans_of(encoding: Encoding, text: str) -> Spans:
    """Where the tokens of an encoded text lie in it."""
    pairs = np.array(encoding.offsets, np.int64).reshape(-1, 2)
    starts = np.minimum.accumulate(pairs[::-1, 0])[::-1] if len(pairs) else pairs[:, 0]
    return Spans(
        np.ascontiguousarray(starts),
        np.maximum.accumulate(pairs[:, 1]) if len(pairs) else pairs[:, 1],
        len(text),
    )


def token_span(spans: Spans, char_start: int, char_end: int) -> tuple[int, int]:
    """The smallest run of tokens that holds every character of [char_start, char_end).

    Empty when no token holds any of them.

    Raises:
        CorpusError: no such characters.
    """
    _check("characters", char_start, char_end, spans.length)
    start = int(np.searchsorted(spans.ends, char_start, side="right"))
    stop = int(np.searchsorted(spans.starts, char_end, side="left"))
    return (start, stop) if char_start < char_end and start < stop else (start, start)


def char_span(spans: Spans, token_start: int, token_end: int) -> tuple[int, int]:
    """The characters that tokens [token_start, token_end) hold, wholly or in part.

    Raises:
        CorpusError: no such tokens.
    """
    count = len(spans.starts)
    _check("tokens", token_start, token_end, count)
    if token_start == token_end:
        place = int(spans.starts[token_start]) if token_start < count else spans.length
        return place, place
    return int(spans.starts[token_start]), int(spans.ends[token_end - 1])


def _check(what: str, start: int, end: int, count: int) -> None:
    if not 0 <= start <= end <= count:
        raise CorpusError(
            f"span of {what}",
            expected=f"0 <= start <= end <= {count}",
            got=f"{start} and {end}",
            fix="Give a span inside the document.",
        )
