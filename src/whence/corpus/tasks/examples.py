"""Examples of a task: what is put in, what should come out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whence.core.errors import SourceError
from whence.corpus.rows import json_rows


@dataclass(frozen=True, slots=True)
class Example:
    """One example of a task.

    Attributes:
        id: its name.
        input: what is put in: a question, a sentence to translate.
        output: what should come out.
    """

    id: str
    input: str
    output: str


def read_examples(
    path: Path, input_field: str = "input", output_field: str = "output"
) -> list[Example]:
    """Read examples from a JSONL file; an `id` is taken where there is one, else the line.

    Raises:
        SourceError: the file or a line cannot be read, or a field is no text.
    """
    return [
        Example(
            id=str(row.get("id", number)),
            input=text_field(row, input_field, f"{path}, line {number}"),
            output=text_field(row, output_field, f"{path}, line {number}"),
        )
        for number, row in rows_of_file(path)
    ]


def rows_of_file(path: Path) -> list[tuple[int, Mapping[str, Any]]]:
    """All objects of a JSONL file with their line numbers.

    Raises:
        SourceError: it cannot be read, or holds none.
    """
    found = list(json_rows(path))
    if not found:
        raise SourceError(
            str(path), expected="one object a line", got="no line", fix="Name another file."
        )
    for number, row in found:
        _check_utf8(row, f"{path}, line {number}")
    return found


def _check_utf8(row: Mapping[str, Any], place: str) -> None:
    try:
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise SourceError(
            place,
            expected="text that UTF-8 can hold",
            got=f"the lone surrogate {error.object[error.start]!a}",
            fix="Mend it: such a character is half of one that was cut.",
        ) from None


def text_field(row: Mapping[str, Any], name: str, place: str) -> str:
    """A field that must be text with something in it.

    Raises:
        SourceError: it is not.
    """
    value = row.get(name)
    if not isinstance(value, str) or not value.strip():
        there = ", ".join(f"{k} ({type(v).__name__})" for k, v in list(row.items())[:12])
        raise SourceError(
            place,
            expected=f"text in the field {name!r}",
            got=f"the fields {there}" if name not in row else repr(value)[:80],
            fix="Name the field that holds it, or mend the line.",
        )
    return value
