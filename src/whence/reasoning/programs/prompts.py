"""Prompts that ask for a program instead of an answer, with examples and without."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

INSTRUCTION = (
    "# Answer each question with a Python program that stores its result in a variable named ans."
)
_OPENING = """import math
import numpy as np

# Question: {question}
# A function named solver computes the answer and returns it.
def solver():
    # Each step defines a variable whose name says what it is; the last one is returned.
"""


@dataclass(frozen=True)
class Problem:
    """A question, with what it is about and what may be chosen from.

    Attributes:
        question: as it is put.
        passage: the text or table that it is about.
        options: the choices of a multiple-choice question, "A)36".
    """

    question: str
    passage: str = ""
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Exemplar:
    """A problem with a program that solves it."""

    problem: Problem
    program: str


def describe_problem(problem: Problem) -> str:
    """A problem as comment lines."""
    parts = [("Passage", problem.passage), ("Question", problem.question)]
    if problem.options:
        parts.append(("Options", ", ".join(problem.options)))
    lines = [f"{name}: {text}" for name, text in parts if text]
    return "\n".join(f"# {line}" for text in lines for line in text.splitlines())


def few_shot(exemplars: Sequence[Exemplar], problem: Problem) -> str:
    """A prompt with solved examples, ending where the program begins."""
    solved = [f"{describe_problem(e.problem)}\n{e.program.strip()}" for e in exemplars]
    return "\n\n".join([INSTRUCTION, *solved, describe_problem(problem)]) + "\n"


def zero_shot(problem: Problem) -> str:
    """A prompt without examples: imports and the first lines of a function to go on with."""
    said = f"{problem.passage} {problem.question}".strip()
    if problem.options:
        said += f" Options: {', '.join(problem.options)}"
    return _OPENING.format(question=" ".join(said.split()))
