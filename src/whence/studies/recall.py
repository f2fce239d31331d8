"""How many of the documents that state a fact a method finds."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from whence.core import Scores
from whence.verification import recall_at_planted
from whence.worlds import World


def planted_recall(scores: Scores, world: World) -> Float[np.ndarray, " fact"]:
    """Recall at the number planted: of a fact's k documents, the share among the first k named.

    Args:
        scores: one behavior a fact, in the world's order; documents as causes.
        world: knows which documents state which fact.
    """
    return recall_at_planted(scores, [fact.documents for fact in world.facts])
