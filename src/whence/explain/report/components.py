"""The parts of the model: a map of heads and MLPs, layer by layer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from whence.core.markup import Child, Markup, join, tag
from whence.core.page import section
from whence.explain.reading import Record, by_cause, methods_of, nats, rows_of, strength
from whence.explain.report.parts import (
    causes_table,
    details,
    legend,
    shade,
    side_by_side,
)

_PLACE = re.compile(r"L(\d+)(?:\.(?:H(\d+)|(MLP)))?")
_WIDTH, _TOP, _LEFT = 640, 22, 34
_SHOWN = 6


def components_section(record: Record) -> Markup | None:
    """The section about the model's parts; None when none was looked at."""
    rows = by_cause(record, "component")
    if not rows:
        return None
    largest = max((abs(strength(r) or 0.0) for r in rows.values()), default=0.0)
    measured = any(r.get("measured") is not None for r in rows.values())
    how = "measured by replacing each" if measured else "predicted, none was replaced"
    sure = any(r.get("verdict") == "confirmed" for r in rows.values())
    ring = "A ring marks what was confirmed." if sure else ""
    methods = {m: rows_of(record, "component", m) for m in methods_of(record, "component")}
    ordered = sorted(rows.values(), key=lambda r: -abs(strength(r) or 0.0))
    return section(
        "model",
        "Inside the model",
        f"What each attention head and MLP carries, in nats: {how}. {ring}",
        _map(record, rows, largest),
        legend(largest) if largest else None,
        causes_table(ordered[:_SHOWN]),
        details(f"All {len(ordered)} components", causes_table(ordered))
        if len(ordered) > _SHOWN
        else None,
        details("Methods beside each other", side_by_side(methods, 5))
        if len(methods) > 1
        else None,
    )


def _map(record: Record, rows: Mapping[str, dict[str, Any]], largest: float) -> Markup | None:
    """The grid as SVG: a line a layer, a column a head, then the MLP, then the whole layer."""
    placed = {_place(r["cause"]["id"]): r for r in rows.values()}
    placed.pop(None, None)
    if not placed:
        return None
    model = record.get("model") or {}
    layers = max([model.get("layers") or 0, *(1 + p[0] for p in placed if p)])
    heads = [p[1] for p in placed if p and isinstance(p[1], int)]
    n_heads = max([model.get("heads") or 0, *(1 + h for h in heads)]) if heads else 0
    columns: list[int | str] = [*range(n_heads)]
    columns += [name for name in ("MLP", "all") if any(p and p[1] == name for p in placed)]
    wide = max(8.0, min(54.0, (_WIDTH - _LEFT) / (len(columns) + 0.6)))
    high = max(8.0, min(30.0, wide * 0.72))
    cells: list[Child] = []
    for layer in range(layers):
        y = _TOP + layer * high
        cells.append(
            _label(_LEFT - 8, y + high / 2 + 4, f"L{layer}", anchor="end", room=high, i=layer)
        )
        for i, column in enumerate(columns):
            x = _LEFT + i * wide + (0.4 * wide if isinstance(column, str) else 0)
            row = placed.get((layer, column))
            cells.append(_cell((x, y), (wide, high), row, f"L{layer} {_column(column)}", largest))
    for i, column in enumerate(columns):
        x = _LEFT + (i + 0.5) * wide + (0.4 * wide if isinstance(column, str) else 0)
        cells.append(_label(x, _TOP - 8, _column(column), anchor="middle", room=wide / 1.6, i=i))
    width, height = _LEFT + (len(columns) + 0.6) * wide, _TOP + layers * high + 4
    return tag(
        "svg",
        *cells,
        viewBox=f"0 0 {width:.0f} {height:.0f}",
        width=f"{width:.0f}",
        role="img",
        aria_label="Map of heads and MLPs by layer, coloured by nats",
        class_="map",
    )


def _place(name: str) -> tuple[int, int | str] | None:
    match = _PLACE.fullmatch(name)
    if not match:
        return None
    layer, head, mlp = match.groups()
    return int(layer), int(head) if head is not None else mlp or "all"


def _column(column: int | str) -> str:
    return f"H{column}" if isinstance(column, int) else column


def _label(x: float, y: float, text: str, *, anchor: str, room: float, i: int) -> Markup | None:
    # Where lines are narrow every fourth one is named.
    if room < 14 and i % 4:
        return None
    return tag("text", text, x=f"{x:.1f}", y=f"{y:.1f}", text_anchor=anchor, class_="axis")


def _cell(
    corner: tuple[float, float],
    size: tuple[float, float],
    row: Mapping[str, Any] | None,
    name: str,
    largest: float,
) -> Markup:
    (x, y), (wide, high) = corner, size
    value = strength(row) if row else None
    colour = shade(value, largest)
    verdict = row.get("verdict") if row else None
    if verdict:
        colour["class_"] += " " + verdict.replace(" ", "-")
    words = f"{name}: not looked at"
    if row:
        name = row["cause"]["id"]
        words = f"{name}: predicted {nats(row.get('predicted'))}, measured "
        words += f"{nats(row.get('measured'))} nats; {verdict or 'not taken away'}"
    rect = tag(
        "rect",
        tag("title", words),
        x=f"{x + 1.5:.1f}",
        y=f"{y + 1.5:.1f}",
        width=f"{wide - 3:.1f}",
        height=f"{high - 3:.1f}",
        rx="3",
        **colour,
    )
    if wide < 36 or value is None:
        return rect
    middle = {"x": f"{x + wide / 2:.1f}", "y": f"{y + high / 2 + 4:.1f}"}
    return join(rect, tag("text", nats(value), **middle, text_anchor="middle", class_="cell"))
