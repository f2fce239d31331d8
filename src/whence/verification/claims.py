"""Claims: what scores say will happen, in a form that can be put to the test.

A claim names one behavior and one set of causes, and predicts by how many nats the
behavior falls when the set is removed. Scores of any method turn into claims here, and
only here, so that what is measured is what the method's estimand promised:

    estimand    a claim about one cause          a claim about a set
    alone       the score                        no size (effects of sets are not sums of these)
    average     the score, over random contexts  the sum, over random contexts
    additive    the score                        the sum
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from whence.core import Estimand, Scores


@dataclass(frozen=True, slots=True)
class Claim:
    """One prediction about one removal.

    Attributes:
        behavior: row of the scores.
        causes: positions of the causes that are removed together, ascending.
        predicted: nats by which the behavior should fall; None when only a sign is claimed.
        sign: +1 when the causes are said to support the behavior, -1 when to oppose it.
        estimand: which removal the prediction is about.
    """

    behavior: int
    causes: tuple[int, ...]
    predicted: float | None
    sign: int
    estimand: Estimand


def set_claims(scores: Scores, top: int) -> list[Claim]:
    """One claim a behavior: its `top` most supporting causes, removed together.

    Causes that are predicted to oppose the behavior are left out of the set, so it may be
    smaller than `top`; a behavior that no cause supports gives no claim.
    """
    found = []
    for behavior in range(len(scores.behaviors)):
        chosen = scores.top(behavior, top)
        if scores.unit == "nats":
            chosen = chosen[scores.values[behavior, chosen] > 0]
        if chosen.size:
            found.append(_claim(scores, behavior, tuple(sorted(int(i) for i in chosen))))
    return found


def single_claims(scores: Scores, top: int | None = None) -> list[Claim]:
    """One claim a behavior and cause: the `top` of each behavior by size, or all of them.

    Causes without a score (NaN) are left out.
    """
    found = []
    for behavior, row in enumerate(scores.values):
        strength = np.abs(row) if scores.unit == "nats" else row
        order = np.argsort(-strength, kind="stable")
        known = [int(i) for i in order if np.isfinite(row[i])]
        found += [_claim(scores, behavior, (cause,)) for cause in known[:top]]
    return found


def _claim(scores: Scores, behavior: int, causes: tuple[int, ...]) -> Claim:
    total = float(scores.values[behavior, list(causes)].sum())
    sized = scores.unit == "nats" and (len(causes) == 1 or scores.estimand != "alone")
    sign = -1 if scores.unit == "nats" and total < 0 else 1
    return Claim(behavior, causes, total if sized else None, sign, scores.estimand)
