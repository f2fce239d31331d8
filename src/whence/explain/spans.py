"""Which stretches of a document's text also stand in the prompt and target."""

from __future__ import annotations

import re

_WORD = re.compile(r"\w+")
_FEWEST = 2
_LONG_WORD = 4


def shared_spans(document: str, text: str) -> list[list[int]]:
    """The maximal runs of words that a document shares with a text, for marking.

    Words are compared in lower case. A run counts from two words on, or from one word of at
    least four letters.

    Returns:
        [start, end) in characters of the document, in order, not overlapping.
    """
    theirs, ours = list(_WORD.finditer(document)), _WORD.findall(text.lower())
    places: dict[str, list[int]] = {}
    for i, word in enumerate(ours):
        places.setdefault(word, []).append(i)
    spans: list[list[int]] = []
    at = 0
    while at < len(theirs):
        starts = places.get(theirs[at].group().lower(), [])
        length = max((_run(theirs, ours, at, i) for i in starts), default=0)
        word = theirs[at].group()
        if length >= _FEWEST or (length == 1 and len(word) >= _LONG_WORD):
            spans.append([theirs[at].start(), theirs[at + length - 1].end()])
        at += max(length, 1)
    return spans


def _run(theirs: list[re.Match[str]], ours: list[str], at: int, i: int) -> int:
    length = 0
    while (
        at + length < len(theirs)
        and i + length < len(ours)
        and theirs[at + length].group().lower() == ours[i + length]
    ):
        length += 1
    return length
