"""Context length probing: what each further piece of context adds, written once for all causes.

The context grows backwards from the end, one cause at a time, and each cause is given the rise of
the value when it comes in:

    score_i = v(i and all causes behind it) - v(all causes behind it)

The scores add up to v(everything) - v(nothing). They are one order out of those that Shapley
values average over: a cause is judged in the company of what stands nearer to the answer, and of
nothing that stands farther. With a `Divergence` in place of the values it is the distance to the
prediction from the whole context, the paper's second measure.

Reference: Cífka & Liutkus 2023, "Black-box language model explanation by context length probing",
sec. 3 (differential importance scores).
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from whence.core import Behavior, Cost, Coverage, Scores
from whence.interventions import Intervention


def context_length_probing(intervention: Intervention, behaviors: Sequence[Behavior]) -> Scores:
    """Let the context grow from its end; a cause's place is its `size` (of tokens, the position).

    Args:
        intervention: takes causes away and measures; n causes cost n + 1 measurements.
        behaviors: what is measured.

    Returns:
        Scores in nats, additive.

    Raises:
        InterventionError: nothing would be left to predict from (dropping, without a start token).
    """
    start = time.perf_counter()
    sizes = np.array([cause.size for cause in intervention.causes])
    n = len(sizes)
    place = np.empty(n, dtype=np.int64)
    place[np.argsort(sizes, kind="stable")] = np.arange(n)
    keep = place[None, :] >= np.arange(n, -1, -1)[:, None]
    rises = np.diff(intervention.measure(behaviors, keep), axis=1)[:, ::-1]
    return Scores(
        values=rises[:, place],
        behaviors=tuple(behaviors),
        causes=intervention.causes,
        method="context-length",
        estimand="additive",
        settings={"intervention": intervention.describe()},
        cost=Cost(
            time.perf_counter() - start,
            forwards=(n + 1) * len(behaviors),
            trainings=0 if intervention.cheap else n + 1,
        ),
        coverage=Coverage(f"all {n} causes, contexts of {n + 1} lengths", 1.0),
    )
