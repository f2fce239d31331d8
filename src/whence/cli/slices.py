"""Options that restrict a search to some of the documents, shared by several commands."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Bool

    from whence.corpus import Corpus, Index

Where = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FIELD=VALUE",
        help="Only documents with this metadata; also !=, <, <=, >, >=, ~PATTERN; repeatable.",
    ),
]
Run = Annotated[
    Path | None, typer.Option(metavar="RUN", help="Only documents that this training had seen.")
]
Until = Annotated[
    int | None, typer.Option(metavar="STEP", help="... by this step; else by its end.")
]


def chosen(
    corpus: Corpus, where: list[str] | None, run: Path | None, until: int | None
) -> Bool[np.ndarray, " document"] | None:
    """Which documents the options choose; None where they choose all."""
    from whence.core.errors import RunError

    mask = None
    if where:
        from whence.corpus import where as fulfil

        mask = fulfil(corpus, where)
    if until is not None and run is None:
        raise RunError(
            "--until", expected="a run whose steps it counts", got="none", fix="Add --run RUN."
        )
    if run is not None:
        from whence.training import open_run

        opened = open_run(run)
        if opened.corpus_digest != corpus.digest:
            raise RunError(
                f"--run {run}",
                expected=f"a training on this corpus ({corpus.digest[:19]})",
                got=f"one on {str(opened.corpus_digest)[:19]}",
                fix="Name the corpus that the run was trained on.",
            )
        seen = opened.seen_until(until)
        mask = seen if mask is None else mask & seen
    return mask


def index_of(corpus: Corpus, where: list[str] | None, run: Path | None, until: int | None) -> Index:
    """The index of the chosen documents."""
    mask = chosen(corpus, where, run, until)
    return corpus.index() if mask is None else corpus.index().restricted(mask)
