"""What a person chooses about an influence function."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from whence.attribution.streaming import rows_of_run
from whence.core.errors import MethodError
from whence.training import Run


@dataclass(frozen=True, slots=True)
class InfluenceSettings:
    """How influence is computed.

    Attributes:
        context: tokens a row; None means as many as the model can see. Use the training's.
        rows: documents a batch. Changes time and memory, not the scores.
        masked: call the model with positions and a mask for every row; False for a model that
            takes no mask, or that training called without one.
        damping: added to every eigenvalue of a block, as a share of the block's mean eigenvalue.
        sample: fit the curvature on this many documents, drawn with the seed; None means all.
        seed: of drawn labels and the sample.
        widest: the longest axis of a parameter that is rotated into eigenvectors.
        rank: keep each behavior's direction in a matrix as a product of this rank; None keeps
            it whole.
        at_once: behaviors held at a time, one pass over the documents each time; None means
            all. With a rank there is one pass, however many behaviors.

    Raises:
        MethodError: a value is out of range.
    """

    context: int | None = None
    rows: int = 16
    masked: bool = True
    damping: float = 0.1
    sample: int | None = None
    seed: int = 0
    widest: int = 4096
    rank: int | None = None
    at_once: int | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.damping) and self.damping > 0):
            _refuse("damping", "a finite number above 0", self.damping)
        for name in ("rows", "sample", "widest", "rank", "at_once"):
            value = getattr(self, name)
            if value is not None and value < 1:
                _refuse(name, "a whole number above 0", value)

    @classmethod
    def of_run(cls, run: Run, **others: Any) -> InfluenceSettings:
        """Settings that cut documents and call the model as a run's training did."""
        own = {"context": run.recipe.context, "masked": run.plan.packed, "rows": rows_of_run(run)}
        return cls(**{**own, **others})

    def to_json(self) -> dict[str, Any]:
        """The record of what can change the numbers."""
        return {k: v for k, v in asdict(self).items() if k != "at_once"}


def _refuse(name: str, expected: str, got: object) -> None:
    raise MethodError(name, expected=expected, got=repr(got), fix="Choose another value.")
