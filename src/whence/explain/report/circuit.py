"""A circuit as a page: its graph, the curve, what is in it, predicted and measured."""

from __future__ import annotations

from typing import Any

from whence.core.markup import Markup, join, tag
from whence.core.page import figures, html_page, page_top, section, table
from whence.core.plot import STYLE, Axis, Series, plot
from whence.explain.reading import Record, nats
from whence.explain.report.parts import number

_COLUMN, _ROW, _MARGIN = 64, 74, 46
_DRAWN = 60  # edges in the drawing, the strongest
_TOLD = 0.1  # share of a behavior that cutting everything takes at least where shares are told

_OWN = """
.graph { overflow-x: auto; margin: 0 0 1rem; }
.graph svg { font: 11px var(--sans); display: block; }
"""


def circuit_page(record: dict[str, Any]) -> str:
    """The page of a record of `find_circuit`."""
    values = record["values"]
    first, of = record["behaviors"][0], record["of"]
    away = "all edges cut" if of == "edges" else "all of them replaced"
    share = _survives(record)
    facts = [
        *([(share, "of the behavior survives in the circuit alone")] if share else []),
        (f"{len(record['members'])} of {record['causes_in_all']}", of),
        (f"{values['everything']:+.2f}", "nats, the whole model"),
        (f"{values['circuit']:+.2f}", "nats, the circuit alone"),
        (f"{values['nothing']:+.2f}", f"nats, {away}"),
        (f"{record['incompleteness']:.2f}", "nats at most, done outside of it (incompleteness)"),
    ]
    foil = f" rather than {first['foil']!r}" if first.get("foil") else ""
    more = len(record["behaviors"]) - 1
    head = page_top(
        f"{first['prompt']} → {first['target']!r}{foil}",
        tag("p", f"Which {of} carry this?", class_="asks"),
        tag("p", f"and {more} more behaviors of the same task", class_="note") if more else None,
        figures(facts),
    )
    removal = record["intervention"]["removal"]
    graph = graph_section(record["members"]) if of == "edges" else None
    curves = section(
        "curve",
        "How few are enough",
        f"{of.capitalize()} in the order of their scores ({record['method']}: {record['why']}), "
        f"all others taken away ({removal}).",
        tag("div", _plot(record), class_="plots"),
    )
    note = "Nats, mean over behaviors."
    if record["predicted"] == "divergence":
        note += " Predicted: how far the whole prediction moved when it was tried in pruning."
    members = section("members", of.capitalize(), note, _members(record["members"], of))
    title = f"{first['prompt']} - a circuit"
    return html_page(title, tag("main", head, graph, curves, members), style=STYLE + _OWN)


def circuit_section(record: Record) -> Markup | None:
    """The circuit in an explanation's report; None where none was looked for."""
    found = record.get("circuit")
    if not found:
        return None
    values, share = found["values"], _survives(found)
    survives = f"{share} of the behavior survives" if share else "No share can be told"
    said = (
        f"{survives} in these {len(found['members'])} of {found['causes_in_all']} edges with all "
        f"others cut ({found['intervention']['removal']}): {nats(values['circuit'])} nats, where "
        f"the whole model has {nats(values['everything'])} and {nats(values['nothing'])} are left "
        f"with every edge cut. They were ordered by {found['method']}: {found['why']}."
    )
    return join(graph_section(found["members"]), tag("p", said, class_="note"))


def _survives(record: Record) -> str:
    """Faithfulness as a share of what cutting everything takes; nothing where that says nothing.

    It does not where everything cut takes little of a behavior, or even raises it: the output
    layer alone may prefer the target, as a frequent word.
    """
    whole, left = record["values"]["everything"], record["values"]["nothing"]
    fall = whole - left
    told = abs(fall) >= _TOLD * abs(whole) and (fall > 0 or whole < 0)
    return f"{record['faithfulness']:.0%}" if told else ""


def graph_section(members: list[dict[str, Any]]) -> Markup:
    """The strongest edges of a circuit, drawn."""
    return section(
        "circuit",
        "The circuit",
        f"Strongest {min(_DRAWN, len(members))} edges. Read upwards: each part adds to the "
        "stream, what is above may read it. Blue supports, orange opposes; a thick line means many "
        "nats when this edge alone is cut. q, k, v: read as query, key or value.",
        tag("div", draw(members), class_="graph"),
    )


def _plot(record: dict[str, Any]) -> Markup:
    own, others = record["curve"], record["baselines"]
    low = [min(c["faithfulness"][i] for c in others) for i in range(len(own["sizes"]))]
    high = [max(c["faithfulness"][i] for c in others) for i in range(len(own["sizes"]))]
    by_score = list(zip(own["sizes"], own["faithfulness"], strict=True))
    middle = [(a + b) / 2 for a, b in zip(low, high, strict=True)]
    return plot(
        f"Faithfulness over the share of {record['of']} kept",
        [
            Series("by score", by_score, line=True),
            Series(
                f"{len(others)} random orders, from lowest to highest",
                list(zip(own["sizes"], middle, strict=True)),
                low=low,
                high=high,
            ),
        ],
        Axis(f"share of {record['of']} kept", log=True),
        Axis("faithfulness"),
    )


def _members(members: list[dict[str, Any]], of: str) -> Markup:
    names = (of.removesuffix("s"), "predicted", "measured alone", "most seen in the circuit")
    rows = [
        [
            tag("code", member["id"]),
            number(member["predicted"], sign=True),
            _measured(member),
            number(member["needed"], sign=True),
        ]
        for member in members
    ]
    return table(names, rows)


