"""Do the estimators agree where theory says that they must? Prints a table in Markdown.

    python benchmarks/estimators_agree.py

Three functions of which everything is known stand for documents, components and tokens alike,
since the estimators know nothing but `measure`:

    additive    v(S) = sum of effects          every estimator must give the effects
    pairs       and products of two            Shapley values in closed form: half of each product
    any         1 if anything of a set is in   Shapley values in closed form: 1 / size of the set
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from whence.attribution import (
    coar,
    exact_shapley,
    greedy_pruning,
    kernel_shapley,
    leave_one_out,
    lime,
    permutation_shapley,
    subset_regression,
)
from whence.core import Behavior, Cause, Kind, Scores
from whence.interventions import random_subsets

CAUSES = 8
BEHAVIOR = Behavior("a prompt", " target")


@dataclass(frozen=True, eq=False)
class Function:
    """A function of which causes stay, as an intervention."""

    value: Callable[[np.ndarray], np.ndarray]
    causes: tuple[Cause, ...]
    kind: Kind = "component"
    scope: str = "this model"
    cheap: bool = True

    def describe(self) -> dict[str, Any]:
        """Nothing but its name."""
        return {"kind": self.kind, "removal": "a term of a function"}

    def measure(self, behaviors: Sequence[Behavior], keep: np.ndarray) -> np.ndarray:
        """The function, for every behavior the same."""
        return np.tile(self.value(keep.astype(float)), (len(behaviors), 1))


def functions() -> dict[str, tuple[Function, np.ndarray, np.ndarray]]:
    """Each with its Shapley values and its effects alone, in closed form."""
    rng = np.random.default_rng(0)
    causes = tuple(Cause("component", f"c{i}") for i in range(CAUSES))
    effects = rng.normal(size=CAUSES)
    pairs = np.triu(rng.normal(size=(CAUSES, CAUSES)), 1)
    both = pairs + pairs.T
    group = np.arange(CAUSES) < 3
    return {
        "additive": (Function(lambda s: s @ effects, causes), effects, effects),
        "pairs": (
            Function(lambda s: s @ effects + np.einsum("si,ij,sj->s", s, pairs, s), causes),
            effects + both.sum(1) / 2,
            effects + both.sum(1),
        ),
        "any": (Function(lambda s: s[:, group].max(1), causes), group / 3, np.zeros(CAUSES)),
    }


def free(function: Function, behaviors: list[Behavior]) -> Scores:
    """Least squares on subsets of all sizes."""
    return subset_regression(function, behaviors, random_subsets(CAUSES, 120, sizes="free"))


ESTIMATORS: dict[str, Callable[[Function, list[Behavior]], Scores]] = {
    "leave-one-out": leave_one_out,
    "exact Shapley": exact_shapley,
    "Shapley by permutations": lambda f, b: permutation_shapley(f, b, permutations=64),
    "kernel Shapley": lambda f, b: kernel_shapley(f, b, subsets=160),
    "least squares": free,
    "COAR": coar,
    "LIME": lime,
    "greedy pruning": lambda f, b: greedy_pruning(f, b, 1e9).scores,
}


def main() -> None:
    """Print the table."""
    worlds = functions()
    print(
        "| estimator | estimand | additive | pairs: Shapley | pairs: alone | any: Shapley | sum |"
    )
    print("|---|---|---|---|---|---|---|")
    for name, estimator in ESTIMATORS.items():
        found = {world: estimator(f, [BEHAVIOR]) for world, (f, _, _) in worlds.items()}
        off = [
            np.abs(found["additive"].values[0] - worlds["additive"][1]).max(),
            np.abs(found["pairs"].values[0] - worlds["pairs"][1]).max(),
            np.abs(found["pairs"].values[0] - worlds["pairs"][2]).max(),
            np.abs(found["any"].values[0] - worlds["any"][1]).max(),
            abs(found["any"].values[0].sum() - 1),
        ]
        cells = ["exact" if x < 1e-8 else f"{x:.2f}" for x in off]
        print(f"| {name} | {found['any'].estimand} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
