"""`whence train`: train a model on a corpus, recorded; resumes when it was interrupted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from whence.core.records import canonical

Option = typer.Option


def train(
    corpus: Annotated[Path, typer.Argument(help="A corpus made by `whence corpus build`.")],
    out: Annotated[Path, Option("--out", "-o", help="The run's folder.")],
    architecture: Annotated[
        str | None, Option(help="A model_type of transformers: llama, gpt2, qwen3, ...")
    ] = None,
    size: Annotated[str | None, Option(help="tiny, small or base.")] = None,
    config: Annotated[str | None, Option(help="A Hugging Face JSON config instead.")] = None,
    checkpoint: Annotated[str | None, Option(help="A checkpoint to go on from instead.")] = None,
    context: Annotated[int | None, Option(help="Tokens a row.")] = None,
    rows: Annotated[int | None, Option(help="Rows a step.")] = None,
    steps: Annotated[int | None, Option(help="Updates; else as many as --epochs need.")] = None,
    epochs: Annotated[float | None, Option(help="Passes over the corpus.")] = None,
    learning_rate: Annotated[float | None, Option(help="Its peak.")] = None,
    seed: Annotated[int | None, Option(help="Of weights and order.")] = None,
    threads: Annotated[int | None, Option(help="CPU threads.")] = None,
    device: Annotated[str | None, Option(help="cpu, cuda, ...")] = None,
    attention: Annotated[str | None, Option(help="eager or math.")] = None,
    checkpoint_every: Annotated[int | None, Option(help="Steps between checkpoints.")] = None,
    as_json: Annotated[bool, Option("--json", help="Print the run's record.")] = False,
) -> None:
    """Train a model on a corpus and record everything that training it again needs."""
    passed: dict[str, Any] = {
        "architecture": architecture,
        "size": size,
        "config": config,
        "checkpoint": checkpoint,
        "context": context,
        "rows": rows,
        "steps": steps,
        "epochs": epochs,
        "learning_rate": learning_rate,
        "seed": seed,
        "threads": threads,
        "device": device,
        "attention": attention,
        "checkpoint_every": checkpoint_every,
    }
    from whence.corpus import open_corpus
    from whence.training import Recipe
    from whence.training import train as train_model

    recipe = Recipe(**{name: value for name, value in passed.items() if value is not None})
    run = train_model(open_corpus(corpus), out, recipe)
    last = run.journal()[-1]
    if as_json:
        summary = {"path": str(run.path), "digest": run.digest, "steps": run.steps, "last": last}
        typer.echo(canonical({**run.record, **summary}).decode())
    else:
        model = run.record["model"]
        typer.echo(
            f"{run.path}: {model['architecture']} of {model['parameters']:,} parameters, "
            f"{run.steps} steps, last loss {last['loss']:.3f} nats a token, "
            f"{len(run.checkpoints)} checkpoints, {run.seconds:.0f} s"
        )
