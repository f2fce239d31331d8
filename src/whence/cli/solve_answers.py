"""`whence solve answers`: predictions scored as TheoremQA and TimeQA score them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from whence.core.errors import ProblemError

Option = typer.Option
_DATASETS = ("theoremqa", "timeqa")


def answers(
    problems: Annotated[Path, typer.Argument(metavar="QUESTIONS", help="The data set's file.")],
    predictions: Annotated[
        Path | None,
        typer.Argument(metavar="[PREDICTIONS]", help='JSON of id -> answer, or JSONL with "id".'),
    ] = None,
    dataset: Annotated[str, Option(help="theoremqa or timeqa.")] = "theoremqa",
    constant: Annotated[
        bool, Option("--constant", help="Score the answer that reads no question instead.")
    ] = False,
    band: Annotated[
        bool, Option("--band-for-integers", help="TheoremQA: 4 % around integers as well.")
    ] = False,
    as_json: Annotated[
        bool, Option("--json", help="Print one JSON record and nothing else.")
    ] = False,
) -> None:
    """Score predictions: typed answers of TheoremQA, spans of TimeQA."""
    from whence.cli.output import print_json, print_table

    if dataset not in _DATASETS:
        raise ProblemError(
            "--dataset", expected=" or ".join(_DATASETS), got=repr(dataset), fix="Choose one."
        )
    if (predictions is None) != constant:
        raise ProblemError(
            "PREDICTIONS",
            expected="a file of predictions, or --constant",
            got="neither" if predictions is None else "both",
            fix="Give one of them.",
        )
    if dataset == "theoremqa":
        record = _theoremqa(problems, predictions, band)
    else:
        record = _timeqa(problems, predictions)
    if as_json:
        print_json(record)
        return
    kinds = record.pop("types", {})
    print_table(["", ""], [[name, _shown(value)] for name, value in record.items()])
    rows = [[kind, str(c["correct"]), str(c["n"])] for kind, c in kinds.items()]
    print_table(["type", "correct", "n"], rows)


def _theoremqa(problems: Path, predictions: Path | None, band: bool) -> dict[str, Any]:
    from whence.reasoning.answers import read_predictions, read_theoremqa, score_theoremqa
    from whence.reasoning.answers.theoremqa import constant_answers

    known = read_theoremqa(problems)
    said = constant_answers(known) if predictions is None else read_predictions(predictions)
    return score_theoremqa(known, said, band).to_json()


def _timeqa(problems: Path, predictions: Path | None) -> dict[str, Any]:
    from whence.reasoning.answers import read_predictions, read_timeqa, score_timeqa
    from whence.reasoning.answers.timeqa import empty_answers

    known = read_timeqa(problems)
    said = empty_answers(known) if predictions is None else read_predictions(predictions)
    return score_timeqa(known, said).to_json()


def _shown(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)
