"""Scoring released programs: the stored values, and what the programs give when run again."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from whence.reasoning.programs.equality import (
    Answer,
    Rule,
    as_answer,
    equal,
    majority,
)
from whence.reasoning.programs.execution import execute
from whence.reasoning.programs.options import nearest_option
from whence.reasoning.programs.released import Released
from whence.reasoning.programs.tatqa import exact_match, normalize, one_line
from whence.reasoning.sandbox import Expression, Outcome, Sandbox

_SIMILAR = 0.6  # of a choice's text; below it nothing was chosen
_FIRST = "A"
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?!\w)")


@dataclass(frozen=True)
class Judged:
    """One problem, scored.

    Attributes:
        number: line in the file.
        value: the value that counted, stored or run again.
        correct: whether it is right.
        executed: whether there is a value at all.
        agrees: whether the program run again gave the stored value; None when not run.
        fault: how the run ended, when no value came of it.
    """

    number: int
    value: Any
    correct: bool
    executed: bool
    agrees: bool | None = None
    fault: str | None = None


@dataclass(frozen=True)
class Score:
    """A file, scored.

    Attributes:
        rule: the rule of equality.
        rerun: whether the programs were run again.
        items: each problem.
    """

    rule: Rule
    rerun: bool
    items: tuple[Judged, ...]

    @property
    def n(self) -> int:
        """How many problems there are."""
        return len(self.items)

    @property
    def correct(self) -> int:
        """How many are right."""
        return sum(item.correct for item in self.items)

    def to_json(self) -> dict[str, Any]:
        """The record of the command: counts, the share that is right, and agreement."""
        agreed = [item.agrees for item in self.items if item.agrees is not None]
        return {
            "n": self.n,
            "correct": self.correct,
            "score": self.correct / self.n,
            "executed": sum(item.executed for item in self.items),
            "agreement": sum(agreed) / len(agreed) if agreed else None,
            "rule": self.rule,
            "rerun": self.rerun,
        }


def score_stored(items: Sequence[Released], rule: Rule = "strict") -> Score:
    """Score the values that a file holds."""
    judged = [
        Judged(
            item.number,
            item.stored,
            _right(item, item.stored, item.scale, item.chosen, rule),
            item.stored is not None,
        )
        for item in items
    ]
    return Score(rule, False, tuple(judged))


def score_again(items: Sequence[Released], sandbox: Sandbox, rule: Rule = "strict") -> Score:
    """Run every program again and score what they give; several programs vote.

    An option is the stored one where the value is the stored one, since a model chose it;
    otherwise the nearest.
    """
    sources = [source for item in items for source in item.programs]
    outcomes = iter(execute(sandbox, sources, ("ans", "units")))
    judged = [_judge(item, [next(outcomes) for _ in item.programs], rule) for item in items]
    return Score(rule, True, tuple(judged))


def _judge(item: Released, outcomes: list[Outcome], rule: Rule) -> Judged:
    value, scale = _voted(item, outcomes)
    agrees = _same(item, value, scale)
    chosen = item.chosen if agrees else nearest_option(value, item.options)
    faults = [outcome.error or "no ans" for outcome in outcomes]
    return Judged(
        item.number,
        value,
        _right(item, value, scale, chosen, rule),
        value is not None,
        agrees,
        faults[0] if value is None else None,
    )


def _voted(item: Released, outcomes: list[Outcome]) -> tuple[Any, str]:
    """The value that most programs gave and, for scaled answers, its unit."""
    given = [_given(item, outcome) for outcome in outcomes if outcome.status == "ok"]
    given = [each for each in given if each[0] is not None]
    keys: list[Answer] = [_key(item, *each) for each in given]
    best = majority(keys).answer
    return given[keys.index(best)] if best is not None else (None, "")


def _given(item: Released, outcome: Outcome) -> tuple[Any, str]:
    value = outcome.value
    if item.form == "scaled":
        return value, _scale(value, str(outcome.values.get("units") or ""))
    if item.form != "options":
        return as_answer(value), ""
    # It may be answered by several numbers, so all are kept; 0 is no answer, as in the release.
    several = isinstance(value, list | dict) and len(value) > 0
    return (value if several or as_answer(value) else None), ""


def _scale(value: Any, scale: str) -> str:
    """The unit, unless the answer's text has it already: "$1.5 million" in millions."""
    entries = value if isinstance(value, list) else [value]
    stated = scale and any(isinstance(entry, str) and scale in entry for entry in entries)
    return "" if stated else scale


