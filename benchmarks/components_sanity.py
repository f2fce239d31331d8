"""Do component and edge methods notice that the model is no longer itself? Markdown tables.

    python benchmarks/components_sanity.py tasks
    python benchmarks/components_sanity.py run RUN BEHAVIORS.jsonl

From the vocabulary down to the embedding the weights of one part after another are dealt out anew
(their numbers stay, their places do not), each on top of those before, and every method scores
what it is given. A cell is the mean rank correlation of its scores with those of the model itself.
`tasks` trains the models of `components_recovered.py`; `run` takes a recorded run.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from components_recovered import FRESH, MODELS, learn, within

from whence.attribution import edge_attribution, edge_integrated_gradients, leave_one_out
from whence.core import Behavior, Scores, read_behaviors
from whence.explain import METHODS, open_subject
from whence.interventions import Components, Edges
from whence.models import Model
from whence.verification import Cascade, cascade

NONE = np.ones((0, 0), dtype=bool)
TEXTS = 16
EDGES: dict[str, Callable[[Edges, Sequence[Behavior]], Scores]] = {
    "edges: leave-one-out": leave_one_out,
    "edges: eap": edge_attribution,
    "edges: eap-ig": edge_integrated_gradients,
}


def cascades(
    model: Model, behaviors: Sequence[Behavior], how: Mapping[str, Any], *, edges: bool
) -> list[Cascade]:
    """Every method that reads the model, at every stage."""
    found = []
    for name, method in METHODS["component"].items():
        if method.reads:

            def parts(changed: Model, score: Any = method.score) -> list[Scores]:
                return [score(Components(changed, **how), behaviors, NONE)]

            found.append(named(cascade(parts, model), name))
    for name, score in EDGES.items() if edges else ():

        def between(changed: Model, score: Any = score) -> list[Scores]:
            return [score(Edges(changed, **how), behaviors)]

        found.append(named(cascade(between, model), name))
    return found


def named(found: Cascade, name: str) -> Cascade:
    print(f"{name}: {found.similarity.mean(axis=0).round(2)}", flush=True)
    return Cascade(name, found.stages, found.similarity)


def table(found: Sequence[Cascade]) -> str:
    stages = found[0].stages
    lines = [
        "| method | " + " | ".join(stages) + " | 95 % at the end | notices |",
        "|---" * (len(stages) + 3) + "|",
    ]
    for one in found:
        low, high = one.interval()
        cells = [f"{value:.2f}" for value in one.similarity.mean(axis=0)]
        last = [f"{low:.2f} to {high:.2f}", "yes" if one.notices else "**no**"]
        lines.append("| " + " | ".join([one.method, *cells, *last]) + " |")
    return "\n".join(lines)


def tasks(names: Sequence[str], steps: int, count: int) -> dict[str, list[Cascade]]:
    found = {}
    for name in names:
        model = learn(MODELS[name](FRESH, seed=1_000), steps, 0)
        world = MODELS[name](count, seed=0)
        for replacement in ("other", "zero"):
            how = {"replacement": replacement, "other_prompt": world.others}
            told = f"{name}, trained, {replacement} in place"
            print(told, flush=True)
            found[told] = cascades(model, within(world.behaviors), how, edges=True)
    return found


def run(path: Path, behaviors: Sequence[Behavior]) -> dict[str, list[Cascade]]:
    subject = open_subject(path, None)
    assert subject.corpus is not None
    texts = [subject.corpus.text(i) for i in range(min(TEXTS, subject.corpus.n_documents))]
    found = {}
    for replacement in ("mean", "resample", "zero"):
        how = {"replacement": replacement, "reference": texts}
        print(replacement, flush=True)
        found[f"{path.name}, {replacement} in place"] = cascades(
            subject.model, behaviors, how, edges=replacement != "resample"
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    kinds = parser.add_subparsers(dest="kind", required=True)
    first = kinds.add_parser("tasks")
    first.add_argument("--models", default="induction,two hops")
    first.add_argument("--steps", type=int, default=1500)
    first.add_argument("--count", type=int, default=16)
    second = kinds.add_parser("run")
    second.add_argument("run", type=Path)
    second.add_argument("behaviors", type=Path)
    for each in (first, second):
        each.add_argument("--json", type=Path, default=None, help="also write the numbers here")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.kind == "tasks":
        found = tasks(asked.models.split(","), asked.steps, asked.count)
    else:
        found = run(asked.run, read_behaviors(asked.behaviors))
    for name, own in found.items():
        print(f"\n### {name}\n\n{table(own)}")
    if asked.json is not None:
        told = {name: [one.to_json() for one in own] for name, own in found.items()}
        asked.json.write_text(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
