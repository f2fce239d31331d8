"""Files of questions for a model, and its answers in the form in which programs are released.

A question is a JSON object a line: `question`, and maybe `passage`, `options` and `answer`.
Examples for a prompt have `program` beside these. What comes of them has the fields of the
released files (`released`), so that it is scored, and run again, as they are.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whence.core.errors import ProblemError
from whence.core.records import canonical, write_bytes
from whence.reasoning.programs.equality import as_answer
from whence.reasoning.programs.prompts import Exemplar, Problem
from whence.reasoning.programs.solving import Solved


@dataclass(frozen=True)
class Question:
    """A problem, and its right answer if the file has one."""

    problem: Problem
    answer: Any = None


def read_questions(path: Path) -> list[Question]:
    """The questions of a file.

    Raises:
        ProblemError: the file is missing or empty, or a line is no question.
    """
    return [Question(_problem(row), row.get("answer")) for row in _rows(path, "question")]


def read_exemplars(path: Path) -> list[Exemplar]:
    """Solved examples for a prompt.

    Raises:
        ProblemError: the file is missing or empty, or a line lacks question or program.
    """
    rows = _rows(path, "question", "program")
    return [Exemplar(_problem(row), str(row["program"])) for row in rows]


def _problem(row: dict[str, Any]) -> Problem:
    options = tuple(map(str, row.get("options") or ()))
    return Problem(str(row["question"]), str(row.get("passage") or ""), options)


def _rows(path: Path, *needed: str) -> list[dict[str, Any]]:
    form = f"lines of JSON objects with {' and '.join(needed)}"
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
        rows = [json.loads(line) for line in lines if line.strip()]
    except (OSError, ValueError) as error:
        raise _fault(path, form, str(error)) from error
    lacking = [
        number
        for number, row in enumerate(rows, start=1)
        if not isinstance(row, dict)
        or not row.keys() >= set(needed)
        or not isinstance(row.get("options") or [], list)
    ]
    if lacking or not rows:
        got = f"another in object {lacking[0]}" if lacking else "no line at all"
        raise _fault(path, form, got)
    return rows


def _fault(path: Path, form: str, got: str) -> ProblemError:
    return ProblemError(str(path), expected=form, got=got, fix="Name a file of that form.")


def as_released(questions: Sequence[Question], solved: Sequence[Solved]) -> list[dict[str, Any]]:
    """What a model wrote, as rows of a released file; a question without an answer has None."""
    return [_row(q, each) for q, each in zip(questions, solved, strict=True)]


def _row(question: Question, solved: Solved) -> dict[str, Any]:
    told = {
        "question": solved.problem.question,
        "answer": question.answer,
        "generated": list(solved.programs),
    }
    value = solved.vote.answer
    if solved.problem.passage:
        told["passage"] = solved.problem.passage
    if not solved.problem.options:
        return told | {"executed": as_answer(value)}
    return told | {
        "options": list(solved.problem.options),
        "generated_prediction": "None" if value is None else str(value),
        "prediction": "None" if solved.option is None else solved.option,
    }


def write_released(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows as a file that `read_released` reads, whole or not at all."""
    write_bytes(Path(path), b"".join(canonical(row) + b"\n" for row in rows))
