"""A judgement as one HTML page: the score against its cost, and the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from whence.core.markup import Markup, tag
from whence.core.page import html_page, page_top, section, table
from whence.core.plot import STYLE, Axis, Series, plot

Record = Mapping[str, Any]

_HEAD = ("method", "LDS", "95 % interval", "fall", "at random", "recall", "s", "MB", "must fail")

_AREAS = ("insertion", "deletion", "sufficiency", "comprehensiveness")
_OVER = ("insertion", "deletion")


def judged_page(record: Record, baselines: Sequence[str]) -> str:
    """The page of a judgement's record.

    Args:
        record: `Judgement.to_json()`.
        baselines: names of the look-ups, which are shown apart.
    """
    ranked = sorted(record["rows"], key=lambda row: -row["lds"])
    title = f"{len(record['rows'])} methods, judged by {record['subsets']} removals"
    return html_page(
        title,
        tag(
            "main",
            page_top("Which method is right?", tag("p", title, ".", class_="summary")),
            section(
                "plots",
                "Right, and at what cost",
                f"{len(record['behaviors'])} behaviors.",
                tag(
                    "div", _cost(ranked, baselines, record["kind"]), *_falls(ranked), class_="plots"
                ),
            ),
            section("methods", "The methods", "Best first.", table(_HEAD, map(_cells, ranked))),
            _orders(ranked, record),
            _noticing(ranked),
        ),
        style=STYLE,
    )


def _cost(rows: Sequence[Record], baselines: Sequence[str], kind: str) -> Markup:
    """Score against seconds; what takes no time at all stands at a hundredth of a second."""
    groups = (
        [row for row in rows if row["method"] not in baselines],
        [row for row in rows if row["method"] in baselines],
    )
    series = [
        Series(
            "",
            [(max(row["seconds"], 0.01), row["lds"]) for row in some],
            low=[row["interval"][0] for row in some],
            high=[row["interval"][1] for row in some],
            labels=[row["method"] for row in some],
        )
        for some in groups
    ]
    return _figure(
        plot("score against cost", series, Axis("seconds", log=True), Axis("LDS")),
        f"LDS: rank correlation, over random removals of {kind}s, of predicted sums with measured "
        "values. Whiskers: 95 % intervals over behaviors and removals. Orange: look-ups.",
    )


def _orders(rows: Sequence[Record], record: Record) -> Markup | None:
    """What the first causes of each order carry; None where that was not measured."""
    followed = [row for row in rows if row.get("curve")]
    if not followed:
        return None
    parts = record["kind"] == "component"
    areas = (*_AREAS, "cmd") if parts else _AREAS
    head = [("CPR (insertion)" if parts else "insertion"), *_AREAS[1:], *(["CMD"] * parts)]
    ranked = sorted(followed, key=lambda row: float(row["curve"]["deletion"]["value"]))
    cells = (
        [row["method"], *(_area(row["curve"][a]) for a in areas), *(_over(row, a) for a in _OVER)]
        for row in ranked
    )
    return section(
        "orders",
        "What the first causes carry",
        "Insertion and deletion: the share of the behaviors that survives with the first causes "
        "of an order alone, and without them, over all numbers of causes. "
        + ("Insertion is CPR, the area under faithfulness; CMD lies between it and 1. " * parts)
        + "Sufficiency and comprehensiveness: nats lost then. With 95 % intervals; smallest "
        "deletion first. The last two columns: how far an order is above random ones, behavior "
        "by behavior; an interval that holds 0 tells them not apart.",
        tag(
            "div",
            _curves(ranked, record, "kept", "first causes alone"),
            _curves(ranked, record, "removed", "without the first causes"),
            class_="plots",
        ),
        table(("order", *head, *(f"{area} above random" for area in _OVER)), cells),
    )


def _curves(rows: Sequence[Record], record: Record, which: str, words: str) -> Markup:
    """Every order's curve, and the mean of random ones."""
    lines = [_line(row["method"], row["curve"], which) for row in rows]
    chance = record.get("chance")
    if chance:
        lines.append(_line(f"mean of {chance['orders']} random orders", chance, which))
    return _figure(
        plot(f"{words}, by order", lines, Axis("share of causes"), Axis("share that survives")),
        f"What survives of the behaviors: {words}, in each method's order.",
    )


def _line(name: str, found: Record, which: str) -> Series:
    # With all causes every order ends at the same place, and there the names would hide it.
    points = zip(found["sizes"], found[which], strict=True)
    return _fall(name, [(size, value) for size, value in points if size < 1])


def _over(row: Record, area: str) -> str:
    ends = row.get("over_random", {}).get(area)
    return f"{ends[0]:+.2f} to {ends[1]:+.2f}" if ends else ""


def _noticing(rows: Sequence[Record]) -> Markup | None:
    """Who notices weights that are dealt out anew; None where that was not asked."""
    asked = [row for row in rows if row.get("cascade")]
    if not asked:
        return None
    cells = (
        [
            row["method"],
            *(f"{value:.2f}" for value in row["cascade"]["similarity"]),
            "yes" if row["cascade"]["notices"] else "no",
        ]
        for row in asked
    )
    return section(
        "noticing",
        "Who notices that the model is no longer itself",
        "Rank correlation of scores with those of the model itself, when the weights of the named "
        "part and of all before it are dealt out anew. It should go: a method whose scores stay "
        "(above one half, by a 95 % interval) measures something else than this model.",
        table(("method", *asked[0]["cascade"]["stages"], "notices"), cells),
    )


def _area(found: Record) -> str:
    low, high = found["interval"]
    return f"{found['value']:.2f} ({low:.2f} to {high:.2f})"


def _falls(rows: Sequence[Record]) -> list[Markup]:
    """What the removal of a growing share of the top causes did; nothing if none were removed."""
    removed = [row for row in rows if row["loss_rise"]]
    if not removed:
        return []
    falls = [
        _fall(row["method"], [(rise["share"], rise["measured"]) for rise in row["loss_rise"]])
        for row in removed
    ]
    chance = [(rise["share"], rise["control"]) for rise in removed[0]["loss_rise"]]
    lines = [*falls, _fall("at random", chance)]
    return [
        _figure(
            plot("fall against share", lines, Axis("share removed", log=True), Axis("nats lost")),
            "Mean fall of the behaviors when a method's top causes are really removed, and when "
            "as many matched random ones are.",
        )
    ]


def _figure(drawn: Markup, words: str) -> Markup:
    return tag("figure", drawn, tag("figcaption", words))


def _fall(name: str, points: Sequence[tuple[float, float]]) -> Series:
    """A line with its name at its end, since there may be more of them than colours."""
    return Series("", points, line=True, labels=[*("" for _ in points[1:]), name])


def _cells(row: Record) -> tuple[str, ...]:
    low, high = row["interval"]
    rise = row["loss_rise"][-1] if row["loss_rise"] else None
    return (
        f"{row['method']} (loses to {row['behind']})" if row["behind"] else row["method"],
        f"{row['lds']:.3f}",
        f"{low:.2f} to {high:.2f}",
        f"{rise['measured']:.3f}" if rise else "",
        f"{rise['control']:.3f}" if rise else "",
        "" if row["recall"] is None else f"{row['recall']:.2f}",
        f"{row['seconds']:,.1f}",
        "" if row["peak_mb"] is None else f"{row['peak_mb']:,.0f}",
        "; ".join(f"{name}: {one['lds']:.3f}" for name, one in row["sanity"].items()),
    )
