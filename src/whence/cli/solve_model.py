"""What commands that ask a model have in common: the options, and how it is opened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from whence.reasoning.clients import Client

Option = typer.Option
Model = Annotated[
    str,
    Option(
        help="URL#MODEL of an OpenAI-compatible server, a recording (.jsonl), or a local model's "
        "folder or name."
    ),
]
Journal = Annotated[
    Path | None, Option(help="Keep every call in this JSONL file, and answer from it.")
]
MaxTokens = Annotated[int, Option(min=1, help="Longest completion, or step.")]
Temperature = Annotated[float, Option(min=0.0, help="0 takes the most probable token.")]
Seed = Annotated[int, Option(help="Of what is drawn.")]
AsJson = Annotated[bool, Option("--json", help="Print one JSON record and nothing else.")]


def open_asked(model: str, journal: Path | None) -> Client:
    """The client of a model, with its calls kept where they shall be."""
    from whence.reasoning.clients import Journalled, open_client

    client = open_client(model)
    return client if journal is None else Journalled(client, journal)
