"""Gradients of single rows at every layer, met inside one backward pass.

For a batch with one document a row, the gradient of row n's loss with respect to the weight
of a linear layer is the sum over positions of (gradient at the output) x (input). Both are at
hand when the backward pass comes by, so a listener can use them and throw them away: no
gradient of a whole model is ever held for a row.

Layers that are known: linear, GPT-2's transposed Conv1D, embeddings, norms. A parameter that a
model uses anywhere else is named as missing, never skipped in silence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call
from transformers.pytorch_utils import Conv1D

from whence.core.errors import MethodError

Hear = Callable[[nn.Module, Tensor, Float[Tensor, "row position width"]], None]
"""Told of a layer, its input, and the gradient at its output, once in a backward pass."""

Take = Callable[[str, Float[Tensor, " row *shape"]], None]
"""Given a parameter's name and its gradient for every row of the batch."""


class Use(NamedTuple):
    """A parameter at a place where the model uses it; a tied one has two.

    Attributes:
        layer: the layer that holds it.
        key: its name in the layer.
        name: its name in the model.
    """

    layer: nn.Module
    key: str
    name: str


def uses_of(module: nn.Module) -> tuple[list[Use], list[str]]:
    """Where parameters are used whose gradients can be told row by row.

    Returns:
        The uses, and the names of the parameters that are missing: a tied parameter counts
        only when every layer that uses it is known.
    """
    names = {id(p): name for name, p in module.named_parameters()}
    every = [
        Use(layer, key, names[id(p)])
        for layer in module.modules()
        for key, p in layer.named_parameters(recurse=False)
    ]
    lost = {use.name for use in every if not _is_known(use.layer)}
    return [use for use in every if use.name not in lost], sorted(lost)


def is_linear(layer: nn.Module) -> bool:
    """Whether a layer multiplies its input with a matrix."""
    return type(layer) in (nn.Linear, Conv1D)


def is_embedding(layer: nn.Module) -> bool:
    """Whether a layer looks tokens up (Gemma scales what it finds)."""
    return type(layer) is nn.Embedding or (
        isinstance(layer, nn.Embedding) and hasattr(layer, "embed_scale")
    )


def is_norm(layer: nn.Module) -> bool:
    """Whether a layer scales and shifts columns, whatever the norm's make."""
    own = list(layer.parameters(recurse=False))
    plain = bool(own) and not list(layer.children()) and all(p.ndim == 1 for p in own)
    return plain and "norm" in type(layer).__name__.lower()


def _is_known(layer: nn.Module) -> bool:
    return is_linear(layer) or is_embedding(layer) or is_norm(layer)


def embedding_gradient(layer: nn.Module, gradient: Tensor) -> Tensor:
    """The gradient at a token's row of the table, from the one at the layer's output."""
    return gradient * getattr(layer, "embed_scale", 1.0)


def row_gradient(
    layer: nn.Module, key: str, given: Tensor, gradient: Float[Tensor, "row position width"]
) -> Float[Tensor, " row *shape"]:
    """The gradient of each row's loss by one parameter of a layer.

    Args:
        layer: a known layer.
        key: the parameter's name in it.
        given: the layer's input.
        gradient: of the loss by the layer's output.
    """
    if is_linear(layer):
        return _linear(layer, key, given, gradient)
    if is_embedding(layer):
        where = given.reshape(gradient.shape[:2])
        shape = (len(where), *layer.get_parameter(key).shape)
        spread = where[..., None].expand(gradient.shape)
        return gradient.new_zeros(shape).scatter_add_(
            1, spread, embedding_gradient(layer, gradient)
        )
    return norm_columns(layer, key, given, gradient).sum(1)


def _linear(layer: nn.Module, key: str, given: Tensor, gradient: Tensor) -> Tensor:
    if key != "weight":
        return gradient.sum(1)
    inputs = given.reshape(*gradient.shape[:2], -1)
    if isinstance(layer, Conv1D):
        return inputs.transpose(1, 2) @ gradient
    return gradient.transpose(1, 2) @ inputs


