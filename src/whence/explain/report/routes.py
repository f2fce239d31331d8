"""Information-flow routes as a page: tokens from left to right, layers upwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from whence.core.markup import Markup, tag
from whence.core.page import figures, html_page, page_top, section, table
from whence.core.plot import STYLE
from whence.explain.reading import visible

_ROW, _LEFT, _FOOT, _TOP = 46, 46, 34, 16
_WIDTH, _NARROW, _BROAD = 500, 34, 62  # of all columns; of one
_LISTED = 12  # parts
_NAMED = 0.05  # flow from which a head's edge is named
_DRAWN = 8  # behaviors

_OWN = """
.routes { overflow-x: auto; margin: 0 0 1rem; }
.routes svg { font: 11px var(--sans); display: block; }
"""


def routes_page(record: dict[str, Any]) -> str:
    """The page of a record of `find_routes`."""
    graphs = record["graphs"]
    first = graphs[0]["behavior"]
    head = page_top(
        f"{first['prompt']} → {first['target']!r}",
        tag("p", "What made the state that predicts this?", class_="asks"),
        figures([(f"{record['threshold']:g}", "the smallest share followed"), *_best(graphs[0])]),
        tag(
            "p",
            "Shares of a state, not nats: nothing was taken away, and a route says what a state "
            "is made of, not what the answer rests on. Attention is taken as given. To test a "
            "part, take it away: whence circuit without --routes.",
            class_="note",
        ),
    )
    drawn = [_section(number, graph) for number, graph in enumerate(graphs[:_DRAWN])]
    title = f"{first['prompt']} - routes"
    return html_page(title, tag("main", head, drawn), style=STYLE + _OWN)


def _best(graph: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(f"{part['flow']:.0%}", f"through {part['id']}") for part in graph["parts"][:4]]


def _section(number: int, graph: Mapping[str, Any]) -> Markup:
    behavior = graph["behavior"]
    rows = [[tag("code", p["id"]), f"{p['flow']:.3f}"] for p in graph["parts"][:_LISTED]]
    return section(
        f"routes-{number}",
        f"{behavior['prompt']} → {behavior['target']!r}",
        "Read downwards from the top: blue lines are heads, from the token they attended to; "
        "orange ones MLPs; grey is what stays in the stream. A thick line carries much.",
        tag("div", draw(graph), class_="routes"),
        table(("part", "flow"), rows),
    )


def draw(graph: Mapping[str, Any]) -> Markup:
    """The routes as a drawing: a column a token, two rows a layer."""
    edges: Sequence[Mapping[str, Any]] = graph["edges"]
    tokens = graph["tokens"]
    levels = 2 * (1 + max((edge["layer"] for edge in edges), default=0))
    column = max(_NARROW, min(_BROAD, _WIDTH / max(1, len(tokens) - 1)))
    width = 2 * _LEFT + column * (len(tokens) - 1)
    height = _TOP + _ROW * levels + _FOOT

    def at(token: int, level: int) -> tuple[float, float]:
        return _LEFT + column * token, height - _FOOT - _ROW * level

    lines = [_line(edge, at) for edge in sorted(edges, key=lambda edge: edge["flow"])]
    labels = [
        tag("text", f"L{k // 2}", x=4, y=at(0, k)[1] - _ROW / 2, fill="var(--soft, #6b6f76)")
        for k in range(0, levels, 2)
    ]
    words = [_word(token, *at(i, 0)) for i, token in enumerate(tokens)]
    marks = [
        tag("circle", cx=at(i, levels)[0], cy=at(i, levels)[1], r=5, fill="var(--ink, #1d1f23)")
        for i in graph["predicts"]
    ]
    return tag(
        "svg",
        lines,
        labels,
        words,
        marks,
        viewBox=f"0 0 {width:g} {height:g}",
        width=width,
        height=height,
        role="img",
        aria_label=f"{len(edges)} edges between the states of {len(tokens)} tokens",
    )


def _line(edge: Mapping[str, Any], at: Any) -> Markup:
    below = 2 * edge["layer"] + edge["step"]
    above = below + 1
    if edge["step"] == 0 and edge["part"].endswith(".MLP"):  # parallel: one step a layer
        above = below + 2
    (x1, y1), (x2, y2) = at(edge["source"], below), at(edge["target"], above)
    part = edge["part"]
    mlp = part.endswith(".MLP")
    colour = "var(--soft, #6b6f76)" if part == "residual" else "var(--for, #2a6fb0)"
    colour = "var(--against, #c8641b)" if mlp else colour
    middle = (x1 + x2) / 2 + (14 if mlp else 0)
    path = f"M{x1:g},{y1:g} Q{middle:g},{(y1 + y2) / 2:g} {x2:g},{y2:g}"
    line = tag(
        "path",
        tag("title", f"{part}: share {edge['share']:.3f}, flow {edge['flow']:.3f}"),
        d=path,
        fill="none",
        stroke=colour,
        stroke_width=f"{0.5 + 6 * edge['flow'] ** 0.5:.2f}",
        stroke_opacity=0.35 if part == "residual" else 0.75,
    )
    if part == "residual" or edge["flow"] < _NAMED:
        return line
    name = tag(
        "text",
        part.partition(".")[2],
        x=f"{middle + 4:g}",
        y=f"{(y1 + y2) / 2:g}",
        fill="var(--ink, #1d1f23)",
    )
    return tag("g", line, name)


def _word(token: Mapping[str, Any], x: float, y: float) -> Markup:
    text = visible(token["text"].strip(" ") or token["text"])
    shown = text if len(text) <= 8 else text[:7] + "…"
    title = tag("title", f"{text}: flow {token['flow']:.3f}")
    return tag(
        "text", title, shown, x=x, y=y + 18, text_anchor="middle", fill="var(--ink, #1d1f23)"
    )
