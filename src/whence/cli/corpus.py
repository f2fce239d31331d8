"""`whence corpus`: make a corpus, look at it, search it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whence.cli.index import app as index

if TYPE_CHECKING:
    from whence.corpus import Corpus

app = typer.Typer(
    help="Make a corpus from your documents, look at it, search it.", no_args_is_help=True
)
app.add_typer(index, name="index")

_Json = Annotated[bool, typer.Option("--json", help="Print one JSON record and nothing else.")]
_Folder = Annotated[Path, typer.Argument(metavar="CORPUS", help="A folder made by `build`.")]
_Text = Annotated[
    str | None, typer.Argument(metavar="TEXT", help="What to look for, as it reads in documents.")
]
_Tokens = Annotated[
    str | None, typer.Option(metavar="'ID ID ...'", help="Token ids to look for, in place of text.")
]


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
        typer.Option(help="Train a byte-level BPE of this size [default: 4096]."),
    ] = None,
    text_field: Annotated[str, typer.Option(help="Field that holds the text.")] = "text",
    id_field: Annotated[
        str | None, typer.Option(help='Field that holds the id [default: "id" where it is].')
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
        **given,
    )
    say(_summary(build_corpus(sources, out, settings)), as_json)


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


@app.command()
def count(
    corpus: _Folder, text: _Text = None, tokens: _Tokens = None, as_json: _Json = False
) -> None:
    """How often a text or a token sequence occurs; overlaps count, ends of documents part.

    A text is found as whole tokens, at the beginning of a document, after a blank or after a
    new line: "the cat" is found in "see the cat", but "the ca" is not.
    """
    from whence.corpus import open_corpus

    opened = open_corpus(corpus)
    queries = _queries(opened, text, tokens)
    total = int(opened.index().count_many(queries).sum())
    if as_json:
        say({"count": total}, as_json)
    else:
        say({"count": total, "read as": _readable(opened, queries)}, as_json)


@app.command()
def find(
    corpus: _Folder,
    text: _Text = None,
    *,
    tokens: _Tokens = None,
    limit: Annotated[int, typer.Option(min=1, help="Show at most this many.")] = 20,
    context: Annotated[int, typer.Option(min=0, help="Characters shown on either side.")] = 40,
    as_json: _Json = False,
) -> None:
    """Where a text or a token sequence occurs, in the order of the documents."""
    from whence.corpus import open_corpus

    opened = open_corpus(corpus)
    queries = _queries(opened, text, tokens)
    index = opened.index()
    total = int(index.count_many(queries).sum())
    places = sorted((o, len(query)) for query in queries for o in index.locate(query, limit))
    rows = [_occurrence(opened, o, length, context) for o, length in places[:limit]]
    if as_json:
        say({"count": total, "occurrences": rows}, as_json)
    else:
        _show_occurrences(rows, total)


@app.command(name="next")
def next_tokens(
    corpus: _Folder,
    text: _Text = None,
    tokens: _Tokens = None,
    limit: Annotated[int, typer.Option(min=1, help="Show at most this many.")] = 20,
    as_json: _Json = False,
) -> None:
    """What follows a text or a token sequence, with counts and probabilities.

    Probabilities are among the places where something follows; ends of documents are not
    counted.
    """
    from whence.corpus import open_corpus

    opened = open_corpus(corpus)
    counts: dict[int, int] = {}
    for query in _queries(opened, text, tokens):
        following = opened.index().next(query)
        for token, n in zip(following.tokens.tolist(), following.counts.tolist(), strict=True):
            counts[token] = counts.get(token, 0) + n
    total = sum(counts.values())
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    rows = [
        {"token": token, "text": opened.decode([token]), "count": n, "probability": n / total}
        for token, n in ranked[:limit]
    ]
    if as_json:
        say({"count": total, "kinds": len(ranked), "next": rows}, as_json)
    else:
        _show_next(rows, total, len(ranked))


def _queries(corpus: Corpus, text: str | None, tokens: str | None) -> list[Any]:
    from whence.core.errors import CorpusError
    from whence.corpus import spellings

    if (text is None) == (tokens is None):
        raise CorpusError(
            "query",
            expected="either a text or --tokens",
            got="both" if tokens is not None else "neither",
            fix='Give one, such as: "born in", or: --tokens "12 7".',
        )
    if text is not None:
        return list(spellings(corpus, text))
    parts = (tokens or "").replace(",", " ").split()
    try:
        return [[int(part) for part in parts]]
    except ValueError:
        raise CorpusError(
            "--tokens",
            expected="whole numbers with blanks between them",
            got=repr(tokens),
            fix='Give token ids, such as: --tokens "12 7".',
        ) from None


def _readable(corpus: Corpus, queries: list[Any]) -> str:
    return "  or  ".join("|".join(corpus.decode([token]) for token in query) for query in queries)


def _occurrence(corpus: Corpus, occurrence: Any, length: int, context: int) -> dict[str, Any]:
    which, offset = occurrence.document, occurrence.offset
    start, end = corpus.char_span(which, offset, offset + length)
    text = corpus.text(which)
    return {
        "document": corpus.ids[which],
        "index": which,
        "offset": offset,
        "tokens": length,
        "start": start,
        "end": end,
        "before": text[max(0, start - context) : start],
        "match": text[start:end],
        "after": text[end : end + context],
    }


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
        "cut": sources["cut"],
        "digest": corpus.digest,
    }


def say(record: dict[str, Any], as_json: bool) -> None:
    """Print a record, for people or as JSON."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if as_json:
        from whence.core.records import canonical

        sys.stdout.buffer.write(canonical(record) + b"\n")
        sys.stdout.flush()
        return
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, value in record.items():
        table.add_row(Text(name.replace("_", " "), "bold"), Text(_plain(value)))
    Console().print(table)


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k}={v}" for k, v in value.items())
    if isinstance(value, list):
        return " ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) else str(value)


def _show_occurrences(rows: list[dict[str, Any]], total: int) -> None:
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    table = Table(Column("document", overflow="fold"), "token", "character", "context")
    for row in rows:
        line = Text.assemble(row["before"], (row["match"], "bold reverse"), row["after"])
        line.plain = line.plain.replace("\n", "⏎").replace("\t", " ")
        table.add_row(Text(row["document"]), str(row["offset"]), str(row["start"]), line)
    console = Console()
    if rows:
        console.print(table)
    console.print(f"{total:,} occurrences" + (f", {len(rows)} shown" if len(rows) < total else ""))


def _show_next(rows: list[dict[str, Any]], total: int, kinds: int) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("next", "token", "count", "probability")
    for row in rows:
        table.add_row(
            Text(repr(row["text"])),
            str(row["token"]),
            f"{row['count']:,}",
            f"{row['probability']:.4f}",
        )
    console = Console()
    if rows:
        console.print(table)
    console.print(f"{total:,} places, {kinds:,} different tokens")
