"""Files of programs with the values that they gave, as Program of Thoughts released them.

One JSON object a line; a first line with the prompt ("demonstration" or "prompt") is skipped.
Which data set it is shows in the fields:

value     `executed`, `answer`: GSM8K, SVAMP, MultiArith, FinQA, ConvFinQA, free-text TabMWP
options   `options`, `generated_prediction`, `prediction`, `answer`: AQuA, whose `prediction`
          is the letter that a second question to the model made of the value
choices   `choices`, `executed`, `answer`: multiple-choice TabMWP, answered by a text
scaled    `pred_answer`, `pred_scale`, `answer`, `scale`: TAT-QA, a value and its unit
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from whence.core.errors import ProblemError
from whence.reasoning.programs.equality import Answer, as_answer

Form = Literal["value", "options", "choices", "scaled"]
_PROMPTS = {"demonstration", "prompt"}


@dataclass(frozen=True)
class Released:
    """One problem with its programs and what they gave.

    Attributes:
        form: which kind of answer, see the module.
        programs: one or, for self-consistency, several.
        reference: the right answer, as the file has it.
        stored: the value that the file says the programs gave.
        chosen: the stored letter of a multiple-choice answer.
        options: what may be chosen.
        scale: unit of the stored value.
        reference_scale: unit of the right answer.
        number: line in the file.
    """

    form: Form
    programs: tuple[str, ...]
    reference: Any
    stored: Any
    chosen: str | None
    options: tuple[str, ...]
    scale: str
    reference_scale: str
    number: int

    @property
    def stored_answer(self) -> Answer:
        """The stored value, of several the first, as a number where it is one."""
        return as_answer(self.stored)


def read_released(path: Path) -> list[Released]:
    """The problems of a released file.

    Raises:
        ProblemError: the file is missing or a line is not of a known form.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ProblemError(
            str(path),
            expected="a JSONL file of programs",
            got=str(error),
            fix="Name a file with one JSON object a line.",
        ) from error
    found = [
        item
        for number, line in enumerate(lines, start=1)
        if line.strip() and (item := _read_line(line, number, path)) is not None
    ]
    if not found:
        raise _fault(path, 1, "no problem at all")
    return found


def _read_line(line: str, number: int, path: Path) -> Released | None:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise _fault(path, number, f"not JSON: {error}") from error
    if not isinstance(row, dict):
        raise _fault(path, number, type(row).__name__)
    if "answer" not in row:
        if row.keys() & _PROMPTS:
            return None
        raise _fault(path, number, f"no answer among {sorted(row)}")
    return read_row(row, number, path)


def read_row(row: dict[str, Any], number: int, path: Path) -> Released:
    """The problem of one row; number and path are for messages.

    Raises:
        ProblemError: the row is not of a known form.
    """
    form = _form(row)
    if form is None or "generated" not in row:
        raise _fault(path, number, f"the fields {sorted(row)}")
    return _read_row(row, form, number)


def _fault(path: Path, number: int, got: str) -> ProblemError:
    return ProblemError(
        f"{path}, line {number}",
        expected='"generated", "answer" and "executed", or the fields of AQuA, TabMWP or TAT-QA',
        got=got,
        fix="docs/solve-with-programs.md shows the forms.",
    )


def _form(row: dict[str, Any]) -> Form | None:
    if "pred_answer" in row and "scale" in row:
        return "scaled"
    if "options" in row and "prediction" in row:
        return "options"
    if "executed" not in row:
        return None
    return "choices" if row.get("choices") else "value"


def _read_row(row: dict[str, Any], form: Form, number: int) -> Released:
    generated = row["generated"]
    stored_at = {"scaled": "pred_answer", "options": "generated_prediction"}
    chosen = row["prediction"] if form == "options" else None
    return Released(
        form,
        tuple(map(str, generated)) if isinstance(generated, list) else (str(generated),),
        row["answer"],
        _none(row.get(stored_at.get(form, "executed"))),
        _none(chosen),
        tuple(map(str, row.get("options") or row.get("choices") or ())),
        str(row.get("pred_scale") or ""),
        str(row.get("scale") or ""),
        number,
    )


def _none(value: Any) -> Any:
    """Files of AQuA hold None as a text."""
    return None if value == "None" else value
