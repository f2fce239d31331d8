"""`whence corpus perplexity|sample|tree`: what the corpus would say next."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whence.cli.slices import Run, Until, Where, index_of

if TYPE_CHECKING:
    from whence.corpus import Branch

_Folder = Annotated[Path, typer.Argument(metavar="CORPUS", help="A folder made by `build`.")]
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON record and nothing else.")]
_Memory = Annotated[
    float, typer.Option(min=0.001, help="Gigabytes for making the n-gram model, once.")
]


def perplexity(
    corpus: _Folder,
    text: Annotated[str | None, typer.Argument(metavar="TEXT", help="One text.")] = None,
    *,
    source: Annotated[
        list[str] | None,
        typer.Option(help="Texts of a file or folder, read as `build` reads it; repeatable."),
    ] = None,
    order: Annotated[int, typer.Option(help="Tokens of the longest n-gram, 1 to 12.")] = 5,
    memory: _Memory = 1.0,
    as_json: _Json = False,
) -> None:
    """How well the corpus's n-gram model (modified Kneser-Ney) predicts texts.

    The model is made at the first call and kept in the corpus's folder. Texts that are in the
    corpus are predicted far too well: measure on others.
    """
    from whence.core.errors import CorpusError
    from whence.corpus import ngram_model, open_corpus
    from whence.corpus import perplexity as measure

    if (text is None) == (not source):
        raise CorpusError(
            "text",
            expected="either a text or --source",
            got="both" if source else "neither",
            fix='Give one, such as: "we shall pay any price", or: --source other.jsonl',
        )
    opened = open_corpus(corpus)
    texts = iter([text]) if text is not None else _texts(source or [])
    found = measure(opened, ngram_model(opened, order, memory=_bytes(memory)), texts)
    record = {"order": order, **found.to_json()}
    if as_json:
        _print_json(record)
    else:
        typer.echo(
            f"perplexity {found.perplexity:.2f} a token, {found.bits_per_byte:.3f} bits a byte "
            f"({found.texts:,} texts, {found.tokens:,} tokens with their ends, order {order})"
        )


def sample(
    corpus: _Folder,
    prompt: Annotated[str, typer.Argument(help="What the texts go on from.")] = "",
    *,
    order: Annotated[
        int, typer.Option(help="Of the n-gram model; 0 is the infinity-gram model.")
    ] = 5,
    tokens: Annotated[int, typer.Option(min=1, help="At most this many a text.")] = 100,
    count: Annotated[int, typer.Option(min=1, help="How many texts.")] = 1,
    seed: Annotated[int, typer.Option(help="Equal seeds give equal texts.")] = 0,
    temperature: Annotated[float, typer.Option(help="0 takes the likeliest token.")] = 1.0,
    fewest: Annotated[
        int, typer.Option(help="Occurrences that an infinity-gram context must have.")
    ] = 1,
    memory: _Memory = 1.0,
    where: Where = None,
    run: Run = None,
    until: Until = None,
    as_json: _Json = False,
) -> None:
    """Draw texts from the corpus's n-gram model, or with --order 0 from its infinity-gram model."""
    from whence.core.errors import CorpusError
    from whence.core.seeds import derive
    from whence.corpus import ngram_model, open_corpus
    from whence.corpus import sample as draw

    sliced = bool(where) or run is not None or until is not None
    if order and sliced:
        raise CorpusError(
            "--where, --run, --until",
            expected="--order 0: only the infinity-gram model can be restricted to some documents",
            got=f"--order {order}",
            fix="Add --order 0, or build a corpus of these documents.",
        )
    opened = open_corpus(corpus)
    model = ngram_model(opened, order, memory=_bytes(memory)) if order else None
    drawn = [
        draw(
            opened,
            model,
            prompt,
            tokens=tokens,
            seed=derive(seed, i),
            temperature=temperature,
            fewest=fewest,
            index=index_of(opened, where, run, until) if sliced else None,
        )
        for i in range(count)
    ]
    if as_json:
        texts = [
            {
                "text": d.text,
                "tokens": list(d.tokens),
                "ended": d.ended,
                "contexts": list(d.contexts),
            }
            for d in drawn
        ]
        _print_json({"order": order, "seed": seed, "prompt": prompt, "texts": texts})
    else:
        for each in drawn:
            typer.echo(f"{prompt}{each.text}" + ("" if each.ended else " …"))


def tree(
    corpus: _Folder,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What is continued.")],
    *,
    depth: Annotated[int, typer.Option(help="Tokens from the text to a leaf.")] = 3,
    breadth: Annotated[int, typer.Option(help="Branches shown at each token.")] = 4,
    where: Where = None,
    run: Run = None,
    until: Until = None,
    as_json: _Json = False,
) -> None:
    """The most frequent continuations of a text, and theirs, with counts."""
    from rich.console import Console

    from whence.corpus import continuations, open_corpus

    opened = open_corpus(corpus)
    index = index_of(opened, where, run, until)
    found = continuations(opened, text, depth=depth, breadth=breadth, index=index)
    if as_json:
        _print_json(found.to_json())
    else:
        Console().print(_drawn(found))


def _drawn(branch: Branch) -> Any:
    from rich.text import Text
    from rich.tree import Tree

    shown = branch.text.replace("\n", "⏎").replace("\t", "⇥")
    label = Text.assemble(
        (shown if branch.token is None else shown.replace(" ", "␣", 1), "bold"),
        f"  {branch.count:,}",
        "" if branch.token is None else f"  {100 * branch.probability:.1f} %",
    )
    drawn = Tree(label)
    for child in branch.children:
        drawn.children.append(_drawn(child))
    hidden = branch.kinds - len(branch.children)
    if branch.children and hidden:
        drawn.add(Text(f"… {hidden:,} other tokens", "dim"))
    if branch.children and branch.ends:
        drawn.add(Text(f"end of the document  {branch.ends:,}", "dim"))
    return drawn


def _texts(sources: list[str]) -> Iterator[str]:
    from whence.corpus import BuildSettings
    from whence.corpus.sources import find_sources, read_documents

    settings = BuildSettings()
    for found in find_sources(sources, settings):
        for document in read_documents(found, settings):
            yield document.text


def _bytes(gigabytes: float) -> int:
    return int(gigabytes * (1 << 30))


def _print_json(record: Any) -> None:
    from whence.core.records import canonical

    sys.stdout.buffer.write(canonical(record) + b"\n")
    sys.stdout.flush()
