"""Predictions in a file: a JSON object of id -> answer, or JSONL with an id and a prediction."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from whence.core.errors import ProblemError

Prediction: TypeAlias = Any
"""A text, or a value where the answer was computed."""


def read_predictions(path: Path) -> dict[str, Prediction]:
    """Id -> prediction.

    Raises:
        ProblemError: the file is missing, of another form, or has an id twice.
    """
    text = read_text(path, "predictions")
    try:
        whole = json.loads(text)
    except ValueError:
        whole = None
    if isinstance(whole, dict) and not {"id", "prediction"} <= whole.keys():
        return {str(name): value for name, value in whole.items()}
    found: dict[str, Prediction] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            name, prediction = _row(path, number, line)
            if name in found:
                raise fault(f"{path}, line {number}", "ids that differ", f"{name!r} again")
            found[name] = prediction
    if not found:
        raise fault(str(path), "at least one prediction", "none")
    return found


def _row(path: Path, number: int, line: str) -> tuple[str, Prediction]:
    try:
        row = json.loads(line)
        return str(row["id"]), row["prediction"]
    except (ValueError, KeyError, TypeError) as error:
        expected = 'an object of id -> answer, or lines with "id" and "prediction"'
        raise fault(f"{path}, line {number}", expected, repr(line[:60])) from error


def read_text(path: Path, what: str) -> str:
    """The text of a file.

    Raises:
        ProblemError: it cannot be read.
    """
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise fault(str(path), f"a file of {what}", str(error)) from error


def check_known(predictions: Mapping[str, Prediction], known: Mapping[str, Any]) -> None:
    """Complain about predictions for questions that are not there.

    Raises:
        ProblemError: there is one.
    """
    strangers = [name for name in predictions if name not in known]
    if strangers:
        got = f"{len(strangers)} others, such as {strangers[0]!r}"
        raise fault("predictions", f"ids of questions, such as {next(iter(known))!r}", got)


def fault(place: str, expected: str, got: str) -> ProblemError:
    """An error about a file of questions or predictions."""
    fix = "docs/check-answers.md shows the forms."
    return ProblemError(place, expected=expected, got=got, fix=fix)
