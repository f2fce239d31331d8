"""Plots as SVG elements: points, lines and bars over linear or logarithmic axes.

Colours come from the page's own variables, so that a plot follows its light and dark; on a page
without them it is black on white. Every plot carries its title and its axes in words.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from whence.core.markup import Markup, tag

STYLE = """
.plots { display: grid; gap: 1rem 1.5rem; margin-bottom: 1rem; }
@media (min-width: 60rem) { .plots { grid-template-columns: 1fr 1fr; } }
.plots figure { margin: 0; }
.plots figcaption { color: var(--soft); font-size: .84rem; line-height: 1.45; }
"""
"""CSS of a page with plots: those in an element of the class `plots` stand side by side."""

WIDTH, HEIGHT = 460, 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 14, 16, 46
_COLOURS = ("var(--for, #2a6fb0)", "var(--against, #c8641b)", "var(--yes, #1e7d4f)")
_LETTER, _ROW = 5.4, 10.0  # of a label: how wide a letter is, how far lines lie apart
_DASHES = (None, "5 3", "1.5 2.5")
_INK, _LINE = "var(--soft, #6b6f76)", "var(--line, #d9d6d0)"


@dataclass(frozen=True, slots=True)
class Series:
    """Points of one kind.

    Attributes:
        name: what they are; empty when it needs no name.
        points: x and y.
        line: joined by a line rather than shown as dots.
        low: lower ends of the whiskers of each point, in y.
        high: their upper ends.
        labels: what is written beside each point; empty for none.
    """

    name: str
    points: Sequence[tuple[float, float]]
    line: bool = False
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    labels: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis.

    Attributes:
        label: what it measures, with its unit.
        log: whether it is logarithmic; values that are not positive are left out.
        low: its lower end; by default the smallest value.
        high: its upper end; by default the largest.
    """

    label: str
    log: bool = False
    low: float | None = None
    high: float | None = None


def plot(title: str, series: Sequence[Series], x: Axis, y: Axis) -> Markup:
    """Points and lines.

    Args:
        title: what is shown, for those who cannot see it.
        series: three are told apart by colour, further ones by how they are dashed.
        x: the horizontal axis.
        y: the vertical one.

    Returns:
        An `svg` element, or a sentence when there is no point to show.
    """
    shown = [_visible(s, x, y) for s in series]
    if not any(s.points for s in shown):
        return tag("p", "There is nothing to plot.", class_="empty")
    to_x, x_ticks = _scale(x, [p[0] for s in shown for p in s.points], _LEFT, WIDTH - _RIGHT)
    heights = [v for s in shown for v in (*(p[1] for p in s.points), *s.low, *s.high)]
    to_y, y_ticks = _scale(y, heights, HEIGHT - _BOTTOM, _TOP)
    return tag(
        "svg",
        tag("title", title),
        *_grid(x, y, [(to_x(t), t) for t in x_ticks], [(to_y(t), t) for t in y_ticks]),
        *(mark for k, s in enumerate(shown) for mark in _marks(s, to_x, to_y, k)),
        *_labels(shown, to_x, to_y),
        *_legend(shown),
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        class_="plot",
        style=f"max-width:{WIDTH}px;width:100%;height:auto",
        font_size=12,
        font_family="sans-serif",
    )


Scale = Callable[[float], float]


def _visible(series: Series, x: Axis, y: Axis) -> Series:
    """The points that both axes can show."""
    keep = [
        i
        for i, (a, b) in enumerate(series.points)
        if math.isfinite(a) and math.isfinite(b) and (a > 0 or not x.log) and (b > 0 or not y.log)
    ]
    return Series(
        series.name,
        [series.points[i] for i in keep],
        series.line,
        [series.low[i] for i in keep] if series.low else (),
        [series.high[i] for i in keep] if series.high else (),
        [series.labels[i] for i in keep] if series.labels else (),
    )


def _scale(
    axis: Axis, values: Sequence[float], start: float, end: float
) -> tuple[Scale, list[float]]:
    """From values to places, and the values that are named at the axis."""
    usable = [v for v in values if v > 0 or not axis.log]
    low = min(usable) if axis.low is None else axis.low
    high = max(usable) if axis.high is None else axis.high
    if axis.log:
        low, high = 10 ** math.floor(math.log10(low)), 10 ** math.ceil(math.log10(high))
        high = high if high > low else low * 10
        first, last = math.log10(low), math.log10(high)
        step = max(1, round((last - first) / 6))
        ticks = [10.0**k for k in range(round(first), round(last) + 1, step)]
    else:
        if low == high:
            low, high = low - 0.5, high + 0.5
        step_size = _round_step((high - low) / 5)
        ticks = [
            k * step_size
            for k in range(math.ceil(low / step_size), math.floor(high / step_size + 1e-9) + 1)
        ]
        first, last = low, high

    def place(value: float) -> float:
        inner = math.log10(max(value, 1e-300)) if axis.log else value
        share = min(1.0, max(0.0, (inner - first) / (last - first)))
        return round(start + (end - start) * share, 2)

    return place, ticks


