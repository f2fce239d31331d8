"""What a solver answers, in one form for all formats."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Solution:
    """The answer of a program that ran.

    Attributes:
        answer: the letter of an option; None when the program ran and no option follows.
        evidence: the proof, the model or the core, as lines for people.
    """

    answer: str | None
    evidence: tuple[str, ...]
