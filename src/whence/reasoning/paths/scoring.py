"""How good a ranking of tails is: accuracy, mean reciprocal rank, hits among the first k.

Accuracy is counted over queries (head, relation): the best tail that the graph does not have
already must be among the test's. Ties go to the entity with the lower number. Ranks are
counted over test triples: raw among all entities, filtered without the other true tails of
graph, dev and test. A rank among equals is their mean place, so that a method which says
nothing is not rewarded for it.

The Countries graphs ask which continent a country lies in, and were published with another
rule (`inside`): an answer counts when it lies in the right continent, such as its region. The
continent itself does not count by that rule, which is surely a slip; `correct_either` counts
both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from whence.core.errors import GraphError
from whence.core.progress import progress
from whence.reasoning.paths.graph import Graph, Triple, tails_of
from whence.reasoning.paths.ranking import score_heads
from whence.reasoning.paths.rules import Rule, RuleSet

HITS = (1, 3, 10)
Counting = Literal["exact", "inside"]


@dataclass(frozen=True)
class Answered:
    """The answer to one query.

    Attributes:
        head: entity by number.
        relation: by number.
        right: the test's tails.
        answer: the best tail that the graph does not have already.
        score: of the answer.
        exact: whether it is one of the right tails.
        inside: whether the relation leads from it to one of them.
        ranks: of each right tail, raw and filtered, from 1.
    """

    head: int
    relation: int
    right: tuple[int, ...]
    answer: int
    score: float
    exact: bool
    inside: bool
    ranks: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class PathScore:
    """All answers, and what they add up to."""

    answers: tuple[Answered, ...]
    without_rules: int
    counting: Counting = "exact"

    def correct(self, answer: Answered) -> bool:
        """Whether an answer counts."""
        return answer.inside if self.counting == "inside" else answer.exact

    def to_json(self) -> dict[str, Any]:
        """Counts, accuracy, and mean reciprocal ranks and hits, raw and filtered."""
        ranks = np.array([pair for answer in self.answers for pair in answer.ranks])
        correct = sum(map(self.correct, self.answers))
        return {
            "queries": len(self.answers),
            "triples": len(ranks),
            "without_rules": self.without_rules,
            "correct": correct,
            "accuracy": correct / len(self.answers),
            "counting": self.counting,
            "correct_either": sum(answer.exact or answer.inside for answer in self.answers),
            "raw": _summary(ranks[:, 0]),
            "filtered": _summary(ranks[:, 1]),
        }


def _summary(ranks: Float[np.ndarray, " triple"]) -> dict[str, float]:
    hits = {f"hits@{k}": float((ranks <= k).mean()) for k in HITS}
    return {"mrr": float((1.0 / ranks).mean()), **hits}


def score_paths(
    graph: Graph,
    rules: RuleSet,
    split: str = "test",
    *,
    weighted: bool = True,
    counting: Counting | None = None,
) -> PathScore:
    """Answer the queries of a split by rules and compare with its tails.

    Args:
        graph: with the split's triples.
        rules: by target relation; a relation without rules leaves all tails equal.
        split: its name, `test` or `dev`.
        weighted: use the weights of the rules; otherwise each counts 1.
        counting: which answers are correct; None takes `inside` where the split asks about
            the relation `locatedIn` alone, as the Countries graphs do, and else `exact`.

    Raises:
        GraphError: the graph has no such split, or it is empty.
    """
    asked = graph.splits.get(split, ())
    if not asked:
        raise GraphError(
            f"split {split!r}",
            expected="triples to answer",
            got="none",
            fix=f"Put {split}.txt into the folder of the graph.",
        )
    if counting is None:
        about = {graph.relations[relation] for _, relation, _ in asked}
        counting = "inside" if about == {"locatedIn"} else "exact"
    known = tails_of([*_edges(graph), *(t for each in graph.splits.values() for t in each)])
    answers: list[Answered] = []
    wanted = tails_of(asked)
    for relation in progress(sorted({relation for _, relation in wanted}), "relations answered"):
        heads = [head for head, named in wanted if named == relation]
        answers += _answer(graph, relation, heads, rules.get(relation, ()), weighted, wanted, known)
    without = sum(not rules.get(answer.relation) for answer in answers)
    return PathScore(tuple(answers), without, counting)


def _edges(graph: Graph) -> list[Triple]:
    return [(head, relation, tail) for head, relation, tail in graph.edges.tolist()]


def _answer(
    graph: Graph,
    relation: int,
    heads: Sequence[int],
    rules: Sequence[Rule],
    weighted: bool,
    wanted: dict[tuple[int, int], frozenset[int]],
    known: dict[tuple[int, int], frozenset[int]],
) -> list[Answered]:
    scores = score_heads(graph, heads, rules, weighted=weighted)
    answers = []
    for row, head in zip(scores, heads, strict=True):
        right = wanted[head, relation]
        unseen = row.copy()
        unseen[list(graph.tails.get((head, relation), ()))] = -np.inf
        best = int(unseen.argmax())
        others = known[head, relation]
        ranks = tuple(
            (_rank(row, tail, frozenset()), _rank(row, tail, others - {tail}))
            for tail in sorted(right)
        )
        inside = bool(right & graph.tails.get((best, relation), frozenset()))
        answers.append(
            Answered(
                head,
                relation,
                tuple(sorted(right)),
                best,
                float(row[best]),
                best in right,
                inside,
                ranks,
            )
        )
    return answers


def _rank(row: Float[np.ndarray, " entity"], tail: int, left_out: frozenset[int]) -> float:
    """The mean place of a tail among equals, from 1."""
    others = np.ones(len(row), dtype=bool)
    others[[tail, *left_out]] = False
    compared = row[others]
    above, equal = int((compared > row[tail]).sum()), int((compared == row[tail]).sum())
    return 1.0 + above + equal / 2.0
