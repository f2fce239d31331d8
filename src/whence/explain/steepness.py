"""Whether the derivative through a training can be believed about removals: a cheap look.

The derivative is exact and local. Where a training is chaotic (small batches, no warm-up, a tiny
epsilon) slopes grow without saying anything about removals: single documents were seen to be
credited with 11 nats on a behavior that the whole training had moved by 5 (docs/log.md). So the
largest single slope is laid beside how far training moved the behavior, from the first state to
the last. A method that credits one document of many with more than half of that is not led with.

The look costs one forward pass. It can be wrong either way; what decides is the removal of the
method's set, and its prediction stands beside what was measured.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from whence.core import Scores
from whence.models import values
from whence.training import Run

LARGEST_SHARE = 0.5
"""Of what training moved, that a single document may be credited with."""

_LEAST_MOVED = 1.0


@dataclass(frozen=True, slots=True)
class Steepness:
    """Slopes beside what training moved, nats; medians over the behaviors.

    Attributes:
        largest: largest absolute score of a single document.
        moved: how far the behavior went between the first state and the last; at least 1.
    """

    largest: float
    moved: float

    @property
    def steep(self) -> bool:
        """Whether the scores are too large to be believed."""
        return self.largest > LARGEST_SHARE * self.moved

    def __str__(self) -> str:
        facts = (
            f"the largest slope of a single document is {self.largest:.2f} nats, where the whole "
            f"training moved the behavior by {self.moved:.2f}"
        )
        if self.steep:
            return f"through-run does not lead: {facts}; so steep a slope says little of removals"
        return f"through-run leads: {facts}"


def steepness(run: Run, scores: Scores) -> Steepness:
    """Look at scores of the derivative through a run.

    Args:
        run: whose first state was kept.
        scores: of `whence.attribution.through_run`.
    """
    behaviors = list(scores.behaviors)
    first, last = values(run.model(0), behaviors), values(run.model(), behaviors)
    moved = np.maximum(np.abs(last - first), _LEAST_MOVED)
    largest = np.abs(scores.values).max(axis=1)
    middle = int(np.argsort(largest / moved)[len(moved) // 2])
    return Steepness(float(largest[middle]), float(moved[middle]))
