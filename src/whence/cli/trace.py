"""`whence corpus trace`: where the words of a text stand in a corpus."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whence.cli.slices import EngineName, Run, Until, Where, Workers, chosen, index_on

if TYPE_CHECKING:
    from whence.corpus import Trace


def trace(
    corpus: Annotated[Path, typer.Argument(metavar="CORPUS", help="A folder made by `build`.")],
    text: Annotated[
        str | None, typer.Argument(metavar="TEXT", help="What to trace; - reads standard input.")
    ] = None,
    *,
    file: Annotated[Path | None, typer.Option(help="A file that holds the text.")] = None,
    prompt: Annotated[
        str, typer.Option(help="What the text answers; helps to order documents.")
    ] = "",
    keep: Annotated[
        float, typer.Option(help="Spans shown, as a share of the text's tokens; 1 shows all.")
    ] = 0.05,
    shortest: Annotated[int, typer.Option(help="Tokens of the shortest span.")] = 2,
    documents: Annotated[int, typer.Option(help="Documents shown for each span.")] = 10,
    parts_of_words: Annotated[
        bool, typer.Option("--parts-of-words", help="Spans may begin and end inside words.")
    ] = False,
    across_sentences: Annotated[
        bool, typer.Option("--across-sentences", help="Spans may run over ends of sentences.")
    ] = False,
    edits: Annotated[
        int, typer.Option(help="Also look for matches with up to this many words changed.")
    ] = 0,
    fold: Annotated[
        bool, typer.Option("--fold", help="Also look for matches equal but for case and blanks.")
    ] = False,
    where: Where = None,
    run: Run = None,
    until: Until = None,
    engine: EngineName = "serial",
    workers: Workers = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="page.html or record.json.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON record and nothing else.")
    ] = False,
) -> None:
    """Show which stretches of a text documents hold word for word, and which documents.

    Spans are the longest possible, within sentences, from word to word; the rarest are shown.
    """
    from whence.corpus import TraceSettings, open_corpus
    from whence.corpus import trace as trace_text

    _check_output(output)
    settings = TraceSettings(
        keep=keep,
        shortest=shortest,
        documents=documents,
        whole_words=not parts_of_words,
        within_sentences=not across_sentences,
        edits=edits,
        fold=fold,
    )
    given = _given(text, file)
    opened = open_corpus(corpus)
    some = [chosen(opened, where, run, until)]
    with index_on([opened], some, engine, workers) as index:
        found = trace_text(opened, given, prompt=prompt, settings=settings, index=index)
    if output is not None:
        found.save(output)
        typer.echo(f"written: {output}", err=True)
    if as_json:
        from whence.core.records import canonical

        sys.stdout.buffer.write(canonical(found.to_json()) + b"\n")
        sys.stdout.flush()
    else:
        _show(found)


def _check_output(output: Path | None) -> None:
    """Complain about a name before the work, not after it."""
    from whence.core.errors import CorpusError

    if output is not None and output.suffix not in (".html", ".htm", ".json"):
        raise CorpusError(
            f"--output {output}",
            expected="a name that ends in .html or .json",
            got=output.suffix or "no ending",
            fix="Name a page.html or a record.json.",
        )


def _given(text: str | None, file: Path | None) -> str:
    from whence.core.errors import CorpusError

    if (text is None) == (file is None):
        raise CorpusError(
            "text",
            expected="either a text or --file",
            got="both" if file is not None else "neither",
            fix='Give one, such as: "we shall pay any price", or: --file answer.txt',
        )
    try:
        if text == "-":
            return sys.stdin.buffer.read().decode()
        return file.read_text(encoding="utf-8") if file is not None else text or ""
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError(
            str(file or "standard input"),
            expected="a text in UTF-8",
            got=str(error),
            fix="Check the path and the encoding.",
        ) from None


def _show(found: Trace) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from whence.cli.output import numbered

    console = Console()
    line = Text(found.text)
    for start, end, _ in found.stretches:
        line.stylize("bold reverse", start, end)
    console.print(line)
    table = Table("span", "tokens", "times", "rarity", "documents (relevance)")
    for span in found.spans:
        where = ", ".join(f"{d.id} ({d.relevance:.2f})" for d in span.documents[:3])
        more = ", ..." if len(span.documents) > 3 else ""
        table.add_row(
            Text(span.text.replace("\n", "⏎")),
            str(span.tokens),
            f"{span.count:,}",
            f"{-span.log_probability:.0f}",
            Text(where + more),
        )
    if found.spans:
        console.print(table)
    for match in found.near[:10]:
        console.print(
            Text.assemble(
                (f"{match.id}, {match.words} words, {match.edits} changed: ", "bold"),
                " ".join(match.document_text.split()),
            )
        )
    console.print(
        f"{numbered(found.found, 'span')}, {len(found.spans):,} shown (the rarest); "
        f"{100 * found.covered:.0f} % of the text lies in one"
    )
