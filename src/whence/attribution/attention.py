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
from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from whence.attribution.flow_terms import LayerTerms, layer_terms, no_weights
from whence.core import Behavior, Cost, Coverage, Scores
from whence.interventions import Tokens, token_numbers
from whence.models import Model, Row, encode, rows_of

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
        return [_written(terms) for terms in layer_terms(model, row)]

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
            values[number] = [share[token_numbers(c)].sum() for c in intervention.causes]
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
        raise no_weights(model)
    return [each[0].double().cpu() for each in weights]


def _written(terms: LayerTerms) -> Flow:
    """The length of what each place writes to each, the stream itself added, rows summing to 1."""
    moved = terms.brought().double().cpu()
    places = torch.arange(len(moved))
    moved[places, places] += terms.before.double().cpu()
    lengths: Flow = moved.norm(dim=-1)
    return lengths / lengths.sum(1, keepdim=True)
