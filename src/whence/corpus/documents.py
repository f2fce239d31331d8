"""Documents before and after they are stored, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import UInt

Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class RawDocument:
    """A document on its way into a corpus.

    Attributes:
        id: unique in the corpus, and the same whenever the corpus is made again.
        text: the whole text.
        metadata: scalar facts about it: source, author, date.
        place: where it came from, for error messages: "a.jsonl, line 3".
    """

    id: str
    text: str
    metadata: Mapping[str, Scalar] = field(default_factory=dict)
    place: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """A document of a corpus.

    Attributes:
        index: its position in the corpus.
        id: its id.
        text: the text, character for character as it came.
        tokens: its own tokens, without any special token around them.
        metadata: its other fields.
    """

    index: int
    id: str
    text: str
    tokens: UInt[np.ndarray, " token"]
    metadata: Mapping[str, Scalar]
