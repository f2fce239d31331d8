"""`whence solve make`: problems with known answers, for models and solvers alike."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from whence.cli.solve_model import Seed
from whence.core.errors import LogicError

Option = typer.Option
_KINDS = ("puzzles", "causation")


def make(
    kind: Annotated[str, typer.Argument(help="puzzles or causation.")],
    output: Annotated[Path, Option("--output", "-o", help="JSON file to write.")],
    count: Annotated[int, Option(min=1, help="How many.")] = 100,
    depth: Annotated[int, Option(min=1, help="puzzles: rules in a proof.")] = 3,
    distractors: Annotated[int, Option(min=0, help="puzzles: kinds beside the chain.")] = 3,
    variables: Annotated[int, Option(min=2, max=5, help="causation: how many.")] = 4,
    seed: Seed = 0,
) -> None:
    """Make problems whose answers are known: chains of rules, or causation from correlations.

    Puzzles have text, program, proof and answer; `solve logic FILE --dataset ProntoQA` solves
    them. Causation has text, answer, and how many graphs fit.
    """
    from whence.core.records import write_json

    if kind not in _KINDS:
        raise LogicError("KIND", expected=" or ".join(_KINDS), got=repr(kind), fix="Choose one.")
    if kind == "puzzles":
        records = _puzzles(count, depth, distractors, seed)
    else:
        records = _causation(count, variables, seed)
    write_json(output, records)
    typer.echo(f"written: {output}", err=True)


def _puzzles(count: int, depth: int, distractors: int, seed: int) -> list[dict[str, Any]]:
    from whence.reasoning.logic import PuzzleSettings, puzzles

    return [puzzle.record() for puzzle in puzzles(count, PuzzleSettings(depth, distractors, seed))]


def _causation(count: int, variables: int, seed: int) -> list[dict[str, Any]]:
    from whence.reasoning.logic import causal_problems

    return [problem.record() for problem in causal_problems(count, variables, seed)]
