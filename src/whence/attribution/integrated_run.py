"""The derivative through the run, integrated over the way from a set's presence to its absence.

To first order a set S falls by the sum of its documents' slopes at weight 1. Where the training
bends in between, that misses. With the weights of S at t and all others at 1,

    f(1) - f(0) = integral from 0 to 1 of  sum over d in S of  d f / d w_d (t)  dt

exactly, and each document's share in it is the integral of its own slope: integrated gradients
(Sundararajan et al. 2017, "Axiomatic attribution for deep networks", eq. 1) of a training in place
of a model. The integral is taken at the nodes of Gauss and Legendre; each costs a replay and a
way back. One node, at t = 1/2, is the second-order form: right where the slope changes evenly.

A set's whole effect is cheaper to measure (one replay). What this adds is how it divides among
the documents, and, beside the measurement, how far the derivative can be believed at all.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from whence.attribution.gradients import behavior_gradients
from whence.core import Behavior, Cost, Coverage, Scores, index_of
from whence.core.errors import MethodError
from whence.interventions import Documents
from whence.training import GRADIENT_MEMORY, weight_gradients


def through_run_integrated(
    intervention: Documents,
    behaviors: Sequence[Behavior],
    causes: Sequence[str],
    *,
    points: int = 3,
    memory: int = GRADIENT_MEMORY,
) -> Scores:
    """Divide the effect of removing a set together among its members.

    Args:
        intervention: names the documents and the run.
        behaviors: what is explained.
        causes: ids of those that are removed together.
        points: nodes of the integral; a polynomial of degree 2 * points - 1 is exact.
        memory: bytes for states kept on the way.

    Returns:
        Scores in nats, additive: of the members; NaN elsewhere.

    Raises:
        MethodError: no members or no points.
        InterventionError: an id is not among the causes.
        RunError: the run was recorded from somebody else's loop.
    """
    if not causes or points < 1:
        raise MethodError(
            "integrated derivative",
            expected="a set of documents and one point or more",
            got=f"{len(causes)} documents, {points} points",
            fix="Name the documents that are removed together.",
        )
    start, run = time.perf_counter(), intervention.run
    where = index_of(intervention.causes, list(causes), "set")
    keep = np.ones(len(intervention.causes), dtype=bool)
    keep[where] = False
    nodes, shares = np.polynomial.legendre.leggauss(points)
    absent = intervention.weights(keep)
    ways = [absent + (1 - absent) * (1 + node) / 2 for node in nodes]
    replays = run.replay_many(
        ways, intervention.workers, keep_checkpoints=True, engine=intervention.engine, stack=1
    )
    found = np.zeros((len(behaviors), len(absent)))
    for replay, share in zip(replays, shares / 2, strict=True):
        finals = behavior_gradients(replay.model(), behaviors)
        found += share * weight_gradients(run, finals, at=replay, memory=memory)[:, 0]
    values = np.full((len(behaviors), len(keep)), np.nan)
    values[:, where] = intervention.sums(found)[:, where]
    return Scores(
        values=values,
        behaviors=tuple(behaviors),
        causes=intervention.causes,
        method="through-run integrated",
        estimand="additive",
        settings={"run": run.digest, "set": list(causes), "points": points},
        cost=Cost(time.perf_counter() - start, trainings=3 * points),
        coverage=Coverage(f"the {len(causes)} documents of one set", len(causes) / len(keep)),
    )
