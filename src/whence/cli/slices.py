"""Options that several commands share: which documents are searched, and what the work runs on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Bool

    from whence.corpus import Corpus, Index, SpreadIndex
    from whence.corpus.index.sharded import ShardedIndex

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
EngineName = Annotated[
    str,
    typer.Option(
        "--engine",
        metavar="serial|processes|ray",
        help="Where shards are worked on: here, in processes, or on Ray (see RAY_ADDRESS).",
    ),
]
Workers = Annotated[int | None, typer.Option(metavar="N", help="... and by how many (default: 2).")]
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


@contextmanager
def index_on(
    corpora: Sequence[Corpus],
    documents: Sequence[Bool[np.ndarray, " document"] | None],
    engine: str = "serial",
    workers: int | None = None,
    over: str = "tokens",
) -> Iterator[ShardedIndex | SpreadIndex]:
    """The index of some documents of several corpora, held by the workers of an engine.

    Args:
        corpora: all with one tokenizer.
        documents: which of each are searched; None for all.
        engine: its name.
        workers: how many, or as many as is usual.
        over: tokens, or the bytes of the text.
    """
    import numpy as np

    from whence.core.engines import open_engine
    from whence.corpus import IndexSettings, open_indexes, spread_index

    opened, settings = open_engine(engine, workers), IndexSettings(over=over)
    mask = None
    if any(part is not None for part in documents):
        pairs = zip(corpora, documents, strict=True)
        mask = np.concatenate([np.ones(c.n_documents, bool) if d is None else d for c, d in pairs])
    if engine == "serial":
        index = open_indexes(corpora, settings)
        yield index if mask is None else index.restricted(mask)
        return
    with spread_index(corpora, opened, settings) as held:
        yield held if mask is None else held.restricted(mask)
