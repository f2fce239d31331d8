"""Scores and readers of texts that are programs themselves, run in the sandbox.

A search needs to know how good a text is. Said in Python, `def score(text)`, that is a
program like any other, perhaps a model's own, so it runs where programs run. Its random
numbers are seeded: equal texts get equal scores.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from whence.core.errors import ProblemError
from whence.reasoning.programs import PRELUDE
from whence.reasoning.sandbox import Program, Sandbox


def program_score(sandbox: Sandbox, source: str) -> Callable[[str], float]:
    """The score that a program gives a text; each distinct text is scored once.

    Args:
        sandbox: where the program runs.
        source: Python that defines `score(text)`, a number; -inf for a text that may not be.

    Returns:
        A function that raises `ProblemError` when the program fails or gives no number.
    """
    known: dict[str, float] = {}

    def score(text: str) -> float:
        if text not in known:
            known[text] = _score(sandbox, source, text)
        return known[text]

    return score


def _score(sandbox: Sandbox, source: str, text: str) -> float:
    outcome = sandbox.run(Program(f"{source}\nans = float(score({text!r}))\n", prelude=PRELUDE))
    value = outcome.value
    if outcome.status != "ok" or not isinstance(value, int | float) or math.isnan(value):
        raise ProblemError(
            f"score({text[:60]!r})",
            expected="a number",
            got=outcome.error or repr(value),
            fix="Define score(text) so that it gives a number for every text, -inf to forbid one.",
        )
    return float(value)
