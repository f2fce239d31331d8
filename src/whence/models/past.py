"""Keys and values of tokens that a forward pass need not go through again.

A causal model's token sees the ones before it through their keys and values alone, so that a pass
may begin in the middle of a row if those are at hand: transformers' own cache holds them. Whether
a module really goes on from there as if it had begun at the start is asked of the module itself
(`goes_on`), once: recurrent models and modules with a cache of another kind do not, and their
passes begin at the start.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from whence.models.causal import rounding_of
from whence.models.sites import bare

Keys = Float[Tensor, "row head position size"]
KeysAndValues = Sequence[tuple[Keys, Keys]]
"""Of each layer."""


def past_of(layers: KeysAndValues) -> DynamicCache:
    """A cache that holds given keys and values, not copied; passes add to it and leave them."""
    cache = DynamicCache()
    cache.layers = []
    for keys, values in layers:
        layer: Any = DynamicLayer()  # type: ignore[no-untyped-call]  # transformers has no types
        layer.lazy_initialization(keys, values)
        layer.keys, layer.values = keys, values
        cache.layers.append(layer)
    return cache


def keys_and_values(past: DynamicCache) -> list[tuple[Keys, Keys]]:
    """What a cache holds, layer by layer."""
    layers: list[Any] = past.layers
    return [(layer.keys, layer.values) for layer in layers]


def goes_on(module: nn.Module) -> bool:
    """Whether a pass over a row's end, from the keys and values of its beginning, is exact.

    Eight tokens are passed whole and in two pieces, and their logits compared.
    """
    inner = bare(module)
    if "past_key_values" not in inspect.signature(inner.forward).parameters:
        return False
    device = next(module.parameters()).device
    vocabulary = int(inner.config.get_text_config().vocab_size)
    ids = torch.arange(1, 17, device=device).reshape(2, 8) % vocabulary
    positions = torch.arange(8, device=device).expand(2, -1)
    whole = DynamicCache()
    with torch.no_grad():
        expected = _logits(module, ids, positions, whole)[:, 5:]
        if not all(_is_plain(layer) for layer in whole.layers) or not whole.layers:
            return False
        first = past_of([(k[:, :, :5], v[:, :, :5]) for k, v in keys_and_values(whole)])
        found = _logits(module, ids[:, 5:], positions[:, 5:], first)
    missed = float((found - expected).abs().max())
    return missed <= rounding_of(module) * float(expected.abs().max())


def _is_plain(layer: Any) -> bool:
    keys = getattr(layer, "keys", None)
    return type(layer) is DynamicLayer and keys is not None and keys.shape[-2] == 8


def _logits(module: nn.Module, ids: Tensor, positions: Tensor, past: DynamicCache) -> Tensor:
    found: Tensor = module(
        input_ids=ids,
        attention_mask=torch.ones(len(ids), 8, dtype=torch.long, device=ids.device),
        position_ids=positions,
        past_key_values=past,
        use_cache=True,
    ).logits
    return found.float()
