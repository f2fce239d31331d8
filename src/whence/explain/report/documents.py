"""The documents that methods name, with the stretches they share with the question marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from whence.core.markup import Child, Markup, join, tag
from whence.core.page import section
from whence.explain.reading import (
    BASELINES,
    Record,
    between,
    lead_method,
    methods_of,
    nats,
    rows_of,
    sets_of,
)
from whence.explain.report.parts import badge, details, shade, side_by_side

_SHOWN = 8
_LONGEST = 900


def documents_section(record: Record) -> Markup | None:
    """The section about training documents; None when none was looked at."""
    lead = lead_method(record, "document")
    if lead is None:
        return None
    methods = {m: rows_of(record, "document", m) for m in methods_of(record, "document")}
    removed = sets_of(record, "document")
    chosen = next((s for s in removed if s["method"] == lead), None)
    others = [
        details(f"What {m} names" + (" (a baseline)" if m in BASELINES else ""), _list(rows, None))
        for m, rows in methods.items()
        if m != lead
    ]
    return section(
        "documents",
        "In the training data",
        join(
            f"The documents that {lead} names first. ",
            tag("mark", "Marked"),
            ": stretches they share with prompt and answer.",
        ),
        _together(chosen),
        _list(methods[lead], chosen),
        tag("h3", "Methods and baselines beside each other") if len(methods) > 1 else None,
        tag(
            "p",
            "The place each gives to the documents that any of them names first.",
            class_="note",
        )
        if len(methods) > 1
        else None,
        side_by_side(methods, 5, removed) if len(methods) > 1 else None,
        *others,
    )


def _together(removed: Mapping[str, Any] | None) -> Markup:
    """What became of the whole set; verdicts on documents concern sets."""
    if removed is None:
        return tag("p", "None of them was taken away, so none is verified.", class_="together")
    n = len(removed["causes"])
    words = f"Taken away together ({n} in the set), they carry {nats(removed['measured'])} nats"
    control = (removed.get("control") or {}).get("interval")
    if control:
        words += f"; {n} like them drawn at random, {between(control)} (95 %)"
    return tag("p", words, ":", badge(removed["verdict"]), removed.get("scope"), class_="together")


def _list(rows: Sequence[Mapping[str, Any]], removed: Mapping[str, Any] | None) -> Markup:
    sizes = [abs(r["predicted"]) for r in rows if r.get("predicted") is not None]
    largest = max(sizes, default=0.0)
    return tag("ol", (_card(r, removed, largest) for r in rows[:_SHOWN]), class_="documents")


def _card(row: Mapping[str, Any], removed: Mapping[str, Any] | None, largest: float) -> Markup:
    cause = row["cause"]
    facts: list[Child] = []
    if row.get("predicted") is not None:
        facts.append(tag("span", f"predicted {nats(row['predicted'])} nats"))
    if row.get("measured") is not None:
        facts.append(tag("span", f"alone, measured {nats(row['measured'])} nats"))
    if not facts:
        facts.append(tag("span", "ranked, not predicted"))
    facts.append(badge(row.get("verdict")))
    if removed and cause["id"] in removed["causes"]:
        facts.append(tag("span", "in the set"))
    colour = shade(row.get("predicted"), largest)
    colour["class_"] += " edge"
    length = f"{cause['tokens']} tokens" if cause.get("tokens") is not None else None
    head = tag(
        "header", tag("b", cause["id"]), tag("small", length), tag("span", facts, class_="facts")
    )
    body = tag("p", marked(cause.get("text") or "", cause.get("spans") or ()), class_="text")
    return tag("li", tag("span", **colour), tag("div", head, body))


def marked(text: str, spans: Sequence[Sequence[int]]) -> Markup:
    """A text with spans marked; overlapping ones become one, and long texts are cut around them.

    Args:
        text: of the document.
        spans: (start, end) in characters; what lies outside the text is left out.
    """
    kept: list[list[int]] = []
    for start, end in sorted((max(0, s), min(len(text), e)) for s, e in spans):
        if start >= end:
            continue
        if kept and start <= kept[-1][1]:
            kept[-1][1] = max(kept[-1][1], end)
        else:
            kept.append([start, end])
    first, last = _window(len(text), kept)
    pieces: list[Child] = ["… " if first else None]
    at = first
    for start, end in kept:
        if end <= first or start >= last:
            continue
        begin, at_next = max(start, first), min(end, last)
        pieces += [text[at:begin], tag("mark", text[begin:at_next])]
        at = at_next
    pieces += [text[at:last], " …" if last < len(text) else None]
    return join(*pieces)


def _window(length: int, spans: Sequence[Sequence[int]]) -> tuple[int, int]:
    """Which characters of a long text are shown: those around its longest span."""
    if length <= _LONGEST:
        return 0, length
    start = max(spans, key=lambda s: s[1] - s[0])[0] if spans else 0
    first = min(max(0, start - _LONGEST // 3), length - _LONGEST)
    return first, first + _LONGEST
