"""A behavior's value with its graph, beside what components could lose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Watched:
    """A behavior's value with its graph, and the activations that components could lose.

    The change that a removal makes, to first order (attribution patching), is

        fall = sum of gradient * (activation - replacement)

    over positions and columns of a component; `per_cause` does the sum.

    Attributes:
        value: nats, with its graph.
        activations: at each place, with all its components side by side; ask
            `torch.autograd.grad(value, activations)`. For a layer it is the output.
        drawn: for each draw what would stand there if all were taken away; one where nothing is
            drawn. For a layer it is the input plus the replacement of what the layer adds.
        table: which components each cause holds; None where each is its own.
        parts: how many components each place has.
        where: for each row the positions at which they can be taken away; None means all.
        apart: whether each position is a component of its own.
    """

    value: Float[Tensor, ""]
    activations: tuple[Float[Tensor, "row position _"], ...]
    drawn: tuple[tuple[Float[Tensor, "row position _"], ...], ...]
    table: Bool[np.ndarray, "cause single"] | None
    parts: tuple[int, ...]
    where: tuple[tuple[int, ...], ...] | None = None
    apart: bool = False

    def falls(self) -> Float[np.ndarray, "draw cause"]:
        """By how much the value falls to first order, for each draw; one backward pass."""
        gradients = torch.autograd.grad(self.value, self.activations)
        changes = [
            [g * (a - r) for g, a, r in zip(gradients, self.activations, own, strict=True)]
            for own in self.drawn
        ]
        return np.stack([self.per_cause(own) for own in changes])

    def per_cause(
        self, products: Sequence[Float[Tensor, "row position _"]]
    ) -> Float[np.ndarray, " cause"]:
        """Sum a quantity that is given at each place over what each cause holds."""
        sums = [
            self._sums(x.detach().double(), n).flatten()
            for x, n in zip(products, self.parts, strict=True)
        ]
        singles: Float[np.ndarray, " cause"] = torch.cat(sums).cpu().numpy()
        return singles if self.table is None else self.table @ singles

    def _sums(self, x: Float[Tensor, "row position _"], parts: int) -> Tensor:
        """Sums over rows and columns of each part, and over positions or at each of them."""
        by_part = x.reshape(*x.shape[:2], parts, -1).sum(-1)
        if self.where is None:
            return by_part.sum(dim=(0, 1))
        found = torch.stack([row[list(at)] for row, at in zip(by_part, self.where, strict=True)])
        return found.sum(0).T if self.apart else found.sum(dim=(0, 1))
