"""Information-flow routes: which parts make up the state that predicts, from one forward pass.

Each state of the residual stream is a sum y of terms z (`flow_terms`). A term's share is

    share(z)  =  p(z) / sum of p over all terms,      p(z) = max(0, |y|_1 - |y - z|_1)

how near it is to the sum. From the states that predict the target one goes down, term by term,
as long as the share is at least a threshold: a head leads to the tokens it attended to, the MLP to
the state it read, the residual to the token itself one layer below. What is left is the graph of
routes. An edge also has a flow: its share times the flow that arrives above it, 1 at the states
that predict; so flows are shares of the whole, and a part's score is what flows through it.

What it is not: a share of a *vector*, no nats of a behavior. It asks what made the state, not
what made the answer: target and foil play no part beyond saying where they are predicted, and
attention is taken as given, so queries and keys have no edges. Scores therefore have the unit
"rank", and verification says what they are worth. It needs no gradient, no other prompt and no
removal.

References: Ferrando and Voita, "Information Flow Routes: Automatically Interpreting Language
Models at Scale", 2024, eqs. 3 and 4 and algorithm 1; the flow is their share carried on, as in
attention rollout (Abnar and Zuidema, 2020).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from whence.attribution.flow_terms import LayerTerms, layer_terms
from whence.attribution.stream_parts import by_cause, check_adds_to_stream
from whence.core import Behavior, Cost, Coverage, Scores
from whence.core.errors import MethodError
from whence.interventions import Components
from whence.models import Model, encode, rows_of

RESIDUAL, CONSTANT = "residual", "constant"


@dataclass(frozen=True, slots=True)
class Route:
    """One edge of the graph.

    Attributes:
        part: "L1.H2", "L1.MLP" or "residual".
        layer: in which it is.
        step: 0 between the layer's input and its middle, 1 between the middle and its output.
        source: the token it comes from.
        target: the token it goes to.
        share: of the state above, in [0, 1].
        flow: share of the predicting states that goes this way.
    """

    part: str
    layer: int
    step: int
    source: int
    target: int
    share: float
    flow: float

    def to_json(self) -> dict[str, Any]:
        """The record of this edge."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Routes:
    """The graph of one behavior.

    Attributes:
        behavior: it.
        tokens: numbers of the tokens that were read: the prompt's and the target's but the last.
        predicts: positions from which the target is predicted, where the routes end.
        edges: from the last layer down, within a layer the largest flow first.
        threshold: the smallest share that was followed.
    """

    behavior: Behavior
    tokens: tuple[int, ...]
    predicts: tuple[int, ...]
    edges: tuple[Route, ...]
    threshold: float


def information_flow_routes(model: Model, behavior: Behavior, threshold: float = 0.04) -> Routes:
    """The routes by which the states that predict a target came about.

    Args:
        model: the model; its attention must hand out weights ("eager").
        behavior: with a target; a foil plays no part.
        threshold: the smallest share that is followed.

    Raises:
        MethodError: the threshold is not in [0, 1), or the attention hides its weights.
        ModelError: the model's streams are not known.
        BehaviorError: the behavior cannot be measured.
    """
    if not 0 <= threshold < 1:
        raise MethodError(
            "threshold", expected="a share in [0, 1)", got=str(threshold), fix="Try 0.04."
        )
    row = rows_of(encode(model, Behavior(behavior.prompt, behavior.target)))[0]
    predicts = tuple(score.index for score in row.scores)
    flow = torch.zeros(len(row.ids), dtype=torch.float64)
    flow[list(predicts)] = 1 / len(predicts)
    edges: list[Route] = []
    for terms in reversed(layer_terms(model, row)):
        for step in (1,) if terms.parallel else (1, 0):
            found = _edges(terms, step, flow, threshold)
            edges += found
            flow = torch.zeros_like(flow)
            for edge in found:
                flow[edge.source] += edge.flow
    return Routes(behavior, row.ids, predicts, tuple(edges), threshold)


def _edges(
    terms: LayerTerms, step: int, flow: Float[Tensor, " position"], threshold: float
) -> list[Route]:
    """The edges that end in the states of one step, the largest flow first."""
    found = []
    for target in torch.nonzero(flow).flatten().tolist():
        names, sources, z = _terms(terms, step, target)
        shares = proximity_shares(z)
        for k in torch.nonzero((shares >= threshold) & (shares > 0)).flatten().tolist():
            if names[k] == CONSTANT:
                continue
            share = float(shares[k])
            arrives = share * float(flow[target])
            found.append(Route(names[k], terms.layer, step, sources[k], target, share, arrives))
    return sorted(found, key=lambda edge: -edge.flow)


def _terms(
    terms: LayerTerms, step: int, target: int
) -> tuple[list[str], list[int], Float[Tensor, "term width"]]:
    """(name, token it comes from, vector) of every term of one state."""
    name = f"L{terms.layer}"
    if step == 1 and not terms.parallel:
        state, added = terms.middle[target], terms.mlp[target]
        return [RESIDUAL, f"{name}.MLP"], [target] * 2, torch.stack([state, added])
    heads = terms.heads_at(target)
    count, seen = heads.shape[:2]
    constant = terms.attention[target] - heads.sum(dim=(0, 1))
    names = [RESIDUAL, CONSTANT] + [f"{name}.H{h}" for h in range(count) for _ in range(seen)]
    sources = [target] * 2 + list(range(seen)) * count
    z = torch.cat([torch.stack([terms.before[target], constant]), heads.flatten(0, 1)])
    if terms.parallel:
        names, sources = [*names, f"{name}.MLP"], [*sources, target]
        z = torch.cat([z, terms.mlp[target][None]])
    return names, sources, z


def proximity_shares(terms: Float[Tensor, "term width"]) -> Float[Tensor, " term"]:
    """How near each term is to the sum of all, as shares that add up to 1."""
    z = terms.double()
    total = z.sum(dim=0)
    near = (total.abs().sum() - (total - z).abs().sum(dim=1)).clamp(min=0)
    return near / near.sum()


def information_flow(intervention: Components, behaviors: Sequence[Behavior]) -> Scores:
    """How much flows through each head, MLP or layer, nothing left out.

    Args:
        intervention: names the components, at all positions; what stands in their place plays no
            part.
        behaviors: with targets.

    Returns:
        Scores of the unit "rank": shares of the predicting states, 0 to 1, not nats.

    Raises:
        MethodError: components other than heads, MLPs and layers, or at chosen positions, or the
            attention hides its weights.
        ModelError: the model's streams are not known.
    """
    check_adds_to_stream(intervention)
    start = time.perf_counter()
    found = [_through(intervention.model, behavior) for behavior in behaviors]
    return Scores(
        values=by_cause(intervention, found),
        behaviors=tuple(behaviors),
        causes=intervention.causes,
        method="information-flow",
        estimand="additive",
        unit="rank",
        settings={"intervention": intervention.describe(), "norm": "L1", "threshold": 0.0},
        cost=Cost(time.perf_counter() - start, forwards=len(behaviors)),
        coverage=Coverage(f"all {len(intervention.causes)} components, through values", 1.0),
    )


def _through(model: Model, behavior: Behavior) -> dict[str, float]:
    """What flows through each part."""
    found: dict[str, float] = {}
    for edge in information_flow_routes(model, behavior, 0.0).edges:
        if edge.part != RESIDUAL:
            found[edge.part] = found.get(edge.part, 0.0) + edge.flow
    return found
