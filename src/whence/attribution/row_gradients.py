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

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call, jvp
from transformers.pytorch_utils import Conv1D

Directions = Mapping[str, Float[Tensor, "direction *shape"]]
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
        self._layers: list[tuple[nn.Module, _Product, dict[str, Tensor]]] = []
        found: set[str] = set()
        for layer in module.modules():
            product = _product_of(layer)
            if product is None:
                continue
            own = {
                key: names[id(p)]
                for key, p in layer.named_parameters(recurse=False)
                if id(p) in names
            }
            found |= set(own.values())
            chosen = {key: directions[name] for key, name in own.items()}
            self._layers.append((layer, product, chosen))
        sizes = {name: p.numel() for name, p in module.named_parameters()}
        self.missing = sorted(set(sizes) - found)
        self.covered = sum(sizes[name] for name in found) / sum(sizes.values())

    @contextmanager
    def rows(self, count: int, directions: int) -> Iterator[Float[Tensor, "row direction"]]:
        """Run a forward and backward pass inside; the yielded array then holds the products.

        Args:
            count: rows of the batch.
            directions: how many directions there are.
        """
        scores = torch.zeros(count, directions, dtype=torch.float64)
        with ExitStack() as hooks:
            for layer, product, own in self._layers:
                handle = layer.register_forward_hook(_listener(product, own, scores))
                hooks.callback(handle.remove)
            yield scores


def _listener(
    product: _Product, own: dict[str, Tensor], scores: Float[Tensor, "row direction"]
) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
    """A forward hook that multiplies when the gradient at the layer's output arrives."""

    def listen(layer: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
        given = args[0].detach()

        def multiply(gradient: Tensor) -> None:
            products = product(layer, own, given, gradient.detach())
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


def _scales(
    layer: nn.Module, own: dict[str, Tensor], given: Tensor, gradient: Tensor
) -> Float[Tensor, "row direction"]:
    """Norms of any make: how the output moves along each direction, times its gradient.

    Architectures scale differently (w, or 1 + w), so the layer itself is differentiated
    forwards, which costs about two of its cheap forward passes a direction.
    """
    parameters = {key: p.detach() for key, p in layer.named_parameters(recurse=False)}

    def output(values: dict[str, Tensor]) -> Tensor:
        result: Tensor = functional_call(layer, values, (given,))
        return result

    columns = []
    for number in range(len(next(iter(own.values())))):
        tangent = {key: own[key][number] for key in parameters}
        moved = jvp(output, (parameters,), (tangent,))[1]
        columns.append((moved * gradient).sum((1, 2)))
    return torch.stack(columns, dim=1)


_PRODUCTS = {nn.Linear: _linear, Conv1D: _linear, nn.Embedding: _embedding}


def _product_of(layer: nn.Module) -> _Product | None:
    """How to multiply for a layer; None for one that holds no parameters or is not known."""
    own = list(layer.parameters(recurse=False))
    if type(layer) in _PRODUCTS:
        return _PRODUCTS[type(layer)]
    is_norm = bool(own) and not list(layer.children()) and all(p.ndim == 1 for p in own)
    return _scales if is_norm and "norm" in type(layer).__name__.lower() else None
