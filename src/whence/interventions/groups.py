"""Named groups of single things: a removal takes all members of a cause away.

A thing that is in several groups is gone as soon as one of them is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool

from whence.core import Cause, index_of
from whence.core.errors import InterventionError

_SHOWN = 6


def grouped(
    singles: tuple[Cause, ...], groups: Mapping[str, Sequence[str]] | None
) -> tuple[Cause, ...]:
    """The causes that stand for named groups; without groups the single things themselves.

    Args:
        singles: the things there are.
        groups: name -> ids of its members.

    Raises:
        InterventionError: there is no group, a group is empty or names what is not there.
    """
    if groups is None:
        return singles
    if not groups:
        raise InterventionError(
            "groups",
            expected="at least one group",
            got="none",
            fix="Name a group, or leave groups out to take each thing alone.",
        )
    causes = []
    for name, ids in groups.items():
        place = f"group {name!r}"
        if not ids:
            raise InterventionError(
                place, expected="at least one member", got="none", fix="Name its members."
            )
        chosen = [singles[i] for i in index_of(singles, list(ids), place)]
        texts = [cause.text.strip() or cause.id for cause in chosen]
        causes.append(
            Cause(
                kind=chosen[0].kind,
                id=name,
                text=", ".join(texts[:_SHOWN]) + (", ..." if len(texts) > _SHOWN else ""),
                members=tuple(dict.fromkeys(m for cause in chosen for m in cause.members)),
                stratum="group",
                size=float(np.mean([cause.size for cause in chosen])),
            )
        )
    return tuple(causes)


def by_layer(singles: Sequence[Cause]) -> dict[str, list[str]]:
    """Heads and MLPs by their layer, as groups: "layer 0" -> its components' ids."""
    found: dict[str, list[str]] = {}
    for cause in singles:
        found.setdefault(f"layer {int(cause.size)}", []).append(cause.id)
    return found


def membership(causes: Sequence[Cause], ids: Sequence[str]) -> Bool[np.ndarray, "cause single"]:
    """Which single things each cause holds."""
    where = {name: i for i, name in enumerate(ids)}
    table = np.zeros((len(causes), len(ids)), dtype=bool)
    for row, cause in zip(table, causes, strict=True):
        row[[where[member] for member in cause.members]] = True
    return table


def kept_singles(
    keep: Bool[np.ndarray, "subset cause"], table: Bool[np.ndarray, "cause single"]
) -> Bool[np.ndarray, "subset single"]:
    """Which single things stay under each removal."""
    removed = (~keep).astype(np.int32) @ table.astype(np.int32)
    stays: Bool[np.ndarray, "subset single"] = removed == 0
    return stays
