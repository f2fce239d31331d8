"""`whence corpus count|find|next|together|rank|fetch`: what a corpus says, and where."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whence.cli.output import numbered, print_json, say
from whence.cli.slices import EngineName, Run, Until, Where, Workers, chosen

if TYPE_CHECKING:
    from whence.cli.searching import Search
    from whence.corpus import Corpus

_Json = Annotated[bool, typer.Option("--json", help="Print one JSON record and nothing else.")]
_Folder = Annotated[
    Path,
    typer.Argument(
        metavar="CORPUS", help="A folder made by `build`, or an index that infini-gram made."
    ),
]
_OnlyCorpus = Annotated[Path, typer.Argument(metavar="CORPUS", help="A folder made by `build`.")]
_Text = Annotated[
    str | None, typer.Argument(metavar="TEXT", help="What to look for, as it reads in documents.")
]
_Tokens = Annotated[
    str | None, typer.Option(metavar="'ID ID ...'", help="Token ids to look for, in place of text.")
]
_Also = Annotated[
    list[Path] | None,
    typer.Option(metavar="CORPUS", help="Search this corpus too, as if all were one; repeatable."),
]
_Letters = Annotated[
    bool,
    typer.Option("--letters", help="Look letter by letter, inside words and tokens too."),
]
_IgnoreCase = Annotated[
    bool, typer.Option("--ignore-case", help="Whatever the case; implies --letters.")
]
_WordStart = Annotated[
    bool,
    typer.Option("--word-start", help="Only where a word begins; implies --letters."),
]
_Tokenizer = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Of an index that infini-gram made: reads TEXT."),
]
_TokenBytes = Annotated[
    int | None,
    typer.Option(metavar="1|2|4", help="Of an index that infini-gram made: its u8, u16 or u32."),
]
_Limit = Annotated[int, typer.Option(min=1, help="Show at most this many.")]
_Context = Annotated[int, typer.Option(min=0, help="Characters shown on either side.")]


def count(
    corpus: _Folder,
    text: _Text = None,
    *,
    tokens: _Tokens = None,
    also: _Also = None,
    letters: _Letters = False,
    ignore_case: _IgnoreCase = False,
    word_start: _WordStart = False,
    where: Where = None,
    run: Run = None,
    until: Until = None,
    engine: EngineName = "serial",
    workers: Workers = None,
    tokenizer: _Tokenizer = None,
    token_bytes: _TokenBytes = None,
    as_json: _Json = False,
) -> None:
    """How often a text or a token sequence occurs; overlaps count, ends of documents part.

    A text is found as whole tokens, at the beginning of a document, after a blank or after a
    new line: "the cat" is found in "see the cat", but "the ca" is not. With --letters it is
    found wherever its letters stand.
    """
    from whence.cli.searching import Given, searched

    _check_one(text, tokens)
    asked = (letters, ignore_case, word_start, tokenizer, token_bytes)
    with searched(Given(corpus, also, where, run, until, engine, workers, *asked)) as search:
        queries = _queries(search, text, tokens)
        total = search.count(queries)
        if as_json:
            say({"count": total}, as_json)
        else:
            say({"count": total, "read as": search.readable(queries)}, as_json)


def find(
    corpus: _Folder,
    text: _Text = None,
    *,
    tokens: _Tokens = None,
    limit: _Limit = 20,
    context: _Context = 40,
    also: _Also = None,
    letters: _Letters = False,
    ignore_case: _IgnoreCase = False,
    word_start: _WordStart = False,
    where: Where = None,
    run: Run = None,
    until: Until = None,
    engine: EngineName = "serial",
    workers: Workers = None,
    tokenizer: _Tokenizer = None,
    token_bytes: _TokenBytes = None,
    as_json: _Json = False,
) -> None:
    """Where a text or a token sequence occurs, in the order of the documents."""
    from whence.cli.searching import Given, searched

    _check_one(text, tokens)
    asked = (letters, ignore_case, word_start, tokenizer, token_bytes)
    with searched(Given(corpus, also, where, run, until, engine, workers, *asked)) as search:
        queries = _queries(search, text, tokens)
        total = search.count(queries)
        rows = [search.row(place, context) for place in search.places(queries, limit)]
    if as_json:
        print_json({"count": total, "occurrences": rows})
    else:
        _show_rows(rows, total, numbered(total, "occurrence"))


def next_tokens(
    corpus: _Folder,
    text: _Text = None,
    *,
    tokens: _Tokens = None,
    limit: _Limit = 20,
    also: _Also = None,
    where: Where = None,
    run: Run = None,
    until: Until = None,
    engine: EngineName = "serial",
    workers: Workers = None,
    tokenizer: _Tokenizer = None,
    token_bytes: _TokenBytes = None,
    as_json: _Json = False,
) -> None:
    """What follows a text or a token sequence, with counts and probabilities.

    Probabilities are among the places where something follows; ends of documents are not
    counted.
    """
    from whence.cli.searching import Given, LetterSearch, searched

    _check_one(text, tokens)
    asked = (False, False, False, tokenizer, token_bytes)
    with searched(Given(corpus, also, where, run, until, engine, workers, *asked)) as search:
        assert not isinstance(search, LetterSearch)
        counts: dict[int, int] = {}
        for query in _queries(search, text, tokens):
            following = search.next(query)
            for token, n in zip(following.tokens.tolist(), following.counts.tolist(), strict=True):
                counts[token] = counts.get(token, 0) + n
        total = sum(counts.values())
        ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
        rows = [
            {"token": token, "text": search.decode(token), "count": n, "probability": n / total}
            for token, n in ranked[:limit]
        ]
    if as_json:
        print_json({"count": total, "kinds": len(ranked), "next": rows})
    else:
        _show_next(rows, total, len(ranked))


def together(
    corpus: _Folder,
    phrases: Annotated[
        list[str],
        typer.Argument(
            metavar="PHRASES...", help="All have to be there; of 'ONE OR OTHER', one is enough."
        ),
    ],
    *,
    window: Annotated[
        int | None,
        typer.Option(
            min=1, help="Within so many tokens (bytes, with --letters) (default: a document)."
        ),
    ] = None,
    limit: _Limit = 20,
    context: _Context = 40,
    also: _Also = None,
    letters: _Letters = False,
    ignore_case: _IgnoreCase = False,
    where: Where = None,
    run: Run = None,
    until: Until = None,
    engine: EngineName = "serial",
    workers: Workers = None,
    tokenizer: _Tokenizer = None,
    token_bytes: _TokenBytes = None,
    as_json: _Json = False,
) -> None:
    """Where phrases stand together: the shortest stretches that hold one of each kind.

    "Ada Morn OR Ben Talis" Vessel finds documents with one of the names and the place. A
    stretch that holds a shorter one is not shown.
    """
    from whence.cli.searching import Given, searched

    asked = (letters, ignore_case, False, tokenizer, token_bytes)
    with searched(Given(corpus, also, where, run, until, engine, workers, *asked)) as search:
        clauses = [
            [query for phrase in each.split(" OR ") for query in search.queries(phrase)]
            for each in phrases
        ]
        found = search.together(clauses, window)
        rows = [search.row(place, context) for place in found[:limit]]
    documents = len({place[:2] for place in found})
    if as_json:
        print_json({"count": len(found), "documents": documents, "stretches": rows})
    else:
        said = numbered(len(found), "stretch", "stretches")
        _show_rows(rows, len(found), f"{said} in {numbered(documents, 'document')}")


def rank(
    corpus: _OnlyCorpus,
    query: Annotated[str, typer.Argument(metavar="QUERY", help="Words to rank by.")],
    *,
    holding: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Only documents that hold this text, word for word."),
    ] = None,
    limit: _Limit = 10,
    where: Where = None,
    run: Run = None,
    until: Until = None,
    as_json: _Json = False,
) -> None:
    """Documents by relevance to a query: BM25 over words, the best first.

    With --holding, --where or --run only such documents are ranked, and how rare a word is, is
    counted in them alone.
    """
    import numpy as np

    from whence.corpus import open_corpus, ranked, spellings

    opened = open_corpus(corpus)
    mask = chosen(opened, where, run, until)
    if holding is not None:
        held = np.zeros(opened.n_documents, bool)
        for tokens in spellings(opened, holding):
            held[[each.document for each in opened.index().locate(tokens)]] = True
        mask = held if mask is None else held & mask
    found = ranked(opened, query, None if mask is None else np.flatnonzero(mask))
    rows = [
        {
            "document": opened.ids[which],
            "index": which,
            "score": round(score, 6),
            "beginning": opened.text(which)[:80],
        }
        for which, score in found[:limit]
    ]
    if as_json:
        print_json({"query": query, "count": len(found), "documents": rows})
        return
    from whence.cli.output import print_table

    cells = [[f"{row['score']:.3f}", str(row["document"]), str(row["beginning"])] for row in rows]
    print_table(("score", "document", "begins"), cells)
    typer.echo(f"{numbered(len(found), 'document')} with a word of the query, {len(rows)} shown")


def fetch(
    corpus: _OnlyCorpus,
    documents: Annotated[
        list[str] | None,
        typer.Argument(metavar="DOCUMENT...", help="Ids; - reads them from standard input."),
    ] = None,
    *,
    file: Annotated[Path | None, typer.Option(help="A file with an id in each line.")] = None,
    as_json: _Json = False,
) -> None:
    """Print many documents at once: one JSON record a line, or with --json one record for all."""
    from whence.corpus import open_corpus

    opened = open_corpus(corpus)
    names = [*(documents or ())]
    if names == ["-"]:
        names = _lines(sys.stdin.buffer.read(), "standard input")
    if file is not None:
        names += _lines(_read(file), str(file))
    if not names:
        _refuse_no_ids()
    found = [
        {"id": d.id, "index": d.index, "metadata": dict(d.metadata), "text": d.text}
        for d in opened.documents([_known(opened, name) for name in names])
    ]
    if as_json:
        print_json({"documents": found})
    else:
        for record in found:
            print_json(record)


def _known(corpus: Corpus, name: str) -> int | str:
    """An id, or a position where no document has such an id."""
    return int(name) if name.isdigit() and name not in corpus.ids else name


def _read(file: Path) -> bytes:
    from whence.core.errors import CorpusError

    try:
        return file.read_bytes()
    except OSError as error:
        raise CorpusError(
            f"--file {file}",
            expected="a file with ids",
            got=str(error.strerror),
            fix="Check the path.",
        ) from None


def _lines(data: bytes, place: str) -> list[str]:
    from whence.core.errors import CorpusError

    try:
        return [line for line in data.decode().splitlines() if line]
    except UnicodeDecodeError as error:
        raise CorpusError(
            place, expected="ids in UTF-8", got=str(error), fix="Check the encoding."
        ) from None


def _refuse_no_ids() -> None:
    from whence.core.errors import CorpusError

    raise CorpusError(
        "DOCUMENT",
        expected="at least one id",
        got="none",
        fix="Name documents, or give --file IDS.txt.",
    )


def _check_one(text: str | None, tokens: str | None) -> None:
    from whence.core.errors import CorpusError

    if (text is None) == (tokens is None):
        raise CorpusError(
            "query",
            expected="either a text or --tokens",
            got="both" if tokens is not None else "neither",
            fix='Give one, such as: "born in", or: --tokens "12 7".',
        )


def _queries(search: Search, text: str | None, tokens: str | None) -> list[Any]:
    return search.queries(text) if text is not None else search.ids(tokens or "")


def _show_rows(rows: list[dict[str, Any]], total: int, said: str) -> None:
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    several = any("corpus" in row for row in rows)
    place = "byte" if rows and "byte" in rows[0] else "token"
    head = (["corpus"] if several else []) + ["document"]
    table = Table(*(Column(name, overflow="fold") for name in head), place, "character", "context")
    for row in rows:
        line = Text.assemble(row["before"], (row["match"], "bold reverse"), row["after"])
        line.plain = line.plain.replace("\n", "⏎").replace("\t", " ")
        names = [Text(Path(row["corpus"]).name)] if several else []
        at = str(row.get("byte", row.get("offset")))
        table.add_row(*names, Text(row["document"]), at, str(row.get("start", "")), line)
    console = Console()
    if rows:
        console.print(table)
    console.print(said + (f", {len(rows)} shown" if len(rows) < total else ""))


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
    console.print(f"{numbered(total, 'place')}, {numbered(kinds, 'different token')}")
