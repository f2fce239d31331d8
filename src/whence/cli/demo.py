"""`whence demo`: all of it, on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whence.core.records import canonical

if TYPE_CHECKING:
    from whence.studies import Demo


def demo(
    folder: Annotated[
        Path, typer.Option("-o", "--output", help="Where corpus, run and report go.")
    ] = Path("whence-demo"),
    real: Annotated[
        bool, typer.Option("--real", help="On Python's own standard library instead.")
    ] = False,
    workers: Annotated[int | None, typer.Option(help="Training replays at a time.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the record of the main explanation.")
    ] = False,
) -> None:
    """Train a model, explain what it does, and test every answer, in a few minutes.

    Without --real the text is about invented people, so that the truth is known: which
    documents state a fact. An interrupted demo goes on where it stopped.
    """
    from whence.studies import demo as run_demo
    from whence.studies import demo_real

    def tell(line: str) -> None:
        typer.echo(f"· {line}", err=True)

    if real:
        folder = folder if folder.name != "whence-demo" else Path("whence-demo-real")
        explanations = demo_real(folder, tell=tell, workers=workers)
    else:
        found = run_demo(folder, tell=tell, workers=workers)
        explanations = found.explanations
    for number, explanation in enumerate(explanations, start=1):
        explanation.save(folder / f"explanation-{number}.json")
    report = folder / "report.html"
    explanations[0].save(report)
    if as_json:
        typer.echo(canonical(explanations[0].record).decode())
        return
    explanations[0].table()
    if not real:
        _truth(found)
    typer.echo(f"the report, for a browser: {report.resolve()}")


def _truth(found: Demo) -> None:
    """Show what only a world can tell: whether they were the right documents."""
    from rich import box
    from rich.table import Table

    from whence.cli.output import console_for

    table = Table(box=box.SIMPLE)
    table.add_column("fact", no_wrap=True)
    for name in ("right", "nats", "without\nthem", "without\nothers"):
        table.add_column(name, justify="right", min_width=7 if "\n" in name else None)
    table.add_column("verdict", no_wrap=True)
    rows = found.rows()
    for row in rows:
        table.add_row(
            str(row["fact"]),
            f"{row['found']}/{row['stated']}",
            f"{row['value']:.2f}",
            f"{row['without_named']:.2f}",
            f"{row['without_others']:.2f}",
            str(row["verdict"]),
        )
    console = console_for(table)
    console.print("Were they the right documents?", style="bold")
    console.print(table)
    total, stated = sum(r["found"] for r in rows), sum(r["stated"] for r in rows)
    console.print(
        f"Of {stated} documents named, {total} state the fact they were named for. Nats say how "
        "far the model prefers the right answer: as trained, trained without the documents "
        "named, and (on average) without as many others.\n"
    )
    count = len(found.world.facts)
    console.print(
        f"Share of a fact's documents that each method finds, {count} facts\n", style="bold"
    )
    recall = Table(box=box.SIMPLE)
    recall.add_column("method")
    recall.add_column("recall", justify="right")
    for method, values in found.recall.items():
        recall.add_row(method, f"{values.mean():.2f}")
    console.print(recall)
