"""Where the parts of a decoder are: blocks, heads, MLPs, in any architecture that has them.

Architectures differ in the names of their modules and in little else, so one small table
of names stands for all of them: for every role the names to look for, first found first
taken. Nothing is subclassed and nothing is wrapped; a site is the module itself.

    attention_out    its INPUT is the heads' results side by side, head h in columns
                     [h * head_size, (h + 1) * head_size)
    mlp              its OUTPUT is what the MLP adds to the residual stream; where a norm stands
                     between the MLP and the stream (Gemma 2 and 3, OLMo 2), it is that norm
    block            output minus input is what the layer adds

A state-space layer (Mamba) has neither heads nor an MLP, but one mixer: its layers and the stream
between them are all that can be named.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from torch import nn

from whence.core.errors import ModelError

BLOCKS = (
    "transformer.h",
    "gpt_neox.layers",
    "model.layers",
    "model.decoder.layers",
    "backbone.layers",
)
"""The list of blocks: GPT-2; GPT-NeoX; Llama, Qwen, Mistral, Gemma, OLMo; OPT; Mamba."""

ATTENTION_OUT = ("attn.c_proj", "attention.dense", "self_attn.o_proj", "self_attn.out_proj")
"""The projection behind the heads, in the same order."""

MLP = ("post_feedforward_layernorm", "mlp", "fc2")
"""The MLP's last module; OPT has no MLP module, its second matrix ends it."""

MLP_OUT = ("mlp.c_proj", "mlp.dense_4h_to_h", "mlp.down_proj", "fc2")
"""The MLP's last matrix, where it has one; a mixture of experts has none."""

MIXER = ("mixer",)
"""What stands in the place of attention and MLP in a state-space layer."""

FINAL_NORM = (
    "transformer.ln_f",
    "gpt_neox.final_layer_norm",
    "model.norm",
    "model.decoder.final_layer_norm",
    "backbone.norm_f",
)
"""The norm before the vocabulary; some OPT models have none."""


@dataclass(frozen=True, eq=False)
class LayerSites:
    """The parts of one layer.

    Attributes:
        layer: its number, from 0.
        block: the whole layer.
        heads_out: the module whose input is the concatenated heads; None in a state-space layer.
        n_heads: query heads; 0 in a state-space layer.
        head_size: columns of one head.
        mlp_end: the module whose output is the MLP's contribution; None in a state-space layer.
        mlp_out: the MLP's last matrix, whose inputs are its neurons; None in a mixture of experts.
        n_neurons: how many neurons; 0 in a mixture of experts.
    """

    layer: int
    block: nn.Module
    heads_out: nn.Module | None
    n_heads: int
    head_size: int
    mlp_end: nn.Module | None
    mlp_out: nn.Module | None
    n_neurons: int

    @property
    def has_heads(self) -> bool:
        """Whether it is made of an attention and an MLP."""
        return self.heads_out is not None

    @property
    def attention_out(self) -> nn.Module:
        """The module whose input is the concatenated heads (`ModelError` when there are none)."""
        return self._must_have(self.heads_out)

    @property
    def mlp(self) -> nn.Module:
        """The module whose output is the MLP's contribution (`ModelError` when there is none)."""
        return self._must_have(self.mlp_end)

    def _must_have(self, found: nn.Module | None) -> nn.Module:
        if found is None:
            raise ModelError(
                f"layer {self.layer}",
                expected="a layer of attention heads and an MLP",
                got="a state-space layer, which has neither",
                fix="Explain this model by layers and the stream between them.",
            )
        return found


@dataclass(frozen=True, eq=False)
class Sites:
    """The parts of a model.

    Attributes:
        layers: the parts of each layer.
        embedding: token embedding.
        final_norm: norm before the vocabulary, None where the architecture has none.
        head: projection to the vocabulary.
    """

    layers: tuple[LayerSites, ...]
    embedding: nn.Module
    final_norm: nn.Module | None
    head: nn.Module


def bare(module: nn.Module) -> Any:
    """The Hugging Face model itself, without an adapter's wrapping (PEFT)."""
    unwrap: Any = getattr(module, "get_base_model", None)
    return module if unwrap is None else unwrap()


def find_sites(module: nn.Module) -> Sites:
    """Find a decoder's parts by their names.

    Raises:
        ModelError: a part was not found; the message says which names were looked for and
            what the module has.
    """
    inner = bare(module)
    blocks = _first(inner, BLOCKS, "the list of blocks")
    if not isinstance(blocks, Iterable):
        raise _not_found(inner, BLOCKS, "the list of blocks")
    config = inner.config.get_text_config()
    n_heads = getattr(config, "num_attention_heads", None) or 0
    layers = tuple(_layer(i, block, n_heads) for i, block in enumerate(blocks))
    embedding, head = inner.get_input_embeddings(), inner.get_output_embeddings()
    if embedding is None or head is None:
        raise ModelError(
            type(inner).__name__,
            expected="a token embedding and a projection to the vocabulary",
            got="a model without one of them",
            fix="Open a causal language model.",
        )
    return Sites(layers, embedding, find_module(inner, FINAL_NORM), head)


def _layer(number: int, block: nn.Module, n_heads: int) -> LayerSites:
    mixer = find_module(block, MIXER)
    if mixer is not None and find_module(block, ATTENTION_OUT) is None:
        return LayerSites(number, block, None, 0, 0, None, None, 0)
    out = _first(block, ATTENTION_OUT, f"the attention's output projection in layer {number}")
    mlp = _first(block, MLP, f"the MLP in layer {number}")
    width = _input_width(out)
    if width is None or not n_heads or width % n_heads:
        raise ModelError(
            f"layer {number}",
            expected=f"an output projection whose input divides into {n_heads} heads",
            got=f"{type(out).__name__} of input width {width}",
            fix="Whence does not know this architecture's attention; please report it.",
        )
    last = find_module(block, MLP_OUT)
    neurons = 0 if last is None else _input_width(last) or 0
    return LayerSites(number, block, out, n_heads, width // n_heads, mlp, last, neurons)


def _input_width(projection: nn.Module) -> int | None:
    width = getattr(projection, "in_features", None)
    if isinstance(width, int):
        return width
    weight = getattr(projection, "weight", None)  # GPT-2's Conv1D keeps [input, output]
    return int(weight.shape[0]) if weight is not None and weight.ndim == 2 else None


def find_module(module: nn.Module, names: tuple[str, ...]) -> nn.Module | None:
    """The first of some dotted names that is a module, None if none is."""
    for name in names:
        found: object = module
        for part in name.split("."):
            found = getattr(found, part, None)
        if isinstance(found, nn.Module):
            return found
    return None


def _first(module: nn.Module, names: tuple[str, ...], what: str) -> nn.Module:
    found = find_module(module, names)
    if found is None:
        raise _not_found(module, names, what)
    return found


def _not_found(module: nn.Module, names: tuple[str, ...], what: str) -> ModelError:
    has = [n for n, _ in module.named_modules() if n and n.count(".") < 2 and "." not in n[-2:]]
    shown = ", ".join(has[:12]) + (", ..." if len(has) > 12 else "")
    return ModelError(
        type(module).__name__,
        expected=f"{what} under one of the names {', '.join(names)}",
        got=f"a module that has {shown or 'no parts'}",
        fix="Whence does not know this architecture; use a model of one that it knows "
        "(GPT-2, GPT-NeoX, Llama, Qwen 2 and 3, Mistral, Mixtral, Gemma 2 and 3, OLMo 2, OPT, "
        "Mamba 1 and 2).",
    )
