"""`whence corpus stats`, `dedup` and `filter`: what is in a corpus, and a cleaner one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whence.core.errors import CorpusError

if TYPE_CHECKING:
    from whence.corpus import Corpus
    from whence.corpus.cleaning import Removal

Option = typer.Option
_Json = Annotated[bool, Option("--json", help="Print one JSON record and nothing else.")]
_Folder = Annotated[Path, typer.Argument(metavar="CORPUS", help="A folder made by `build`.")]
_Out = Annotated[Path | None, Option("--out", "-o", help="The new corpus, a new folder.")]
_Keep = Annotated[str, Option(metavar="first|longest", help="Which of several copies stays.")]
_Dry = Annotated[bool, Option("--dry-run", help="Tell what would go, and write nothing.")]
_SHOWN = 10


def stats(
    corpus: _Folder,
    by: Annotated[str | None, Option(help="Tell it for each value of this field too.")] = None,
    top: Annotated[int, Option(min=1, help="Most frequent words and n-grams to list.")] = 20,
    ngrams: Annotated[str, Option(metavar="N,N,...", help="Lengths of n-grams.")] = "1,2,3,5",
    near: Annotated[
        float, Option(help="What near copies share of their runs of five words.")
    ] = 0.8,
    repeat: Annotated[int, Option(min=1, help="Shortest stretch that counts as repeated.")] = 32,
    languages: Annotated[
        bool | None,
        Option("--languages/--no-languages", help="Tell languages (default: if installed)."),
    ] = None,
    output: Annotated[
        Path | None, Option("--output", "-o", help="Write a page (.html) or the record (.json).")
    ] = None,
    as_json: _Json = False,
) -> None:
    """Lengths, words, n-grams, copies, languages, characters and personal data of a corpus."""
    from whence.cli.output import check_output, print_json, save
    from whence.corpus import open_corpus
    from whence.corpus.statistics import DescribeSettings, describe, statistics_page
    from whence.corpus.statistics.languages import can_tell_languages

    check_output(output)
    settings = DescribeSettings(
        by=by,
        ngrams=_numbers(ngrams),
        top=top,
        near=near,
        repeat=repeat,
        languages=can_tell_languages() if languages is None else languages,
    )
    record = describe(open_corpus(corpus), settings)
    if output is not None:
        save(record, output, statistics_page)
    if as_json:
        print_json(record)
    else:
        _show(record)


def dedup(
    corpus: _Folder,
    out: _Out = None,
    near: Annotated[
        float, Option(help="Near copies share this much of their runs of five words.")
    ] = 0.8,
    exact: Annotated[bool, Option("--exact", help="Only documents that are equal.")] = False,
    keep: _Keep = "first",
    dry_run: _Dry = False,
    as_json: _Json = False,
) -> None:
    """Write a corpus without copies, equal or near, and a list of what went."""
    from whence.corpus.cleaning import Rules

    rules = Rules(equal=True, near=None if exact else near, keep=keep)
    _clean(corpus, out, rules, dry_run, as_json)


def filter_documents(
    corpus: _Folder,
    out: _Out = None,
    where: Annotated[
        list[str] | None, Option(metavar="FIELD=VALUE", help="Keep these; may be repeated.")
    ] = None,
    without: Annotated[
        list[str] | None, Option(metavar="FIELD=VALUE", help="Drop these; may be repeated.")
    ] = None,
    shortest: Annotated[int | None, Option(help="Fewest tokens.")] = None,
    longest: Annotated[int | None, Option(help="Most tokens.")] = None,
    language: Annotated[
        list[str] | None, Option(help="Keep this language (en, de, ...); may be repeated.")
    ] = None,
    characters: Annotated[
        list[str] | None,
        Option(metavar="CLASS:LOW-HIGH", help="Bounds of a share, such as letter:0.6-1."),
    ] = None,
    personal: Annotated[
        int | None, Option(min=0, help="Most matches of personal data in a document.")
    ] = None,
    copied: Annotated[
        float | None, Option(help="Largest share of tokens in stretches that occurred before.")
    ] = None,
    repeat: Annotated[int, Option(min=1, help="Shortest stretch that counts as copied.")] = 32,
    equal: Annotated[bool, Option("--equal", help="Drop equal documents.")] = False,
    near: Annotated[float | None, Option(help="Drop near copies, such as 0.8.")] = None,
    keep: _Keep = "first",
    dry_run: _Dry = False,
    as_json: _Json = False,
) -> None:
    """Write a corpus without the documents that break a rule, and a list of what went."""
    from whence.corpus.cleaning import Rules

    rules = Rules(
        where=_fields("--where", where),
        without=_fields("--without", without),
        shortest=shortest,
        longest=longest,
        languages=tuple(language) if language else None,
        characters=_bounds(characters),
        personal=personal,
        copied=copied,
        repeat=repeat,
        equal=equal,
        near=near,
        keep=keep,
    )
    _clean(corpus, out, rules, dry_run, as_json)


def _clean(corpus: Path, out: Path | None, rules: Any, dry_run: bool, as_json: bool) -> None:
    from whence.corpus import open_corpus
    from whence.corpus.cleaning import find_removals, write_cleaned

    if out is None and not dry_run:
        raise CorpusError(
            "--out", expected="a new folder", got="none", fix="Name one, or add --dry-run."
        )
    opened = open_corpus(corpus)
    removals = find_removals(opened, rules)
    cleaned = (
        None if out is None or dry_run else write_cleaned(opened, removals, rules.to_json(), out)
    )
    tell_cleaning(opened, removals, cleaned, rules.to_json(), as_json)


def tell_cleaning(
    corpus: Corpus,
    removals: list[Removal],
    cleaned: Corpus | None,
    rules: dict[str, Any],
    as_json: bool,
) -> None:
    """Print what went and what is left."""
    from collections import Counter

    from whence.cli.output import numbered, print_json, print_table

    counts = Counter(removal.rule for removal in removals)
    going = [removal.document for removal in removals]
    tokens = int(corpus.lengths[going].sum()) if going else 0
    if as_json:
        print_json(
            {
                "path": None if cleaned is None else str(cleaned.path),
                "digest": None if cleaned is None else cleaned.digest,
                "documents": corpus.n_documents - len(going),
                "tokens": corpus.n_tokens - tokens,
                "removed": {"documents": len(going), "tokens": tokens, "rules": dict(counts)},
                "rules": rules,
            }
        )
        return
    shown = removals[:_SHOWN]
    rows = [
        [r.rule, corpus.ids[r.document], ", ".join(f"{k} {v}" for k, v in r.detail.items())]
        for r in shown
    ]
    print_table(["rule", "document", "why"], rows)
    rest = len(removals) - len(shown)
    typer.echo(f"... and {rest:,} more" if rest else "", nl=bool(rest))
    said = ", ".join(f"{rule} {n:,}" for rule, n in sorted(counts.items())) or "nothing"
    gone = f"{numbered(len(going), 'document')}, {numbered(tokens, 'token')}"
    typer.echo(f"removed {gone}: {said}")
    typer.echo(f"left {numbered(corpus.n_documents - len(going), 'document')}")


def _numbers(given: str) -> tuple[int, ...]:
    try:
        found = tuple(int(part) for part in given.split(",") if part.strip())
    except ValueError:
        found = (0,)
    if any(n < 1 for n in found):
        raise CorpusError(
            "--ngrams", expected="positive numbers, such as 1,2,3", got=given, fix="Mend the list."
        )
    return found


def _fields(option: str, given: list[str] | None) -> dict[str, tuple[str, ...]] | None:
    found: dict[str, tuple[str, ...]] = {}
    for pair in given or ():
        field, equals, value = pair.partition("=")
        if not field or not equals or field[-1] in "!<>~":
            raise CorpusError(
                option,
                expected="FIELD=VALUE",
                got=repr(pair),
                fix="Such as: --where lang=english, or --without lang=english for all others.",
            )
        found[field] = (*found.get(field, ()), value)
    return found or None


def _bounds(given: list[str] | None) -> dict[str, tuple[float, float]] | None:
    found: dict[str, tuple[float, float]] = {}
    for text in given or ():
        name, _, bounds = text.partition(":")
        low, dash, high = bounds.partition("-")
        try:
            if not dash:
                raise ValueError(text)
            found[name] = (float(low), float(high))
        except ValueError:
            raise CorpusError(
                "--characters",
                expected="a class and the bounds of its share, such as letter:0.6-1",
                got=repr(text),
                fix="Write CLASS:LOW-HIGH.",
            ) from None
    return found or None


def _show(record: dict[str, Any]) -> None:
    from whence.cli.output import print_table

    whole = record["whole"]
    rows = [
        ["documents", f"{whole['documents']:,}"],
        ["tokens", f"{whole['tokens']:,} ({record['tokens']['used']:,} kinds)"],
        ["bytes", f"{whole['bytes']:,}"],
        *_word_rows(whole),
        *_copy_rows(whole),
        *_content_rows(whole),
    ]
    for n, found in record["ngrams"].items():
        rows.append([f"{n}-grams", "  ".join(f"{g['text']!r} {g['count']:,}" for g in found[:8])])
    print_table(["", ""], rows)
    head = [str(record["by"]), "documents", "tokens", "words", "near copies"]
    slices = [
        [name, t["documents"], t["tokens"], t["words"]["kinds"], t["duplicates"]["near"]]
        for name, t in record["slices"].items()
    ]
    print_table(head, [[row[0] or "(none)", *(f"{n:,}" for n in row[1:])] for row in slices])


def _word_rows(whole: dict[str, Any]) -> list[list[str]]:
    words = whole["words"]
    tail, growth = words["zipf"], words["growth"]
    quantiles = whole["lengths"]["tokens"]["quantiles"]
    grown = fallen = "too few words to fit"
    if growth["k"] is not None:
        grown = f"kinds = {growth['k']:.3g} x words^{growth['b']:.3f}"
    if tail is not None:
        fallen = (
            f"1 / rank^{tail['zipf']:.3f} among the {tail['kinds']:,} kinds that occur "
            f"{tail['x_min']:,} to {tail['x_max']:,} times"
        )
    return [
        ["tokens a document", "  ".join(f"{float(q):.0%} {v:,.0f}" for q, v in quantiles.items())],
        ["words", f"{words['read']:,} ({words['kinds']:,} kinds, {words['once']:,} of them once)"],
        ["growth (Heaps)", grown],
        ["frequency (Zipf)", fallen],
    ]


def _copy_rows(whole: dict[str, Any]) -> list[list[str]]:
    told, repeats = whole["duplicates"], whole["repeats"]
    copied = f"{repeats['copied']:,} tokens in stretches of {repeats['length']} or more"
    return [
        ["equal documents", f"{told['equal']:,} besides the first"],
        ["near copies", f"{told['near']:,} besides the first, at {told['threshold']:g}"],
        ["copied stretches", f"{copied} that occurred before"],
    ]


def _content_rows(whole: dict[str, Any]) -> list[list[str]]:
    characters, languages = whole["characters"], whole["languages"]
    told = "not looked at: pip install 'whence[language]', and no --no-languages"
    if languages is not None:
        told = "  ".join(f"{code} {n['documents']:,}" for code, n in list(languages.items())[:12])
    total = sum(characters.values())
    personal = whole["personal"]
    return [
        ["languages", told],
        ["characters", "  ".join(f"{k} {n / total:.1%}" for k, n in characters.items())],
        ["personal data", "  ".join(f"{k} {n['matches']:,}" for k, n in personal.items())],
    ]
