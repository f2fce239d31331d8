"""A memorisation profile as one page: triangles of cohorts by checkpoints, and what they say.

The first triangle holds the effects of having been seen, the second the plain difference to the
documents that never were, which is off by however much the texts differ. Cells before a cohort
was seen lie left of the stair: they should be near 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from whence.core.markup import Markup, join, tag
from whence.core.page import html_page, page_top, section, table

Record = Mapping[str, Any]

_STYLE = """
.triangle { border-collapse: separate; border-spacing: 2px; width: auto; font-size: .78rem; }
.triangle th { font-weight: 500; color: var(--soft); padding: 0 .35rem; border: 0; text-align: right; vertical-align: middle; white-space: nowrap; }
.triangle thead th { text-align: center; padding: .1rem 0 .3rem; }
.triangle td { min-width: 3.1rem; height: 1.9rem; padding: 0 .2rem; border: 0; border-radius: 3px; text-align: center; vertical-align: middle; font-variant-numeric: tabular-nums;
  background: color-mix(in oklab, var(--hue, transparent) calc(var(--w, 0) * 70% + 4%), transparent); }
.triangle .more { --hue: var(--for); }
.triangle .less { --hue: var(--against); }
.triangle .before { opacity: .55; }
.triangle .base { background: none; box-shadow: inset 0 0 0 1px var(--line); color: var(--soft); }
.triangle .sure { font-weight: 650; box-shadow: inset 0 0 0 1.5px var(--ink); }
"""  # noqa: E501

_ABOUT = {
    "instantaneous": "right after it was seen",
    "persistent": "at later checkpoints",
    "residual": "at the last checkpoint",
    "before": "before it was seen: should be near 0",
}


def profile_page(record: Record) -> str:
    """The page of a memorisation profile.

    Args:
        record: `Profile.to_json()`, or read back from JSON.
    """
    documents = f"{sum(record['sizes']):,} documents in {len(record['cohorts'])} cohorts, and "
    body = tag(
        "main",
        page_top(
            "What did seeing a document do?",
            tag("p", documents, f"{record['controls']:,} that were never seen."),
        ),
        section(
            "summary",
            "In short",
            "Nats by which a document is likelier for having been seen; 95 % by drawing "
            "documents again.",
            _summary(record),
        ),
        section(
            "effects",
            "The profile",
            "A row is a cohort: documents first seen before that step. A frame marks cells "
            "whose simultaneous band leaves 0 out; pale cells lie before the cohort was seen.",
            _triangle(record, "effect"),
        ),
        section(
            "plain",
            "The plain difference",
            "To documents never seen, for comparison: it is off by however much the texts differ.",
            _triangle(record, "plain"),
        ),
    )
    return html_page("Memorisation profile", body, style=_STYLE)


def _summary(record: Record) -> Markup:
    rows = [
        (name, _number(found["value"]), _number(*found["interval"]), _ABOUT[name])
        for name in _ABOUT
        if (found := record["summary"][name])["value"] is not None
    ]
    doubt = tag("p", record["doubt"]) if record["doubt"] else None
    return join(table(("effect", "nats", "95 %", ""), rows), doubt)


def _number(*ends: float) -> Markup:
    return tag("span", " to ".join(map(_nats, ends)), class_="n")


def _triangle(record: Record, what: str) -> Markup:
    cells = {(c["cohort"], c["checkpoint"]): c for c in record["cells"]}
    sizes = [abs(c[what]) for c in cells.values() if c[what] is not None]
    largest = max(sizes, default=0.0) or 1.0
    lines = []
    for cohort, size in zip(record["cohorts"], record["sizes"], strict=True):
        row = [_cell(cells[cohort, step], what, largest) for step in record["steps"]]
        lines.append(tag("tr", tag("th", f"by step {cohort} ({size})", scope="row"), *row))
    steps = [tag("th", str(step), scope="col") for step in record["steps"]]
    head = tag("thead", tag("tr", tag("th", "first seen (documents)"), *steps))
    triangle = tag("table", head, tag("tbody", *lines), class_="triangle")
    return tag("div", triangle, class_="wide")


def _cell(cell: Mapping[str, Any], what: str, largest: float) -> Markup:
    value = cell[what]
    if value is None:
        return tag("td", "base", class_="base", title="the checkpoint it is compared with")
    names = ["more" if value > 0 else "less"]
    words = f"first seen by step {cell['cohort']}, at step {cell['checkpoint']}: {_nats(value)}"
    if what == "effect":
        words += f" ± {cell['half_width']:.2f} nats (simultaneous)"
        names += ["sure"] if cell["significant"] else []
        names += ["before"] if cell["checkpoint"] < cell["cohort"] else []
    share = min(1.0, abs(value) / largest)
    return tag("td", _nats(value), class_=" ".join(names), style=f"--w:{share:.3f}", title=words)


def _nats(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}".replace("-", "−")
