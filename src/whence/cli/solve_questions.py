"""`whence solve questions`: a model writes programs, they are run, and their values vote."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whence.cli.solve_model import AsJson, Journal, MaxTokens, Model, Seed, Temperature, open_asked

if TYPE_CHECKING:
    from whence.reasoning.programs import Score

Option = typer.Option


def questions(
    file: Annotated[
        Path, typer.Argument(metavar="FILE.jsonl", help="Lines with `question`, maybe `answer`.")
    ],
    model: Model,
    exemplars: Annotated[
        Path | None, Option(help="Lines with `question` and `program`; without, zero-shot.")
    ] = None,
    samples: Annotated[int, Option(min=1, help="Programs a question, whose values vote.")] = 1,
    temperature: Temperature = 0.0,
    max_tokens: MaxTokens = 512,
    seed: Seed = 0,
    rule: Annotated[str, Option(help="strict, relaxed or tolerance.")] = "strict",
    journal: Journal = None,
    output: Annotated[
        Path | None, Option("--output", "-o", help="Write what `solve programs` reads.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Ask a model for programs, run them contained, and score the values.

    Program of Thoughts: few-shot with --exemplars, self-consistency with --samples.
    """
    from whence.reasoning.clients import Sampling
    from whence.reasoning.programs import LIMITS, check_rule, solve_problems
    from whence.reasoning.programs.questions import (
        as_released,
        read_exemplars,
        read_questions,
        write_released,
    )
    from whence.reasoning.sandbox import Sandbox

    checked = check_rule(rule)
    asked = read_questions(file)
    shown = read_exemplars(exemplars) if exemplars else []
    client = open_asked(model, journal)
    sampling = Sampling(max_tokens, temperature, n=samples, stop=("\n\n\n",), seed=seed)
    with Sandbox(2, LIMITS) as sandbox:
        solved = solve_problems(client, sandbox, [q.problem for q in asked], shown, sampling)
    rows = as_released(asked, solved)
    if output is not None:
        write_released(output, rows)
        typer.echo(f"written: {output}", err=True)
    from whence.reasoning.programs import score_stored
    from whence.reasoning.programs.released import read_row

    known = [
        read_row(row, n, file) for n, row in enumerate(rows, start=1) if row["answer"] is not None
    ]
    _tell(rows, score_stored(known, checked) if known else None, as_json)


def _tell(rows: list[dict[str, Any]], score: Score | None, as_json: bool) -> None:
    from whence.cli.output import print_json, print_table

    record = {"asked": len(rows)} | (score.to_json() if score else {})
    if as_json:
        print_json(record | {"answers": rows})
        return
    answers = [[row["question"], str(row.get("prediction", row.get("executed")))] for row in rows]
    print_table(["question", "answer"], answers)
    if score is not None:
        typer.echo(
            f"{score.correct:,} of {score.n:,} right ({100 * score.correct / score.n:.1f} %)"
        )
