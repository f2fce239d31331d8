"""Information-flow routes of some behaviors, as a record."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from whence.attribution import Routes, information_flow_routes
from whence.core import Behavior
from whence.explain.subject import Subject
from whence.models import encode, with_answer

THRESHOLD = 0.04
"""The smallest share that is followed, unless told otherwise."""


def find_routes(
    subject: Subject, behaviors: Sequence[Behavior], threshold: float = THRESHOLD
) -> dict[str, Any]:
    """Which tokens and parts made the states that predict each target.

    Args:
        subject: the model.
        behaviors: one without a target stands for the model's own answer.
        threshold: the smallest share that is followed.

    Returns:
        The record, as plain data: a graph for each behavior. Its numbers are shares, not nats.

    Raises:
        MethodError: the threshold is not in [0, 1), or the attention hides its weights.
        ModelError: the model's streams are not known.
        BehaviorError: a behavior cannot be measured.
    """
    start = time.perf_counter()
    asked = [b if b.target is not None else with_answer(subject.model, b) for b in behaviors]
    return {
        "version": 1,
        "kind": "routes",
        **subject.to_json(),
        "method": "information-flow-routes",
        "unit": "share of the predicting state, not nats",
        "threshold": threshold,
        "graphs": [
            _graph(subject, information_flow_routes(subject.model, b, threshold)) for b in asked
        ],
        "seconds": time.perf_counter() - start,
    }


def _graph(subject: Subject, routes: Routes) -> dict[str, Any]:
    flows: dict[str, float] = {}
    for edge in routes.edges:
        if edge.part != "residual":
            flows[edge.part] = flows.get(edge.part, 0.0) + edge.flow
    encoded = encode(subject.model, routes.behavior)
    texts = [
        encoded.prompt[slice(*span)] if span else subject.model.tokenizer.decode([token])
        for token, span in zip(encoded.prompt_ids, encoded.prompt_spans, strict=True)
    ]
    texts += [subject.model.tokenizer.decode([t]) for t in routes.tokens[len(texts) :]]
    lowest = [edge for edge in routes.edges if edge.layer == 0 and edge.step == 0]
    reached = [sum(e.flow for e in lowest if e.source == i) for i in range(len(texts))]
    return {
        "behavior": routes.behavior.to_json(),
        "tokens": [{"text": t, "flow": flow} for t, flow in zip(texts, reached, strict=True)],
        "predicts": list(routes.predicts),
        "parts": [
            {"id": name, "flow": flow}
            for name, flow in sorted(flows.items(), key=lambda pair: -pair[1])
        ],
        "edges": [edge.to_json() for edge in routes.edges],
    }
