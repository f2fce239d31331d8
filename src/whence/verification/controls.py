"""Matched random removals: what taking away *something like it* does.

A removal changes a model even when nothing in it mattered: a training run without
twelve random documents ends at other weights. A named set has to beat that, so every
claim stands beside random sets of the same number of causes, each drawn to have the
stratum and nearly the size (length, position, layer) of one that was named.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from whence.core import Cause

# A control is drawn among this many nearest in size, so that it is like the named
# cause and still random.
_NEIGHBOURS = 16
_TRIES = 50


def matched_sets(
    causes: Sequence[Cause],
    named: Sequence[int],
    forbidden: frozenset[int],
    count: int,
    rng: np.random.Generator,
) -> list[tuple[int, ...]]:
    """Draw distinct random sets that match a named one and share nothing with it.

    Where too few sets of that number exist (one token of a short prompt, one MLP of two
    layers), a like set with one more cause of any stratum is drawn, then with two more: they
    take away more than the named set did, so that a claim that beats them is all the stronger.

    Args:
        causes: everything that can be removed.
        named: positions of the named causes.
        forbidden: positions that no control may hold; the named ones always are.
        count: how many sets are wanted.
        rng: decides.

    Returns:
        At most `count` sets of positions, ascending; fewer when there are no more.
    """
    banned = forbidden | set(named)
    members = {member for i in banned for member in causes[i].members}
    free = [
        i for i, cause in enumerate(causes) if i not in banned and members.isdisjoint(cause.members)
    ]
    found: list[tuple[int, ...]] = []
    for extra in range(len(free) - len(named) + 1):
        for _ in range(_TRIES * count):
            if len(found) == count:
                return found
            drawn = _like(named, extra, causes, free, rng)
            if drawn and drawn not in found:
                found.append(drawn)
    return found


def _like(
    named: Sequence[int],
    extra: int,
    causes: Sequence[Cause],
    free: list[int],
    rng: np.random.Generator,
) -> tuple[int, ...]:
    """One set: for each named cause another of its stratum, near it in size; then any extras.

    Returns:
        Positions, ascending; empty when a named cause has no like left.
    """
    left = list(free)
    chosen = []
    for model in named:
        same = [i for i in left if causes[i].stratum == causes[model].stratum]
        if not same:
            return ()
        distance = np.array([abs(causes[i].size - causes[model].size) for i in same])
        # Shuffled first: among equally near ones the earliest must not always win.
        shuffled = rng.permutation(len(same))
        near = shuffled[np.argsort(distance[shuffled], kind="stable")][:_NEIGHBOURS]
        chosen.append(same[int(rng.choice(near))])
        left.remove(chosen[-1])
    chosen += [left[int(i)] for i in rng.choice(len(left), extra, replace=False)]
    return tuple(sorted(chosen))
