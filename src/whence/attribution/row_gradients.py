"""Inner products of many training gradients with a few fixed directions, layer by layer.

Each row's gradient of a layer is multiplied with every direction inside the backward pass and
thrown away: no per-document gradient of the whole model is ever held, and the price is one
forward-backward pass plus about one forward more, however many directions there are.

    score[row, direction] = sum over layers of < grad of row's loss, direction >

A direction of a matrix may be given as a product of two thin ones. Then not even the row's
gradient is formed:  < sum_t g_t x_t^T, L R^T > = sum_t < L^T g_t, R^T x_t >.

What layers are known is told in `whence.attribution.layer_gradients`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from whence.attribution.layer_gradients import (
    Use,
    embedding_gradient,
    hearing,
    is_embedding,
    is_linear,
    row_gradient,
    uses_of,
)


@dataclass(frozen=True, eq=False, slots=True)
class LowRank:
    """Directions of one matrix, each the product left @ right^T.

    Attributes:
        left: along the parameter's first axis.
        right: along its second.
    """

    left: Float[Tensor, "direction first rank"]
    right: Float[Tensor, "direction second rank"]


Directions = Mapping[str, Float[Tensor, " direction *shape"] | LowRank]


class RowGradients:
    """Accumulates < row gradient, direction > while a backward pass runs.

    Attributes:
        covered: share of the parameters that the covered layers hold, in [0, 1].
        missing: names of the parameters left out.
    """

    def __init__(self, module: nn.Module, directions: Directions) -> None:
        """Prepare for one model.

        Args:
            module: the model.
            directions: one stack of directions for each parameter, by its name; a parameter
                that is used twice (tied embeddings) has one entry.
        """
        self.module = module
        self._uses, self.missing = uses_of(module)
        self._directions = {use.name: directions[use.name] for use in self._uses}
        self.covered = covered_share(module, self.missing)

    @contextmanager
    def rows(self, count: int, directions: int) -> Iterator[Float[Tensor, "row direction"]]:
        """Run a forward and backward pass inside; the yielded array then holds the products.

        Args:
            count: rows of the batch.
            directions: how many directions there are.
        """
        scores = torch.zeros(count, directions, dtype=torch.float64)
        here: dict[nn.Module, list[Use]] = defaultdict(list)
        for use in self._uses:
            here[use.layer].append(use)

        def hear(layer: nn.Module, given: Tensor, gradient: Tensor) -> None:
            for use in here[layer]:
                products = _products(use, self._directions[use.name], given, gradient)
                scores.add_(products.to(scores))

        with hearing(self.module, self._uses, count, hear):
            yield scores


def covered_share(module: nn.Module, missing: list[str]) -> float:
    """The share of a module's parameters that are not among the missing."""
    sizes = {name: p.numel() for name, p in module.named_parameters()}
    return 1 - sum(sizes[name] for name in missing) / sum(sizes.values())


def _products(
    use: Use,
    directions: Float[Tensor, " direction *shape"] | LowRank,
    given: Tensor,
    gradient: Float[Tensor, "row position width"],
) -> Float[Tensor, "row direction"]:
    if isinstance(directions, LowRank):
        return _low_rank(use, directions, given, gradient)
    if is_embedding(use.layer):  # only the rows of tokens that occur are looked at
        where = given.reshape(gradient.shape[:2])
        scaled = embedding_gradient(use.layer, gradient)
        return torch.stack([(each[where] * scaled).sum((1, 2)) for each in directions], dim=1)
    rows = row_gradient(use.layer, use.key, given, gradient)
    return rows.flatten(1) @ directions.flatten(1).T


def _low_rank(
    use: Use, directions: LowRank, given: Tensor, gradient: Float[Tensor, "row position width"]
) -> Float[Tensor, "row direction"]:
    if is_embedding(use.layer):
        where = given.reshape(gradient.shape[:2])
        first = directions.left[:, where].movedim(0, 2)
        scaled = embedding_gradient(use.layer, gradient)
        second = torch.einsum("ntw,qwr->ntqr", scaled, directions.right)
        return torch.einsum("ntqr,ntqr->nq", first, second)
    assert is_linear(use.layer), "only matrices have low rank"
    inputs = given.reshape(*gradient.shape[:2], -1)
    first, second = (inputs, gradient) if isinstance(use.layer, Conv1D) else (gradient, inputs)
    left = torch.einsum("ntf,qfr->ntqr", first, directions.left)
    right = torch.einsum("nts,qsr->ntqr", second, directions.right)
    return torch.einsum("ntqr,ntqr->nq", left, right)