def _round_step(rough: float) -> float:
    """The next of 1, 2 and 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= rough * (1 - 1e-9))


def _grid(
    x: Axis, y: Axis, x_ticks: list[tuple[float, float]], y_ticks: list[tuple[float, float]]
) -> list[Markup]:
    floor = HEIGHT - _BOTTOM
    marks = []
    for place, value in x_ticks:
        marks.append(_line(place, _TOP, place, floor, _LINE))
        marks.append(_text(place, floor + 15, _number(value), "middle"))
    for place, value in y_ticks:
        marks.append(_line(_LEFT, place, WIDTH - _RIGHT, place, _LINE))
        marks.append(_text(_LEFT - 6, place + 4, _number(value), "end"))
    middle = (_TOP + floor) / 2
    marks.append(_text((_LEFT + WIDTH - _RIGHT) / 2, HEIGHT - 8, x.label, "middle"))
    turned = f"rotate(-90 14 {middle:g})"
    marks.append(
        tag("text", y.label, x=14, y=middle, text_anchor="middle", fill=_INK, transform=turned)
    )
    return marks


def _marks(series: Series, to_x: Scale, to_y: Scale, k: int) -> list[Markup]:
    colour = _COLOURS[k % len(_COLOURS)]
    places = [(to_x(a), to_y(b)) for a, b in series.points]
    marks = [
        _line(a, to_y(low), a, to_y(high), colour)
        for (a, _), low, high in zip(places, series.low, series.high, strict=False)
    ]
    if series.line and len(places) > 1:
        joined = " ".join(f"{a:g},{b:g}" for a, b in places)
        marks.append(
            tag(
                "polyline",
                points=joined,
                fill="none",
                stroke=colour,
                stroke_width=1.6,
                stroke_dasharray=_DASHES[k // len(_COLOURS) % len(_DASHES)],
            )
        )
        return marks
    marks += [tag("circle", cx=a, cy=b, r=2.6, fill=colour) for a, b in places]
    return marks


def _labels(series: Sequence[Series], to_x: Scale, to_y: Scale) -> list[Markup]:
    """Words beside points, moved down or up until they lie on no other words."""
    wanted = [
        (to_x(a), to_y(b), label, _COLOURS[k % len(_COLOURS)])
        for k, s in enumerate(series)
        for (a, b), label in zip(s.points, s.labels, strict=False)
        if label
    ]
    boxes: list[tuple[float, float, float]] = []
    marks = []
    for a, b, label, colour in sorted(wanted, key=lambda one: one[1]):
        width = _LETTER * len(label)
        left = a + 6 if a + 6 + width < WIDTH else a - 6 - width
        row = _free_row(left, left + width, b + 3, boxes)
        boxes.append((left, left + width, row))
        marks.append(
            tag("text", label, x=round(left, 1), y=round(row, 1), fill=colour, font_size=10)
        )
    return marks


def _free_row(left: float, right: float, row: float, boxes: Sequence[tuple[float, ...]]) -> float:
    """The place nearest to `row` where no box of words is in the way."""
    near = [other for first, last, other in boxes if first < right and left < last]
    steps = (sign * k * _ROW / 4 for k in range(4 * len(near) + 5) for sign in (1, -1))
    return next(
        (
            row + step
            for step in steps
            if _TOP <= row + step <= HEIGHT - _BOTTOM
            and all(abs(row + step - other) >= _ROW for other in near)
        ),
        row,
    )


def _legend(series: Sequence[Series]) -> list[Markup]:
    named = [(k, s.name) for k, s in enumerate(series) if s.name]
    return [
        tag(
            "text",
            name,
            x=WIDTH - _RIGHT - 6,
            y=_TOP + 12 + 14 * row,
            text_anchor="end",
            fill=_COLOURS[k % len(_COLOURS)],
        )
        for row, (k, name) in enumerate(named)
    ]


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> Markup:
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, stroke=colour)


def _text(x: float, y: float, text: str, anchor: str) -> Markup:
    return tag("text", text, x=x, y=y, text_anchor=anchor, fill=_INK)


def _number(value: float) -> str:
    if value and (abs(value) >= 10_000 or abs(value) < 0.001):
        power = math.floor(math.log10(abs(value)))
        factor = value / 10.0**power
        return f"10^{power}" if math.isclose(factor, 1) else f"{factor:g}e{power}"
    return f"{value:g}"
