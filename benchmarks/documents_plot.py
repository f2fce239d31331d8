"""The plot of docs/benchmarks/documents.md: prediction of random halves against cost.

    python benchmarks/documents_plot.py World=world.json Text=text.json --output documents.svg

Takes what `documents_judged.py --output` wrote, one panel a file, under the name before the `=`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from whence.core.markup import Markup, tag
from whence.core.plot import HEIGHT, WIDTH, Axis, Series, plot
from whence.core.records import writing
from whence.explain.judging import BASELINES

HEAD, LEFT, LEGEND = 26, 62, 330  # above a panel; where its title and its legend begin
PEERS = ("bergson", "kronfluence", "traker", "dattri")
COLOURS = {"Whence": "#2a6fb0", "peers": "#c8641b", "look-ups": "#1e7d4f"}  # as `plot` has them
FASTEST = 1.0  # what takes fewer seconds stands here


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("panels", nargs="+", metavar="NAME=FILE")
    parser.add_argument("--output", type=Path, required=True)
    chosen = parser.parse_args()
    pairs = [panel.split("=", 1) for panel in chosen.panels]
    drawn = [
        panel(name, json.loads(Path(file).read_text()), number * (HEIGHT + HEAD))
        for number, (name, file) in enumerate(pairs)
    ]
    height = len(drawn) * (HEIGHT + HEAD)
    whole = tag(
        "svg",
        tag("title", "linear datamodeling score against processor seconds"),
        tag("rect", width=WIDTH, height=height, fill="white"),
        *drawn,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {WIDTH} {height}",
        width=2 * WIDTH,
        font_family="sans-serif",
    )
    with writing(chosen.output) as temporary:
        temporary.write_text(f"{whole}\n")


def panel(name: str, judged: dict[str, Any], top: int) -> Markup:
    groups: dict[str, list[dict[str, Any]]] = {group: [] for group in COLOURS}
    for row in judged["rows"]:
        groups[kind(row["method"])].append(row)
    drawn = plot(
        f"{name}: score against cost",
        [series(rows) for rows in groups.values()],
        Axis(f"processor seconds ({FASTEST:g} or fewer at the left)", log=True, low=FASTEST),
        Axis("LDS, with 95 % interval", low=-0.1, high=1.0),
    )
    return tag(
        "g",
        tag("text", name, x=LEFT, y=18, font_size=13, font_weight="bold", fill="#333"),
        tag("text", *map(legend, COLOURS), x=LEGEND, y=18, font_size=11),
        tag("svg", drawn, y=HEAD, width=WIDTH, height=HEIGHT),
        transform=f"translate(0 {top})",
    )


def legend(group: str) -> Markup:
    return tag("tspan", f"{group} ", fill=COLOURS[group])


def kind(method: str) -> str:
    if method.startswith(PEERS):
        return "peers"
    return "look-ups" if method in BASELINES else "Whence"


def series(rows: list[dict[str, Any]]) -> Series:
    return Series(
        "",
        [(max(row["processor_seconds"] or row["seconds"], FASTEST), row["lds"]) for row in rows],
        low=[row["interval"][0] for row in rows],
        high=[row["interval"][1] for row in rows],
        labels=[row["method"] for row in rows],
    )


if __name__ == "__main__":
    main()
