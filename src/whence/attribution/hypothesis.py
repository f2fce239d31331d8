"""Does this cause matter at all? Paired tests over behaviors, false discoveries controlled.

For every cause i the fall of each behavior when i goes is paired with the fall when something
uninformative goes instead: another cause of the same stratum, drawn at random for each behavior.
If i matters no more than those, the sign of each difference is as good as a coin's, so that the
distribution of their mean under the null is known exactly: all changes of sign, or many random
ones, give the p-value (one-sided: causes that support). Over all causes, the procedure of
Benjamini and Hochberg keeps the expected share of false discoveries below a level; the tests may
depend on one another positively, as tests of parts of one model do.

References:
    Fisher 1935, "The Design of Experiments", sec. 21 (changes of sign).
    Benjamini & Hochberg 1995, "Controlling the false discovery rate"; Phipson & Smyth 2010,
    "Permutation P-values should never be zero" (the 1 that is added).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from whence.attribution.perturb import leave_one_out
from whence.core import Behavior, Cost, Scores
from whence.core.errors import MethodError
from whence.core.seeds import generator
from whence.interventions import Intervention

_MOST_EXACT = 12
"""Behaviors up to which all changes of sign are tried: 4096 of them."""


@dataclass(frozen=True, eq=False, slots=True)
class Tested:
    """Which causes matter.

    Attributes:
        scores: the fall of each behavior when a cause goes alone, nats.
        p_values: of each cause, one-sided.
        adjusted: the smallest level at which it would be a discovery.
        discoveries: those at the level asked.
        level: expected share of false ones among them, at most.
    """

    scores: Scores
    p_values: Float[np.ndarray, " cause"]
    adjusted: Float[np.ndarray, " cause"]
    discoveries: Bool[np.ndarray, " cause"]
    level: float


def effect_tests(
    intervention: Intervention,
    behaviors: Sequence[Behavior],
    *,
    level: float = 0.05,
    flips: int = 9_999,
    seed: int = 0,
) -> Tested:
    """Test every cause's effect over behaviors against that of random others of its stratum.

    Args:
        intervention: takes causes away and measures; one removal a cause.
        behaviors: independent repetitions of one task; at least six, or nothing can be found.
        level: of false discoveries.
        flips: random changes of sign, where there are too many to try all.
        seed: of the draws.

    Raises:
        MethodError: fewer than six behaviors, a stratum with one cause alone, or a level outside
            (0, 1).
    """
    if len(behaviors) < 6 or not 0 < level < 1:
        raise MethodError(
            "behaviors",
            expected="at least six behaviors and a level in (0, 1)",
            got=f"{len(behaviors)} behaviors, level {level}",
            fix="With fewer, even the smallest p-value is above 0.01.",
        )
    start = time.perf_counter()
    scores = leave_one_out(intervention, behaviors)
    instead = _instead(scores, seed)
    p_values = sign_flip_p_values(scores.values - instead, flips=flips, seed=seed)
    adjusted = benjamini_hochberg(p_values)
    cost = Cost(time.perf_counter() - start, scores.cost.forwards, 0, scores.cost.trainings)
    tested = Scores(
        values=scores.values,
        behaviors=scores.behaviors,
        causes=scores.causes,
        method="effect-tests",
        estimand="alone",
        settings={**scores.settings, "level": level, "flips": flips, "seed": seed},
        cost=cost,
        coverage=scores.coverage,
    )
    return Tested(tested, p_values, adjusted, adjusted <= level, level)


def _instead(scores: Scores, seed: int) -> Float[np.ndarray, "behavior cause"]:
    """For each behavior and cause the fall of another cause of the same stratum, at random."""
    strata = np.array([cause.stratum for cause in scores.causes])
    found = np.empty_like(scores.values)
    for stratum in dict.fromkeys(strata.tolist()):
        members = np.flatnonzero(strata == stratum)
        if len(members) < 2:
            raise MethodError(
                f"stratum {stratum!r}",
                expected="at least two causes to compare with one another",
                got="one",
                fix="Test single things instead of groups, or more of them.",
            )
        for place, cause in enumerate(members):
            rng = generator(seed, "instead", scores.causes[cause].id)
            others = np.delete(members, place)
            drawn = rng.choice(others, len(scores.behaviors))
            found[:, cause] = scores.values[np.arange(len(drawn)), drawn]
    return found


def sign_flip_p_values(
    differences: Float[np.ndarray, "behavior cause"], *, flips: int = 9_999, seed: int = 0
) -> Float[np.ndarray, " cause"]:
    """One-sided p-values of the mean of each column, under changes of sign.

    Args:
        differences: symmetric about 0 if the null is true.
        flips: random changes of sign; all of them are tried for up to 12 rows.
        seed: of the flips.
    """
    n = len(differences)
    if n <= _MOST_EXACT:
        signs = 1.0 - 2.0 * (np.arange(2**n)[:, None] >> np.arange(n) & 1)
    else:
        drawn = generator(seed, "flips").choice([-1.0, 1.0], (flips, n))
        signs = np.concatenate([np.ones((1, n)), drawn])
    sums = signs @ differences
    # Sums that are equal but for rounding count as equal.
    reach = 1e-12 * np.abs(differences).sum(0)
    found: Float[np.ndarray, " cause"] = (sums >= sums[:1] - reach).mean(0)
    return found


def benjamini_hochberg(p_values: Float[np.ndarray, " test"]) -> Float[np.ndarray, " test"]:
    """Adjusted p-values: the smallest level of false discoveries at which each would be one."""
    n = len(p_values)
    order = np.argsort(p_values)
    steps = p_values[order] * n / np.arange(1, n + 1)
    adjusted = np.empty(n)
    adjusted[order] = np.minimum(np.minimum.accumulate(steps[::-1])[::-1], 1.0)
    return adjusted
