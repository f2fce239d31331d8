"""The record in a terminal: a section a kind, then the sets, then the answer in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from whence.explain.reading import (
    BASELINES,
    PLURALS,
    Record,
    between,
    kinds_of,
    methods_of,
    nats,
    rows_of,
    sets_of,
    strongest_parts,
    summary,
    visible,
)

_STYLES = {"confirmed": "green", "refuted": "red", "not verified": "dim"}
_SIGNS = {"confirmed": "✓", "refuted": "✕", "not verified": "○"}
_TITLES = {
    "document": "In the training data",
    "component": "Inside the model",
    "token": "In the prompt",
}


def print_record(record: Record, console: Console, *, top: int = 5) -> None:
    """Print the behavior, a table a kind, the sets, and the answer in plain words.

    Args:
        record: an explanation's record; it may be partial.
        console: where it is printed; its width decides the widths.
        top: how many causes of each method are shown.
    """
    console.print(_title(record["behavior"]))
    for table in tables(record, top=top):
        console.print()
        console.print(table)
    if not kinds_of(record):
        console.print("Nothing was looked at.", style="dim")
    console.print()
    console.print(Text(" ".join(summary(record))))


def tables(record: Record, *, top: int = 5) -> list[Table]:
    """One table a kind that has rows, one of documents by parts, and one of the removed sets.

    Args:
        record: an explanation's record.
        top: how many causes of each method are shown.
    """
    found = [_rows_table(record, kind, top) for kind in kinds_of(record) if rows_of(record, kind)]
    if record.get("shaped"):
        found.append(_shaped_table(record["shaped"], top))
    if sets_of(record):
        found.append(_sets_table(record))
    return found


def _title(behavior: Mapping[str, Any]) -> Text:
    title = Text(visible(behavior["prompt"]), style="bold")
    title.append(f" →{visible(behavior.get('target') or '')}", style="bold blue")
    if behavior.get("foil"):
        title.append(" rather than", style="dim")
        title.append(visible(behavior["foil"]), style="dim")
    title.append(f"   {nats(behavior['value'])} nats")
    return title


def _new(title: str, first: str) -> Table:
    table = Table(
        title=Text(title, style="bold"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        expand=True,
        header_style="dim",
    )
    table.add_column(first, ratio=1, no_wrap=True, overflow="ellipsis")
    table.add_column("predicted", justify="right", width=9, no_wrap=True)
    table.add_column("measured", justify="right", width=8, no_wrap=True)
    table.add_column("at random", justify="right", width=14, no_wrap=True)
    table.add_column("verdict", width=14, no_wrap=True)
    return table


def _rows_table(record: Record, kind: str, top: int) -> Table:
    table = _new(f"{_TITLES[kind]}: {PLURALS[kind]}, in nats", "method and cause")
    for method in methods_of(record, kind):
        rows = rows_of(record, kind, method)[:top]
        # A look-up says nothing but an order, which needs no more than a line.
        if method in BASELINES and all(r.get("measured") is None for r in rows):
            names = ", ".join(_cause(row, short=True).plain for row in rows)
            line = _method(method)
            line.append(f": {names}", style="dim")
            table.add_row(line, Text("ranked", style="dim"))
            continue
        table.add_row(_method(method))
        for i, row in enumerate(rows):
            words = Text("  ").append_text(_cause(row))
            table.add_row(words, *_outcome(row), end_section=i == len(rows) - 1)
    return table


def _shaped_table(shaped: Mapping[str, Any], top: int) -> Table:
    """Documents by the parts of the model that they did most through."""
    table = Table(
        title=Text("Which documents shaped which part, in nats", style="bold"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        expand=True,
        header_style="dim",
    )
    table.add_column("document", no_wrap=True, overflow="ellipsis", max_width=28)
    table.add_column("score", justify="right", no_wrap=True)
    table.add_column("its largest parts", ratio=1, no_wrap=True, overflow="ellipsis")
    for document in shaped["documents"][:top]:
        named = strongest_parts(shaped["parts"], document["by_part"], 5)
        words = "  ".join(f"{part} {nats(value, sign=True)}" for part, value in named)
        table.add_row(visible(document["id"]), nats(document["score"]), words)
    return table


def _sets_table(record: Record) -> Table:
    table = _new("Taken away together, in nats", "set")
    for found in sets_of(record):
        n = len(found["causes"])
        kind = found["kind"] if n == 1 else PLURALS[found["kind"]]
        words = _method(found["method"])
        words.append(f": {n} {kind} ")
        words.append(visible(", ".join(found["causes"])), style="dim")
        table.add_row(words, *_outcome(found))
    return table


def _method(name: str) -> Text:
    return Text(name, style="italic" if name in BASELINES else "bold")


def _cause(row: Mapping[str, Any], *, short: bool = False) -> Text:
    cause = row["cause"]
    text = visible((cause.get("text") or "").strip(" ") or cause.get("text") or "")
    if row["kind"] == "token":
        words = Text(text)
        if short:
            return words
        words.append(f" {cause['id']}", style="dim")
        return words
    words = Text(visible(cause["id"]))
    if text and text != cause["id"] and not short:
        words.append(f" {text[:200]}", style="dim")
    return words


def _outcome(row: Mapping[str, Any]) -> tuple[Text, Text, Text, Text]:
    verdict = row.get("verdict")
    predicted = "ranked" if row.get("unit") == "rank" else nats(row.get("predicted"))
    return (
        Text(predicted, style="dim" if predicted == "ranked" else ""),
        Text(nats(row.get("measured"))),
        Text(between((row.get("control") or {}).get("interval")), style="dim"),
        Text(f"{_SIGNS[verdict]} {verdict}", style=_STYLES[verdict]) if verdict else Text("–"),
    )
