"""How far a removal moves the model's whole prediction, in place of one behavior's value.

    value(keep)  =  - KL( p || p_keep )      nats

with p the model's own distribution over the next token and p_keep the one without what was
removed, averaged over the places at which the tokens of the target are predicted; a foil plays no
part. It is 0 when nothing is removed and falls with every removal that matters, whichever way:
the positive score that any method gives it is a rise of the divergence.

`Divergence` is an intervention made of another, so that every estimator and judge takes it.

References: Conmy et al., "Towards Automated Circuit Discovery", 2023, sec. 3.1, for the
divergence as what a circuit should keep.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformers import DynamicCache

from whence.core import Behavior, Cause, Kind
from whence.interventions.interface import Passing
from whence.models import BATCH_SIZE, Row, distributions, encode, plan, rows_of


@dataclass(frozen=True, eq=False)
class Divergence:
    """An intervention that measures minus the divergence from the model as it is.

    Attributes:
        inner: takes causes away, in a forward pass.
    """

    inner: Passing

    @property
    def kind(self) -> Kind:
        """What its causes are."""
        return self.inner.kind

    @property
    def causes(self) -> tuple[Cause, ...]:
        """What can be taken away."""
        return self.inner.causes

    @property
    def scope(self) -> str:
        """What a measured effect holds for."""
        return self.inner.scope

    @property
    def cheap(self) -> bool:
        """Whether one removal costs about one forward pass."""
        return self.inner.cheap

    def describe(self) -> dict[str, Any]:
        """How things are taken away, and what is measured."""
        return {**self.inner.describe(), "value": "minus KL(model || without), nats"}

    def measure(
        self, behaviors: Sequence[Behavior], keep: Bool[np.ndarray, "subset cause"]
    ) -> Float[np.ndarray, "behavior subset"]:
        """Minus the divergence, nats; a row that keeps everything gives 0.

        Raises:
            InterventionError: `keep` has another shape.
            BehaviorError: a behavior cannot be measured.
        """
        plain = [Behavior(behavior.prompt, behavior.target) for behavior in behaviors]
        own = self._own(plain)

        def value(
            owner: Int[np.ndarray, " row"], rows: list[Row], past: DynamicCache | None
        ) -> Float[np.ndarray, " row"]:
            found = distributions(self.inner.model, rows, past=past)
            sizes = [len(row.scores) for row in rows]
            whole = torch.cat([own[i] for i in owner])
            moved = (whole.exp() * (whole - found)).sum(-1)
            means = [part.double().mean().item() for part in torch.split(moved, sizes)]
            return -np.array(means)

        measured = self.inner.measure(plain, keep, value=value)
        # To the bit, whatever the rounding of the two passes.
        measured[:, keep.all(axis=1)] = 0.0
        return measured

    def _own(self, behaviors: Sequence[Behavior]) -> list[Float[Tensor, "score token"]]:
        """The model's own distributions, behavior by behavior."""
        model = self.inner.model
        rows = [rows_of(encode(model, behavior))[0] for behavior in behaviors]
        found: dict[int, Tensor] = {}
        with torch.no_grad():
            for batch in plan([len(row.ids) for row in rows], BATCH_SIZE):
                chosen = [rows[i] for i in batch]
                parts = torch.split(distributions(model, chosen), [len(r.scores) for r in chosen])
                found |= dict(zip(batch.tolist(), parts, strict=True))
        return [found[i] for i in range(len(rows))]
