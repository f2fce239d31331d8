"""Which documents shaped which part of the model: documents by heads, MLPs and the rest."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from whence.core.markup import Child, Markup, tag
from whence.core.page import section, table
from whence.explain.reading import Record, nats, strongest_parts, visible
from whence.explain.report.parts import details, legend, number, shade

_MOST_COLUMNS = 40
_LAYER = re.compile(r"L(\d+)\.(.+)")
_ATTENTION = re.compile(r"(H|KV)\d+")


def shaped_section(record: Record) -> Markup | None:
    """The section that joins documents and components; None where no derivative was taken."""
    shaped = record.get("shaped")
    if not shaped or not shaped["documents"]:
        return None
    names, rows = folded(shaped["parts"], [d["by_part"] for d in shaped["documents"]])
    largest = max((abs(v) for row in rows for v in row), default=0.0)
    ids = [d["id"] for d in shaped["documents"]]
    return section(
        "shaped",
        "Which documents shaped which part",
        "What each document did to the answer by way of each part's own weights, over the whole "
        "training and all that came after, in nats. A row adds up to the document's score.",
        _map(ids, shaped["documents"], names, rows, largest),
        legend(largest) if largest else None,
        tag("p", _sentence(shaped["note"]), class_="note"),
        details("In numbers", _numbers(shaped)),
    )


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:] + "."


def folded(
    names: Sequence[str], rows: Sequence[Sequence[float]]
) -> tuple[list[str], list[list[float]]]:
    """Parts that fit beside each other: heads become one column a layer, then layers one column.

    Args:
        names: of the parts.
        rows: a value a part.

    Returns:
        Fewer names, and the sums of what was put together.
    """
    for coarser in (lambda name: name, _without_heads, _layer_alone):
        wanted = list(dict.fromkeys(coarser(name) for name in names))
        if len(wanted) <= _MOST_COLUMNS:
            break
    where = [wanted.index(coarser(name)) for name in names]
    sums = [[0.0] * len(wanted) for _ in rows]
    for mine, row in zip(sums, rows, strict=True):
        for column, value in zip(where, row, strict=True):
            mine[column] += value
    return wanted, sums


def _without_heads(name: str) -> str:
    match = _LAYER.fullmatch(name)
    return f"L{match[1]}.attention" if match and _ATTENTION.fullmatch(match[2]) else name


def _layer_alone(name: str) -> str:
    match = _LAYER.fullmatch(name)
    return f"L{match[1]}" if match else name


def _map(
    ids: Sequence[str],
    documents: Sequence[Mapping[str, Any]],
    names: Sequence[str],
    rows: Sequence[Sequence[float]],
    largest: float,
) -> Markup:
    groups = [(m[1], m[2]) if (m := _LAYER.fullmatch(name)) else ("", name) for name in names]
    starts = [i for i, (layer, _) in enumerate(groups) if not i or groups[i - 1][0] != layer]
    top: list[Child] = []
    for start, stop in zip(starts, [*starts[1:], len(groups)], strict=True):
        layer = groups[start][0]
        words = f"layer {layer}" if layer and stop - start > 2 else f"L{layer}" if layer else ""
        top.append(tag("th", words, colspan=stop - start, scope="colgroup", class_="first"))
    heads = [
        tag("th", tag("span", part), scope="col", class_="first" if i in starts else None)
        for i, (_, part) in enumerate(groups)
    ]
    lines = [
        tag(
            "tr",
            tag("th", visible(name), scope="row"),
            *(_cell(name, names[i], value, largest, i in starts) for i, value in enumerate(row)),
            tag("td", number(document["score"]), class_="sum"),
        )
        for name, document, row in zip(ids, documents, rows, strict=True)
    ]
    head = tag(
        "thead",
        tag("tr", tag("th", ""), *top, tag("th", "")),
        tag("tr", tag("th", "document", scope="col"), *heads, tag("th", "score", scope="col")),
    )
    return tag("div", tag("table", head, tag("tbody", *lines), class_="shaped"), class_="wide")


def _cell(document: str, part: str, value: float, largest: float, first: bool) -> Markup:
    colour = shade(value, largest)
    colour["class_"] += " first" if first else ""
    words = f"{document}, {part}: {nats(value, sign=True)} nats"
    return tag("td", tag("span", words, class_="tip"), title=words, **colour)


def _numbers(shaped: Mapping[str, Any]) -> Markup:
    lines = []
    for document in shaped["documents"]:
        named = strongest_parts(shaped["parts"], document["by_part"], 6)
        words = ", ".join(f"{part} {nats(value, sign=True)}" for part, value in named)
        lines.append((tag("b", visible(document["id"])), number(document["score"]), words))
    return table(("document", "score", "its largest parts, nats"), lines, class_="causes")
