"""A model's parameters by the part they belong to: every number in exactly one.

L0.attention, L0.MLP, L0.norms, ...   of each layer; L0.mixer in a state-space layer
embedding, unembedding                one part where they are tied
positions, final norm                 where there are any

By head, attention falls apart into

L0.H0, L0.H1, ...     a head's slices of the query and output projections, and of keys and values
L0.KV0, ...           slices of keys and values that several heads share (grouped queries)
L0.attention          what belongs to no head: the output's bias, norms of queries and keys
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn
from transformers.pytorch_utils import Conv1D

from whence.models.sites import MIXER, LayerSites, bare, find_sites

_ATTENTION = ("attn", "attention", "self_attn")
_MLP = ("mlp", "fc1", "fc2")


@dataclass(frozen=True, slots=True)
class Piece:
    """A parameter, or a slice of one.

    Attributes:
        name: of the parameter.
        axis: that is cut; None for the whole parameter.
        start: first index along it.
        stop: one past the last.
    """

    name: str
    axis: int | None = None
    start: int = 0
    stop: int = 0


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


def head_parts(module: nn.Module) -> dict[str, tuple[Piece, ...]]:
    """The same, with attention cut into its heads.

    Raises:
        ModelError: the architecture is not known.
    """
    names = {id(p): name for name, p in bare(module).named_parameters()}
    cut: dict[str, dict[str, list[Piece]]] = {}
    taken: set[str] = set()
    for site in find_sites(module).layers:
        if not site.has_heads:
            continue
        heads = cut.setdefault(f"L{site.layer}.attention", {})
        for part, parameter, axis, start, stop in _slices(site):
            name = names[id(parameter)]
            taken.add(name)
            heads.setdefault(part, []).append(Piece(name, axis, start, stop))
    found: dict[str, tuple[Piece, ...]] = {}
    for part, members in parameter_parts(module).items():
        found |= {head: tuple(pieces) for head, pieces in cut.get(part, {}).items()}
        left = tuple(Piece(name) for name in members if name not in taken)
        if left:
            found[part] = left
    return found


_Slice = tuple[str, nn.Parameter, int, int, int]


def _slices(site: LayerSites) -> Iterator[_Slice]:
    """(part, parameter, axis, start, stop) of everything in a layer that belongs to heads."""
    size, count = site.head_size, site.n_heads
    attention = next(
        child for child in site.block.modules() if site.attention_out in set(child.children())
    )
    for name, layer in attention.named_children():
        if layer is site.attention_out:
            weight = layer.get_parameter("weight")
            axis = 0 if isinstance(layer, Conv1D) else 1
            for head in range(count):
                yield f"L{site.layer}.H{head}", weight, axis, head * size, (head + 1) * size
            continue
        blocks = _blocks(name, layer, count, size)
        for key, parameter in layer.named_parameters(recurse=False) if blocks else ():
            axis = 1 if isinstance(layer, Conv1D) and key == "weight" else 0
            for part, start, stop in blocks:
                yield f"L{site.layer}.{part}", parameter, axis, start, stop


def _blocks(name: str, layer: nn.Module, count: int, size: int) -> list[tuple[str, int, int]]:
    """(part, start, stop) along the output of a projection; none where it is not cut by heads."""
    if name == "c_attn":  # queries of all heads, then keys, then values
        return [
            (f"H{head}", (k * count + head) * size, (k * count + head + 1) * size)
            for k in range(3)
            for head in range(count)
        ]
    if name == "query_key_value":  # query, key and value of a head, then those of the next
        return [(f"H{head}", 3 * head * size, 3 * (head + 1) * size) for head in range(count)]
    if name not in ("q_proj", "k_proj", "v_proj"):
        return []
    own = int(layer.get_parameter("weight").shape[0]) // size
    part = "H" if own == count else "KV"
    return [(f"{part}{head}", head * size, (head + 1) * size) for head in range(own)]


def _role(child: str) -> str:
    if child in _ATTENTION:
        return "attention"
    if child in MIXER:
        return "mixer"
    return "MLP" if child in _MLP else "norms"
