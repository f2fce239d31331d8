"""`whence solve logic`: a file of logic programs, solved and scored."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whence.cli.solve_model import Journal, MaxTokens, open_asked
from whence.core.errors import LogicError

if TYPE_CHECKING:
    from whence.reasoning.logic import LogicScore, Reading, RefinementSettings

Option = typer.Option


def logic(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="JSON list of problems with `raw_logic_programs`."),
    ],
    dataset: Annotated[
        str, Option(help="ProntoQA, ProofWriter, FOLIO, LogicalDeduction or AR-LSAT.")
    ],
    as_released: Annotated[
        bool, Option("--as-released", help="With the faults of the published solvers.")
    ] = False,
    wide: Annotated[
        bool, Option("--wide", help="Also take what plainly means one thing, outside the format.")
    ] = False,
    show: Annotated[
        list[str] | None, Option(help="Show this problem's proof, model or error; repeatable.")
    ] = None,
    refine: Annotated[
        str | None,
        Option(
            help="Send programs that fail back to this model: a recording (.jsonl), URL#MODEL of "
            "a server, or a local model. Problems without a program are translated by it first."
        ),
    ] = None,
    rounds: Annotated[int, Option(min=0, help="Of --refine, at most.")] = 3,
    back_off: Annotated[
        str, Option(help="With --refine, what still fails: random, or chain (of thought).")
    ] = "random",
    max_tokens: MaxTokens = 1024,
    journal: Journal = None,
    items: Annotated[bool, Option("--items", help="Put every problem into the record.")] = False,
    as_json: Annotated[
        bool, Option("--json", help="Print one JSON record and nothing else.")
    ] = False,
) -> None:
    """Solve the logic programs of a file and count how many run and are right."""
    from whence.cli.output import print_json
    from whence.reasoning.logic import read_problems, score_programs
    from whence.reasoning.logic import refine as refine_programs
    from whence.reasoning.logic.scoring import find_dataset

    if as_released and wide:
        raise LogicError(
            "--as-released, --wide", expected="one of them", got="both", fix="Leave one out."
        )
    find_dataset(dataset)
    reading: Reading = "released" if as_released else "wide" if wide else "standard"
    problems = read_problems(file)
    unknown = set(show or ()) - {problem.id for problem in problems}
    if unknown:
        raise LogicError(
            "--show", expected=f"ids of {file}", got=", ".join(sorted(unknown)), fix="Check them."
        )
    record: dict[str, Any] = {}
    if refine is None:
        score = score_programs(problems, dataset, reading)
    else:
        settings = _settings(reading, rounds, back_off, max_tokens)
        found = refine_programs(problems, dataset, open_asked(refine, journal), settings)
        score, record = found.rounds[-1], found.to_json()
    if as_json:
        print_json(score.to_json() | record | ({"items": _items(score)} if items else {}))
    else:
        _tell(score, set(show or ()))
        _tell_rounds(record)


def _settings(reading: Reading, rounds: int, back_off: str, max_tokens: int) -> RefinementSettings:
    from whence.reasoning.clients import Sampling
    from whence.reasoning.logic import RefinementSettings
    from whence.reasoning.logic.refinement import BACK_OFFS

    chosen = next((each for each in BACK_OFFS if each == back_off), None)
    if chosen is None:
        raise LogicError(
            "--back-off", expected=" or ".join(BACK_OFFS), got=back_off, fix="Choose one."
        )
    return RefinementSettings(rounds, reading, chosen, Sampling(max_tokens))


def _items(score: LogicScore) -> list[dict[str, object]]:
    return [
        {
            "id": outcome.id,
            "right": outcome.right,
            "executed": outcome.executed,
            "answer": outcome.answer,
            "evidence": list(outcome.evidence),
            "error": outcome.error,
        }
        for outcome in score.outcomes
    ]


def _tell(score: LogicScore, shown: set[str]) -> None:
    for outcome in score.outcomes:
        if outcome.id in shown:
            said = outcome.answer or ("no option" if outcome.executed else "did not run")
            typer.echo(f"{outcome.id}: {said} (right: {outcome.right})")
            for line in outcome.evidence or (outcome.error,):
                typer.echo(f"  {line}")
    record = score.to_json()
    accuracy, rate = record["exe_acc"], 100 * record["exe_rate"]
    typer.echo(
        f"{record['executed']:,} of {record['n']:,} programs ran ({rate:.1f} %); "
        f"{record['correct_executed']:,} of these are right"
        + ("" if accuracy is None else f" ({100 * accuracy:.1f} %)")
    )
    rest = "failures are wrong" if score.dataset == "LogicalDeduction" else "guesses for failures"
    typer.echo(f"accuracy with {rest}: {100 * record['accuracy_random_backoff']:.1f} %")


def _tell_rounds(record: dict[str, Any]) -> None:
    """What mending gained, round by round, and what became of the rest."""
    for number, found in enumerate(record.get("rounds", ())):
        name = f"after round {number}" if number else "as first written"
        typer.echo(f"{name}: {found['executed']:,} ran, {found['correct_executed']:,} right")
    if record.get("fallen_back"):
        typer.echo(
            f"{record['fallen_back']:,} answered step by step; "
            f"accuracy {100 * record['accuracy']:.1f} %"
        )
