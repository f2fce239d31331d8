"""`whence scores`: scores from another program as a folder that `judge` and `explain` read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from whence.core.records import canonical


def scores(
    folder: Annotated[Path, typer.Argument(help="A score folder that bergson wrote.")],
    run: Annotated[Path, typer.Option(help="The run whose documents were scored, in order.")],
    behaviors: Annotated[Path, typer.Option(help="JSONL of what its queries were, in order.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The new folder of scores.")],
    name: Annotated[str | None, typer.Option(help="Of the method (default: the folder's).")] = None,
    higher_is_better: Annotated[
        bool | None,
        typer.Option(
            "--higher-is-better/--lower-is-better",
            help="Which sign a supporting document has (default: what its config.yaml says).",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a record.")] = False,
) -> None:
    """Import a score folder of bergson, for `whence judge --scores` and `whence explain --scores`.

    The signs become ours; sizes stay what they are and are read as ranks.
    """
    from whence.core import read_behaviors, read_bergson
    from whence.interventions import document_causes
    from whence.training import open_run

    asked = read_behaviors(behaviors)
    causes = document_causes(open_run(run).corpus())
    found = read_bergson(folder, asked, causes, higher_is_better=higher_is_better, method=name)
    found.save(output)
    if as_json:
        record = {"path": str(output), "method": found.method, "behaviors": len(asked)}
        record |= {"causes": len(causes), "coverage": found.coverage.to_json()}
        typer.echo(canonical(record).decode())
        return
    typer.echo(f"{output}: {found.method}, {len(asked)} behaviors, {found.coverage.what}")
