"""How probable each tail is, by the rules of a target relation.

Rules that begin alike share their products: heads are pushed through the tree of all rules,
one sparse product for each node. Only rows of the asked heads are ever formed, so memory
grows with the heads and with what they reach, never with entities squared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float
from scipy import sparse

from whence.reasoning.paths.graph import Graph
from whence.reasoning.paths.rules import Rule

_TEMPERATURE = 100.0


def reach(
    graph: Graph, heads: Sequence[int], paths: Sequence[tuple[int, ...]]
) -> Iterator[tuple[tuple[int, ...], sparse.csr_array]]:
    """The probabilities of each path from each head, one path after another.

    Args:
        graph: with its relation matrices.
        heads: entities by number.
        paths: sequences of relations; those that begin alike are best asked together.

    Yields:
        A path and its probabilities, head x entity, sparse.
    """
    size = len(graph.entities)
    rows = np.arange(len(heads))
    start = sparse.csr_array(
        (np.ones(len(heads)), (rows, np.asarray(heads, dtype=np.int64))), shape=(len(heads), size)
    )
    open_products = [start]
    before: tuple[int, ...] = ()
    for path in sorted(set(paths)):
        shared = 0
        while shared < min(len(path), len(before)) and path[shared] == before[shared]:
            shared += 1
        del open_products[shared + 1 :]
        for relation in path[shared:]:
            open_products.append(open_products[-1] @ graph.steps[relation])
        before = path
        yield path, open_products[-1]


def score_heads(
    graph: Graph, heads: Sequence[int], rules: Sequence[Rule], *, weighted: bool = True
) -> Float[np.ndarray, "head entity"]:
    """Sums of rule probabilities, weighted or each as it is.

    Args:
        graph: with its relation matrices.
        heads: entities by number.
        rules: of one target relation.
        weighted: multiply each rule's probability by its weight.

    Returns:
        The score of each entity as the tail.
    """
    weights: dict[tuple[int, ...], float] = {}
    for rule in rules:
        weights[rule.path] = weights.get(rule.path, 0.0) + (rule.weight if weighted else 1.0)
    scores = np.zeros((len(heads), len(graph.entities)))
    for path, found in reach(graph, heads, list(weights)):
        entries = found.tocoo()
        # A product holds each place once, so this adds up without collisions.
        scores[entries.row, entries.col] += weights[path] * entries.data
    return scores


def aggregate(
    scores: Float[np.ndarray, "head entity"], temperature: float = _TEMPERATURE
) -> Float[np.ndarray, "head entity"]:
    """The distribution over tails that scores stand for: softmax(temperature * score).

    Source: Wang et al. (2024), equations 3 (weighted) and 4 (unweighted), with T = 100.
    """
    raised = temperature * (scores - scores.max(axis=1, keepdims=True))
    powers = np.exp(raised)
    shares: Float[np.ndarray, "head entity"] = powers / powers.sum(axis=1, keepdims=True)
    return shares
