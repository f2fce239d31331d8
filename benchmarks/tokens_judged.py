"""Which token method names the tokens that matter? Planted truth, curves and sanity, as Markdown.

    python benchmarks/tokens_judged.py planted [--count 16] [--removal replace]
    python benchmarks/tokens_judged.py real RUN BEHAVIORS.jsonl [--unit word]

`planted` asks five models of which it is known what each answer rests on: three written by hand
and two trained here in seconds. Of k needed tokens: how many are among the first k that a method
names (precision and recall, which are the same there), and the mean over all orders of magnitude,
average precision. `real` judges the same methods on a recorded run by what their first words
carry, and asks each whether it notices that the weights were dealt out anew.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from whence.core import Behavior, Scores, read_behaviors
from whence.explain import METHODS
from whence.explain.subject import open_subject
from whence.interventions import Tokens
from whence.models import Model
from whence.verification import AREAS, cascade, pooled_curve, recall_at_planted
from whence.worlds import chosen, copying, induction, marked, two_hops

NONE = np.ones((0, 0), dtype=bool)
NOISE = 0.02
CASCADED = {"leave-one-out", "gradient-x-input", "smooth-grad", "integrated-gradients"}
CASCADED |= {"context-length", "attention-rollout", "value-flow", "embedding-norm"}
"""Those that are scored at every stage; others take hundreds of passes a prompt."""


def worlds(count: int) -> dict[str, object]:
    return {
        "induction": induction(count, noise=NOISE),
        "copying": copying(count, noise=NOISE),
        "two hops": two_hops(count, noise=NOISE),
        "marked (trained)": marked(count),
        "chosen (trained)": chosen(count),
    }


def scored(
    name: str, model: Model, behaviors: Sequence[Behavior], cut: Callable[[Model, str], Tokens]
) -> list[tuple[Scores, Tokens]]:
    """One method's scores, prompt by prompt."""
    pairs = []
    for behavior in behaviors:
        tokens = cut(model, behavior.prompt)
        pairs.append((METHODS["token"][name].score(tokens, [behavior], NONE), tokens))
    return pairs


def average_precision(scores: Scores, needed: set[str]) -> float:
    order = [scores.causes[i].id for i in scores.top(0, len(scores.causes))]
    hits = np.array([name in needed for name in order])
    return float((np.cumsum(hits) / np.arange(1, len(hits) + 1))[hits].sum() / len(needed))


def planted(count: int, removal: str) -> dict[str, object]:
    found: dict[str, dict[str, object]] = {}
    about = {}
    for world_name, world in worlds(count).items():
        about[world_name] = {
            "prompt": world.behaviors[0].prompt,
            "answer": world.behaviors[0].target,
            "accuracy": getattr(world, "accuracy", 1.0),
        }
        for name in METHODS["token"]:
            start = time.process_time()
            pairs = scored(name, world.model, world.behaviors, cut_by("token", removal))
            seconds = time.process_time() - start
            truth = [{f"T{i}" for i in world.tokens[b.prompt]} for b in world.behaviors]
            at = [recall_at_planted(s, [t])[0] for (s, _), t in zip(pairs, truth, strict=True)]
            every = [average_precision(s, t) for (s, _), t in zip(pairs, truth, strict=True)]
            found.setdefault(name, {})[world_name] = {
                "at true size": round(float(np.mean(at)), 3),
                "interval": bootstrap(at),
                "average precision": round(float(np.mean(every)), 3),
                "seconds": round(seconds, 2),
            }
    return {"removal": removal, "prompts": count, "worlds": about, "methods": found}


def cut_by(unit: str, removal: str) -> Callable[[Model, str], Tokens]:
    return lambda model, prompt: Tokens(model, prompt, unit=unit, removal=removal)


def bootstrap(values: Sequence[float]) -> list[float]:
    table = np.asarray(values)
    rng = np.random.default_rng(0)
    means = table[rng.integers(len(table), size=(1000, len(table)))].mean(1)
    return [round(float(x), 3) for x in np.percentile(means, [2.5, 97.5])]


def real(path: Path, behaviors: Sequence[Behavior], unit: str, removal: str) -> dict[str, object]:
    model = open_subject(path, None, needs_corpus=False).model
    cut = cut_by(unit, removal)
    rows = {}
    for name, method in METHODS["token"].items():
        start = time.process_time()
        curve = pooled_curve(scored(name, model, behaviors, cut))
        told = {area: curve.to_json()[area] for area in AREAS}
        if method.reads and name in CASCADED:

            def again(changed: Model, name: str = name) -> list[Scores]:
                return [scores for scores, _ in scored(name, changed, behaviors, cut)]

            told["randomised"] = cascade(again, model).to_json()
        rows[name] = {**told, "seconds": round(time.process_time() - start, 1)}
    return {"run": str(path), "unit": unit, "removal": removal, "methods": rows}


def planted_table(found: dict) -> str:
    names = list(found["worlds"])
    lines = ["| method | " + " | ".join(names) + " |", "|---|" + "---|" * len(names)]
    for method, cells in found["methods"].items():
        told = [
            f"{cells[n]['at true size']:.2f} ({cells[n]['average precision']:.2f})" for n in names
        ]
        lines.append(f"| {method} | " + " | ".join(told) + " |")
    return "\n".join(lines)


def real_table(found: dict) -> str:
    lines = [
        "| order | insertion | deletion | sufficiency | comprehensiveness | likeness |",
        "|---|---|---|---|---|---|",
    ]
    ranked = sorted(found["methods"].items(), key=lambda pair: pair[1]["deletion"]["value"])
    for method, row in ranked:
        cells = [
            f"{row[a]['value']:.2f} ({row[a]['interval'][0]:.2f} to {row[a]['interval'][1]:.2f})"
            for a in AREAS
        ]
        random = row.get("randomised")
        likeness = "–" if random is None else f"{random['similarity'][-1]:.2f}"
        if random is not None and not random["notices"]:
            likeness += ", blind"
        lines.append(f"| {method} | " + " | ".join([*cells, likeness]) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    kinds = parser.add_subparsers(dest="kind", required=True)
    first = kinds.add_parser("planted")
    first.add_argument("--count", type=int, default=16)
    second = kinds.add_parser("real")
    second.add_argument("run", type=Path, help="a run, or a checkpoint")
    second.add_argument("behaviors", type=Path)
    second.add_argument("--unit", default="word")
    for each in (first, second):
        each.add_argument("--removal", default="replace" if each is first else "drop")
        each.add_argument("--json", type=Path, default=None, help="also write the numbers here")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.kind == "planted":
        found = planted(options.count, options.removal)
        print(planted_table(found))
    else:
        asked = read_behaviors(options.behaviors)
        found = real(options.run, asked, options.unit, options.removal)
        print(real_table(found))
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
