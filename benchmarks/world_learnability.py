"""Is the world of invented people a fair examination? Trains it, and measures.

    python benchmarks/world_learnability.py [--seed 0] [--folder DIR] [--recipe JSON] [--replays 2]

Prints, as JSON: how many facts the model learned (value above 2 nats) and how long the
training took; what is left of facts whose documents were taken away; recall at the number
planted for look-ups and for gradient similarity.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np

from whence.attribution import bm25, exact_spans, random_order, tracin
from whence.corpus import BuildSettings, build_from_documents
from whence.interventions import Documents
from whence.models import values
from whence.training import Recipe, train
from whence.worlds import people

RECIPE = {
    "context": 64,
    "rows": 8,
    "epochs": 15,
    "learning_rate": 5e-3,
    "checkpoint_every": 40,
}


def recall(scores, world, corpus):
    """Mean share of a fact's documents among the first as many that a method names."""
    found = []
    for row, fact in enumerate(world.facts):
        true = {corpus.position(name) for name in fact.documents}
        found.append(len(true & set(scores.top(row, len(true)).tolist())) / len(true))
    return round(float(np.mean(found)), 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--world", default="{}", help="settings of the world, as JSON")
    parser.add_argument(
        "--recipe", default=json.dumps(RECIPE), help="settings of the recipe, as JSON"
    )
    parser.add_argument("--vocabulary", type=int, default=1024)
    parser.add_argument("--replays", type=int, default=2)
    parser.add_argument("--removed", type=int, default=4, help="facts taken away in one replay")
    parser.add_argument(
        "--steps", default="40,80,120,200", help="checkpoints for gradients, comma-separated"
    )
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp())
    world = people(seed=options.seed, **json.loads(options.world))
    corpus = build_from_documents(
        world.documents, folder / "corpus", BuildSettings(vocab_size=options.vocabulary)
    )
    start = time.perf_counter()
    run = train(corpus, folder / "run", Recipe(**json.loads(options.recipe)))
    seconds = time.perf_counter() - start
    questions = world.questions()
    before = values(run.model(), questions)
    result = {
        "documents": corpus.n_documents,
        "tokens": corpus.n_tokens,
        "facts": len(world.facts),
        "training": {"seconds": round(seconds, 1), "steps": run.steps},
        "learned": float((before > 2).mean()),
        "value quantiles": np.quantile(before, [0, 0.1, 0.5, 0.9, 1]).round(2).tolist(),
    }
    print(json.dumps(result), flush=True)
    causes = Documents(run)
    scores = [method(corpus, questions, causes.causes) for method in (bm25, exact_spans)]
    scores.append(random_order(questions, causes.causes, 0))
    steps = [int(s) for s in options.steps.split(",") if s]
    kept = [c.step for c in run.checkpoints if c.step > 0]
    near = sorted({min(kept, key=lambda k: abs(k - s)) for s in steps}) or None
    for preconditioner in ("adam", "none"):
        found = tracin(causes, questions, steps=near, preconditioner=preconditioner)
        scores.append(found)
        print(
            f"tracin {preconditioner} {found.settings['steps']}: {found.cost.seconds:.1f} s, "
            f"recall {recall(found, world, corpus)}",
            flush=True,
        )
    for found in scores[:3]:
        print(f"{found.method}: recall {recall(found, world, corpus)}", flush=True)
    rng = np.random.default_rng(0)
    for k in range(options.replays):
        gone = rng.permutation(len(world.facts))[: options.removed]
        weights = np.ones(corpus.n_documents)
        for i in gone:
            weights[[corpus.position(d) for d in world.facts[i].documents]] = 0
        after = values(run.replay(weights).model(), questions)
        others = np.setdiff1d(np.arange(len(before)), gone)
        moved = (before - after)[others]
        print(
            f"replay {k}: without their documents {after[gone].round(2).tolist()} "
            f"(before {before[gone].round(2).tolist()}); other facts moved by "
            f"{moved.mean():.2f} ± {moved.std():.2f} nats",
            flush=True,
        )
    if options.folder is None:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
