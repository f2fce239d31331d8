"""What reads from the residual stream and what writes to it, in any architecture.

A decoder is a sum that grows: the embedding, then what every head and MLP adds. Each head reads
the sum so far three times (for its queries, its keys and its values), each MLP once, and the
vocabulary once at the end. Those readings are the receivers of edges, and the additions their
senders. As in `sites`, nothing is wrapped: a reading is told by the modules it goes through.

    stream -> norm -> projection (-> norm over all heads) -> columns of one head
    stream -> norm -> MLP (-> norm)                       -> stream
    heads  -> output projection (-> norm)                 -> stream

Norms inside parentheses are those of Gemma 2 and 3 and OLMo 2; OLMo 2 has none in front.
With grouped queries there are fewer key and value heads than query heads.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from whence.core.errors import ModelError
from whence.models.sites import LayerSites, bare, find_module, find_sites

ATTENTION_NORM = ("ln_1", "input_layernorm", "self_attn_layer_norm")
"""The norm before the attention."""

MLP_NORM = ("pre_feedforward_layernorm", "ln_2", "post_attention_layernorm", "final_layer_norm")
"""The norm before the MLP, where no norm stands behind it."""

ATTENTION_AFTER = "post_attention_layernorm"
"""The norm behind the attention, in layers that have one behind the MLP too."""

FUSED = ("attn.c_attn", "attention.query_key_value")
"""One projection for queries, keys and values: side by side (GPT-2) or head by head (NeoX)."""

SEPARATE = {
    "query": (("self_attn.q_proj",), ("self_attn.q_norm",)),
    "key": (("self_attn.k_proj",), ("self_attn.k_norm",)),
    "value": (("self_attn.v_proj",), ()),
}
"""A projection each, with the norm that may follow it."""


@dataclass(frozen=True, eq=False)
class Projection:
    """Reads the stream, behind a norm, for all heads of one layer.

    Attributes:
        module: a linear map of the norm's output.
        after: norm over all heads side by side, None where there is none.
        parts: for each role in it the columns of every head, as (start, end).
    """

    module: nn.Module
    after: nn.Module | None
    parts: dict[str, tuple[tuple[int, int], ...]]

    @property
    def last(self) -> nn.Module:
        """The module whose output holds the columns."""
        return self.module if self.after is None else self.after


@dataclass(frozen=True, eq=False)
class LayerStreams:
    """How one layer reads and writes the stream.

    Attributes:
        sites: its parts.
        norm: before the attention, None where there is none.
        projections: for queries, keys and values.
        n_keys: key heads; as many value heads.
        attention_after: the norm behind the attention's output projection, or None.
        mlp_in: the first module on the MLP's way; its input is the stream.
        parallel: whether the MLP reads what the attention reads, and not its result.
    """

    sites: LayerSites
    norm: nn.Module | None
    projections: tuple[Projection, ...]
    n_keys: int
    attention_after: nn.Module | None
    mlp_in: nn.Module
    parallel: bool


def find_streams(module: nn.Module) -> tuple[LayerStreams, ...]:
    """How each layer of a decoder reads and writes the residual stream.

    Raises:
        ModelError: the architecture is not known, or its stream is not a sum (a layer ends in a
            norm, as in OPT with `do_layer_norm_before=False`).
    """
    sites = find_sites(module)
    config = bare(module).config.get_text_config()
    if sites.final_norm is None or getattr(config, "do_layer_norm_before", True) is False:
        raise ModelError(
            str(config.model_type),
            expected="a residual stream to which every layer only adds, with one norm at its end",
            got="layers that end in a norm, or no norm before the vocabulary",
            fix="Explain this model by heads, MLPs and layers; it has no edges.",
        )
    for layer in sites.layers:
        if not layer.has_heads:
            raise ModelError(
                str(config.model_type),
                expected="layers of attention heads and MLPs",
                got="state-space layers, which have neither",
                fix="Explain this model by layers and the stream between them; it has no edges.",
            )
    parallel = bool(getattr(config, "use_parallel_residual", False))
    n_keys = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    return tuple(_layer(layer, int(n_keys), parallel) for layer in sites.layers)


def _layer(layer: LayerSites, n_keys: int, parallel: bool) -> LayerStreams:
    block = layer.block
    after = find_module(block, ("post_feedforward_layernorm",)) is not None
    mlp = find_module(block, MLP_NORM[:1] if after else MLP_NORM)
    if mlp is None:
        mlp = find_module(block, ("mlp",))
    if mlp is None:
        raise _unknown(layer, "the MLP's input")
    return LayerStreams(
        sites=layer,
        norm=find_module(block, ATTENTION_NORM),
        projections=_projections(layer, n_keys),
        n_keys=n_keys,
        attention_after=find_module(block, (ATTENTION_AFTER,)) if after else None,
        mlp_in=mlp,
        parallel=parallel,
    )


def _projections(layer: LayerSites, n_keys: int) -> tuple[Projection, ...]:
    size = layer.head_size
    heads = {"query": layer.n_heads, "key": n_keys, "value": n_keys}
    for number, name in enumerate(FUSED):
        fused = find_module(layer.block, (name,))
        if fused is not None:
            parts = _side_by_side(heads, size) if number == 0 else _head_by_head(heads, size)
            return (Projection(fused, None, parts),)
    found = []
    for role, (names, after) in SEPARATE.items():
        module = find_module(layer.block, names)
        if module is None:
            raise _unknown(layer, f"the projection for each {role}")
        columns = tuple((h * size, (h + 1) * size) for h in range(heads[role]))
        norm = find_module(layer.block, after)
        # A norm over one head at a time (Qwen 3, Gemma 3) keeps heads apart: no matter here.
        whole = norm is not None and _width(norm) == heads[role] * size != size
        found.append(Projection(module, norm if whole else None, {role: columns}))
    return tuple(found)


def _side_by_side(heads: dict[str, int], size: int) -> dict[str, tuple[tuple[int, int], ...]]:
    found, start = {}, 0
    for role, count in heads.items():
        found[role] = tuple((start + h * size, start + (h + 1) * size) for h in range(count))
        start += count * size
    return found


def _head_by_head(heads: dict[str, int], size: int) -> dict[str, tuple[tuple[int, int], ...]]:
    return {
        role: tuple(((3 * h + k) * size, (3 * h + k + 1) * size) for h in range(count))
        for k, (role, count) in enumerate(heads.items())
    }


def _width(norm: nn.Module) -> int:
    return sum(p.numel() for p in norm.parameters())


def as_matrix(
    module: nn.Module, width: int, like: Tensor
) -> tuple[Float[Tensor, "input output"], Float[Tensor, " output"]]:
    """What a linear module multiplies with and adds, by asking it: the identity, and zero.

    So it does not matter how the module keeps its weights (GPT-2's transposed, an adapter's in two
    parts).

    Args:
        module: a linear map with a constant.
        width: of its input.
        like: a tensor of the type and on the device wanted.
    """
    with torch.no_grad():
        probe = torch.cat([like.new_zeros(1, width), torch.eye(width).to(like)])
        found: Tensor = module(probe[None])[0]
    return found[1:] - found[:1], found[0]


def _unknown(layer: LayerSites, what: str) -> ModelError:
    has = ", ".join(name for name, _ in layer.block.named_children())
    return ModelError(
        f"layer {layer.layer}",
        expected=f"{what}, under a name that Whence knows",
        got=f"a layer that has {has}",
        fix="Explain this model by heads, MLPs and layers; its edges are not known.",
    )