def norm_columns(
    layer: nn.Module, key: str, given: Tensor, gradient: Float[Tensor, "row position width"]
) -> Float[Tensor, "row position width"]:
    """Norms of any make: each entry of a parameter scales or shifts one column of the output.

    Architectures differ in how (w, or 1 + w). The output is affine in the parameters all the
    same, so adding 1 to every entry of one moves each column by exactly its derivative.

    Returns:
        The gradient by each entry, position by position.
    """
    parameters = {k: p.detach() for k, p in layer.named_parameters(recurse=False)}
    plain = functional_call(layer, parameters, (given,))
    moved = functional_call(layer, {**parameters, key: parameters[key] + 1}, (given,))
    change: Tensor = (moved - plain).reshape(gradient.shape) * gradient
    return change


@contextmanager
def hearing(module: nn.Module, uses: Sequence[Use], count: int, hear: Hear) -> Iterator[None]:
    """Run a forward and a backward pass inside, and be told of every layer that is used.

    Parameters get no gradient of their own meanwhile, which spares a third of the work: the
    graph begins at the outputs of the embeddings.

    Args:
        module: the model.
        uses: the parameters that matter.
        count: rows of the batch.
        hear: told of every layer once, from the last to the first.

    Raises:
        MethodError: in the pass: a layer's output is shared by all rows.
    """
    with ExitStack() as hooks:
        for parameter in module.parameters():
            hooks.callback(parameter.requires_grad_, parameter.requires_grad)
            parameter.requires_grad_(False)
        for layer in module.modules():
            if isinstance(layer, nn.Embedding):
                hooks.callback(layer.register_forward_hook(_begin_graph).remove)
        for layer in dict.fromkeys(use.layer for use in uses):
            hooks.callback(layer.register_forward_hook(_listener(count, hear)).remove)
        yield


@contextmanager
def taking_row_gradients(
    module: nn.Module, uses: Sequence[Use], count: int, take: Take
) -> Iterator[None]:
    """Run a forward and a backward pass inside, and be given every parameter's row gradients.

    One parameter's are held at a time; those of a tied one until its last use is met.

    Args:
        module: the model.
        uses: the parameters that are wanted.
        count: rows of the batch.
        take: given each parameter once.
    """
    left = Counter(use.name for use in uses)
    held: dict[str, Tensor] = {}

    def hear(layer: nn.Module, given: Tensor, gradient: Tensor) -> None:
        for use in uses:
            if use.layer is layer:
                found = row_gradient(layer, use.key, given, gradient)
                found = held.pop(use.name, 0) + found
                left[use.name] -= 1
                if left[use.name]:
                    held[use.name] = found
                else:
                    take(use.name, found)

    with hearing(module, uses, count, hear):
        yield
    for name, found in held.items():  # tied to a layer that this pass did not meet
        take(name, found)


def _begin_graph(_layer: nn.Module, _args: tuple[Any, ...], output: Tensor) -> Tensor:
    return output.detach().requires_grad_()


def _listener(count: int, hear: Hear) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
    """A forward hook that has `hear` told when the gradient at the layer's output arrives."""

    def listen(layer: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
        if (
            not output.requires_grad
        ):  # `norm_columns` runs the layer again, inside the backward pass
            return
        if output.numel() // output.shape[-1] % count or len(args[0]) % count:
            raise MethodError(
                type(layer).__name__,
                expected=f"an output for each of {count} rows",
                got=f"shape {tuple(output.shape)}, shared by all rows",
                fix="Give the model positions for every row, not one for all.",
            )
        given = args[0].detach()

        def arrive(gradient: Tensor) -> None:
            # Some layers see rows and positions in one axis.
            hear(layer, given, gradient.detach().reshape(count, -1, gradient.shape[-1]))

        output.register_hook(arrive)  # type: ignore[no-untyped-call]

    return listen
