"""`whence corpus`: make a corpus, look at it, search it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whence.cli.index import app as index
from whence.cli.output import say
from whence.cli.search import count, fetch, find, next_tokens, rank, together

if TYPE_CHECKING:
    from whence.corpus import Corpus

_PLACES = 5  # of documents that could not be read; all of them are in a file

app = typer.Typer(
    help="Make a corpus from your documents, look at it, search it.", no_args_is_help=True
)
app.add_typer(index, name="index")

_Json = Annotated[bool, typer.Option("--json", help="Print one JSON record and nothing else.")]
_Folder = Annotated[Path, typer.Argument(metavar="CORPUS", help="A folder made by `build`.")]


@app.command()
def build(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="Folders of text or code, .jsonl (.gz, .zst), .parquet, single text files, "
            "hf:NAME[:SPLIT], or folders of a data set's save_to_disk.",
        ),
    ],
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help="The corpus, a new folder.")],
    tokenizer: Annotated[
        str | None,
        typer.Option(help='Path or name of a Hugging Face tokenizer, or "bytes".'),
    ] = None,
    vocab_size: Annotated[
        int | None,
        typer.Option(help="Train a byte-level BPE of this size (default: 4096)."),
    ] = None,
    text_field: Annotated[str, typer.Option(help="Field that holds the text.")] = "text",
    id_field: Annotated[
        str | None, typer.Option(help='Field that holds the id (default: "id" where it is).')
    ] = None,
    suffix: Annotated[
        list[str] | None,
        typer.Option(help="Take files with this ending from folders; may be repeated."),
    ] = None,
    split: Annotated[str | None, typer.Option(help="Split of a data set.")] = None,
    max_tokens: Annotated[
        int | None,
        typer.Option(help="Cut documents into pieces of at most this many tokens."),
    ] = None,
    parse_special: Annotated[
        bool,
        typer.Option(
            "--parse-special", help="Read special tokens that texts spell out as special."
        ),
    ] = False,
    unreadable: Annotated[
        str,
        typer.Option(
            metavar="stop|skip",
            help="At a document that cannot be read (no UTF-8, a broken row): stop, or leave it "
            "out and write down its place.",
        ),
    ] = "stop",
    as_json: _Json = False,
) -> None:
    """Make a corpus. Killed, it goes on where it was when the same command is run again."""
    from whence.corpus import BuildSettings, build_corpus

    given: dict[str, Any] = {"suffixes": tuple(suffix)} if suffix else {}
    settings = BuildSettings(
        tokenizer=tokenizer,
        vocab_size=vocab_size,
        text_field=text_field,
        id_field=id_field,
        split=split,
        max_tokens=max_tokens,
        parse_special=parse_special,
        unreadable=unreadable,
        **given,
    )
    built = build_corpus(sources, out, settings)
    say(_summary(built), as_json)
    _warn_unreadable(built)


@app.command()
def show(
    corpus: _Folder,
    document: Annotated[
        str | None,
        typer.Argument(metavar="DOCUMENT", help="An id, or a position such as 0."),
    ] = None,
    tokens: Annotated[bool, typer.Option("--tokens", help="Show the token ids too.")] = False,
    as_json: _Json = False,
) -> None:
    """Show a document, or what the corpus is made of when none is named."""
    from whence.corpus import open_corpus

    opened = open_corpus(corpus)
    if document is None:
        say(_summary(opened), as_json)
        return
    is_position = document not in opened.ids and document.lstrip("-").isdigit()
    found = opened.document(int(document) if is_position else document)
    record: dict[str, Any] = {
        "id": found.id,
        "index": found.index,
        "metadata": dict(found.metadata),
        "n_tokens": len(found.tokens),
        "text": found.text,
    }
    if tokens:
        record["tokens"] = found.tokens.tolist()
    say(record, as_json)


app.command()(count)
app.command()(find)
app.command("next")(next_tokens)
app.command()(together)
app.command()(rank)
app.command()(fetch)


def _summary(corpus: Corpus) -> dict[str, Any]:
    sources = corpus.record["sources"]
    return {
        "path": str(corpus.path),
        "documents": corpus.n_documents,
        "tokens": corpus.n_tokens,
        "vocabulary_size": corpus.vocabulary_size,
        "longest_document": int(corpus.lengths.max()),
        "fields": corpus.metadata.column_names,
        "source_documents": sources["documents"],
        "empty_left_out": sources["empty"],
        "unreadable_left_out": sources.get("unreadable", 0),
        "cut": sources["cut"],
        "digest": corpus.digest,
    }


def _warn_unreadable(corpus: Corpus) -> None:
    from whence.corpus.unreadable import FILE, read_unreadable

    first = read_unreadable(corpus.path, _PLACES)
    for fault in first:
        typer.echo(f"left out: {fault['place']}: {fault['got']}", err=True)
    count = corpus.record["sources"].get("unreadable", 0)
    if count > len(first):
        typer.echo(f"... and {count - len(first):,} more: {corpus.path / FILE}", err=True)
