"""The plan: a recipe with everything left open closed, so that a replay needs no choice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from whence.training.optimizer import AdamW, learning_rate
from whence.training.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Plan:
    """What every step of a run needs to know.

    Attributes:
        recipe: as passed.
        steps: number of updates.
        warmup: updates in which the rate rises.
        kept: steps whose state is kept, first and last included.
        packed: several pieces a row, or one.
        dropout: whether the module draws at random while training.
    """

    recipe: Recipe
    steps: int
    warmup: int
    kept: tuple[int, ...]
    packed: bool
    dropout: bool

    @property
    def optimizer(self) -> AdamW:
        """Settings of the update."""
        return AdamW(self.recipe.betas, self.recipe.epsilon, self.recipe.weight_decay)

    def rate(self, step: int) -> float:
        """The learning rate of one update."""
        return learning_rate(
            step,
            self.steps,
            peak=self.recipe.learning_rate,
            warmup=self.warmup,
            schedule=self.recipe.schedule,
            final=self.recipe.final_rate,
        )

    def to_json(self) -> dict[str, Any]:
        """The record of this plan, without the recipe."""
        return {
            "steps": self.steps,
            "warmup": self.warmup,
            "kept": list(self.kept),
            "packed": self.packed,
            "dropout": self.dropout,
        }

    @classmethod
    def from_json(cls, recipe: Recipe, record: Mapping[str, Any]) -> Plan:
        """Read a plan from its record."""
        return cls(recipe, **{**record, "kept": tuple(record["kept"])})
