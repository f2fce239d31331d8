"""`whence bank`: train a run again on random subsets of its documents."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from whence.core.records import canonical


def bank(
    run: Annotated[Path, typer.Argument(help="A run's folder.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The bank's folder.")],
    subsets: Annotated[int, typer.Option(help="How many; more can be added later.")] = 100,
    share: Annotated[float, typer.Option(help="Of the documents, that each keeps.")] = 0.5,
    groups: Annotated[
        str, typer.Option(help="Documents as one cause: near-duplicates, or field:NAME.")
    ] = "",
    behaviors: Annotated[
        Path | None, typer.Option(help="JSONL of behaviors to measure with every subset.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the subsets.")] = 0,
    workers: Annotated[int | None, typer.Option(help="Training replays at a time.")] = None,
    engine: Annotated[
        str, typer.Option(help="What trains: processes, ray or serial.")
    ] = "processes",
    stack: Annotated[
        int | None,
        typer.Option(help="Replays as one computation (default: what measured best)."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a record.")] = False,
) -> None:
    """Make a bank of retrained models, or go on with one that was interrupted.

    What it holds serves `whence judge`, regressions on subsets and memorisation alike.
    """
    from whence.core import read_behaviors
    from whence.explain import Plan
    from whence.explain.findings import document_groups
    from whence.interventions import make_bank
    from whence.training import open_run

    asked = read_behaviors(behaviors) if behaviors is not None else []
    opened = open_run(run)
    named = document_groups(opened.corpus(), Plan(groups=groups))
    made = make_bank(
        opened,
        output,
        subsets,
        share=share,
        seed=seed,
        groups=named,
        workers=workers,
        engine=engine,
        stack=stack,
    )
    values = made.measure(asked, made.keep)
    kept = int(made.keep[0].sum()) if len(made.keep) else 0
    if as_json:
        measured = {"behaviors": len(made.behaviors()), "values": values.tolist()}
        record = {"path": str(output), "causes": len(made.causes), "kept": kept, **measured}
        drawn = {name: made.record[name] for name in ("run", "share", "seed", "subsets")}
        typer.echo(canonical({**record, **drawn}).decode())
        return
    typer.echo(
        f"{output}: {len(made.keep)} trainings on {kept} of {len(made.causes)} causes each, "
        f"{len(made.behaviors())} behaviors measured"
    )
