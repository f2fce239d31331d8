"""Documents before and after they are stored, as plain data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import UInt

from whence.core.errors import SourceError

Scalar = str | int | float | bool | None
OnFault = Callable[[SourceError], None]
"""What a reader does at a document that it cannot read: raise the error, or write it down."""


def complain(fault: SourceError) -> None:
    """End the reading at the first document that cannot be read."""
    raise fault


@dataclass(frozen=True, slots=True)
class RawDocument:
    """A document on its way into a corpus.

    Attributes:
        id: unique in the corpus, and the same whenever the corpus is made again.
        text: the whole text.
        metadata: scalar facts about it: source, author, date.
        place: where it came from, for error messages: "a.jsonl, line 3".

    Raises:
        SourceError: no id, or text that UTF-8 cannot hold.
    """

    id: str
    text: str
    metadata: Mapping[str, Scalar] = field(default_factory=dict)
    place: str = ""

    def __post_init__(self) -> None:
        place = self.place or f"document {self.id!a}"
        if not self.id:
            raise SourceError(
                place, expected="an id", got="an empty one", fix="Give every document an id."
            )
        for name, text in (("id", self.id), ("text", self.text)):
            try:
                text.encode()
            except UnicodeEncodeError as error:
                raise SourceError(
                    f"{place}, {name}",
                    expected="text that UTF-8 can hold",
                    got=f"the lone surrogate {text[error.start]!a} at character {error.start}",
                    fix="Mend it: such a character is half of one that was cut, or a byte of a "
                    "file name that is not UTF-8.",
                ) from None


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
