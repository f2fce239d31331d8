"""Pieces that several sections of the report are put together from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from whence.core.markup import Child, Markup, join, tag
from whence.core.page import table
from whence.explain.reading import BASELINES, between, nats, visible

_SIGNS = {"confirmed": "✓", "refuted": "✕", "not verified": "○"}


def badge(verdict: str | None) -> Markup | None:
    """A verdict, told by sign, word and colour."""
    if verdict is None:
        return None
    name = verdict.replace(" ", "-")
    return tag("span", f"{_SIGNS.get(verdict, '')} ", verdict, class_=f"badge {name}")


def shade(value: float | None, largest: float) -> dict[str, str]:
    """Attributes that colour an element by nats: blue supports, orange opposes."""
    if value is None or largest <= 0:
        return {"class_": "none" if value is None else "heat"}
    share = min(abs(value) / largest, 1.0)
    return {"class_": f"heat {'for' if value > 0 else 'against'}", "style": f"--w:{share:.3f}"}


def legend(largest: float) -> Markup:
    """The scale of the colours."""
    return tag(
        "p",
        tag("span", f"opposes the answer, {nats(-largest)} nats"),
        tag("span", class_="scale"),
        tag("span", f"{nats(largest, sign=True)} nats, supports it"),
        class_="legend",
    )


def number(value: float | None, *, sign: bool = False) -> Markup:
    """Nats, set so that columns of them line up."""
    return tag("span", nats(value, sign=sign), class_="n")


def bar(value: float | None, largest: float) -> Markup:
    """Nats as a number with a bar from zero."""
    attributes = shade(value, largest)
    attributes["class_"] = f"bar {attributes['class_']}"
    return tag(
        "span", number(value), tag("span", tag("i", **attributes), class_="track"), class_="bars"
    )


def named(row: Mapping[str, Any]) -> Markup:
    """What a row is about, as a person names it."""
    cause = row["cause"]
    if row["kind"] == "token":
        return join(tag("q", visible(cause.get("text") or cause["id"])), " ", _small(cause["id"]))
    text = cause.get("text") or ""
    if row["kind"] == "document":
        return join(tag("b", cause["id"]), " ", _small(_short(text)))
    return join(tag("b", cause["id"]), " ", _small(text) if text != cause["id"] else None)


def _small(text: str) -> Markup:
    return tag("small", text)


def _short(text: str, limit: int = 48) -> str:
    return text if len(text) <= limit else text[:limit].rstrip() + "…"


def causes_table(rows: Sequence[Mapping[str, Any]]) -> Markup:
    """Rows with what was predicted of them and what came of it."""
    sizes = [abs(r[k]) for r in rows for k in ("predicted", "measured") if r.get(k) is not None]
    largest = max(sizes, default=0.0)
    if all(r.get("measured") is None for r in rows):
        guesses = ((named(r), bar(r.get("predicted"), largest)) for r in rows)
        return table(("cause", "predicted, not taken away"), guesses, class_="causes")
    return table(
        ("cause", "predicted", "measured", "at random (95 %)", "verdict"),
        (
            (
                named(row),
                number(row.get("predicted")),
                bar(row.get("measured"), largest),
                tag("span", between((row.get("control") or {}).get("interval")), class_="n"),
                badge(row.get("verdict")) or tag("small", "not taken away"),
            )
            for row in rows
        ),
        class_="causes",
    )


def side_by_side(
    rows_by_method: Mapping[str, Sequence[Mapping[str, Any]]],
    top: int,
    sets: Sequence[Mapping[str, Any]] = (),
) -> Markup:
    """Methods and baselines beside each other: the rank each gives to what any names first.

    Args:
        rows_by_method: rows of one kind, by rank within each method.
        top: how many of each method's first causes are shown.
        sets: removed sets, whose verdicts stand in the last line.
    """
    methods = list(rows_by_method)
    ranks = {
        m: {r["cause"]["id"]: i for i, r in enumerate(rs, 1)} for m, rs in rows_by_method.items()
    }
    shown: dict[str, Mapping[str, Any]] = {}
    for rows in rows_by_method.values():
        for row in rows[:top]:
            shown.setdefault(row["cause"]["id"], row)

    def cell(method: str, cause: str) -> Markup:
        rank = ranks[method].get(cause)
        near = "in" if rank is not None and rank <= top else "out"
        return tag("span", "·" if rank is None else rank, class_=f"rank {near}")

    lines: list[Sequence[Child]] = [
        (named(row), *(cell(m, cause) for m in methods)) for cause, row in shown.items()
    ]
    tested = {s["method"]: s for s in sets}
    if tested:
        lines.append(
            (tag("em", "taken away together"), *(_outcome(tested.get(m)) for m in methods))
        )
    heads = (tag("span", m, class_="base" if m in BASELINES else None) for m in methods)
    return table(("", *heads), lines, class_="methods")


def _outcome(found: Mapping[str, Any] | None) -> Child:
    if found is None:
        return "–"
    return join(number(found["measured"]), tag("br"), badge(found["verdict"]))


def details(title: Child, *body: Child) -> Markup:
    """A part that is folded away."""
    return tag("details", tag("summary", title), *body)
