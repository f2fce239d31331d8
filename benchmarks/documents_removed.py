"""How far behaviors fall when the documents that a method names for them are really removed.

    python benchmarks/documents_removed.py --setting text --folder DIR --behaviors 8

For each behavior, method and share of the documents the method's top ones are left out and the
run is trained again. Beside them stand random sets of as many documents, as long as those that
the first method names; every behavior and method of a share is compared with the same ones.
Scores come from what `documents_scored.py` and the peers left in the folder; retrainings are
kept in the bank, so that this goes on where it stopped. Prints a table; `--output` keeps more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from documents_judged import peer, peers, saved
from documents_settings import options, setting

from whence.core import Scores
from whence.core.records import write_json
from whence.core.seeds import generator
from whence.interventions import Bank, open_bank
from whence.verification import Resampling, prediction_interval
from whence.verification.controls import matched_sets

CONTROLS = 16


@dataclass(frozen=True, slots=True)
class Fall:
    """What one method's removals did at one share.

    Attributes:
        method: whose.
        share: of the documents, as asked for.
        removed: documents, from each behavior.
        falls: of each behavior, nats.
        beyond: of each behavior, that less the mean of its random removals, nats.
        interval: of the mean of these, 95 %, over behaviors.
        confirmed: how many behaviors fell further than 95 % of random removals would let them.
    """

    method: str
    share: float
    removed: int
    falls: list[float]
    beyond: list[float]
    interval: tuple[float, float]
    confirmed: int


def main() -> None:
    parser = options()
    parser.description = __doc__
    parser.add_argument("--shares", default="0.005,0.01,0.02", help="of the documents")
    parser.add_argument(
        "--methods", default="through-run-centred,ekfac,tracin,trak,bm25", help="that were scored"
    )
    parser.add_argument("--output", type=Path, default=None)
    chosen = parser.parse_args()
    found = setting(chosen.setting, chosen.recipe, chosen.folder, chosen.size)
    name = f"{chosen.setting}-{chosen.recipe}"
    bank = open_bank(chosen.folder / f"{name}-bank", found.run, workers=1)
    theirs = [peer(p, found, bank) for p in peers(chosen.folder / f"{name}-handoff")]
    made = {s.method: s for s in [*saved(chosen.folder / f"{name}-scores"), *theirs]}
    asked = found.behaviors[: chosen.behaviors]
    every = [made[method].about(asked) for method in chosen.methods.split(",")]
    falls, chance = [], []
    for share in map(float, chosen.shares.split(",")):
        some, random = removed(every, bank, share)
        falls += some
        chance.append(random)
    if chosen.output is not None:
        write_json(chosen.output, {"falls": [asdict(f) for f in falls], "random": chance})
    print(table(falls, chance))


def removed(every: Sequence[Scores], bank: Bank, share: float) -> tuple[list[Fall], float]:
    """Remove the top share by each method, and random sets.

    Returns:
        One fall a method, and the mean fall under random removals, nats.
    """
    count = max(1, round(share * len(bank.causes)))
    named = [[s.top(b, count).tolist() for b in range(len(s.behaviors))] for s in every]
    random = drawn(named[0], bank)
    sets = [*random, *(causes for some in named for causes in some)]
    keep = np.ones((1 + len(sets), len(bank.causes)), dtype=bool)
    for row, causes in zip(keep[1:], sets, strict=True):
        row[causes] = False
    values = bank.measure(every[0].behaviors, keep)
    falls = values[:, :1] - values[:, 1:]
    controls, rest = falls[:, : len(random)], falls[:, len(random) :]
    own = np.split(rest, len(every), axis=1)  # of each method a square: a column a behavior's set
    found = [
        summed(scores.method, share, count, np.diagonal(square), controls)
        for scores, square in zip(every, own, strict=True)
    ]
    return found, float(controls.mean())


def drawn(named: Sequence[list[int]], bank: Bank) -> list[list[int]]:
    """Random sets, each like one that was named, in turn."""
    rng = generator(0, "removed", len(named[0]))
    likes = (named[number % len(named)] for number in range(CONTROLS))
    return [list(matched_sets(bank.causes, like, frozenset(), 1, rng)[0]) for like in likes]


def summed(method: str, share: float, count: int, falls, controls) -> Fall:
    beyond = falls - controls.mean(1)
    how, rng = Resampling(), generator(0, "behaviors")
    draws = beyond[rng.integers(len(beyond), size=(how.resamples, len(beyond)))].mean(1)
    highest = [prediction_interval(row)[1] for row in controls]
    return Fall(
        method=method,
        share=share,
        removed=count,
        falls=falls.round(4).tolist(),
        beyond=beyond.round(4).tolist(),
        interval=how.interval(draws),
        confirmed=int((falls > np.maximum(highest, 0)).sum()),
    )


def table(falls: Sequence[Fall], chance: Sequence[float]) -> str:
    """Mean fall, the interval of what lies beyond chance, and how many are beyond it."""
    shares = list(dict.fromkeys(fall.share for fall in falls))
    counts = {fall.share: fall.removed for fall in falls}
    lines = ["method | " + " | ".join(f"top {s:.1%} ({counts[s]} documents)" for s in shares)]
    lines.append(" | ".join(["---"] * (1 + len(shares))))
    for method in dict.fromkeys(fall.method for fall in falls):
        cells = [f"`{method}`"]
        for fall in (f for f in falls if f.method == method):
            low, high = fall.interval
            cells.append(
                f"{np.mean(fall.falls):.2f} ({low:.2f} to {high:.2f} beyond chance; "
                f"{fall.confirmed} of {len(fall.falls)})"
            )
        lines.append(" | ".join(cells))
    lines.append(" | ".join(["matched random", *(f"{mean:.2f}" for mean in chance)]))
    return "\n".join(f"| {line} |" for line in lines)


if __name__ == "__main__":
    main()
