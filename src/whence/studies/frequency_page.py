"""Frequency against accuracy as one page that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from whence.core.markup import Markup, join, tag
from whence.core.page import html_page, page_top, section, table
from whence.core.plot import STYLE, Axis, Series, plot

Record = Mapping[str, Any]
_FACTS = 200
_WHAT = {"documents": "documents with both", "near": "places with both near"}

BINS = ("facts", "share right", "mean nats")
"""What stands in a row of `bin_rows`, after the frequency."""


def frequency_page(record: Record) -> str:
    """The page of what `fact_frequency` told.

    Args:
        record: as `fact_frequency` gave it, or read back from JSON.
    """
    facts = record["facts"]
    body = tag(
        "main",
        page_top(
            "Does frequency explain accuracy?",
            tag("p", f"{len(facts):,} facts, counted in {record['corpus']['path']}."),
        ),
        *(_measure(record, name) for name in record.get("bins", ())),
        section("facts", "The facts", "Most frequent first.", _facts(facts)),
    )
    return html_page("Does frequency explain accuracy?", body, style=STYLE)


def _measure(record: Record, name: str) -> Markup:
    bins = record["bins"][name]
    # The middle of a bin on a logarithmic axis; never seen stands at one half.
    at = [max(0.5, (b["low"] * b["high"]) ** 0.5) for b in bins]
    x = Axis(f"{_WHAT[name]} (0 is shown at 1/2)", log=True)
    right = Series(
        "",
        [(a, b["right"]) for a, b in zip(at, bins, strict=True)],
        low=[b["right_low"] for b in bins],
        high=[b["right_high"] for b in bins],
    )
    facts = [(max(0.5, f[name]), f["log_probability"]) for f in record["facts"]]
    drawn = (
        plot("Share right by frequency", [right], x, Axis("share right", low=0.0, high=1.0)),
        plot("Log-probability by frequency", [Series("", facts)], x, Axis("nats")),
    )
    return section(
        name,
        f"By {_WHAT[name]}",
        "Whiskers and brackets: Wilson's interval of 95 %.",
        tag("div", *drawn, class_="plots"),
        table(["count", *BINS], bin_rows(bins)),
        *(_said(record["correlations"][f"{name} and {side}"], side) for side in _SIDES),
    )


_SIDES = {"log_probability": "the log-probability", "right": "being right"}


def _said(found: Record, side: str) -> Markup:
    if found["rho"] is None:
        return tag("p", f"No correlation with {_SIDES[side]}: one side is constant.")
    return tag(
        "p",
        f"Spearman with {_SIDES[side]}: {found['rho']:.3f} (bootstrap interval "
        f"{found['low']:.3f} to {found['high']:.3f}, p = {found['p_value']:.2g}, "
        f"{found['points']:,} facts).",
    )


def _facts(facts: Sequence[Record]) -> Markup:
    ranked = sorted(facts, key=lambda f: (-f["documents"], -f["near"], f["id"]))
    told = "log_probability" in facts[0]
    rows = [
        [
            f["subject"][0],
            f["relation"],
            f["object"][0],
            f"{f['documents']:,}",
            f"{f['near']:,}",
            *([f"{f['log_probability']:.2f}", "yes" if f["right"] else "no"] if told else ()),
        ]
        for f in ranked[:_FACTS]
    ]
    head = ["subject", "relation", "object", "documents", "near"]
    more = len(facts) - len(rows)
    rest = tag("p", f"{more:,} more are in the record.", class_="note") if more else None
    return join(table([*head, *(["nats", "right"] if told else [])], rows), rest)


def bin_rows(bins: Sequence[Record]) -> list[list[str]]:
    """A row for each range of frequencies: facts, share right with its interval, mean nats."""
    return [
        [
            str(b["low"]) if b["low"] == b["high"] else f"{b['low']} to {b['high']}",
            f"{b['facts']:,}",
            f"{b['right']:.2f} ({b['right_low']:.2f} to {b['right_high']:.2f})",
            f"{b['log_probability']:.2f}",
        ]
        for b in bins
    ]
