"""Gradients of behaviors, and how the optimiser scaled gradients."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from whence.core import Behavior
from whence.models import Model, encode, value_tensor
from whence.training import Checkpoint, Run, adam_state


def behavior_gradients(
    model: Model, behaviors: Sequence[Behavior]
) -> dict[str, Float[Tensor, " behavior *shape"]]:
    """Gradient of each behavior's value (nats) with respect to every parameter, by name."""
    names, parameters = zip(*model.module.named_parameters(), strict=True)
    each = [
        torch.autograd.grad(
            value_tensor(model, encode(model, behavior)),
            parameters,
            allow_unused=True,
            materialize_grads=True,
        )
        for behavior in behaviors
    ]
    return {name: torch.stack([g[i] for g in each]) for i, name in enumerate(names)}


def adam_scaling(checkpoint: Checkpoint, run: Run) -> dict[str, Float[Tensor, "*shape"]]:
    """1 / sqrt(v + epsilon) of the optimiser in a checkpoint, v corrected for its start."""
    epsilon = run.recipe.epsilon
    return {name: (v + epsilon).rsqrt() for name, v in adam_state(checkpoint).items()}
