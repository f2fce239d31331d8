"""Problems a second for each logic format; seconds and memory of path ranking.

    python benchmarks/logic_and_paths.py DATA

DATA holds `logic/` and `kg/` as the tests' real data do. One process, one thread.
"""

from __future__ import annotations

import sys
import time
import tracemalloc
from pathlib import Path

import numpy as np

from whence.reasoning.logic import DATASETS, read_problems, score_programs
from whence.reasoning.paths import (
    Graph,
    MiningSettings,
    mine_rules,
    read_graph,
    read_rules,
    score_paths,
)

MODEL = "text-davinci-003"


def logic(folder: Path) -> None:
    for name in DATASETS:
        problems = read_problems(folder / name / f"programs_{MODEL}.json")
        for reading in ("released", "standard"):
            start = time.process_time()
            score_programs(problems, name, reading)
            rate = len(problems) / (time.process_time() - start)
            print(f"{name:18} {reading:9} {rate:8.0f} problems/s of processor time")


def umls(folder: Path) -> None:
    start = time.process_time()
    graph = read_graph(folder)
    rules = read_rules(folder / "rule_probs_mat/3/rules_with_weights.json", graph)
    score_paths(graph, rules)
    print(f"UMLS, released rules up to 3: {time.process_time() - start:.1f} s")
    start = time.process_time()
    mine_rules(graph, MiningSettings(longest=2))
    print(f"UMLS, mining rules up to 2: {time.process_time() - start:.1f} s")


def large(entities: int = 75_000, relations: int = 400, edges: int = 150_000) -> None:
    """A random graph of the size of NELL-995 with its inverses."""
    draw = np.random.default_rng(0)
    rows = draw.integers((entities, relations, entities), size=(edges, 3))
    rows[:, 1] = relations * draw.random(edges) ** 3  # few relations have most edges
    names = tuple(f"e{n}" for n in range(entities))
    graph = Graph(names, tuple(f"r{n}" for n in range(relations)), rows)
    tracemalloc.start()
    start = time.process_time()
    mine_rules(graph, MiningSettings(longest=2, heads=500), [0, 1, 2])
    seconds, peak = time.process_time() - start, tracemalloc.get_traced_memory()[1]
    print(f"{entities:,} entities, mining 3 relations: {seconds:.1f} s, peak {peak / 1e6:.0f} MB")


if __name__ == "__main__":
    data = Path(sys.argv[1])
    logic(data / "logic")
    umls(data / "kg" / "umls")
    large()
