"""How many of the causes that are known to matter a method names first."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from jaxtyping import Float

from whence.core import Scores
from whence.core.errors import MethodError


def recall_at_planted(
    scores: Scores, truth: Sequence[Collection[str]]
) -> Float[np.ndarray, " behavior"]:
    """Recall at the number planted: of k causes that matter, the share among the first k named.

    Args:
        scores: by any method.
        truth: for each behavior, in the order of the scores, ids of the causes that matter.

    Raises:
        MethodError: the truth is about another number of behaviors, or names nothing for one.
    """
    if len(truth) != len(scores.behaviors) or not all(truth):
        raise MethodError(
            "truth",
            expected=f"one or more causes for each of {len(scores.behaviors)} behaviors",
            got=f"{len(truth)} behaviors, {sum(not planted for planted in truth)} without a cause",
            fix="Name the causes that matter for every behavior.",
        )
    found = []
    for row, planted in enumerate(truth):
        named = {scores.causes[i].id for i in scores.top(row, len(planted))}
        found.append(len(named & set(planted)) / len(planted))
    return np.array(found)
