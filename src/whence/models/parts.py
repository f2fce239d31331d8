"""A model's parameters by the part they belong to: each in exactly one.

L0.attention, L0.MLP, L0.norms, ...   of each layer
embedding, unembedding                one part where they are tied
positions, final norm                 where there are any
"""

from __future__ import annotations

from torch import nn

from whence.models.sites import bare, find_sites

_ATTENTION = ("attn", "attention", "self_attn")
_MLP = ("mlp", "fc1", "fc2")


def parameter_parts(module: nn.Module) -> dict[str, tuple[str, ...]]:
    """The names of a module's parameters by part, in the order of the model.

    Raises:
        ModelError: the architecture is not known.
    """
    inner = bare(module)
    sites = find_sites(module)
    special = {id(p): "unembedding" for p in sites.head.parameters()}
    special |= {id(p): "embedding" for p in sites.embedding.parameters()}
    if sites.final_norm is not None:
        special |= {id(p): "final norm" for p in sites.final_norm.parameters()}
    for site in sites.layers:
        for name, parameter in site.block.named_parameters():
            special[id(parameter)] = f"L{site.layer}.{_role(name.partition('.')[0])}"
    parts: dict[str, list[str]] = {}
    for name, parameter in inner.named_parameters():
        parts.setdefault(special.get(id(parameter), "positions"), []).append(name)
    return {part: tuple(names) for part, names in parts.items()}


def _role(child: str) -> str:
    if child in _ATTENTION:
        return "attention"
    return "MLP" if child in _MLP else "norms"
