"""A judgement as one HTML page: the score against its cost, and the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from whence.core.markup import Markup, tag
from whence.core.page import html_page, page_top, section
from whence.core.plot import STYLE, Axis, Series, plot

Record = Mapping[str, Any]

_HEAD = ("method", "LDS", "95 % interval", "seconds", "MB", "must fail")


def judged_page(record: Record, baselines: Sequence[str]) -> str:
    """The page of a judgement's record.

    Args:
        record: `Judgement.to_json()`.
        baselines: names of the look-ups, which are shown apart.
    """
    title = f"{len(record['rows'])} methods, judged by {record['subsets']} removals"
    return html_page(
        title,
        tag(
            "main",
            page_top("Which method is right?", tag("p", title, ".", class_="summary")),
            section(
                "cost",
                "Score and cost",
                f"{len(record['behaviors'])} behaviors. LDS: rank correlation, over random "
                f"removals of {record['kind']}s, of predicted sums with measured values; whiskers "
                "are 95 % intervals over behaviors and removals.",
                tag("div", tag("figure", _cost(record["rows"], baselines)), class_="plots"),
            ),
            section("methods", "The methods", "Best first.", _table(record["rows"])),
        ),
        style=STYLE,
    )


def _cost(rows: Sequence[Record], baselines: Sequence[str]) -> Markup:
    """Score against seconds; what takes no time at all stands at a hundredth of a second."""
    groups = {
        "methods": [row for row in rows if row["method"] not in baselines],
        "look-ups": [row for row in rows if row["method"] in baselines],
    }
    series = [
        Series(
            name,
            [(max(row["seconds"], 0.01), row["lds"]) for row in some],
            low=[row["interval"][0] for row in some],
            high=[row["interval"][1] for row in some],
        )
        for name, some in groups.items()
        if some
    ]
    return plot("score against cost", series, Axis("seconds", log=True), Axis("LDS"))


def _table(rows: Sequence[Record]) -> Markup:
    ranked = sorted(rows, key=lambda row: -row["lds"])
    body = (tag("tr", *(tag("td", cell) for cell in _cells(row))) for row in ranked)
    head = tag("thead", tag("tr", *(tag("th", name) for name in _HEAD)))
    return tag("div", tag("table", head, tag("tbody", *body)), class_="wide")


def _cells(row: Record) -> tuple[str, ...]:
    low, high = row["interval"]
    blind = [f"{name}: {one['lds']:.3f}" for name, one in row["sanity"].items()]
    peak = "" if row["peak_mb"] is None else f"{row['peak_mb']:,.0f}"
    cost = (f"{row['seconds']:,.1f}", peak)
    name = f"{row['method']} (loses to {row['behind']})" if row["behind"] else row["method"]
    return name, f"{row['lds']:.3f}", f"{low:.2f} to {high:.2f}", *cost, "; ".join(blind)