def _measured(member: dict[str, Any]) -> Markup:
    """A measured fall, with its standard error where activations were drawn."""
    told, error = number(member["measured"], sign=True), member.get("measured_error")
    return told if error is None else tag("span", told, f" ± {nats(error)}")


def draw(edges: list[dict[str, Any]]) -> Markup:
    """The strongest edges as a graph: layers upwards, heads from left to right, MLPs at the right.

    Args:
        edges: of a record; drawn by what was measured, or predicted where nothing was.
    """
    strongest = sorted(edges, key=lambda edge: -abs(_weight(edge)))[:_DRAWN]
    ends = [(*edge["id"].split("->"), edge) for edge in strongest]
    parts = {part for tail, head, _ in ends for part in (tail, *_nodes(head, ends))}
    rows: dict[tuple[int, int], list[str]] = {}
    for part in sorted(parts, key=_place):
        rows.setdefault(_place(part)[:2], []).append(part)
    width = max(len(row) for row in rows.values()) * _COLUMN + 2 * _MARGIN
    height = (len(rows) - 1) * _ROW + 2 * _MARGIN
    at = {
        part: (
            width / 2 + (k - (len(row) - 1) / 2) * _COLUMN,
            height - _MARGIN - number * _ROW,
        )
        for number, row in enumerate(rows.values())
        for k, part in enumerate(row)
    }
    largest = max((abs(_weight(edge)) for *_, edge in ends), default=1.0) or 1.0
    lines = [
        _line(at[tail], at[node], head, edge, largest)
        for tail, head, edge in ends
        for node in _nodes(head, ends)
    ]
    return tag(
        "svg",
        lines,
        [_node(part, *place) for part, place in at.items()],
        viewBox=f"0 0 {width:g} {height:g}",
        width=width,
        height=height,
        role="img",
        aria_label=f"{len(ends)} edges between {len(at)} parts",
    )


def _weight(edge: dict[str, Any]) -> float:
    return float(edge["predicted"] if edge["measured"] is None else edge["measured"])


def _nodes(receiver: str, ends: list[tuple[str, str, dict[str, Any]]]) -> list[str]:
    """The parts that a receiver belongs to; a key or value serves the heads of its group."""
    layer, _, rest = receiver.partition(".")
    if rest.endswith(".Q"):
        return [receiver[:-2]]
    if rest[:1] not in ("K", "V"):
        return [receiver]
    group = [f"{layer}.{kind}{rest[1:]}" for kind in "KV"]
    named = {tail for tail, *_ in ends} | {h[:-2] for _, h, _ in ends if h.endswith(".Q")}
    heads = sorted(name for name in named if name.startswith(f"{layer}.H"))
    # Without grouped queries key k is head k's; with them a node of its own says it best.
    own = f"{layer}.H{rest[1:]}"
    return [own] if own in heads else [f"{layer}.KV{group[0].rpartition('K')[2]}"]


def _place(part: str) -> tuple[int, int, int, str]:
    """Row from below (layer, heads before MLPs), and column."""
    if part == "embedding":
        return (-1, 0, 0, part)
    if part == "logits":
        return (10**6, 0, 0, part)
    layer, _, rest = part.partition(".")
    digits = "".join(c for c in rest if c.isdigit())
    return (int(layer[1:]), int(rest == "MLP"), int(digits or 0), part)


def _line(
    tail: tuple[float, float],
    head: tuple[float, float],
    receiver: str,
    edge: dict[str, Any],
    largest: float,
) -> Markup:
    (x1, y1), (x2, y2) = (tail[0], tail[1] - 11), (head[0], head[1] + 11)
    weight = _weight(edge)
    rest = receiver.partition(".")[2]
    role = "q" if rest.endswith(".Q") else rest[:1].lower() if rest[:1] in ("K", "V") else ""
    # Roles arrive side by side, so that three edges of one pair do not hide one another.
    x2 += {"q": -9, "k": 0, "v": 9}.get(role, 0)
    bend = (y1 - y2) / 2
    path = f"M{x1:g},{y1:g} C{x1:g},{y1 - bend:g} {x2:g},{y2 + bend:g} {x2:g},{y2:g}"
    colour = "var(--for, #2a6fb0)" if weight >= 0 else "var(--against, #c8641b)"
    line = tag(
        "path",
        tag("title", f"{edge['id']}: {weight:+.3f} nats"),
        d=path,
        fill="none",
        stroke=colour,
        stroke_width=f"{0.8 + 4.2 * abs(weight) / largest:.2f}",
        stroke_opacity=0.75,
    )
    mark = tag("text", role, x=x2 + 3, y=y2 + 9, fill="var(--soft, #6b6f76)") if role else None
    return tag("g", line, mark)


def _node(part: str, x: float, y: float) -> Markup:
    name = part.partition(".")[2]
    said = part if not name else f"{part.partition('.')[0][1:]}.{name.replace('MLP', 'mlp')}"
    half = 36 if part in ("embedding", "logits") else 22
    return tag(
        "g",
        tag(
            "rect",
            x=x - half,
            y=y - 11,
            width=2 * half,
            height=22,
            rx=4 if "MLP" in part else 11,
            fill="var(--wash, #f5f3ee)",
            stroke="var(--soft, #6b6f76)",
        ),
        tag("text", said, x=x, y=y + 4, text_anchor="middle", fill="var(--ink, #1d1f23)"),
    )
