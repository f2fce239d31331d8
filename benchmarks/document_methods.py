"""Every document method that there is, on one world, against one bank of retrained models.

    python benchmarks/document_methods.py [--folder DIR] [--subsets 100] [--behaviors 40]

Trains the demo's model (or one of `--seed`), retrains it on random halves of the documents, and
judges every method that `whence judge` knows: linear datamodeling score with its interval, what
removing the top documents does beside random ones, recall of the documents that state each fact,
seconds and peak memory, and the scores that must fail. Interrupted, it goes on where it stopped
when the same --folder is given. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from whence.explain import METHODS, JudgeSettings, judge_documents
from whence.interventions import make_bank
from whence.studies.demo import RECIPE, build
from whence.training import train
from whence.worlds import people


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--seed", type=int, default=0, help="of the world and the training")
    parser.add_argument(
        "--subsets", type=int, default=100, help="retrainings on half the documents"
    )
    parser.add_argument("--behaviors", type=int, default=40, help="facts that are asked about")
    parser.add_argument("--methods", default=",".join(METHODS["document"]))
    parser.add_argument("--shares", default="0.005,0.01,0.02", help="'' removes nothing more")
    parser.add_argument("--no-sanity", action="store_true", help="leave the failing scores out")
    parser.add_argument("--workers", type=int, default=None)
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp())
    clock = [time.perf_counter()]
    world = people(seed=options.seed)
    recipe = replace(RECIPE, seed=options.seed)
    run = train(build(folder / "corpus", world), folder / "run", recipe)
    clock.append(time.perf_counter())
    bank = make_bank(run, folder / "bank", options.subsets, workers=options.workers)
    clock.append(time.perf_counter())
    # Evenly over the facts, so that all people and relations are among them.
    step = max(1, len(world.facts) // options.behaviors)
    facts = world.facts[::step][: options.behaviors]
    found = judge_documents(
        bank,
        [fact.question() for fact in facts],
        options.methods.split(","),
        truth=[fact.documents for fact in facts],
        settings=JudgeSettings(
            shares=tuple(float(s) for s in options.shares.split(",") if s),
            sanity=not options.no_sanity,
        ),
    )
    clock.append(time.perf_counter())
    spent = zip(("training", "bank", "judging"), clock, clock[1:], strict=False)
    record = found.to_json()
    print(
        json.dumps(
            {
                "seed": options.seed,
                "documents": len(world.documents),
                "behaviors": len(facts),
                "judged by": f"{found.subsets} of {len(bank.keep)} subsets",
                "rows": record["rows"],
                "seconds": {name: round(end - begin, 1) for name, begin, end in spent},
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
