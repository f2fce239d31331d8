"""Where a model looks: attention rollout and value flow, baselines for prompt tokens.

Both follow, layer by layer, where the state at a place came from, and read the row of the place
that predicts the target. Rows of every layer's matrix add up to 1; layers are multiplied.

    attention rollout    half the mean attention over heads, half the token's own state
    value flow           from place j to place i the length of what the heads write there of j,
                         | sum over heads of  a_h(i, j) W_O W_V x_j |, the state itself counted
                         in at i = j

The second sees that a head may look at a token whose value it throws away. Neither knows what is
asked: both are the same for the target and any foil, know no sign, and predict no size, so they
only order causes (unit "rank"). MLPs move nothing between places and are left out.

References:
    Abnar & Zuidema 2020, "Quantifying attention flow in transformers", sec. 3 (rollout).
    Kobayashi et al. 2020, "Attention is not only a weight: analyzing transformers with vector
    norms", eq. 5; 2021, "Incorporating residual and normalization layers into analysis of masked
    language models", eq. 6 (the residual counted in).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from whence.core import Behavior, Cost, Coverage, Scores
from whence.core.errors import MethodError
from whence.interventions import Tokens
from whence.models import LayerStreams, Model, Row, as_matrix, encode, rows_of

Flow = Float[Tensor, "place place"]


def attention_rollout(intervention: Tokens, behaviors: Sequence[Behavior]) -> Scores:
    """Attention, averaged over heads and multiplied through the layers.

    Args:
        intervention: names the tokens and the model.
        behaviors: about the intervention's prompt; foils play no part.

    Returns:
        Ranks: shares of the predicting state, all positive.

    Raises:
        MethodError: the model has no attention, or one that does not tell its weights.
    """

    def layers(model: Model, row: Row) -> list[Flow]:
        weights = _attentions(model, row)
        own = torch.eye(len(row.ids), dtype=torch.float64)
        return [(each.mean(0) + own) / 2 for each in weights]

    return _scores("attention-rollout", intervention, behaviors, layers)


def value_flow(intervention: Tokens, behaviors: Sequence[Behavior]) -> Scores:
    """Attention times the length of what is written, multiplied through the layers.

    Args:
        intervention: names the tokens and the model.
        behaviors: about the intervention's prompt; foils play no part.

    Returns:
        Ranks: shares of the predicting state, all positive.

    Raises:
        MethodError: the model has no attention, or one that does not tell its weights.
        ModelError: how its layers write the stream is not known.
    """

    def layers(model: Model, row: Row) -> list[Flow]:
        with _reading(model) as seen:
            weights = _attentions(model, row)
        pairs = zip(model.streams, seen, weights, strict=True)
        return [_written(stream, states, each) for stream, states, each in pairs]

    return _scores("value-flow", intervention, behaviors, layers)


def _scores(
    method: str,
    intervention: Tokens,
    behaviors: Sequence[Behavior],
    layers: Callable[[Model, Row], list[Flow]],
) -> Scores:
    start = time.perf_counter()
    values = np.zeros((len(behaviors), len(intervention.causes)))
    with torch.no_grad():
        for number, behavior in enumerate(behaviors):
            model = intervention.model
            plain = encode(model, Behavior(behavior.prompt, behavior.target))
            (row,) = rows_of(plain)
            flow = torch.eye(len(row.ids), dtype=torch.float64)
            for layer in layers(model, row):
                flow = layer @ flow
            # A target of several tokens is read in several places.
            share = flow[[score.index for score in row.scores]].mean(0).numpy()
            values[number] = [
                sum(share[int(m[1:])] for m in cause.members) for cause in intervention.causes
            ]
    return Scores(
        values=values,
        behaviors=tuple(behaviors),
        causes=intervention.causes,
        method=method,
        estimand="additive",
        unit="rank",
        settings={"foil": "plays no part", "intervention": intervention.describe()},
        cost=Cost(time.perf_counter() - start, forwards=len(behaviors)),
        coverage=Coverage("attention of all layers; MLPs left out", 1.0),
    )


def _attentions(model: Model, row: Row) -> list[Float[Tensor, "head place place"]]:
    """Attention weights of every layer, in float64.

    Raises:
        MethodError: the model does not give any.
    """
    ids = torch.tensor([row.ids], dtype=torch.long, device=model.device)
    found = model.module(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        position_ids=torch.tensor([row.positions], dtype=torch.long, device=model.device),
        output_attentions=True,
        use_cache=False,
    )
    weights = getattr(found, "attentions", None) or ()
    if not weights or any(each is None for each in weights):
        how = getattr(model.config, "_attn_implementation", None)
        raise MethodError(
            "attention",
            expected="a model whose layers all tell their attention weights",
            got=f"{model.architecture} with the attention {how!r}, which tells none"
            if how not in {None, "eager"}
            else f"{model.architecture}, which has no attention",
            fix='Open it with attention="eager"; a model without attention has none to follow.',
        )
    return [each[0].double().cpu() for each in weights]


@dataclass(eq=False, slots=True)
class _States:
    """What went through one layer: the stream, the values, and the norm behind the attention."""

    stream: Tensor | None = None
    values: Tensor | None = None
    factor: Tensor | None = None


@contextmanager
def _reading(model: Model) -> Iterator[list[_States]]:
    """Hooks that note it, in every layer."""
    seen = [_States() for _ in model.streams]
    handles = [h for s, into in zip(model.streams, seen, strict=True) for h in _hooks(s, into)]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def _hooks(stream: LayerStreams, into: _States) -> Iterator[torch.utils.hooks.RemovableHandle]:
    def note_stream(module: nn.Module, args: tuple[Any, ...]) -> None:  # noqa: ARG001
        into.stream = args[0][0].double().cpu()

    yield stream.sites.block.register_forward_pre_hook(note_stream)
    for projection in stream.projections:
        if "value" not in projection.parts:
            continue
        columns = projection.parts["value"]

        def note_values(
            module: nn.Module,  # noqa: ARG001
            args: tuple[Any, ...],  # noqa: ARG001
            out: Tensor,
            columns: tuple[tuple[int, int], ...] = columns,
        ) -> None:
            into.values = torch.stack([out[0, :, a:b] for a, b in columns]).double().cpu()

        yield projection.last.register_forward_hook(note_values)
    if stream.attention_after is not None:

        def note_factor(module: nn.Module, args: tuple[Any, ...], out: Tensor) -> None:  # noqa: ARG001
            # A norm without a constant multiplies each place by its own factors.
            before = args[0][0].double().cpu()
            into.factor = torch.where(before == 0, 0.0, out[0].double().cpu() / before)

        yield stream.attention_after.register_forward_hook(note_factor)


def _written(
    stream: LayerStreams, states: _States, weights: Float[Tensor, "head place place"]
) -> Flow:
    """The length of what each place writes to each, the stream itself added, rows summing to 1."""
    assert states.stream is not None
    moved = _moved(stream, states, weights)
    places = torch.arange(len(moved))
    moved[places, places] += states.stream
    lengths: Flow = moved.norm(dim=-1)
    return lengths / lengths.sum(1, keepdim=True)


def _moved(
    stream: LayerStreams, states: _States, weights: Float[Tensor, "head place place"]
) -> Float[Tensor, "to source width"]:
    """What the heads of a layer together write to each place of every other."""
    assert states.values is not None
    sites = stream.sites
    width = sites.n_heads * sites.head_size
    out, _ = as_matrix(sites.attention_out, width, next(sites.attention_out.parameters()))
    by_head = out.double().cpu().reshape(sites.n_heads, sites.head_size, -1)
    # With grouped queries several heads share their values.
    values = states.values.repeat_interleave(sites.n_heads // len(states.values), dim=0)
    said = torch.einsum("hjv,hvw->hjw", values, by_head)
    moved = torch.einsum("hij,hjw->ijw", weights, said)
    return moved if states.factor is None else moved * states.factor[:, None]
