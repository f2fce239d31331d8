"""Does causation follow from these correlations? Problems with exact answers.

Which variables correlate, and given what they become independent, tells a set of causal
diagrams: all directed acyclic graphs with exactly these independencies, a Markov equivalence
class. A causal claim follows when it holds in every graph of the class. With up to five
variables all graphs can be listed, so every answer is exact.

Counts of graphs and of classes: 25 and 11 for three variables, 543 and 185 for four, 29,281
and 8,782 for five. Two graphs are equivalent exactly when they have the same edges without
directions and the same colliders whose ends are not joined (Verma and Pearl, 1990).
Kind of problem: Jin et al., "Can large language models infer causation from correlation?"
(2024).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

import numpy as np

from whence.core.errors import LogicError
from whence.core.seeds import generator

Dag = tuple[int, ...]
"""For each variable the set of its parents, as bits."""

_NAMES = "ABCDE"
_FEWEST, _MOST = 2, 5


@dataclass(frozen=True)
class Independence:
    """Two variables that are independent given others.

    Attributes:
        left: a variable.
        right: another, with a larger number.
        given: the others, maybe none.
    """

    left: int
    right: int
    given: tuple[int, ...]


@dataclass(frozen=True)
class Claim:
    """A causal claim about two variables.

    Attributes:
        kind: one of `CLAIMS`.
        left: a variable.
        right: another.
    """

    kind: str
    left: int
    right: int

    def __str__(self) -> str:
        return CLAIMS[self.kind].words.format(_NAMES[self.left], _NAMES[self.right])


@dataclass(frozen=True)
class CausalProblem:
    """Correlations, a claim, and whether it follows.

    Attributes:
        id: tells the seed and the number.
        variables: how many there are.
        independencies: all that hold; every other pair is dependent, given whatever.
        claim: what may follow.
        follows: whether it holds in every graph that has these independencies.
        graphs: how many graphs have them.
    """

    id: str
    variables: int
    independencies: tuple[Independence, ...]
    claim: Claim
    follows: bool
    graphs: int

    @property
    def text(self) -> str:
        """The problem in words; the answer is yes or no."""
        return f"{_premise(self.variables, self.independencies)} Does it follow that {self.claim}?"

    def record(self) -> dict[str, Any]:
        """The problem as JSON."""
        return {
            "id": self.id,
            "text": self.text,
            "answer": "yes" if self.follows else "no",
            "variables": self.variables,
            "claim": {"kind": self.claim.kind, "of": [self.claim.left, self.claim.right]},
            "independencies": [[e.left, e.right, list(e.given)] for e in self.independencies],
            "graphs": self.graphs,
        }


def dags(variables: int) -> Iterator[Dag]:
    """All directed acyclic graphs over 2 to 5 named variables.

    Raises:
        LogicError: another number.
    """
    if not _FEWEST <= variables <= _MOST:
        raise LogicError(
            "variables", expected="2 to 5", got=str(variables), fix="Choose a number in between."
        )
    pairs = list(combinations(range(variables), 2))
    for states in product((0, 1, 2), repeat=len(pairs)):
        parents = [0] * variables
        for (left, right), state in zip(pairs, states, strict=True):
            if state == 1:
                parents[right] |= 1 << left
            elif state == 2:
                parents[left] |= 1 << right
        if _acyclic(parents):
            yield tuple(parents)


def _acyclic(parents: list[int]) -> bool:
    left = (1 << len(parents)) - 1
    while left:
        # Whoever has no parent among those left can go.
        sources = sum(
            1 << v for v in range(len(parents)) if left >> v & 1 and not parents[v] & left
        )
        if not sources:
            return False
        left &= ~sources
    return True


def equivalence_key(dag: Dag) -> tuple[frozenset[tuple[int, int]], frozenset[tuple[int, int, int]]]:
    """Equal for equivalent graphs: edges without directions, and unshielded colliders."""
    count = len(dag)
    skeleton = frozenset(
        (a, b) for a, b in combinations(range(count), 2) if dag[b] >> a & 1 or dag[a] >> b & 1
    )
    colliders = frozenset(
        (a, middle, b)
        for middle in range(count)
        for a, b in combinations(_bits(dag[middle]), 2)
        if (a, b) not in skeleton
    )
    return skeleton, colliders


def equivalence_classes(variables: int) -> list[tuple[Dag, ...]]:
    """All Markov equivalence classes, each with all its graphs.

    Raises:
        LogicError: not 2 to 5 variables.
    """
    classes: dict[object, list[Dag]] = {}
    for dag in dags(variables):
        classes.setdefault(equivalence_key(dag), []).append(dag)
    return [tuple(members) for members in classes.values()]


def separated(dag: Dag, left: int, right: int, given: tuple[int, ...]) -> bool:
    """Whether two variables are d-separated by others: no path between them carries anything.

    Looked at in the graph of ancestors, with parents of one child joined and directions
    dropped: separated if every way from one to the other meets `given`
    (Lauritzen et al., 1990).
    """
    kept = _ancestors(dag, (left, right, *given))
    neighbors = [0] * len(dag)
    for child in _bits(kept):
        family = [*_bits(dag[child]), child]
        for a, b in combinations(family, 2):
            neighbors[a] |= 1 << b
            neighbors[b] |= 1 << a
    blocked = sum(1 << v for v in given)
    reached = frontier = 1 << left
    while frontier:
        following = 0
        for v in _bits(frontier):
            following |= neighbors[v]
        frontier = following & ~reached & ~blocked
        reached |= frontier
    return not reached >> right & 1


def _ancestors(dag: Dag, variables: tuple[int, ...]) -> int:
    kept = sum(1 << v for v in set(variables))
    while True:
        more = kept
        for v in _bits(kept):
            more |= dag[v]
        if more == kept:
            return kept
        kept = more


def independencies(dag: Dag) -> tuple[Independence, ...]:
    """All pairs and sets of others given which they are d-separated."""
    found = []
    for left, right in combinations(range(len(dag)), 2):
        others = [v for v in range(len(dag)) if v not in (left, right)]
        for size in range(len(others) + 1):
            for given in combinations(others, size):
                if separated(dag, left, right, given):
                    found.append(Independence(left, right, given))
    return tuple(found)


def _bits(mask: int) -> list[int]:
    return [v for v in range(mask.bit_length()) if mask >> v & 1]


def _causes(dag: Dag, left: int, right: int) -> bool:
    return bool(dag[right] >> left & 1)


def _leads_to(dag: Dag, left: int, right: int) -> bool:
    return left != right and bool(_ancestors(dag, (right,)) >> left & 1)


def _common_effect(dag: Dag, left: int, right: int) -> bool:
    return any(_causes(dag, left, v) and _causes(dag, right, v) for v in range(len(dag)))


def _common_cause(dag: Dag, left: int, right: int) -> bool:
    return bool(dag[left] & dag[right])


@dataclass(frozen=True)
class ClaimKind:
    """A relation between two variables of a graph.

    Attributes:
        words: with two places for names.
        holds: whether it holds in a graph.
    """

    words: str
    holds: Callable[[Dag, int, int], bool]


CLAIMS = {
    "cause": ClaimKind("{0} is a direct cause of {1}", _causes),
    "effect": ClaimKind("{0} is a direct effect of {1}", lambda d, a, b: _causes(d, b, a)),
    "indirect cause": ClaimKind(
        "{0} is a cause of {1}, but only through others",
        lambda d, a, b: _leads_to(d, a, b) and not _causes(d, a, b),
    ),
    "indirect effect": ClaimKind(
        "{0} is an effect of {1}, but only through others",
        lambda d, a, b: _leads_to(d, b, a) and not _causes(d, b, a),
    ),
    "common effect": ClaimKind("{0} and {1} have a direct effect in common", _common_effect),
    "common cause": ClaimKind("{0} and {1} have a direct cause in common", _common_cause),
}


def follows(claim: Claim, members: tuple[Dag, ...]) -> bool:
    """Whether a claim holds in every graph of a class."""
    holds = CLAIMS[claim.kind].holds
    return all(holds(dag, claim.left, claim.right) for dag in members)


def causal_problems(count: int, variables: int, seed: int = 0) -> Iterator[CausalProblem]:
    """Problems over classes drawn evenly; half of them have a claim that follows, if one does.

    Args:
        count: how many.
        variables: 2 to 5.
        seed: equal seeds give equal problems.

    Raises:
        LogicError: not 2 to 5 variables.
    """
    classes = equivalence_classes(variables)
    for number in range(count):
        draw = generator(seed, "causation", variables, number)
        members = classes[draw.integers(len(classes))]
        yield _causal_problem(f"causation-{variables}-{seed}-{number}", members, draw)


def _causal_problem(
    name: str, members: tuple[Dag, ...], draw: np.random.Generator
) -> CausalProblem:
    count = len(members[0])
    claims = [
        Claim(kind, a, b)
        for kind in CLAIMS
        for a, b in product(range(count), repeat=2)
        if a != b and (a < b or not kind.startswith("common"))
    ]
    true = [claim for claim in claims if follows(claim, members)]
    false = [claim for claim in claims if claim not in set(true)]
    chosen = true if true and draw.integers(2) else false
    claim = chosen[draw.integers(len(chosen))]
    return CausalProblem(
        name, count, independencies(members[0]), claim, claim in true, len(members)
    )


def _premise(count: int, found: tuple[Independence, ...]) -> str:
    names = _NAMES[:count]
    apart = {(each.left, each.right) for each in found if not each.given}
    parts = [
        f"Consider {count} variables, {', '.join(names[:-1])} and {names[-1]}, with no causes "
        "outside of them in common."
    ]
    together = [
        f"{names[a]} with {names[b]}"
        for a, b in combinations(range(count), 2)
        if (a, b) not in apart
    ]
    if together:
        parts.append(f"These correlate: {', '.join(together)}.")
    for each in found:
        given = f" given {' and '.join(names[v] for v in each.given)}" if each.given else ""
        parts.append(f"{names[each.left]} and {names[each.right]} are independent{given}.")
    parts.append("No other independencies hold.")
    return " ".join(parts)
