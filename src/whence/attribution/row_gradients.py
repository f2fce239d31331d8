"""Inner products of many training gradients with a few fixed directions, layer by layer.

For a batch with one document a row, the gradient of row n's loss with respect to the
weight of a linear layer is the sum over positions of (gradient at the output) x (input).
It is formed inside the backward pass, multiplied with every direction, and thrown away:
no per-document gradient of the whole model is ever held, and the price is one
forward-backward pass plus about one forward more, however many directions there are.

    score[row, direction] = sum over layers of < grad of row's loss, direction >

Layers that are covered: linear, GPT-2's transposed Conv1D, embeddings, norms. What is not
(a parameter that a model uses outside such a layer) is counted and reported, never skipped
in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call
from transformers.pytorch_utils import Conv1D

from whence.core.errors import MethodError

Directions = Mapping[str, Float[Tensor, " direction *shape"]]
_Product = Callable[[nn.Module, dict[str, Tensor], Tensor, Tensor], Tensor]


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
        uses = [
            (layer, {key: names[id(p)] for key, p in layer.named_parameters(recurse=False)})
            for layer in module.modules()
        ]
        # A tied parameter counts only when every layer that uses it is known.
        lost = {n for layer, own in uses if _product_of(layer) is None for n in own.values()}
        self._layers: list[tuple[nn.Module, _Product, dict[str, Tensor]]] = []
        for layer, own in uses:
            product = _product_of(layer)
            chosen = {key: directions[n] for key, n in own.items() if n not in lost}
            if product is not None and chosen:
                self._layers.append((layer, product, chosen))
        sizes = {name: p.numel() for name, p in module.named_parameters()}
        self.missing = sorted(lost)
        self.covered = 1 - sum(sizes[name] for name in lost) / sum(sizes.values())

    @contextmanager
    def rows(self, count: int, directions: int) -> Iterator[Float[Tensor, "row direction"]]:
        """Run a forward and backward pass inside; the yielded array then holds the products.

        Parameters get no gradient of their own meanwhile, which spares a third of the work: the
        graph begins at the outputs of the embeddings.

        Args:
            count: rows of the batch.
            directions: how many directions there are.
        """
        scores = torch.zeros(count, directions, dtype=torch.float64)
        with ExitStack() as hooks:
            for parameter in self.module.parameters():
                hooks.callback(parameter.requires_grad_, parameter.requires_grad)
                parameter.requires_grad_(False)
            for layer in self.module.modules():
                if isinstance(layer, nn.Embedding):
                    hooks.callback(layer.register_forward_hook(_begin_graph).remove)
            for layer, product, own in self._layers:
                handle = layer.register_forward_hook(_listener(product, own, scores))
                hooks.callback(handle.remove)
            yield scores


def _begin_graph(_layer: nn.Module, _args: tuple[Any, ...], output: Tensor) -> Tensor:
    return output.detach().requires_grad_()


def _listener(
    product: _Product, own: dict[str, Tensor], scores: Float[Tensor, "row direction"]
) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
    """A forward hook that multiplies when the gradient at the layer's output arrives."""
    count = len(scores)

    def listen(layer: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
        if not output.requires_grad:  # `_scales` runs the layer again, inside the backward pass
            return
        if output.numel() // output.shape[-1] % count or len(args[0]) % count:
            raise MethodError(
                type(layer).__name__,
                expected=f"an output for each of {count} rows",
                got=f"shape {tuple(output.shape)}, shared by all rows",
                fix="Give the model positions for every row, not one for all.",
            )
        given = args[0].detach()

        def multiply(gradient: Tensor) -> None:
            # Some layers see rows and positions in one axis.
            flat = gradient.detach().reshape(count, -1, gradient.shape[-1])
            products = product(layer, own, given, flat)
            scores.add_(products.to(scores.dtype))

        output.register_hook(multiply)  # type: ignore[no-untyped-call]

    return listen


def _linear(
    layer: nn.Module, own: dict[str, Tensor], given: Tensor, gradient: Tensor
) -> Float[Tensor, "row direction"]:
    products = gradient.new_zeros(())
    if "weight" in own:
        inputs = given.reshape(*gradient.shape[:2], -1)
        rows = torch.einsum("nto,nti->noi", gradient, inputs)
        if isinstance(layer, Conv1D):
            rows = rows.transpose(1, 2)
        products = products + rows.flatten(1) @ own["weight"].flatten(1).T
    if "bias" in own:
        products = products + gradient.sum(1) @ own["bias"].T
    return products


def _embedding(
    layer: nn.Module, own: dict[str, Tensor], given: Tensor, gradient: Tensor
) -> Float[Tensor, "row direction"]:
    where = given.reshape(gradient.shape[:2])
    scaled = gradient * getattr(layer, "embed_scale", 1.0)  # Gemma's are scaled
    return torch.stack([(each[where] * scaled).sum((1, 2)) for each in own["weight"]], dim=1)


def _scales(
    layer: nn.Module, own: dict[str, Tensor], given: Tensor, gradient: Tensor
) -> Float[Tensor, "row direction"]:
    """Norms of any make: each entry of a parameter scales or shifts one column of the output.

    Architectures differ in how (w, or 1 + w). The output is affine in the parameters all the
    same, so adding 1 to every entry of one moves each column by exactly its derivative.
    """
    parameters = {key: p.detach() for key, p in layer.named_parameters(recurse=False)}
    plain = functional_call(layer, parameters, (given,))
    products = gradient.new_zeros(())
    for key, directions in own.items():
        moved = functional_call(layer, {**parameters, key: parameters[key] + 1}, (given,))
        change = (moved - plain).reshape(gradient.shape) * gradient
        rows = change.sum(1)
        products = products + rows @ directions.T
    return products


_PRODUCTS = {nn.Linear: _linear, Conv1D: _linear, nn.Embedding: _embedding}


def _product_of(layer: nn.Module) -> _Product | None:
    """How to multiply for a layer; None for one that is not known."""
    own = list(layer.parameters(recurse=False))
    if type(layer) in _PRODUCTS:
        return _PRODUCTS[type(layer)]
    if isinstance(layer, nn.Embedding) and hasattr(layer, "embed_scale"):
        return _embedding
    is_norm = bool(own) and not list(layer.children()) and all(p.ndim == 1 for p in own)
    return _scales if is_norm and "norm" in type(layer).__name__.lower() else None
