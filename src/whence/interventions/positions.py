"""Tokens of a prompt by number, in rows of different lengths."""

from __future__ import annotations

from collections.abc import Sequence

from whence.core.errors import InterventionError
from whence.models import Row


def places_in(batch: Sequence[Row], positions: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """Where the chosen tokens of the prompt are in each row.

    Args:
        batch: rows; each knows how long its prompt is.
        positions: counted from 0, special tokens too; negative ones from the prompt's end.

    Raises:
        InterventionError: a prompt does not have one of them.
    """
    for row in batch:
        for position in positions:
            if not -row.prompt <= position < row.prompt:
                raise InterventionError(
                    "positions",
                    expected=f"tokens of a prompt of {row.prompt}",
                    got=str(position),
                    fix="Count from 0, special tokens too; -1 is the last of the prompt.",
                )
    return tuple(tuple(position % row.prompt for position in positions) for row in batch)
