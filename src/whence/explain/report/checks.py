"""What was taken away for real: sets beside their random controls, predicted beside measured."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from whence.core.markup import Child, Markup, join, tag
from whence.core.page import section, table
from whence.explain.reading import (
    BASELINES,
    PLURALS,
    Record,
    between,
    kinds_of,
    nats,
    rows_of,
    sets_of,
)
from whence.explain.report.parts import badge, number

_SIDE, _MARGIN = 250, 36


def checks_section(record: Record) -> Markup:
    """The section that says whether the explanation held, or that nothing was taken away."""
    sets = sets_of(record)
    charts = [chart for kind in kinds_of(record) if (chart := _scatter(record, kind))]
    body: list[Child] = []
    if sets:
        body += [
            _sets_table(sets),
            tag(
                "p",
                "In the small drawings: grey, what random removals of the same kind and size do "
                "(95 %); the tick, what was predicted; the dot, what was measured.",
                class_="note",
            ),
        ]
    if charts:
        body += [
            tag("h3", "Predicted against measured"),
            tag("div", *charts, class_="charts"),
            tag(
                "p",
                "On the dashed line a prediction is exact. Circles: single causes; diamonds: sets. "
                "Filled: confirmed; hollow: not verified; red: refuted. Grey: what random "
                "removals of the same kind and size do (95 %). Causes whose prediction is the "
                "measurement itself are left out.",
                class_="note",
            ),
        ]
    if not body:
        single = any(r.get("verdict") for r in record.get("rows") or ())
        words = "Causes were taken away one by one only: see above." if single else (
            "Nothing was taken away for real. Everything above is a prediction, and not verified."
        )  # fmt: skip
        body.append(tag("p", words, class_="empty"))
    return section(
        "checks",
        "Does it hold?",
        "What was named was taken away, and the behavior measured again, beside random removals "
        "of the same kind and size.",
        *body,
    )


def _sets_table(sets: Sequence[Mapping[str, Any]]) -> Markup:
    numbers = [0.0]
    for s in sets:
        interval = (s.get("control") or {}).get("interval") or []
        numbers += [x for x in (s.get("predicted"), s["measured"], *interval) if x is not None]
    scale = (min(numbers), max(numbers))
    return table(
        ("taken away", "predicted", "measured", "at random (95 %)", "", "verdict"),
        (
            (
                _taken(s),
                number(s.get("predicted")),
                number(s["measured"]),
                tag("span", between((s.get("control") or {}).get("interval")), class_="n"),
                _bullet(s, scale),
                join(badge(s["verdict"]), tag("small", s.get("scope") or "")),
            )
            for s in sets
        ),
        class_="sets",
    )


def _taken(found: Mapping[str, Any]) -> Markup:
    names = list(found["causes"])
    n = len(names)
    kind = found["kind"] if n == 1 else PLURALS[found["kind"]]
    shown = ", ".join(names[:5]) + (f" and {n - 5} more" if n > 5 else "")
    method = tag("b", found["method"], class_="base" if found["method"] in BASELINES else None)
    return join(method, f": {n} {kind}", tag("br"), tag("small", shown))


def _bullet(found: Mapping[str, Any], scale: tuple[float, float]) -> Markup:
    """Random removals as a band, the prediction as a tick, the measurement as a dot."""
    low, high = scale
    span = (high - low) or 1.0

    def at(value: float) -> str:
        return f"{6 + 148 * (value - low) / span:.1f}"

    parts: list[Child] = [tag("line", x1=at(0.0), x2=at(0.0), y1=1, y2=21, class_="zero")]
    interval = (found.get("control") or {}).get("interval")
    if interval and None not in interval:
        width = max(1.0, 148 * (interval[1] - interval[0]) / span)
        parts.append(
            tag(
                "rect", x=at(interval[0]), y=5, width=f"{width:.1f}", height=12, rx=2, class_="band"
            )
        )
    if found.get("predicted") is not None:
        x = at(found["predicted"])
        parts.append(tag("line", x1=x, x2=x, y1=4, y2=18, class_="tick"))
    name = found["verdict"].replace(" ", "-")
    parts.append(tag("circle", cx=at(found["measured"]), cy=11, r=4.5, class_=f"dot {name}"))
    words = f"predicted {nats(found.get('predicted'))}, measured {nats(found['measured'])} nats"
    return tag(
        "svg",
        tag("title", words),
        *parts,
        viewBox="0 0 160 22",
        width=160,
        role="img",
        class_="bullet",
    )


def _points(record: Record, kind: str) -> list[tuple[Mapping[str, Any], bool]]:
    """Rows and sets with both numbers, and whether each is a set."""
    found = [(r, False) for r in rows_of(record, kind)] + [(s, True) for s in sets_of(record, kind)]
    return [
        (item, is_set)
        for item, is_set in found
        if item.get("predicted") is not None
        and item.get("measured") is not None
        and (is_set or item["predicted"] != item["measured"])
    ]


def _scatter(record: Record, kind: str) -> Markup | None:
    points = _points(record, kind)
    if not points:
        return None
    numbers = [0.0]
    for item, _ in points:
        numbers += [item["predicted"], item["measured"]]
        numbers += [x for x in (item.get("control") or {}).get("interval") or () if x is not None]
    low, high = min(numbers), max(numbers)
    pad = 0.06 * ((high - low) or 1.0)
    low, high = low - pad, high + pad

    def at(value: float) -> float:
        return _MARGIN + (_SIDE - _MARGIN - 8) * (value - low) / (high - low)

    marks: list[Child] = [*_axes(at, low, high)]
    # Bands first, so that no band covers a point.
    marks += [_band(item, at) for item, _ in points]
    marks += [_point(item, is_set, at) for item, is_set in points]
    drawing = tag(
        "svg",
        *marks,
        viewBox=f"0 0 {_SIDE} {_SIDE}",
        role="img",
        aria_label=f"Predicted against measured nats for {PLURALS[kind]}",
        class_="scatter",
    )
    return tag("figure", drawing, tag("figcaption", PLURALS[kind]))


def _axes(at: Any, low: float, high: float) -> list[Markup]:
    end, base = at(high), _SIDE - at(low)
    lines = [
        tag("line", x1=at(low), y1=base, x2=end, y2=_SIDE - end, class_="identity"),
        tag("line", x1=at(low), y1=base, x2=end, y2=base, class_="frame"),
        tag("line", x1=at(low), y1=base, x2=at(low), y2=_SIDE - end, class_="frame"),
    ]
    for tick in ticks(low, high):
        x, label = at(tick), f"{tick:g}".replace("-", "−")
        lines += [
            tag("line", x1=x, y1=base, x2=x, y2=_SIDE - end, class_="grid"),
            tag("line", x1=at(low), y1=_SIDE - x, x2=end, y2=_SIDE - x, class_="grid"),
            tag("text", label, x=x, y=base + 13, text_anchor="middle", class_="axis"),
            tag("text", label, x=at(low) - 5, y=_SIDE - x + 4, text_anchor="end", class_="axis"),
        ]
    middle = (at(low) + end) / 2
    lines += [
        tag("text", "predicted", x=middle, y=_SIDE - 4, text_anchor="middle", class_="axis name"),
        tag(
            "text",
            "measured",
            x=10,
            y=_SIDE - middle,
            text_anchor="middle",
            transform=f"rotate(-90 10 {_SIDE - middle:.1f})",
            class_="axis name",
        ),
    ]
    return lines


def ticks(low: float, high: float) -> list[float]:
    """Three to six round numbers inside an interval."""
    step = 10 ** math.floor(math.log10(high - low))
    step = next(s for s in (step / 5, step / 2, step, 2 * step, 5 * step) if (high - low) / s < 6)
    return [round(i * step, 10) for i in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _band(item: Mapping[str, Any], at: Any) -> Markup | None:
    interval = (item.get("control") or {}).get("interval")
    if not interval or None in interval:
        return None
    x = at(item["predicted"])
    low, high = (_SIDE - at(v) for v in interval)
    return tag("line", x1=x, x2=x, y1=low, y2=high, class_="control")


def _point(item: Mapping[str, Any], is_set: bool, at: Any) -> Markup:
    x, y = at(item["predicted"]), _SIDE - at(item["measured"])
    verdict = (item.get("verdict") or "not verified").replace(" ", "-")
    name = f"{len(item['causes'])} together" if is_set else item["cause"]["id"]
    words = (
        f"{name} ({item['method']}): predicted {nats(item['predicted'])}, measured "
        f"{nats(item['measured'])} nats; {item.get('verdict') or 'no verdict'}"
    )
    title = tag("title", words)
    if not is_set:
        return tag("circle", title, cx=f"{x:.1f}", cy=f"{y:.1f}", r=4, class_=f"dot {verdict}")
    path = f"M{x:.1f} {y - 7:.1f}l7 7-7 7-7-7z"
    return tag("path", title, d=path, class_=f"dot {verdict}")
