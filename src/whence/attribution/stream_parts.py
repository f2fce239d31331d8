"""What methods about the stream's own terms share: which components those are, and their sums."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from whence.core.errors import MethodError
from whence.interventions import Components

_UNITS = {"head", "mlp", "layer"}


def check_adds_to_stream(intervention: Components) -> None:
    """Complain about components that are no terms of the stream.

    Raises:
        MethodError: others than heads, MLPs and layers, or at chosen positions.
    """
    if not set(intervention.units) <= _UNITS or intervention.positions is not None:
        raise MethodError(
            "intervention",
            expected="heads, MLPs or layers at all positions",
            got=f"{', '.join(intervention.units)} at {intervention.positions or 'all'}",
            fix="They are what adds to the stream; make Components of them.",
        )


def by_cause(
    intervention: Components, found: Sequence[Mapping[str, float]]
) -> Float[np.ndarray, "behavior cause"]:
    """Sums over the parts of each cause; a layer has all of its own.

    Args:
        intervention: names the causes.
        found: for each behavior, a number of each part.
    """
    values = [
        [sum(_inside(single, parts) for single in cause.members) for cause in intervention.causes]
        for parts in found
    ]
    return np.array(values, dtype=float).reshape(len(found), len(intervention.causes))


def _inside(single: str, parts: Mapping[str, float]) -> float:
    if single in parts:
        return parts[single]
    return sum(number for part, number in parts.items() if part.startswith(f"{single}."))
