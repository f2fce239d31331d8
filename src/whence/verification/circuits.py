"""Is this set of causes a circuit? Faithful, complete and minimal, each measured.

With M all causes, C the circuit and F(S) the value when only S stays:

    faithful    F(C) is near F(M)
    complete    F(C without K) is near F(M without K) for any K within C: nothing outside of C
                stands in for what K did. The largest and the mean gap over random K are given;
                half of C at a time, and all of it.
    minimal     every member is needed: for each, the most that F changes when it goes, from C and
                from C without some random others

Reference: Wang et al. 2022, "Interpretability in the Wild: a circuit for indirect object
identification in GPT-2 small", sec. 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from whence.core import Behavior, index_of
from whence.core.errors import MethodError
from whence.core.seeds import generator
from whence.interventions import Intervention


@dataclass(frozen=True, eq=False, slots=True)
class Circuit:
    """What was measured of a circuit; means over behaviors, nats.

    Attributes:
        members: ids of its causes.
        everything: F(M).
        alone: F(C).
        nothing: F of no cause.
        gaps: F(C without K) - F(M without K) for each random K; the last K is all of C.
        needs: for each of the first members the largest fall seen when it goes.
    """

    members: tuple[str, ...]
    everything: float
    alone: float
    nothing: float
    gaps: Float[np.ndarray, " draw"]
    needs: Float[np.ndarray, " member"]

    @property
    def faithfulness(self) -> float:
        """Share of the behavior that survives in the circuit alone."""
        return (self.alone - self.nothing) / (self.everything - self.nothing)

    @property
    def incompleteness(self) -> float:
        """The largest gap, nats."""
        return float(np.abs(self.gaps).max())


def circuit(
    intervention: Intervention,
    behaviors: Sequence[Behavior],
    members: Sequence[str],
    *,
    draws: int = 8,
    most: int | None = None,
    seed: int = 0,
) -> Circuit:
    """Measure faithfulness, completeness and minimality.

    Args:
        intervention: takes causes away and measures.
        behaviors: one task.
        members: ids of the causes in the circuit.
        draws: random K.
        most: members whose need is measured, counted from the first; None means all.
        seed: of the draws.

    Raises:
        MethodError: no member, or no behavior.
        InterventionError: an id is not among the causes.
    """
    if not members or not behaviors:
        raise MethodError(
            "circuit",
            expected="at least one member and one behavior",
            got=f"{len(members)} members, {len(behaviors)} behaviors",
            fix="Name the causes in the circuit.",
        )
    n = len(intervention.causes)
    chosen = np.array(index_of(intervention.causes, list(members), "circuit"))
    inside = np.zeros(n, dtype=bool)
    inside[chosen] = True
    rng = generator(seed, "circuit")
    gone = np.zeros((draws + 1, n), dtype=bool)
    gone[:-1, chosen] = rng.random((draws, len(chosen))) < 0.5
    gone[-1] = inside
    # For each member: alone, and together with each K (without it).
    with_k = np.concatenate([np.zeros((1, n), dtype=bool), gone[:-1]])
    needed = chosen[:most]
    present = np.repeat(inside[None] & ~with_k, len(needed), axis=0)
    which = np.tile(needed, len(with_k))
    present[np.arange(len(which)), which] = True
    absent = present.copy()
    absent[np.arange(len(which)), which] = False
    ends = np.stack([np.ones(n, dtype=bool), inside, np.zeros(n, dtype=bool)])
    blocks = [ends, inside & ~gone, ~gone, present, absent]
    means = intervention.measure(behaviors, np.concatenate(blocks)).mean(0)
    everything, alone, nothing = means[:3]
    small, large, has, lacks = np.split(means[3:], np.cumsum([len(b) for b in blocks[1:-1]]))
    needs = (has - lacks).reshape(len(with_k), len(needed)).max(0)
    names = tuple(intervention.causes[i].id for i in chosen)
    return Circuit(names, float(everything), float(alone), float(nothing), small - large, needs)
