"""What the derivative through a recorded training costs, beside the training itself.

    python benchmarks/through_run_cost.py --behaviors 1 2 4 8

Trains a model on the demo's world, then differentiates behaviors through the run, all in
this process and in processor time, so that other work on the machine does not count. Prints a
table: seconds, times the training, times the training for each behavior, and largest memory.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
from pathlib import Path

import torch

from whence.attribution import through_run
from whence.corpus import BuildSettings, build_from_documents
from whence.interventions import Documents
from whence.training import Recipe, Run, train
from whence.worlds import people


def processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def peak_mib() -> float:
    """The process's own peak, which `ru_maxrss` is not: a child begins with its parent's."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--behaviors", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--size", default="tiny")
    parser.add_argument("--architecture", default="llama")
    parser.add_argument("--memory", type=int, default=1024, help="MiB for kept states")
    options = parser.parse_args()
    torch.set_num_threads(1)
    world = people(40)
    with tempfile.TemporaryDirectory() as folder:
        corpus = build_from_documents(
            world.documents, Path(folder, "corpus"), BuildSettings(vocab_size=1024)
        )
        recipe = Recipe(
            architecture=options.architecture,
            size=options.size,
            context=128,
            rows=8,
            steps=options.steps,
        )
        start = processor_seconds()
        run = train(corpus, Path(folder, "run"), recipe)
        trained = processor_seconds() - start
        print(f"{run.record['model']['parameters']:,} parameters, {run.steps} steps")
        print(f"{'behaviors':>9} {'seconds':>8} {'x training':>10} {'x each':>7} {'peak MiB':>9}")
        print(f"{'training':>9} {trained:8.1f} {1:10.2f} {'':7} {peak_mib():9.0f}")
        for count in options.behaviors:
            spent = measure(run, world.questions()[:count], options.memory << 20)
            each = spent / trained
            print(f"{count:9} {spent:8.1f} {each:10.2f} {each / count:7.2f} {peak_mib():9.0f}")


def measure(run: Run, behaviors: list, memory: int) -> float:
    start = processor_seconds()
    through_run(Documents(run), behaviors, memory=memory)
    return processor_seconds() - start


if __name__ == "__main__":
    main()
