"""`whence solve programs`: programs of a model, scored, and run again in the sandbox."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

Option = typer.Option


def programs(
    file: Annotated[
        Path, typer.Argument(metavar="FILE.jsonl", help="Programs with values and references.")
    ],
    rule: Annotated[str, Option(help="strict, relaxed or tolerance.")] = "strict",
    rerun: Annotated[bool, Option("--rerun", help="Run the programs again, contained.")] = False,
    workers: Annotated[
        int | None, Option(min=1, help="Programs at a time; by default two a processor.")
    ] = None,
    seconds: Annotated[float, Option(min=0.01, help="Processor time a program may use.")] = 5.0,
    faults: Annotated[
        int, Option(min=0, help="Show so many programs that gave no value when run again.")
    ] = 0,
    as_json: Annotated[
        bool, Option("--json", help="Print one JSON record and nothing else.")
    ] = False,
) -> None:
    """Score programs that a model wrote: by the values stored with them, or run again.

    Understands the files that Program of Thoughts released, for GSM8K, AQuA, SVAMP,
    MultiArith, TabMWP, TAT-QA, FinQA and ConvFinQA.
    """
    from whence.cli.output import print_json, print_table
    from whence.reasoning.programs import check_rule, read_released, score_again, score_stored

    checked = check_rule(rule)
    items = read_released(file)
    if rerun:
        from whence.reasoning.sandbox import Sandbox

        with Sandbox(workers or 2 * _processors(), _limits(seconds)) as sandbox:
            score = score_again(items, sandbox, checked)
    else:
        score = score_stored(items, checked)
    record = score.to_json()
    if as_json:
        print_json(record)
        return
    print_table(["", ""], [[name, _shown(value)] for name, value in record.items()])
    failed = [item for item in score.items if item.fault][:faults]
    print_table(["line", "no value, because"], [[str(i.number), i.fault or ""] for i in failed])


def _processors() -> int:
    import os

    return len(os.sched_getaffinity(0))


def _limits(seconds: float) -> Any:
    from whence.reasoning.sandbox import Limits

    return Limits(cpu=seconds, wall=4 * seconds)


def _shown(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)
