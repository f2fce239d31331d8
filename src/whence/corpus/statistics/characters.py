"""Characters by class, after the general categories of the Unicode standard (its table 4-4)."""

from __future__ import annotations

import sys
import unicodedata
from functools import cache

import numpy as np
from jaxtyping import Int64, UInt8

CLASSES = ("letter", "mark", "digit", "punctuation", "symbol", "blank", "control")
"""`blank` holds line ends and tabs too; `control` all that has no shape and no place."""

_OF = {"L": 0, "M": 1, "N": 2, "P": 3, "S": 4, "Z": 5, "C": 6}
_BLANKS = "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f\x85"


def count_characters(text: str) -> Int64[np.ndarray, " class"]:
    """How many characters of each class a text has, in the order of `CLASSES`."""
    points = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    # The table of ASCII stays in the processor's cache, and most texts need no other.
    table = _table(128 if text.isascii() else sys.maxunicode + 1)
    return np.bincount(table[points], minlength=len(CLASSES)).astype(np.int64)


@cache
def _table(size: int) -> UInt8[np.ndarray, " point"]:
    kinds = (_OF[unicodedata.category(chr(point))[0]] for point in range(size))
    table = np.fromiter(kinds, np.uint8, size)
    table[[ord(blank) for blank in _BLANKS if ord(blank) < size]] = _OF["Z"]
    return table
