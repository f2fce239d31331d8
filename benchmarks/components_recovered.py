"""Precision and recall of component and edge methods where the circuit is known.

    python benchmarks/components_recovered.py > docs/benchmarks/components.json
    python benchmarks/components_recovered.py --table docs/benchmarks/components.json

Each method orders all causes; of the first k, k being the true number, the share that is true is
precision and recall at once. Truth is known in two ways:

    written    transformers whose weights are written by hand: edges and heads that are needed
    trained    the same shapes trained from nothing on fresh prompts of the tasks; which parts do
               the work is not known by name, so each head or MLP whose removal costs at least a
               tenth of the behavior is taken as true, and the other methods are held against it

Every measurement is repeated over seeds (of weights, prompts, noise).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from whence.attribution import (
    attribution_patching,
    coar,
    direct_logit_attribution,
    edge_attribution,
    edge_integrated_gradients,
    effect_tests,
    greedy_pruning,
    information_flow,
    leave_one_out,
    permutation_shapley,
    random_order,
)
from whence.core import Behavior, Scores
from whence.interventions import Components, Divergence, Edges
from whence.models import Model, values
from whence.worlds import copying, induction, two_hops

MODELS = {"induction": induction, "copying": copying, "two hops": two_hops}
NOISES = (0.0, 0.02)
SHARE = 0.1  # of a behavior that a true component of a trained model costs

Method = Callable[[Any, Sequence[Behavior]], Scores]


def tested(causes: Any, behaviors: Sequence[Behavior]) -> Scores:
    """Effects, those that are no discovery put behind all that are."""
    found = effect_tests(causes, behaviors)
    order = np.where(found.discoveries, 1e3, 0.0) + found.scores.values.mean(0)
    return ranked(found.scores, np.tile(order, (len(behaviors), 1)))


def pruned(causes: Any, behaviors: Sequence[Behavior]) -> Scores:
    """What pruning left, in the order of its scores, before what it removed."""
    found = greedy_pruning(Divergence(causes), behaviors, 0.05)
    order = np.where(found.kept, 1e3, 0.0) + found.scores.values.mean(0)
    return ranked(found.scores, np.tile(order, (len(behaviors), 1)))


def ranked(scores: Scores, order: np.ndarray) -> Scores:
    return Scores(order, scores.behaviors, scores.causes, scores.method, "alone", unit="rank")


EDGES: dict[str, Method] = {
    "leave-one-out": leave_one_out,
    "eap": edge_attribution,
    "eap-ig": edge_integrated_gradients,
    "greedy-pruning (ACDC)": pruned,
    "random": lambda i, b: random_order(b, i.causes),
}
PARTS: dict[str, Method] = {
    "leave-one-out": leave_one_out,
    "effect-tests": tested,
    "shapley": lambda i, b: permutation_shapley(i, b, permutations=8),
    "coar": coar,
    "greedy-pruning": pruned,
    "attribution-patching": attribution_patching,
    "information-flow": information_flow,
    "direct-logit": direct_logit_attribution,
    "random": lambda i, b: random_order(b, i.causes),
}


def at_true_size(scores: Scores, truth: Sequence[str]) -> float:
    """Precision and recall of the first k of the mean order, k the number of true causes."""
    order = np.argsort(-np.nanmean(scores.values, axis=0), kind="stable")[: len(truth)]
    return len({scores.causes[i].id for i in order} & set(truth)) / len(truth)


def written(seeds: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Every method on every written model."""
    for name, make in MODELS.items():
        for noise in NOISES:
            for seed in seeds:
                world = make(8, noise=noise, seed=seed)
                for replacement in ("other", "zero"):
                    how = {"replacement": replacement, "other_prompt": world.others}
                    case = {"model": name, "noise": noise, "seed": seed, "with": replacement}
                    truth = sorted(world.edges[replacement])
                    edges = Edges(world.model, **how)
                    yield from rows("edges", edges, world.behaviors, truth, EDGES, case)
                    parts = Components(world.model, **how)
                    # With another prompt, heads that do the same in both cannot matter.
                    ends = {e.partition("->")[0] for e in truth} & set(world.heads)
                    yield from rows("parts", parts, world.behaviors, sorted(ends), fit(parts), case)


def fit(parts: Components) -> dict[str, Method]:
    """The methods for some parts: tests need two of a kind, to compare one with another."""
    kinds = [cause.stratum for cause in parts.causes]
    alone = any(kinds.count(kind) == 1 for kind in kinds)
    return {name: m for name, m in PARTS.items() if not (alone and name == "effect-tests")}