def _key(item: Released, value: Any, scale: str) -> str:
    """What makes two values the same vote."""
    if item.form == "scaled":
        return _line(value, scale)
    entries = value if isinstance(value, list) else [value]
    return " ".join(map(_ballot, entries))


def _ballot(value: Any) -> str:
    """One entry as votes are told apart: symbolic numbers to two decimals, as in the release."""
    if isinstance(value, Expression):
        return value.text if value.value is None else f"{value.value:.2f}"
    numbers = _numbers(value)
    return " ".join(f"{number:.10g}" for number in numbers) if numbers else _text(value)


def _text(value: Any) -> str:
    text = str(as_answer(value) if isinstance(value, Expression) else value)
    return text.strip("()[]")  # a list here may have been a tuple there


def _line(value: Any, scale: str) -> str:
    entries = value if isinstance(value, list) else [value]
    return normalize(one_line(entries, scale))


def _numbers(value: Any) -> list[float]:
    """The numbers in a value, in order: of lists and records all, of texts those they show."""
    if isinstance(value, list | tuple):
        return [number for entry in value for number in _numbers(entry)]
    if isinstance(value, dict):
        return _numbers(list(value.values()))
    if isinstance(value, Expression) and value.value is None:
        return []
    answer = as_answer(value)
    if isinstance(answer, float):
        return [answer]
    return [float(text) for text in _NUMBER.findall(answer)] if isinstance(answer, str) else []


def _same(item: Released, value: Any, scale: str) -> bool:
    """Whether a value is the stored one, to the decimals that the stored one shows."""
    if value is None or item.stored is None:
        return value is None and item.stored is None
    if item.form == "scaled":
        return _line(value, scale) == _line(item.stored, item.scale)
    if item.form == "options":
        return _same_entries(value, item.stored)
    stored = item.stored_answer
    if isinstance(value, bool) and isinstance(stored, str):  # FinQA stores truth as "yes"
        return equal(value, stored)
    if isinstance(value, float) and isinstance(stored, float):
        return _alike(value, stored)
    return bool(value == stored)


def _same_entries(value: Any, stored: Any) -> bool:
    ours, theirs = _numbers(value), _numbers(stored)
    if ours:
        return len(ours) == len(theirs) and all(map(_alike, ours, theirs))
    return _text(value) == _text(stored)


def _alike(value: float, stored: float) -> bool:
    return equal(value, stored) or math.isclose(value, stored, rel_tol=1e-9)


def _right(item: Released, value: Any, scale: str, chosen: str | None, rule: Rule) -> bool:
    if item.form == "scaled":
        return exact_match(value, scale, item.reference, item.reference_scale)
    if item.form == "options":
        if chosen is None and rule != "strict":
            chosen = _FIRST
        return bool(chosen == item.reference)
    answer = as_answer(value)
    if item.form == "choices" and rule != "strict":
        return bool(choice_of(answer, item.options) == item.reference)
    return equal(answer, _reference(item.reference), rule)


def _reference(reference: Any) -> Answer:
    """A right answer; numbers may be written with thousands apart ("1,200")."""
    if isinstance(reference, str):
        try:
            return float(reference.replace(",", ""))
        except ValueError:
            return reference
    return as_answer(reference)


def choice_of(answer: Answer, choices: Sequence[str]) -> str | None:
    """The choice that a value means: the same number or text, or the most similar text."""
    if answer is None:
        return None
    for choice in choices:
        if equal(answer, _reference(choice)) or str(answer).casefold() == choice.casefold():
            return choice
    close = difflib.get_close_matches(
        str(answer).casefold(), map(str.casefold, choices), 1, _SIMILAR
    )
    return next((c for c in choices if close and c.casefold() == close[0]), None)
