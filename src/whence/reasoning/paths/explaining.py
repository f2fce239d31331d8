"""Why an answer: the rules that speak for it, each with its likeliest walk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from whence.reasoning.paths.graph import Graph
from whence.reasoning.paths.ranking import reach
from whence.reasoning.paths.rules import Rule


@dataclass(frozen=True)
class Walk:
    """A rule that leads from a head to a tail, and the likeliest walk along it.

    Attributes:
        rule: the rule.
        share: its weight times its probability: what it adds to the tail's score.
        entities: the walk, from the head to the tail.
        probability: of this walk.
    """

    rule: Rule
    share: float
    entities: tuple[int, ...]
    probability: float


def best_walks(
    graph: Graph, head: int, tail: int, rules: Sequence[Rule], *, most: int = 3
) -> tuple[Walk, ...]:
    """The rules that add most to a tail's score.

    Args:
        graph: with its relation matrices.
        head: entity by number.
        tail: entity by number.
        rules: of the target relation.
        most: how many walks.
    """
    by_path = {rule.path: rule for rule in rules}
    shares = {
        path: by_path[path].weight * float(found[0, tail])
        for path, found in reach(graph, [head], list(by_path))
    }
    ranked = sorted((path for path, share in shares.items() if share > 0), key=lambda p: -shares[p])
    return tuple(
        Walk(by_path[path], shares[path], *_likeliest(graph, head, tail, path))
        for path in ranked[:most]
    )


def _likeliest(
    graph: Graph, head: int, tail: int, path: tuple[int, ...]
) -> tuple[tuple[int, ...], float]:
    """The most probable walk by given relations, step by step (Viterbi)."""
    best: dict[int, tuple[float, tuple[int, ...]]] = {head: (1.0, (head,))}
    for relation in path:
        step = graph.steps[relation]
        following: dict[int, tuple[float, tuple[int, ...]]] = {}
        for entity, (probability, walk) in best.items():
            row = slice(step.indptr[entity], step.indptr[entity + 1])
            for reached, share in zip(
                step.indices[row].tolist(), step.data[row].tolist(), strict=True
            ):
                if probability * share > following.get(reached, (0.0, ()))[0]:
                    following[reached] = (probability * share, (*walk, reached))
        best = following
    probability, walk = best[tail]
    return walk, probability
