"""When an executed value counts as the reference: the rule of Program of Thoughts, and its kin.

strict      a number is right when it equals the reference after both are rounded to the
            fewer decimals that either of them shows; a text when it is the same text; True
            and False when the reference is "yes" and "no"
relaxed     the reference times 100 and divided by 100 are right too (percent or share?)
tolerance   relaxed, and within a relative 0.001

References:
    Chen et al. 2022, "Program of Thoughts Prompting" (arXiv:2211.12588), released code.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from whence.core.errors import ProblemError
from whence.reasoning.sandbox import Expression, Other

Answer: TypeAlias = bool | float | str | None
Rule = Literal["strict", "relaxed", "tolerance"]
RULES: tuple[Rule, ...] = get_args(Rule)

_DECIMALS_OF_WHOLE = 5
_TOLERANCE = 1e-3


def check_rule(rule: str) -> Rule:
    """The rule by its name.

    Raises:
        ProblemError: there is no such rule.
    """
    for known in RULES:
        if rule == known:
            return known
    raise ProblemError(
        "--rule", expected=f"one of {', '.join(RULES)}", got=repr(rule), fix="Choose one."
    )


def as_answer(value: Any) -> Answer:
    """An executed value as an answer: of a list or record the first entry, numbers as floats."""
    if isinstance(value, dict):
        value = next(iter(value.values()), None)
    if isinstance(value, list | tuple):
        value = value[0] if value else None
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Expression):
        return value.text if value.value is None else value.value
    if isinstance(value, Other):
        return value.text
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return str(value)
    return number if math.isfinite(number) else None


def equal(prediction: Answer, reference: Answer, rule: Rule = "strict") -> bool:
    """Whether a prediction counts as the reference."""
    if prediction is None or reference is None:
        return False
    if isinstance(prediction, bool):
        return reference == ("yes" if prediction else "no")
    if isinstance(prediction, str) or isinstance(reference, str):
        return prediction == reference
    accepted = [reference] if rule == "strict" else [reference, reference / 100, reference * 100]
    return any(_close(prediction, each, rule) for each in accepted)


def _close(prediction: float, reference: float, rule: Rule) -> bool:
    if rule == "tolerance" and math.isclose(prediction, reference, rel_tol=_TOLERANCE):
        return True
    digits = min(_decimals(prediction), _decimals(reference))
    return round(prediction, digits) == round(reference, digits)


def _decimals(number: float) -> int:
    """Decimals that a number shows when printed."""
    _, point, decimals = str(number).partition(".")
    return len(decimals) if point else _DECIMALS_OF_WHOLE


@dataclass(frozen=True)
class Vote:
    """The majority of some answers.

    Attributes:
        answer: the answer with the most votes; None when nothing was answered.
        votes: how many answers were like it.
        cast: how many answers there were, None left out.
    """

    answer: Answer
    votes: int
    cast: int

    @property
    def agreement(self) -> float:
        """Share of the votes that the winner has; 0 when there were none."""
        return self.votes / self.cast if self.cast else 0.0


def majority(answers: list[Answer], key: Callable[[Answer], Any] | None = None) -> Vote:
    """Self-consistency: the most frequent answer, the earliest of equals; None has no vote.

    Args:
        answers: one a sample.
        key: what makes two answers alike; numbers that agree in ten digits by default.

    References:
        Wang et al. 2022, "Self-Consistency Improves Chain of Thought Reasoning"
        (arXiv:2203.11171).
    """
    alike = key or _alike
    boxes: dict[Any, list[Answer]] = {}
    for answer in answers:
        if answer is not None:
            boxes.setdefault(alike(answer), []).append(answer)
    best = max(boxes.values(), key=len, default=[None])
    cast = sum(map(len, boxes.values()))
    return Vote(best[0], len(best) if cast else 0, cast)


def _alike(answer: Answer) -> Any:
    if isinstance(answer, float):
        return ("number", f"{answer:.10g}")
    return (type(answer).__name__, answer)
