"""Are the right documents named, and does the verdict hold? Every fact of the demo's world.

    python benchmarks/planted_truth.py [--folder DIR] [--seed 0] [--facts 40] [--random 40]

Trains the demo's model, scores documents for all facts by every method, and removes, one
replay each, the whole set of documents that state a fact, and as many random sets matched
to them. Prints JSON: recall at the number planted, how often the removal of a fact's own
set is confirmed, and how often that of a matched random set is (it should be rarely).
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from whence.core.seeds import generator
from whence.explain import Plan, document_scores
from whence.interventions import Documents
from whence.models import values
from whence.studies import planted_recall
from whence.studies.demo import GRADIENT_STEPS, RECIPE, build
from whence.training import train
from whence.verification import Claim, VerifySettings, decide, prepare
from whence.verification.controls import matched_sets
from whence.worlds import people


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--seed", type=int, default=0, help="of the world and the training")
    parser.add_argument("--facts", type=int, default=40, help="facts put on trial")
    parser.add_argument("--random", type=int, default=40, help="random sets put on trial")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp())
    start = time.perf_counter()
    world = people(seed=options.seed)
    run = train(build(folder / "corpus", world), folder / "run", replace(RECIPE, seed=options.seed))
    trained = time.perf_counter() - start
    intervention = Documents(run)
    questions = world.questions()
    own = values(run.model(), questions)
    kept = {c.step for c in run.checkpoints}
    plan = Plan(checkpoints=tuple(s for s in GRADIENT_STEPS if s in kept))
    recall = {
        s.method: round(float(planted_recall(s, world).mean()), 3)
        for s in document_scores(intervention, questions, plan)
    }
    findings = trial(world, intervention, questions, options.facts, options.random)
    print(
        json.dumps(
            {
                "seed": options.seed,
                "facts": len(world.facts),
                "documents": len(world.documents),
                "learned (value above 2 nats)": float((own > 2).mean()),
                "recall at the number planted": recall,
                **findings,
                "seconds": {
                    "training": round(trained, 1),
                    "all": round(time.perf_counter() - start),
                },
            },
            indent=1,
        )
    )


def trial(world, intervention, questions, n_facts, n_random):
    """Judge each fact's own set, and random sets against the same controls."""
    where = {cause.id: i for i, cause in enumerate(intervention.causes)}
    own = [
        Claim(row, tuple(sorted(where[d] for d in fact.documents)), None, 1, "additive")
        for row, fact in enumerate(world.facts[:n_facts])
    ]
    rng = generator(0, "planted-truth")
    stated = frozenset(i for claim in own for i in claim.causes)
    random = [
        Claim(row % len(own), sets[0], None, 1, "additive")
        for row in range(n_random)
        if (sets := matched_sets(intervention.causes, own[row % len(own)].causes, stated, 1, rng))
    ]
    settings = VerifySettings()
    # Two trials with the same removals: a random set put on trial must not count among the
    # named sets of its behavior, which are no controls.
    first, second = (prepare(claims, intervention, settings) for claims in (own, random))
    measured = [intervention.measure(questions, t.keep) for t in (first, second)]
    by_own = decide(first, measured[0], intervention, settings)
    by_random = decide(second, measured[1], intervention, settings)
    return {
        "own set removed": counts(by_own),
        "matched random set removed": counts(by_random),
        "median fall, nats": {
            "own": round(float(np.median([v.measured for v in by_own])), 2),
            "random": round(float(np.median([v.measured for v in by_random])), 2),
        },
        "replays": first.removals + second.removals,
    }


def counts(verdicts):
    findings = [v.finding for v in verdicts]
    return {f: round(findings.count(f) / len(findings), 3) for f in sorted(set(findings))}


if __name__ == "__main__":
    main()
