"""Inner products of many training gradients with a few fixed directions, layer by layer.

For a batch with one document a row, the gradient of row n's loss with respect to the
weight of a linear layer is the sum over positions of (gradient at the output) x (input).
It is formed inside the backward pass, multiplied with every direction, and thrown away:
no per-document gradient of the whole model is ever held, and the price is one
forward-backward pass plus about one forward more, however many directions there are.

    score[row, direction] = sum over layers of < grad of row's loss, direction >

Layers that are covered: linear, GPT-2's transposed Conv1D, embeddings, layer norms. What
is not (RMS norms' scales, say) is counted and reported, never skipped in silence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

Directions = Mapping[str, Float[Tensor, "direction *shape"]]


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
        names = {id(p): name for name, p in module.named_parameters()}
        self._layers: list[tuple[nn.Module, dict[str, Tensor]]] = []
        found: set[str] = set()
        for layer in module.modules():
            if type(layer) not in _PRODUCTS:
                continue
            own = {
                key: names[id(p)]
                for key, p in layer.named_parameters(recurse=False)
                if id(p) in names
            }
            found |= set(own.values())
            self._layers.append((layer, {key: directions[name] for key, name in own.items()}))
        sizes = {name: p.numel() for name, p in module.named_parameters()}
        self.missing = sorted(set(sizes) - found)
        self.covered = sum(sizes[name] for name in found) / sum(sizes.values())
        self._scores: Tensor | None = None

    @contextmanager
    def rows(self, count: int, directions: int) -> Iterator[Float[Tensor, "row direction"]]:
        """Run a forward and backward pass inside; the yielded array then holds the products.

        Args:
            count: rows of the batch.
            directions: how many directions there are.
        """
        scores = torch.zeros(count, directions, dtype=torch.float64)
        with ExitStack() as hooks:
            for layer, own in self._layers:
                handle = layer.register_forward_hook(_listener(own, scores))
                hooks.callback(handle.remove)
            yield scores


def _listener(own: dict[str, Tensor], scores: Float[Tensor, "row direction"]):  # type: ignore[no-untyped-def]
    """A forward hook that multiplies when the gradient at the layer's output arrives."""

    def listen(layer: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
        given = args[0].detach()

        def multiply(gradient: Tensor) -> None:
            products = _PRODUCTS[type(layer)](layer, own, given, gradient.detach())
            scores.add_(products.to(scores.dtype))

        output.register_hook(multiply)

    return listen


def _linear(
    layer: nn.Module, own: dict[str, Tensor], given: Tensor, gradient: Tensor
) -> Float[Tensor, "row direction"]:
    rows = torch.einsum("nto,nti->noi", gradient, given)
    if isinstance(layer, Conv1D):
        rows = rows.transpose(1, 2)
    products = rows.flatten(1) @ own["weight"].flatten(1).T
    if "bias" in own:
        products = products + gradient.sum(1) @ own["bias"].T
    return products


def _embedding(
    layer: nn.Module, own: dict[str, Tensor], given: Tensor, gradient: Tensor
) -> Float[Tensor, "row direction"]:
    del layer
    where = given.expand(gradient.shape[:2])
    return torch.stack([(each[where] * gradient).sum((1, 2)) for each in own["weight"]], dim=1)


def _layer_norm(
    layer: nn.Module, own: dict[str, Tensor], given: Tensor, gradient: Tensor
) -> Float[Tensor, "row direction"]:
    assert isinstance(layer, nn.LayerNorm)
    products = gradient.new_zeros(gradient.shape[0], 1)
    if "weight" in own:
        plain = nn.functional.layer_norm(given, layer.normalized_shape, eps=layer.eps)
        products = products + (gradient * plain).sum(1) @ own["weight"].T
    if "bias" in own:
        products = products + gradient.sum(1) @ own["bias"].T
    return products


_PRODUCTS = {
    nn.Linear: _linear,
    Conv1D: _linear,
    nn.Embedding: _embedding,
    nn.LayerNorm: _layer_norm,
}
