"""A behavior: one number about a model, in nats.

    value = log p(target | prompt) - log p(foil | prompt)      with a foil
    value = log p(target | prompt)                             without

A target may be of several tokens; its log-probability is then the sum over
them. A behavior without a target stands for the model's own greedy answer,
which only a model can fill in (`whence.models.with_answer`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whence.core.errors import BehaviorError


@dataclass(frozen=True, slots=True)
class Behavior:
    """How strongly a model prefers one continuation of a prompt.

    Attributes:
        prompt: the text that the model is given.
        target: the continuation that is explained; None means the model's own greedy answer.
        foil: the continuation that it is compared with, if any.

    Raises:
        BehaviorError: the target or the foil is empty, or both are the same, or a text is not
            valid Unicode.
    """

    prompt: str
    target: str | None = None
    foil: str | None = None

    def __post_init__(self) -> None:
        for name in ("prompt", "target", "foil"):
            # A terminal hands bytes that are not UTF-8 over as lone surrogates.
            if any("\ud800" <= letter <= "\udfff" for letter in getattr(self, name) or ""):
                raise BehaviorError(
                    name,
                    expected="text in UTF-8",
                    got=ascii(getattr(self, name))[:200],
                    fix="Give the text in UTF-8.",
                )
        for name in ("target", "foil"):
            if getattr(self, name) == "":
                raise BehaviorError(
                    name,
                    expected="at least one character",
                    got="an empty string",
                    fix=f"Give the {name} the text whose probability you ask about.",
                )
        if self.foil is not None and self.target is None:
            raise BehaviorError(
                "foil",
                expected="a target to compare it with",
                got="a foil alone",
                fix="Give a target too, or leave the foil out.",
            )
        if self.target is not None and self.target == self.foil:
            raise BehaviorError(
                "foil",
                expected="a text that differs from the target",
                got=f"{self.foil!r} for both",
                fix="Name the continuation that the target should be compared with.",
            )

    def to_json(self) -> dict[str, str | None]:
        """The record of this behavior."""
        return {"prompt": self.prompt, "target": self.target, "foil": self.foil}

    @classmethod
    def from_json(cls, record: Mapping[str, Any], place: str = "behavior") -> Behavior:
        """Read a behavior from its record.

        Raises:
            BehaviorError: a field is missing, unknown, or not text.
        """
        unknown = set(record) - {"prompt", "target", "foil"}
        wrong = [k for k in ("target", "foil") if not isinstance(record.get(k), str | None)]
        if unknown or wrong or not isinstance(record.get("prompt"), str):
            raise BehaviorError(
                place,
                expected='an object with text under "prompt" and, optionally, "target" and "foil"',
                got=json.dumps(dict(record), ensure_ascii=False)[:200],
                fix="Mend this line.",
            )
        try:
            return cls(record["prompt"], record.get("target"), record.get("foil"))
        except BehaviorError as error:
            raise BehaviorError(
                f"{place}, {error.place}", expected=error.expected, got=error.got, fix=error.fix
            ) from None


def read_behaviors(path: Path | str) -> list[Behavior]:
    """Read an evaluation file: JSONL, one behavior a line.

    Raises:
        BehaviorError: the file is missing or empty, or a line is not a behavior; the message
            names the line.
    """
    path = Path(path)
    if not path.is_file():
        raise BehaviorError(
            str(path),
            expected="a JSONL file of behaviors",
            got="a folder" if path.is_dir() else "no such file",
            fix='Write one object a line: {"prompt": ..., "target": ..., "foil": ...}.',
        )
    behaviors = []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        if not line.strip():
            continue
        place = f"{path}, line {number}"
        try:
            record = json.loads(line)
        except ValueError as error:
            raise BehaviorError(
                place, expected="a JSON object", got=str(error), fix="Mend this line."
            ) from None
        if not isinstance(record, dict):
            raise BehaviorError(
                place,
                expected="a JSON object",
                got=type(record).__name__,
                fix="Mend this line.",
            )
        behaviors.append(Behavior.from_json(record, place))
    if not behaviors:
        raise BehaviorError(
            str(path),
            expected="at least one behavior",
            got="an empty file",
            fix='Write one object a line: {"prompt": ..., "target": ..., "foil": ...}.',
        )
    return behaviors
