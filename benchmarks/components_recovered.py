"""Precision and recall of component and edge methods where the circuit is known.

    python benchmarks/components_recovered.py > docs/benchmarks/components.json
    python benchmarks/components_recovered.py --table docs/benchmarks/components.json

Each method orders all causes; of the first k, k being the true number, the share that is true is
precision and recall at once. Truth is known in two ways:

    written    transformers whose weights are written by hand: edges and heads that are needed
    trained    the same shapes trained from nothing on fresh prompts of the tasks; which parts do
               the work is not known by name, and several do the same, so each order is judged by
               what its first causes carry (CPR, CMD), and by its rank correlation with removals
               measured one by one

Every measurement is repeated over seeds (of weights, prompts, noise).
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr

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
from whence.verification import EVEN_SIZES, baseline_scores, curve, mean_curve
from whence.worlds import copying, induction, two_hops

MODELS = {"induction": induction, "copying": copying, "two hops": two_hops}
NOISES = (0.0, 0.02)
FRESH = 20_000  # prompts to train on
RATE = 3e-3

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
    """One row a method: the share of the truth among its first."""
    for method, score in methods.items():
        start = time.perf_counter()
        # Of random orders the expectation is known; one draw would say less.
        share = len(truth) / len(causes.causes)
        found = share if method == "random" else at_true_size(score(causes, behaviors), truth)
        spent = time.perf_counter() - start
        yield {**case, "of": of, "method": method, "true": len(truth), "causes": len(causes.causes),
               "found": found, "seconds": round(spent, 3)}  # fmt: skip


def carried(
    of: str,
    causes: Edges | Components,
    behaviors: Sequence[Behavior],
    methods: dict[str, Method],
    case: dict[str, Any],
) -> Iterator[dict[str, Any]]:
    """One row a method: what its first causes carry, beside the mean of random orders."""
    exact = leave_one_out(causes, behaviors)
    orders = baseline_scores(causes.causes, behaviors)
    chance = [curve(s, causes, sizes=EVEN_SIZES) for name, s in orders.items() if "random" in name]
    about = {**case, "of": of, "causes": len(causes.causes)}
    for method, score in methods.items():
        start = time.perf_counter()
        if method == "random":
            told = mean_curve(chance)
            yield {**about, "method": method, "cpr": told["insertion"], "cmd": told["cmd"]}
            continue
        scores = exact if method == "leave-one-out" else score(causes, behaviors)
        spent = time.perf_counter() - start
        found = curve(scores, causes, sizes=EVEN_SIZES)
        yield {**about, "method": method, "cpr": found.cpr, "cmd": found.cmd,
               "ahead": found.lead(chance, "insertion"), "likeness": likeness(scores, exact),
               "seconds": round(spent, 3)}  # fmt: skip


def likeness(scores: Scores, exact: Scores) -> float:
    """Rank correlation of two mean orders, over the causes that both score."""
    mine, theirs = (np.nanmean(s.values, axis=0) for s in (scores, exact))
    both = np.isfinite(mine) & np.isfinite(theirs)
    return float(spearmanr(mine[both], theirs[both]).statistic)


def within(behaviors: Sequence[Behavior]) -> list[Behavior]:
    """Behaviors with a foil out of the prompt itself, which a trained model must tell apart.

    A word that is not there is so unlikely to a trained model that whatever is removed costs next
    to nothing of the difference.
    """
    found = []
    for behavior in behaviors:
        words = behavior.prompt.split()
        target = (behavior.target or "").strip()
        foil = next(word for word in words if word not in (target, words[-1]))
        found.append(Behavior(behavior.prompt, behavior.target, f" {foil}"))
    return found


def trained(seeds: Sequence[int], steps: int, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Every method on trained models."""
    for name, make in ((name, MODELS[name]) for name in names):
        for seed in seeds:
            model = learn(make(FRESH, seed=1_000 + seed), steps, seed)
            world = make(16, seed=seed)
            behaviors = within(world.behaviors)
            right = float((values(model, behaviors) > 0).mean())
            case = {"model": f"{name}, trained", "noise": None, "seed": seed, "right": right}
            if right < 0.9:
                yield {**case, "of": "parts", "method": "(not learned)"}
                continue
            for replacement in ("other", "zero"):
                how = {"replacement": replacement, "other_prompt": world.others}
                about = {**case, "with": replacement}
                edges = Edges(model, **how)
                yield from carried("edges", edges, behaviors, EDGES, about)
                parts = Components(model, **how)
                yield from carried("parts", parts, behaviors, fit(parts), about)


def learn(world: Any, steps: int, seed: int) -> Model:
    """The written model's shape, trained from nothing on fresh prompts of its task."""
    from transformers import GPT2LMHeadModel

    torch.manual_seed(seed)
    config = copy.deepcopy(world.model.module.config)
    config.resid_pdrop = config.embd_pdrop = config.attn_pdrop = 0.0
    config.initializer_range = 0.02
    module = GPT2LMHeadModel(config)
    module.set_attn_implementation("eager")
    tokenizer = world.model.tokenizer
    lines = [b.prompt + (b.target or "") for b in world.behaviors]
    ids = torch.tensor(tokenizer(lines)["input_ids"])
    optimizer = torch.optim.AdamW(module.parameters(), lr=RATE, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    module.train()
    for _ in range(steps):
        batch = ids[torch.randint(len(ids), (64,))]
        logits = module(batch[:, :-1], logits_to_keep=1).logits[:, -1]
        loss = torch.nn.functional.cross_entropy(logits, batch[:, -1])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return Model(module.eval(), tokenizer)


def table(found: Sequence[dict[str, Any]]) -> str:
    """Share found at the true size, by model: the mean over seeds and noises, and the lowest."""
    rows = [r for r in found if "found" in r or "cpr" in r]
    models = list(dict.fromkeys(r["model"] for r in rows))
    lines = [
        "| of | in place | method | " + " | ".join(models) + " |",
        "|---" * (3 + len(models)) + "|",
    ]
    for key in dict.fromkeys((r["of"], r["with"], r["method"]) for r in rows):
        own = [r for r in rows if (r["of"], r["with"], r["method"]) == key]
        cells = [_cell([r for r in own if r["model"] == model]) for model in models]
        lines.append("| " + " | ".join([*key, *cells]) + " |")
    return "\n".join(lines)


def _cell(own: Sequence[dict[str, Any]]) -> str:
    """Share found and the lowest; or CPR, CMD and likeness, "(not ahead)" if a lead may be none."""
    if not own:
        return ""
    if "cpr" in own[0]:
        cpr, cmd = (np.mean([r[area] for r in own]) for area in ("cpr", "cmd"))
        if "likeness" not in own[0]:
            return f"{cpr:.2f}, {cmd:.2f}"
        sure = "" if all(r["ahead"][0] > 0 for r in own) else " (not ahead)"
        return f"{cpr:.2f}, {cmd:.2f}; {np.mean([r['likeness'] for r in own]):.2f}{sure}"
    found = [r["found"] for r in own]
    mean, lowest = np.mean(found), min(found)
    return f"{mean:.2f}" if lowest == mean else f"{mean:.2f} ({lowest:.2f})"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--part", choices=("written", "trained", "both"), default="both")
    parser.add_argument("--models", default=",".join(MODELS), help="that are trained")
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
        for row in trained(seeds, asked.steps, asked.models.split(",")):
            print(json.dumps(row), flush=True)
    print("done", file=sys.stderr)


if __name__ == "__main__":
    main()
