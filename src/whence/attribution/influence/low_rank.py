"""Directions in fewer numbers: each matrix as a product of two thin ones.

A direction in a matrix of 768 x 3072 entries is 2.4 million numbers; of rank 32 it is 0.1
million, and multiplying it with a row's gradient is cheaper too.

Reference:
    Grosse et al. 2023, "Studying large language model generalization with influence functions",
    sec. 3.2.2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from whence.attribution.row_gradients import LowRank


def thinned(
    directions: Mapping[str, Tensor], rank: int
) -> tuple[dict[str, Tensor | LowRank], list[float]]:
    """The best approximation of directions by products of thin matrices.

    Matrices for which that saves nothing, and what is no matrix, stay whole.

    Returns:
        The directions, and the share of each one's square that is kept.
    """
    found: dict[str, Tensor | LowRank] = {}
    zero = torch.zeros(len(next(iter(directions.values()))), dtype=torch.float64)
    whole, kept = zero, zero
    for name, direction in directions.items():
        square = direction.double().square().flatten(1).sum(1).cpu()
        whole, kept = whole + square, kept + square
        found[name] = direction
        if direction.ndim == 3 and rank * sum(direction.shape[1:]) < direction[0].numel():
            found[name] = thin = _thin(direction, rank)
            kept = kept - square + _square(thin).cpu()
    return found, (kept / whole).tolist()


def _thin(direction: Tensor, rank: int) -> LowRank:
    """Through the eigenvectors of M^T M, or of M M^T, whichever is smaller."""
    if direction.shape[1] < direction.shape[2]:
        turned = _thin(direction.mT, rank)
        return LowRank(turned.right, turned.left)
    gram = direction.double().mT @ direction.double()
    right = torch.linalg.eigh(gram)[1][..., -rank:].to(direction)
    return LowRank(direction @ right, right)


def _square(thin: LowRank) -> Tensor:
    """The square of the norm of each product left @ right^T."""
    left, right = thin.left.double(), thin.right.double()
    return ((left.mT @ left) * (right.mT @ right)).sum((1, 2))


def stacked(parts: Sequence[Tensor | LowRank]) -> Tensor | LowRank:
    """Directions of one parameter, one after the other."""
    thin = [p for p in parts if isinstance(p, LowRank)]
    if thin:
        return LowRank(torch.cat([p.left for p in thin]), torch.cat([p.right for p in thin]))
    return torch.cat([p for p in parts if isinstance(p, Tensor)])
