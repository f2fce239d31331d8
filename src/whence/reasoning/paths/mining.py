"""Rules found in a graph, and their weights.

For a target relation: which sequences of relations lead, from the heads of its edges, to their
tails, and for how many edges? The most frequent become features: the probability of each rule
for a pair. Pairs of the graph's edges against as many pairs with another tail that some rule
reaches too, in a logistic regression, give the weights.

A sequence is followed only as long as it goes on from the heads of enough edges. In a large
graph only rows of one relation's own heads are multiplied, sparse, so that 75 thousand
entities need no more than their edges and these rows. In a small one (`_DENSE`) all relations
are counted at once, in dense products, which are faster there.

Source: Lao and Cohen (2010); settings as in Wang et al. (2024): at most 100 rules a relation,
each for more than 10 edges; ridge 1 with a free constant, as scikit-learn's default.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import sparse
from scipy.optimize import minimize

from whence.core.errors import GraphError
from whence.core.progress import progress
from whence.core.seeds import generator
from whence.reasoning.paths.graph import Graph
from whence.reasoning.paths.ranking import reach
from whence.reasoning.paths.rules import Rule

_DENSE = 1024
"""Entities up to which relation matrices are multiplied dense: 4 MB each."""


@dataclass(frozen=True)
class MiningSettings:
    """How rules are found and weighed.

    Attributes:
        longest: most relations in a rule.
        most: rules kept for a target relation, the most frequent.
        fewest: edges that a rule must lead to.
        ridge: half the weight of the squared weights in the loss.
        heads: of the relation at most so many are looked at, drawn by the seed; None takes all.
        seed: of the heads and of the pairs that are not edges.

    Raises:
        GraphError: a number that leaves nothing.
    """

    longest: int = 3
    most: int = 100
    fewest: int = 11
    ridge: float = 1.0
    heads: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.longest, self.most, self.fewest) < 1 or self.heads == 0 or self.ridge <= 0:
            raise GraphError(
                "mining", expected="numbers above 0", got=repr(self), fix="Choose larger ones."
            )


def mine_rules(
    graph: Graph, settings: MiningSettings, targets: Sequence[int] | None = None
) -> dict[int, tuple[Rule, ...]]:
    """Rules with weights for each target relation; one without rules is left out.

    Args:
        graph: its edges are what is learned from.
        settings: how.
        targets: relations by number; None takes all.
    """
    targets = list(range(len(graph.relations)) if targets is None else targets)
    edges = {target: _edges(graph, target, settings) for target in targets}
    small = len(graph.entities) <= _DENSE
    counted = _counts(graph, edges, settings, _dense_patterns(graph)) if small else {}
    patterns = [] if small else [_ones(step) for step in graph.steps]
    found: dict[int, tuple[Rule, ...]] = {}
    for target in progress(targets, "relations mined", len(targets)):
        own = {target: edges[target]}
        counts = counted if small else _counts(graph, own, settings, patterns)
        rules = counts.get(target, {})
        kept = sorted(rules, key=lambda path: (-rules[path], path))[: settings.most]
        if kept:
            weights = _weights(graph, edges[target], kept, settings, target)
            found[target] = tuple(
                Rule(path, float(weight), rules[path])
                for path, weight in zip(kept, weights, strict=True)
            )
    return found


def _edges(graph: Graph, target: int, settings: MiningSettings) -> Int[np.ndarray, "edge 3"]:
    edges = np.unique(graph.edges[graph.edges[:, 1] == target], axis=0)
    heads = np.unique(edges[:, 0])
    if settings.heads is not None and len(heads) > settings.heads:
        drawn = generator(settings.seed, "heads", graph.relations[target])
        heads = drawn.choice(heads, settings.heads, replace=False)
        edges = edges[np.isin(edges[:, 0], heads)]
    return edges


def _counts(
    graph: Graph,
    edges: dict[int, Int[np.ndarray, "edge 3"]],
    settings: MiningSettings,
    patterns: Sequence[Any],
) -> dict[int, dict[tuple[int, ...], int]]:
    """How many edges of each target a sequence of relations leads to, where these are enough."""
    every = np.concatenate(list(edges.values()))
    heads, rows = np.unique(every[:, 0], return_inverse=True)
    kinds, tails = len(graph.relations), every[:, 2]
    counts: dict[int, dict[tuple[int, ...], int]] = {target: {} for target in edges}

    def follow(path: tuple[int, ...], reached: Any) -> None:
        for relation, pattern in enumerate(patterns):
            following = _ones(reached @ pattern)
            # An edge can only be led to from a head that is still on its way.
            under_way = _row_sums(following) > 0
            support = np.bincount(every[under_way[rows], 1], minlength=kinds)
            if support.max() < settings.fewest:
                continue
            longer = (*path, relation)
            hits = np.asarray(following[rows, tails]).ravel() > 0
            led = np.bincount(every[hits, 1], minlength=kinds)
            for target in np.flatnonzero(led >= settings.fewest).tolist():
                counts[target][longer] = int(led[target])
            if len(longer) < settings.longest:
                follow(longer, following)

    if len(every):
        size = len(graph.entities)
        ones = np.ones(len(heads), dtype=np.float32)
        start = sparse.csr_array((ones, (np.arange(len(heads)), heads)), shape=(len(heads), size))
        follow((), start.toarray() if isinstance(patterns[0], np.ndarray) else start)
    return counts


def _dense_patterns(graph: Graph) -> list[Float[np.ndarray, "entity entity"]]:
    return [(step.toarray() > 0).astype(np.float32) for step in graph.steps]


def _ones(matrix: Any) -> Any:
    """The pattern of a matrix, dense or sparse: 1 where it holds anything."""
    if isinstance(matrix, np.ndarray):
        return (matrix > 0).astype(np.float32)
    found = matrix.copy()
    found.sum_duplicates()
    found.data = np.ones_like(found.data)
    return found


def _row_sums(matrix: Any) -> Any:
    return matrix.sum(axis=1) if isinstance(matrix, np.ndarray) else np.diff(matrix.indptr)


def _weights(
    graph: Graph,
    edges: Int[np.ndarray, "edge 3"],
    paths: Sequence[tuple[int, ...]],
    settings: MiningSettings,
    target: int,
) -> Float[np.ndarray, " rule"]:
    """Weights of rules by logistic regression; all 1 where there is nothing to tell apart."""
    heads = np.unique(edges[:, 0])
    columns = dict(reach(graph, heads.tolist(), paths))
    reached = sparse.csr_array(sum(_ones(columns[path]) for path in paths))
    pairs, labels = _pairs(graph, edges, heads, reached, settings, target)
    if not (labels.any() and (~labels).any()):
        return np.ones(len(paths))
    features = np.stack(
        [np.asarray(columns[path][pairs[:, 0], pairs[:, 1]]).ravel() for path in paths], axis=1
    )
    return logistic_weights(features, labels, settings.ridge)


def _pairs(
    graph: Graph,
    edges: Int[np.ndarray, "edge 3"],
    heads: Int[np.ndarray, " head"],
    reached: sparse.csr_array,
    settings: MiningSettings,
    target: int,
) -> tuple[Int[np.ndarray, "pair 2"], Bool[np.ndarray, " pair"]]:
    """Row of a head and a tail that some rule reaches: edges, and as many that are none."""
    places = reached.tocoo()
    size = len(graph.entities)
    edge_codes = np.searchsorted(heads, edges[:, 0]) * size + edges[:, 2]
    codes = places.row.astype(np.int64) * size + places.col
    is_edge = np.isin(codes, edge_codes)
    others = codes[~is_edge]
    count = int(is_edge.sum())
    if len(others) > count:
        drawn = generator(settings.seed, "others", graph.relations[target])
        others = drawn.choice(others, count, replace=False)
    chosen = np.concatenate([codes[is_edge], others])
    labels = np.arange(len(chosen)) < count
    return np.stack([chosen // size, chosen % size], axis=1), labels


def logistic_weights(
    features: Float[np.ndarray, "pair rule"], labels: Bool[np.ndarray, " pair"], ridge: float
) -> Float[np.ndarray, " rule"]:
    """The weights that minimise the logistic loss plus a ridge; the constant is free.

    Loss: sum over pairs of log(1 + exp(-s (x w + c))), with s = +1 or -1, plus
    ridge / 2 times the squared length of w.

    Args:
        features: rule probabilities of each pair.
        labels: which pairs are edges.
        ridge: the weight of the penalty.
    """
    signs = np.where(labels, 1.0, -1.0)

    def loss(point: Float[np.ndarray, " _"]) -> tuple[float, Float[np.ndarray, " _"]]:
        weights, constant = point[:-1], point[-1]
        margins = signs * (features @ weights + constant)
        value = np.logaddexp(0.0, -margins).sum() + 0.5 * ridge * weights @ weights
        pull = -signs / (1.0 + np.exp(np.clip(margins, -500, 500)))
        slope = np.append(features.T @ pull + ridge * weights, pull.sum())
        return float(value), slope

    start = np.zeros(features.shape[1] + 1)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 1000})
    weights: Float[np.ndarray, " rule"] = found.x[:-1]
    return weights
