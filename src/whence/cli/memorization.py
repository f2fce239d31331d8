"""`whence memorization`: what seeing documents did to the model's grasp of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from whence.cli.output import check_output, print_json, print_table, save


def memorization(
    run: Annotated[Path, typer.Argument(help="A run's folder.")],
    held_out: Annotated[
        Path | None,
        typer.Option(help="A corpus that it never saw (default: what it had not reached)."),
    ] = None,
    steps: Annotated[
        str | None, typer.Option(help="Of checkpoints, with commas (default: all kept).")
    ] = None,
    resamples: Annotated[int, typer.Option(help="Draws of the bootstrap.")] = 1000,
    seed: Annotated[int, typer.Option(help="Of the bootstrap.")] = 0,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="page.html or record.json")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the record.")] = False,
) -> None:
    """Estimate the memorisation profile of a run by difference-in-differences.

    Documents before and after they were seen, less the same for documents that never were.
    """
    from whence.attribution import memorization_profile, panel_of
    from whence.core.errors import RunError
    from whence.corpus import open_corpus
    from whence.studies import profile_page
    from whence.training import open_run

    check_output(output)
    if steps is not None and not all(word.strip().isdigit() for word in steps.split(",")):
        raise RunError(
            "--steps", expected="numbers with commas between", got=steps, fix="Try --steps 10,20."
        )
    wanted = None if steps is None else [int(word) for word in steps.split(",")]
    others = None if held_out is None else open_corpus(held_out)
    panel = panel_of(open_run(run), others, steps=wanted)
    record = memorization_profile(panel, resamples=resamples, seed=seed).to_json()
    if output is not None:
        save(record, output, profile_page)
    if as_json:
        print_json(record)
        return
    rows = [
        (name, f"{found['value']:.3f}", " to ".join(f"{end:.3f}" for end in found["interval"]))
        for name, found in record["summary"].items()
        if found["value"] is not None
    ]
    print_table(("effect of having been seen", "nats a token", "95 %"), rows)
    if record["doubt"]:
        typer.echo(record["doubt"])
