"""The prompt, token by token, coloured by the nats that each carries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from whence.core.markup import Child, Markup, join, tag
from whence.core.page import section
from whence.explain.reading import (
    Record,
    by_cause,
    methods_of,
    nats,
    rows_of,
    strength,
    visible,
)
from whence.explain.report.parts import (
    causes_table,
    details,
    legend,
    shade,
    side_by_side,
)

_NUMBERED = 60


def prompt_section(record: Record) -> Markup | None:
    """The section about the prompt; None when no token was looked at."""
    rows = by_cause(record, "token")
    if not rows:
        return None
    largest = max((abs(strength(r) or 0.0) for r in rows.values()), default=0.0)
    measured = any(r.get("measured") is not None for r in rows.values())
    how = "measured by taking each away" if measured else "predicted, none was taken away"
    methods = {m: rows_of(record, "token", m) for m in methods_of(record, "token")}
    ordered = sorted(rows.values(), key=lambda r: -(strength(r) or 0.0))
    return section(
        "prompt",
        "In the prompt",
        f"What each {_unit(record)} carries, in nats: {how}.",
        tag("p", _pieces(record, rows, largest), class_="tokens"),
        legend(largest) if largest else None,
        details(f"Every {_unit(record)}, predicted and measured", causes_table(ordered)),
        details("Methods beside each other", side_by_side(methods, 5))
        if len(methods) > 1
        else None,
    )


def _unit(record: Record) -> str:
    return str((record.get("plan") or {}).get("unit") or "token")


def _pieces(record: Record, rows: dict[str, dict[str, Any]], largest: float) -> list[Child]:
    behavior = record["behavior"]
    found = _runs(behavior, rows)
    numbered = len(found) <= _NUMBERED
    pieces: list[Child] = [_token(piece, row, largest, numbered) for piece, row in found]
    pieces.append(tag("span", tag("span", behavior.get("target") or "", class_="w"), class_="goal"))
    return pieces


_Piece = tuple[dict[str, Any], dict[str, Any] | None]


def _runs(behavior: Mapping[str, Any], rows: dict[str, dict[str, Any]]) -> list[_Piece]:
    """Neighbouring tokens of one cause as one piece; what belongs to no cause stands between."""
    tokens = behavior.get("tokens") or [r["cause"] for r in rows.values()]
    owner: dict[str, dict[str, Any]] = {}
    for row in rows.values():
        for member in row["cause"].get("members") or (row["cause"]["id"],):
            owner.setdefault(member, row)
    found: list[_Piece] = []
    for token in tokens:
        own = owner.get(token["id"])
        if own is not None and found and found[-1][1] is own:
            found[-1][0]["text"] += token["text"]
        else:
            # A piece of several tokens is named by its cause.
            name = token["id"] if own is None else own["cause"]["id"]
            found.append(({**token, "id": name}, own))
    return found


def _token(
    token: dict[str, Any], row: dict[str, Any] | None, largest: float, numbered: bool
) -> Markup:
    value = strength(row) if row else None
    colour = shade(value, largest)
    colour["class_"] += " w"
    text = token["text"] or (row["cause"].get("text") if row else "") or "∅"
    if token.get("start") == token.get("end"):
        colour["class_"] += " special"
    under = tag("span", nats(value) if numbered and value is not None else "", class_="v")
    tip = tag("span", _tip(token, row), class_="tip", role="tooltip")
    return tag(
        "span", tag("span", visible_token(text), **colour), under, tip, class_="t", tabindex=0
    )


def visible_token(text: str) -> str:
    """A token's letters; line breaks get a sign, and the break itself stays."""
    return visible(text) if not text.strip() else text.replace("\n", "⏎")


def _tip(token: dict[str, Any], row: dict[str, Any] | None) -> Markup:
    if row is None:
        return join(tag("b", token["id"]), tag("br"), "not looked at")
    lines: list[Child] = [tag("b", f"{token['id']} {visible(token['text'])}")]
    lines += [tag("br"), f"predicted {nats(row.get('predicted'))} ({row['method']})"]
    lines += [tag("br"), f"measured {nats(row.get('measured'))} nats"]
    lines += [tag("br"), row.get("verdict") or "not taken away"]
    return join(*lines)
