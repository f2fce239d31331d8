"""Which edges carry a behavior: scored, put in order, cut, measured, drawn.

    record = find_circuit(model, [Behavior("a b ... a", " b", " c")], others={"a b ... a": ...})

Edges are scored exactly, each cut alone, where that is cheap, and by integrated gradients (EAP-IG)
where it is not; then those that make the circuit are still cut one by one, so that what is shown
is measured. The circuit is the shortest beginning of the order in which enough of the behavior
survives with everything else replaced. Random orders of the same edges stand beside it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from whence.attribution import edge_attribution, edge_integrated_gradients, leave_one_out
from whence.core import Behavior, Scores
from whence.core.errors import MethodError
from whence.explain.subject import Subject
from whence.interventions import Edges
from whence.models import with_answer
from whence.verification import SIZES, Curve, baseline_scores, circuit, curve

Way = Literal["auto", "exact", "eap", "eap-ig"]
WAYS: tuple[Way, ...] = ("auto", "exact", "eap", "eap-ig")

CHEAP = 20_000
"""Forward passes of one row up to which every edge is cut alone."""

_REFERENCE = 16  # documents for the mean
_MOST_SINGLE = 200  # edges of the circuit that are cut one by one


@dataclass(frozen=True, slots=True)
class CircuitSettings:
    """How a circuit is looked for.

    Attributes:
        way: how edges are scored; "auto" is exact where that is cheap.
        steps: of EAP-IG.
        enough: faithfulness at which the circuit ends.
        draws: random orders beside it, and random halves of the circuit for completeness.
        seed: of both.

    Raises:
        MethodError: an unknown way, no step, no draw, or a faithfulness that is not positive.
    """

    way: Way = "auto"
    steps: int = 5
    enough: float = 0.9
    draws: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        if self.way not in WAYS or self.steps < 1 or self.draws < 1 or self.enough <= 0:
            raise MethodError(
                "circuit",
                expected=f"a way out of {', '.join(WAYS)}, and positive numbers",
                got=f"{self.way}, {self.steps} steps, {self.draws} draws, {self.enough}",
                fix="Leave the options out for the usual ones.",
            )


def find_circuit(
    subject: Subject,
    behaviors: Sequence[Behavior],
    *,
    others: Mapping[str, str] | None = None,
    settings: CircuitSettings | None = None,
) -> dict[str, Any]:
    """Find the edges that carry one task, and test them.

    Args:
        subject: the model, with its documents if there are any.
        behaviors: repetitions of one task; one without a target stands for the model's answer.
        others: for each prompt another of as many tokens, without what leads to the target. Without
            them edges carry the mean over documents, or nothing where there are none.
        settings: how.

    Returns:
        The record, as plain data: `edges` of the circuit with predicted and measured falls
        (nats), `faithfulness`, `incompleteness`, `curve`, `baselines`.

    Raises:
        ModelError: the model's streams are not known.
        InterventionError: another prompt is missing or of another length.
        BehaviorError: a behavior cannot be measured.
    """
    settings = settings or CircuitSettings()
    start = time.perf_counter()
    asked = [b if b.target is not None else with_answer(subject.model, b) for b in behaviors]
    edges = _edges(subject, others)
    scores = _scores(edges, asked, settings)
    sizes = sorted({*SIZES, 0.015, 0.03, 0.07, 0.15, 0.3, 0.4})
    found = curve(scores, edges, sizes=sizes)
    members = _members(scores, found, settings.enough)
    ids = [edges.causes[i].id for i in members]
    tested = circuit(edges, asked, ids, draws=settings.draws, seed=settings.seed)
    shown = ids[:_MOST_SINGLE]
    alone = leave_one_out(edges, asked, shown).values.mean(0)
    random = baseline_scores(edges.causes, asked, draws=settings.draws, seed=settings.seed)
    beside = [curve(s, edges, sizes=sizes) for name, s in random.items() if "random" in name]
    return {
        "version": 1,
        "kind": "circuit",
        **subject.to_json(),
        "behaviors": [b.to_json() for b in asked],
        "intervention": edges.describe(),
        "method": scores.method,
        "edges_in_all": len(edges.causes),
        "settings": {"steps": settings.steps, "enough": settings.enough, "seed": settings.seed},
        "edges": [
            {
                "edge": edges.causes[i].id,
                "text": edges.causes[i].text,
                "predicted": float(scores.values[:, i].mean()),
                "measured": float(alone[i]) if k < _MOST_SINGLE else None,
                "needed": float(tested.needs[k]),
            }
            for k, i in enumerate(members)
        ],
        "values": {
            "everything": tested.everything,
            "circuit": tested.alone,
            "nothing": tested.nothing,
        },
        "faithfulness": tested.faithfulness,
        "incompleteness": tested.incompleteness,
        "curve": _curve(found),
        "baselines": [_curve(c) for c in beside],
        "seconds": time.perf_counter() - start,
    }


def _edges(subject: Subject, others: Mapping[str, str] | None) -> Edges:
    if others:
        return Edges(subject.model, replacement="other", other_prompt=others)
    corpus = subject.corpus
    if corpus is None:
        return Edges(subject.model, replacement="zero")
    texts = [corpus.text(i) for i in range(min(_REFERENCE, corpus.n_documents))]
    return Edges(subject.model, replacement="mean", reference=texts)


def _scores(edges: Edges, behaviors: Sequence[Behavior], settings: CircuitSettings) -> Scores:
    way = settings.way
    if way == "auto":
        way = "exact" if len(edges.causes) * len(behaviors) <= CHEAP else "eap-ig"
    if way == "exact":
        return leave_one_out(edges, behaviors)
    if way == "eap":
        return edge_attribution(edges, behaviors)
    return edge_integrated_gradients(edges, behaviors, settings.steps)


def _members(scores: Scores, found: Curve, enough: float) -> list[int]:
    """The shortest measured beginning that is faithful enough; half of the edges if none is."""
    good = np.flatnonzero((found.faithfulness >= enough) & (found.sizes <= 0.5))
    half = int(np.flatnonzero(found.sizes <= 0.5)[-1])
    count = int(found.counts[good[0] if good.size else half])
    return [int(i) for i in np.argsort(-scores.values.mean(0), kind="stable")[:count]]


def _curve(found: Curve) -> dict[str, Any]:
    return {
        "method": found.method,
        "sizes": found.sizes.tolist(),
        "counts": found.counts.tolist(),
        "faithfulness": found.faithfulness.tolist(),
        "completeness": found.completeness.tolist(),
        "cpr": found.cpr,
        "cpr_interval": list(found.interval("cpr")),
        "cmd": found.cmd,
        "cmd_interval": list(found.interval("cmd")),
    }
