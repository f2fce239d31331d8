"""Retraining at speed: replays alone, one process a core, and as one stacked computation.

    python benchmarks/replays.py --replays 16 --steps 20

Trains a model of about 58,000 parameters, the demo's and one of a million, and replays each on
random halves of its documents: one after the other with nothing left out (weights of 1e-30 in
place of 0), one after the other, in one process a core, in a stack, and in a stack a core. Times
are of whole replays, loading and saving included: on the wall, for which the machine must be
quiet, and of the processor, starting of workers included.

`--profile` says in what the processor time of a step goes: the fastest tenth of steps, the share
of it in products of matrices, and how many calls of the library a replay's step takes.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile

from whence.corpus import BuildSettings, Corpus, build_from_documents, open_corpus
from whence.training import Recipe, Run, train
from whence.training.checkpoints import load_checkpoint
from whence.training.loop import advance
from whence.training.numerics import numerics
from whence.training.stacked import advance_stack, stack_of
from whence.worlds import people

SMALL = {
    "model_type": "llama",
    "vocab_size": 512,
    "hidden_size": 32,
    "intermediate_size": 86,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
}

ALMOST_NOTHING = 1e-30


def runs(folder: Path, steps: int, names: list[str]) -> dict[str, Run]:
    def corpus(size: int) -> Corpus:
        place = folder / f"corpus-{size}"
        if place.exists():
            return open_corpus(place)
        return build_from_documents(people(40).documents, place, BuildSettings(vocab_size=size))

    (folder / "small.json").write_text(json.dumps(SMALL))
    kept = {"steps": steps, "checkpoint_every": steps, "rows": 8}
    recipes = {
        "very small": (512, Recipe(config=str(folder / "small.json"), context=32, **kept)),
        "demo": (1024, Recipe(context=128, size="tiny", **kept)),
        "a million": (1024, Recipe(context=128, size="small", **kept)),
    }
    return {
        name: train(corpus(size), folder / name, recipe)
        for name, (size, recipe) in recipes.items()
        if name in names
    }


def halves(run: Run, count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return list((rng.random((count, run.corpus().n_documents)) < 0.5).astype(float))


def processor() -> float:
    """Seconds of this process and of those that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def seconds(run: Run, weights: list[np.ndarray], workers: int, stack: int) -> tuple[float, float]:
    """On the wall, and of the processor."""
    shutil.rmtree(run.path / "replays", ignore_errors=True)
    start, before = time.perf_counter(), processor()
    run.replay_many(weights, workers, stack=stack)
    return time.perf_counter() - start, processor() - before


def steps_apart(run: Run, width: int) -> dict[str, float]:
    """Shares of the processor time of one replay's step, and that time in milliseconds."""
    state, weights = load_checkpoint(run.checkpoint(0).path, run.recipe), halves(run, width)
    given = torch.tensor(np.stack(weights), dtype=torch.float32)
    batches = [run.batch(step) for step in range(1, run.steps + 1)]
    stack = stack_of([state] * width)

    def step(number: int) -> None:
        if width == 1:
            advance(state, batches[number], given[0], run.plan)
        else:
            advance_stack(stack, batches[number], given, run.plan)

    with numerics(run.recipe):
        spent = []
        for number in range(run.steps - 1):
            start = time.process_time()
            step(number)
            spent.append(time.process_time() - start)
        with profile(activities=[ProfilerActivity.CPU]) as seen:
            step(run.steps - 1)
    # The machine may be busy: the fastest steps are those that were disturbed least.
    plain = float(np.quantile(spent, 0.1))
    each = {event.key: event.self_cpu_time_total for event in seen.key_averages()}
    calls = sum(event.count for event in seen.key_averages())
    products = sum(t for key, t in each.items() if key in ("aten::mm", "aten::bmm", "aten::addmm"))
    return {
        "ms a replay": round(1e3 * plain / width, 1),
        "products": round(products / sum(each.values()), 2),
        "calls a replay": round(calls / width),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replays", type=int, default=16)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--models", nargs="+", default=["very small", "demo", "a million"])
    parser.add_argument("--widths", type=int, nargs="+", default=[16])
    parser.add_argument("--profile", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        for name, run in runs(Path(folder), given.steps, given.models).items():
            size = run.record["model"]["parameters"]
            print(f"{name}: {size:,} parameters, {run.steps} steps of 8 x {run.recipe.context}")
            if given.profile:
                for width in (1, *given.widths):
                    print(f"  stack of {width:2}: {steps_apart(run, width)}", flush=True)
                continue
            weights = halves(run, given.replays)
            whole = [np.maximum(each, ALMOST_NOTHING) for each in weights]
            ways = [("one by one, nothing left out", whole, 1, 1), ("one by one", weights, 1, 1)]
            ways += [("a process a core", weights, given.cores, 1)]
            ways += [(f"stacks of {w}", weights, 1, w) for w in given.widths]
            ways += [(f"stacks of {w}, each core", weights, given.cores, w) for w in given.widths]
            base = None
            for what, each, workers, stack in ways:
                wall, work = seconds(run, each, workers, stack)
                base = base or wall
                print(
                    f"  {what:32} {wall:7.1f} s {60 * given.replays / wall:7.0f} a minute "
                    f"{base / wall:5.2f}x {work / given.replays:7.3f} processor s a replay",
                    flush=True,
                )


if __name__ == "__main__":
    main()
