"""What a state of the residual stream is a sum of, read in one forward pass.

    after the attention    x_i + sum over heads h and tokens j of  a_hij v_hj O_h  + constant
    after the MLP          the same + what the MLP adds

x_i is the state of token i before the layer, a the attention's own weights, v the values of a
head (of the key head that it shares, with grouped queries) and O_h its rows of the output
projection. Where attention and MLP read the same state (GPT-NeoX), the two sums are one. A mixture
of experts is one term: what all its experts add. Behind a norm at the end of an attention (Gemma,
OLMo 2) each term gets the scale that the norm had for their sum.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from whence.core.errors import MethodError
from whence.models import LayerStreams, Model, Row, as_matrix, log_probabilities

State = Float[Tensor, "position width"]


@dataclass(eq=False, slots=True)
class LayerTerms:
    """One layer's terms for one sequence.

    Attributes:
        layer: its number.
        parallel: whether attention and MLP are added in one sum.
        before: the stream that enters.
        weights: how much token i takes of token j.
        values: of each key head.
        output: what each head's result is multiplied with.
        scale: of the norm behind the attention, 1 where there is none.
        attention: what the attention adds in all, constants included.
        mlp: what the MLP adds.
    """

    layer: int
    parallel: bool
    before: State
    weights: Float[Tensor, "head position position"]
    values: Float[Tensor, "key position size"]
    output: Float[Tensor, "head size width"]
    scale: Float[Tensor, "#position #width"]
    attention: State
    mlp: State

    @property
    def middle(self) -> State:
        """The stream between attention and MLP."""
        return self.before + self.attention

    @property
    def after(self) -> State:
        """The stream that leaves."""
        return self.middle + self.mlp

    def heads_at(self, position: int) -> Float[Tensor, "head source width"]:
        """What each head brings to one token from each token that it sees."""
        seen, scale = position + 1, self.scale[position if len(self.scale) > 1 else 0]
        group = len(self.weights) // len(self.values)
        values = self.values[:, :seen].repeat_interleave(group, dim=0)
        weighted = self.weights[:, position, :seen, None] * values
        brought: Tensor = torch.bmm(weighted, self.output) * scale
        return brought

    def brought(self) -> Float[Tensor, "position source width"]:
        """What all heads together bring to each token from each other."""
        group = len(self.weights) // len(self.values)
        said = torch.bmm(self.values.repeat_interleave(group, dim=0), self.output)
        found: Tensor = torch.einsum("hij,hjw->ijw", self.weights, said) * self.scale[:, None]
        return found


def layer_terms(model: Model, row: Row) -> list[LayerTerms]:
    """The terms of every layer for one sequence, from one forward pass.

    Raises:
        ModelError: the model's streams are not known or no sum.
        MethodError: its attention does not tell its weights.
    """
    readers = [_Reader(streams) for streams in model.streams]
    with torch.no_grad(), _reading(readers):
        log_probabilities(model, [row])
    return [reader.terms(model, layer) for layer, reader in enumerate(readers)]


def no_weights(model: Model) -> MethodError:
    """What to say of a model whose attention does not tell its weights, or that has none."""
    how = getattr(model.config, "_attn_implementation", None)
    return MethodError(
        "attention",
        expected="a model whose layers all tell their attention weights",
        got=f"{model.architecture} with the attention {how!r}, which tells none"
        if how not in {None, "eager"}
        else f"{model.architecture}, which has no attention",
        fix='Open it with attention="eager"; a model without attention has none to follow.',
    )


@dataclass(eq=False)
class _Reader:
    """Notes what passes through one layer."""

    streams: LayerStreams
    seen: dict[str, Tensor] = field(default_factory=dict)

    def attach(self) -> list[Any]:
        streams, sites = self.streams, self.streams.sites
        value = next(p for p in streams.projections if "value" in p.parts)
        attention = next(
            part for part in sites.block.modules() if sites.attention_out in set(part.children())
        )
        found = [
            sites.block.register_forward_pre_hook(self._enters, with_kwargs=True),
            attention.register_forward_hook(self._weighs),
            value.last.register_forward_hook(partial(self._notes, "value")),
            sites.attention_out.register_forward_hook(partial(self._notes, "out")),
            sites.mlp.register_forward_hook(partial(self._notes, "mlp")),
        ]
        if streams.attention_after is not None:
            scaled = partial(self._notes, "scaled")
            found.append(streams.attention_after.register_forward_hook(scaled))
        return found

    def terms(self, model: Model, layer: int) -> LayerTerms:
        streams, sites, seen = self.streams, self.streams.sites, self.seen
        if "weights" not in seen:
            raise no_weights(model)
        value = next(p for p in streams.projections if "value" in p.parts)
        out, width = seen["out"], seen["out"].shape[-1]
        like = torch.zeros((), dtype=model.dtype, device=model.device)
        output, _ = as_matrix(sites.attention_out, sites.n_heads * sites.head_size, like)
        added = seen.get("scaled", out)
        one = torch.ones(1, 1, dtype=out.dtype, device=out.device)
        scaled = torch.where(out == 0, 0, added / torch.where(out == 0, 1, out))
        return LayerTerms(
            layer=layer,
            parallel=streams.parallel,
            before=seen["before"],
            weights=seen["weights"],
            values=torch.stack([seen["value"][:, a:b] for a, b in value.parts["value"]]),
            output=output.reshape(sites.n_heads, sites.head_size, width),
            scale=scaled if "scaled" in seen else one,
            attention=added,
            mlp=seen["mlp"],
        )

    def _enters(self, _: nn.Module, args: Any, kwargs: dict[str, Any]) -> None:
        self.seen["before"] = (args[0] if args else kwargs["hidden_states"])[0]

    def _weighs(self, _: nn.Module, __: Any, output: Any) -> None:
        if isinstance(output, tuple) and len(output) > 1 and output[1] is not None:
            self.seen["weights"] = output[1][0]

    def _notes(self, name: str, _: nn.Module, __: Any, output: Any) -> None:
        x = output[0] if isinstance(output, tuple) else output
        # Some modules see rows and positions as one axis; there is one row.
        self.seen[name] = x.reshape(-1, x.shape[-1])


@contextmanager
def _reading(readers: list[_Reader]) -> Iterator[None]:
    handles = [handle for reader in readers for handle in reader.attach()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