def rows(
    of: str,
    causes: Edges | Components,
    behaviors: Sequence[Behavior],
    truth: Sequence[str],
    methods: dict[str, Method],
    case: dict[str, Any],
) -> Iterator[dict[str, Any]]:
    for method, score in methods.items():
        start = time.perf_counter()
        # Of random orders the expectation is known; one draw would say less.
        share = len(truth) / len(causes.causes)
        found = share if method == "random" else at_true_size(score(causes, behaviors), truth)
        spent = time.perf_counter() - start
        yield {**case, "of": of, "method": method, "true": len(truth), "causes": len(causes.causes),
               "found": found, "seconds": round(spent, 3)}  # fmt: skip


def trained(seeds: Sequence[int], steps: int) -> Iterator[dict[str, Any]]:
    """The one-pass and gradient methods on trained models, against the exact sweep."""
    for name, make in MODELS.items():
        for seed in seeds:
            world = make(32, seed=seed)
            model = learn(make(2048, seed=1_000 + seed), steps, seed)
            right = float((values(model, world.behaviors) > 0).mean())
            parts = Components(model, replacement="other", other_prompt=world.others)
            exact = leave_one_out(parts, world.behaviors).values.mean(0)
            floor = SHARE * float(values(model, world.behaviors).mean())
            truth = [c.id for c, fall in zip(parts.causes, exact, strict=True) if fall >= floor]
            case = {"model": f"{name}, trained", "noise": None, "seed": seed, "with": "other",
                    "right": right}  # fmt: skip
            others = {k: v for k, v in fit(parts).items() if k != "leave-one-out"}
            if truth and right > 0.9:
                yield from rows("parts", parts, world.behaviors, truth, others, case)
            else:
                yield {**case, "of": "parts", "method": "(not learned)", "true": len(truth)}


def learn(world: Any, steps: int, seed: int) -> Model:
    """The written model's shape, trained from nothing on fresh prompts of its task."""
    from transformers import GPT2LMHeadModel

    torch.manual_seed(seed)
    module = GPT2LMHeadModel(world.model.module.config)
    module.set_attn_implementation("eager")
    tokenizer = world.model.tokenizer
    lines = [b.prompt + (b.target or "") for b in world.behaviors]
    ids = torch.tensor(tokenizer(lines)["input_ids"])
    optimizer = torch.optim.AdamW(module.parameters(), lr=2e-3, weight_decay=0.01)
    module.train()
    for _ in range(steps):
        batch = ids[torch.randint(len(ids), (64,))]
        logits = module(batch[:, :-1]).logits[:, -1]
        loss = torch.nn.functional.cross_entropy(logits, batch[:, -1])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return Model(module.eval(), tokenizer)


def table(found: Sequence[dict[str, Any]]) -> str:
    """Share found at the true size, by model: the mean over seeds and noises, and the lowest."""
    rows = [r for r in found if "found" in r]
    models = list(dict.fromkeys(r["model"] for r in rows))
    lines = [
        "| of | in place | method | " + " | ".join(models) + " |",
        "|---" * (3 + len(models)) + "|",
    ]
    for key in dict.fromkeys((r["of"], r["with"], r["method"]) for r in rows):
        own = [r for r in rows if (r["of"], r["with"], r["method"]) == key]
        cells = [_cell([r["found"] for r in own if r["model"] == model]) for model in models]
        lines.append("| " + " | ".join([*key, *cells]) + " |")
    return "\n".join(lines)


def _cell(found: Sequence[float]) -> str:
    if not found:
        return ""
    mean, lowest = np.mean(found), min(found)
    return f"{mean:.2f}" if lowest == mean else f"{mean:.2f} ({lowest:.2f})"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--part", choices=("written", "trained", "both"), default="both")
    parser.add_argument("--table", type=Path, help="a file that this wrote: print its table")
    asked = parser.parse_args()
    if asked.table:
        lines = asked.table.read_text().splitlines()
        print(table([json.loads(line) for line in lines if line.strip()]))
        return
    seeds = range(asked.seeds)
    if asked.part in ("written", "both"):
        for row in written(seeds):
            print(json.dumps(row), flush=True)
    if asked.part in ("trained", "both"):
        for row in trained(seeds, asked.steps):
            print(json.dumps(row), flush=True)
    print("done", file=sys.stderr)


if __name__ == "__main__":
    main()
