"""`whence corpus index`: make the searchable form of a corpus, check it, mend it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from whence.cli.output import say
from whence.cli.slices import EngineName, Workers

app = typer.Typer(
    help="The searchable form of a corpus: make it, check it, look at it.", no_args_is_help=True
)

_Json = Annotated[bool, typer.Option("--json", help="Print one JSON record and nothing else.")]
_Folder = Annotated[Path, typer.Argument(metavar="CORPUS", help="A folder made by `build`.")]
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


@app.command()
def build(
    corpus: _Folder,
    *,
    memory: Annotated[
        str | None,
        typer.Option(
            help="Take about this much, such as 2G; less takes longer and gives the same index "
            "(default: 8 bytes a token)."
        ),
    ] = None,
    shard_tokens: Annotated[
        int | None,
        typer.Option(
            help="Tokens of a shard; each is made by itself, or by a worker of --engine "
            "(default: 1,073,741,824)."
        ),
    ] = None,
    threads: Annotated[int | None, typer.Option(help="Threads (default: all).")] = None,
    text: Annotated[
        bool, typer.Option("--text", help="Over the text's bytes, whatever the tokenizer.")
    ] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Make damaged shards again, and no others.")
    ] = False,
    engine: EngineName = "serial",
    workers: Workers = None,
    as_json: _Json = False,
) -> None:
    """Make the index anew. Killed, it goes on after the last whole shard when run again."""
    from whence.core.engines import open_engine
    from whence.corpus import IndexSettings, build_index, open_corpus, repair_index

    given: dict[str, Any] = {} if shard_tokens is None else {"shard_tokens": shard_tokens}
    over = "text" if text else "tokens"
    settings = IndexSettings(
        over=over, memory=None if memory is None else _bytes(memory), threads=threads, **given
    )
    opened = open_corpus(corpus)
    if repair:
        say({"made_again": repair_index(opened, settings)}, as_json)
        return
    build_index(opened, settings, open_engine(engine, workers))
    _describe(corpus, over, as_json)


@app.command()
def check(corpus: _Folder, as_json: _Json = False) -> None:
    """Read every byte of an index and compare it with its manifest."""
    from whence.corpus import open_corpus
    from whence.corpus.index import check_index

    say({"files": check_index(open_corpus(corpus)), "whole": True}, as_json)


@app.command()
def info(corpus: _Folder, as_json: _Json = False) -> None:
    """What the indexes of a corpus are made of, and how much room they take."""
    _describe(corpus, None, as_json)


def _describe(folder: Path, over: str | None, as_json: bool) -> None:
    from whence.corpus import open_corpus
    from whence.corpus.index import describe_index

    found = describe_index(open_corpus(folder))
    say(found if over is None else {"path": str(folder), **found[over]}, as_json)


def _bytes(given: str) -> int:
    from whence.core.errors import PlanError

    unit = given.strip().upper().removesuffix("B").removesuffix("I")
    number, unit = (unit[:-1], unit[-1]) if unit[-1:] in _UNITS and unit else (unit, "")
    try:
        return int(float(number) * _UNITS[unit])
    except (ValueError, OverflowError):
        raise PlanError(
            "--memory",
            expected="a number of bytes, with K, M, G or T",
            got=repr(given),
            fix="Give one such as: --memory 2G",
        ) from None
