"""Score a setting's documents by named methods, one folder of scores a method.

    python benchmarks/documents_scored.py --setting world --folder DIR --methods ekfac,source
    python benchmarks/documents_scored.py --setting world --folder DIR --methods ekfac --blind

`--blind` scores with weights drawn anew in place of trained ones; those scores should fail.
`--at-once 8` scores eight behaviors at a time and keeps each part, so that a long method goes on
where it stopped. Seconds and largest resident memory are kept with the scores.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from documents_settings import options, setting

from whence.core import Behavior, Scores
from whence.explain.methods import METHODS, Causes
from whence.explain.peak import peak_memory
from whence.explain.untrained import untrained
from whence.interventions import Documents


def main() -> None:
    parser = options()
    parser.description = __doc__
    parser.add_argument("--methods", required=True, help="names, with commas between them")
    parser.add_argument("--blind", action="store_true", help="by weights drawn anew")
    parser.add_argument("--at-once", type=int, default=None, help="behaviors scored together")
    chosen = parser.parse_args()
    found = setting(chosen.setting, chosen.recipe, chosen.folder, chosen.size)
    causes, name = Documents(found.run), f"{chosen.setting}-{chosen.recipe}"
    asked = found.behaviors[: chosen.behaviors]
    if chosen.blind:
        causes = Documents(untrained(found.run, chosen.folder / f"{name}-untrained"))
        name += "-blind"
    for method in chosen.methods.split(","):
        place = chosen.folder / f"{name}-scores" / method
        scores = in_parts(place, method, causes, asked, chosen.at_once)
        print(f"{method}: {scores.cost.seconds:.1f} s, {scores.settings['peak_mb']:.0f} MB")


def in_parts(
    place: Path, method: str, causes: Causes, behaviors: tuple[Behavior, ...], at_once: int | None
) -> Scores:
    """Score some behaviors at a time; what is there is not made again."""
    count = at_once or len(behaviors)
    parts = [
        part(place.with_name(f".{method}-{first}"), method, causes, behaviors[first:][:count])
        for first in range(0, len(behaviors), count)
    ]
    whole = replace(
        parts[0],
        values=np.concatenate([p.values for p in parts]),
        behaviors=behaviors,
        errors=None,
        cost=sum((p.cost for p in parts[1:]), parts[0].cost),
        settings={
            **parts[0].settings,
            "peak_mb": max(p.settings["peak_mb"] for p in parts),
            "processor_seconds": sum(p.settings["processor_seconds"] for p in parts),
        },
    )
    shutil.rmtree(place, ignore_errors=True)
    whole.save(place)
    return whole


def part(place: Path, method: str, causes: Causes, behaviors: tuple[Behavior, ...]) -> Scores:
    if place.exists() and (made := Scores.load(place)).behaviors == behaviors:
        return made
    shutil.rmtree(place, ignore_errors=True)
    none = np.zeros((0, len(causes.causes)), dtype=bool)
    wall, processor = time.perf_counter(), time.process_time()
    with peak_memory() as peak:
        scores = METHODS["document"][method].score(causes, behaviors, none)
    spent = {
        "peak_mb": peak.megabytes,
        "processor_seconds": round(time.process_time() - processor, 3),
    }
    scores = replace(
        scores,
        method=method,
        cost=replace(scores.cost, seconds=time.perf_counter() - wall),
        settings={**scores.settings, **spent},
    )
    scores.save(place)
    return scores


if __name__ == "__main__":
    main()
