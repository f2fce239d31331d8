"""What documents do through every part of a model's gradient, in one forward and backward pass.

A document's gradient of a weight matrix is a sum over its tokens of (gradient at the output) x
(input). Its product with a direction of the same shape, say b, is therefore a sum over tokens and
columns:

    < sum_t g_t x_t^T, b >  =  sum_t sum_c  g_t[c] (b x_t)[c]  =  sum_t sum_c  (b^T g_t)[c] x_t[c]

The first form falls apart along the layer's output, where the heads of queries, keys and values
lie, the second along its input, where those of the output projection lie. So a single pass gives
every part, every head and every document, with one more product of matrices a layer and behavior.

Layers that are known: those of `whence.attribution.layer_gradients`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

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
    norm_columns,
    uses_of,
)
from whence.models import Piece
from whence.training import Batch, token_losses


class Splitter:
    """Splits the products of documents' gradients with given directions over parts of a model.

    Attributes:
        missing: parameters in layers that are not known; what they do is in no part.
    """

    def __init__(self, module: nn.Module, parts: Mapping[str, Sequence[Piece]]) -> None:
        """Prepare for one architecture.

        Args:
            module: the model.
            parts: pieces of parameters by part; together they hold every number once.
        """
        _, self.missing = uses_of(module)
        self._count = len(parts)
        self._pieces: dict[str, list[tuple[int, Piece]]] = defaultdict(list)
        for number, pieces in enumerate(parts.values()):
            for piece in pieces:
                self._pieces[piece.name].append((number, piece))

    def __call__(
        self, module: nn.Module, batch: Batch, through: Mapping[str, Tensor]
    ) -> Float[Tensor, "behavior part document"]:
        """Split one batch.

        Args:
            module: at the parameters where gradients are taken.
            batch: its documents numbered from 0 among themselves.
            through: for every parameter, by its name, a direction for each behavior.

        Returns:
            < direction, gradient of the document's share in the batch's loss >, by part.
        """
        uses, _ = uses_of(module)
        here: dict[nn.Module, list[Use]] = defaultdict(list)
        for use in uses:
            here[use.layer].append(use)
        behaviors = len(next(iter(through.values())))
        documents = batch.documents.clamp(min=0).flatten()  # no gradient stands in the padding
        shape = (behaviors, self._count, int(batch.documents.max()) + 1)
        found = torch.zeros(shape, dtype=torch.float64, device=batch.ids.device)

        def hear(layer: nn.Module, given: Tensor, gradient: Tensor) -> None:
            for use in here[layer]:
                for behavior, direction in enumerate(through[use.name]):
                    for part, share in self._shares(use, direction, given, gradient):
                        whole = _by_position(share.double(), given, batch.ids.shape[1])
                        found[behavior, part].index_add_(0, documents, whole.flatten())

        with hearing(module, uses, len(batch.ids), hear):
            loss = token_losses(module, batch).sum() / max(batch.predicted, 1)
            torch.autograd.backward(loss)
        return found

    def _shares(
        self, use: Use, direction: Tensor, given: Tensor, gradient: Tensor
    ) -> list[tuple[int, Float[Tensor, "row position"]]]:
        """What each token does by way of each piece of one parameter."""
        columns: dict[int, Tensor] = {}
        found = []
        for part, piece in self._pieces[use.name]:
            axis = _output_axis(use) if piece.axis is None else piece.axis
            if axis not in columns:
                columns[axis] = _columns(use, axis, direction, given, gradient)
            kept = columns[axis]
            kept = kept if piece.axis is None else kept[..., piece.start : piece.stop]
            found.append((part, kept.sum(-1)))
        return found


def _by_position(
    share: Float[Tensor, "row place"], given: Tensor, positions: int
) -> Float[Tensor, "row position"]:
    """Sum over the heads of each position, where a norm sees every head alone."""
    rows, places = share.shape
    if places == positions:
        return share
    # Most norms see a position's heads one after the other, Gemma 3's the positions of a head.
    heads_first = given.shape[1] != positions or (
        given.shape[2] == positions and given.stride(1) < given.stride(2)
    )
    if heads_first:
        return share.view(rows, -1, positions).sum(1)
    return share.view(rows, positions, -1).sum(2)


def _output_axis(use: Use) -> int:
    """The axis of a parameter along which its layer's output lies."""
    return 1 if isinstance(use.layer, Conv1D) and use.key == "weight" else 0


def _columns(
    use: Use, axis: int, direction: Tensor, given: Tensor, gradient: Tensor
) -> Float[Tensor, "row position column"]:
    """Products of each token's gradient with a direction, kept apart along one axis."""
    layer = use.layer
    if is_embedding(layer):
        where = given.reshape(gradient.shape[:2])
        return direction[where] * embedding_gradient(layer, gradient)
    if not is_linear(layer):
        return norm_columns(layer, use.key, given, gradient) * direction
    if use.key != "weight":
        return gradient * direction
    inputs = given.reshape(*gradient.shape[:2], -1)
    turned = direction if isinstance(layer, Conv1D) else direction.T  # (input, output)
    if axis == _output_axis(use):
        return gradient * (inputs @ turned)
    return inputs * (gradient @ turned.T)
