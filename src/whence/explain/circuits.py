"""Which edges, or parts, carry a behavior: scored, put in order, taken away, measured, drawn.

    record = find_circuit(model, [Behavior("a b ... a", " b", " c")], others={"a b ... a": ...})

Edges between parts are looked at, or parts themselves: heads, MLPs, layers, neurons, the stream,
at all tokens or at chosen ones. They are scored exactly, each taken away alone, where that is
cheap, and by gradients where it is not; then those that make the circuit are still taken away one
by one, so that what is shown is measured. The circuit is the shortest beginning of the order in
which enough of the behavior survives with everything else replaced; or, by pruning, what is left
when one after another goes as long as the model's prediction hardly moves (ACDC). Random orders
stand beside it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from whence.attribution import (
    attribution_patching,
    edge_attribution,
    edge_integrated_gradients,
    greedy_pruning,
    leave_one_out,
)
from whence.core import Behavior, Scores
from whence.core.errors import InterventionError, MethodError
from whence.core.seeds import generator
from whence.explain.subject import Subject
from whence.interventions import (
    DRAWS,
    Components,
    Divergence,
    Edges,
    Instead,
    Sweep,
    sweep_within,
)
from whence.models import Model, encode_prompt, with_answer
from whence.verification import SIZES, Curve, baseline_scores, circuit, curve

Way = Literal["auto", "exact", "eap", "eap-ig", "patching", "prune"]
WAYS: tuple[Way, ...] = ("auto", "exact", "eap", "eap-ig", "patching", "prune")
OF_EDGES, OF_PARTS = ("eap", "eap-ig"), ("patching",)

EDGES = "edge"
PARTS = (EDGES, "head", "mlp", "layer", "neuron", "stream")

CHEAP = 20_000
"""Forward passes of one row up to which everything is taken away alone."""

_REFERENCE = 16  # documents for the mean
_RESAMPLED = 64  # documents from which activations are drawn
MOST_SINGLE = 200  # members of the circuit that are taken away one by one
_MORE_SIZES = (0.015, 0.03, 0.07, 0.15, 0.3, 0.4)
CURVE_SIZES = tuple(sorted({*SIZES, *_MORE_SIZES}))
"""Shares of the causes at which the order is followed."""


@dataclass(frozen=True, slots=True)
class CircuitSettings:
    """How a circuit is looked for.

    Attributes:
        parts: of what it is made: "edge" alone, or some of "head", "mlp", "layer", "neuron",
            "stream".
        positions: tokens of the prompt at which they are taken away; None means all.
        apart: let parts at each of those tokens be members of their own.
        way: how they are scored; "auto" is exact where that is cheap, and gradients where not.
        steps: of EAP-IG.
        enough: faithfulness at which the circuit ends.
        threshold: of pruning: mean divergence (nats) from which a member stays.
        replacement: what stands in the place of what is taken away; None means what other prompts
            give where there are some, else means over documents, else nothing.
        resamples: draws of activations, for the replacement "resample".
        draws: random orders beside it, and random halves of the circuit for completeness.
        memory: bytes beyond the parameters, from which the batch follows; None for the usual one.
        seed: of random orders and halves.

    Raises:
        MethodError: unknown parts or an unknown way, a way that does not fit the parts, no step,
            no draw, or a faithfulness that is not positive.
        InterventionError: an unknown replacement.
    """

    parts: tuple[str, ...] = (EDGES,)
    positions: tuple[int, ...] | None = None
    apart: bool = False
    way: Way = "auto"
    steps: int = 5
    enough: float = 0.9
    threshold: float = 0.01
    replacement: str | None = None
    resamples: int = DRAWS
    draws: int = 8
    memory: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.way not in WAYS or self.steps < 1 or self.draws < 1 or self.enough <= 0:
            raise MethodError(
                "circuit",
                expected=f"a way out of {', '.join(WAYS)}, and positive numbers",
                got=f"{self.way}, {self.steps} steps, {self.draws} draws, {self.enough}",
                fix="Leave the options out for the usual ones.",
            )
        known = bool(self.parts) and set(self.parts) <= set(PARTS)
        if not known or (self.of_edges and len(self.parts) > 1):
            raise MethodError(
                "parts",
                expected=f"{EDGES} alone, or some of {', '.join(PARTS[1:])}",
                got=", ".join(self.parts) or "none",
                fix="Name what the circuit is made of.",
            )
        if self.way in (OF_PARTS if self.of_edges else OF_EDGES) or (self.apart and self.of_edges):
            raise MethodError(
                "circuit",
                expected="eap or eap-ig for edges, patching or tokens apart for parts",
                got=f"{self.way} for {', '.join(self.parts)}",
                fix="Choose exact or auto, which do for both.",
            )

    @property
    def of_edges(self) -> bool:
        """Whether edges are looked at, and not parts."""
        return EDGES in self.parts


def find_circuit(
    subject: Subject,
    behaviors: Sequence[Behavior],
    *,
    others: Mapping[str, str] | None = None,
    settings: CircuitSettings | None = None,
) -> dict[str, Any]:
    """Find the edges or parts that carry one task, and test them.

    Args:
        subject: the model, with its documents if there are any.
        behaviors: repetitions of one task; one without a target stands for the model's answer.
        others: for each prompt another of as many tokens, without what leads to the target. Without
            them the mean over documents is put in the place of what is taken away, or nothing
            where there are none.
        settings: how.

    Returns:
        The record, as plain data: `members` of the circuit with predicted and measured falls
        (nats), `faithfulness`, `incompleteness`, `curve`, `baselines`.

    Raises:
        ModelError: the model's streams or parts are not known.
        InterventionError: another prompt is missing or of another length.
        BehaviorError: a behavior cannot be measured.
        PlanError: the memory does not do for one row.
    """
    settings = settings or CircuitSettings()
    start = time.perf_counter()
    asked = [b if b.target is not None else with_answer(subject.model, b) for b in behaviors]
    causes, sweep = _intervention(subject, asked, others, settings)
    scores, why = _scores(causes, asked, settings)
    found = curve(scores, causes, sizes=CURVE_SIZES)
    members = _members(scores, found, settings)
    ids = [causes.causes[i].id for i in members]
    most = MOST_SINGLE
    tested = circuit(causes, asked, ids, draws=settings.draws, most=most, seed=settings.seed)
    alone, spread = _alone(leave_one_out(causes, asked, ids[:most]))
    random = baseline_scores(causes.causes, asked, draws=settings.draws, seed=settings.seed)
    beside = [curve(s, causes, sizes=CURVE_SIZES) for name, s in random.items() if "random" in name]
    return {
        "version": 2,
        "kind": "circuit",
        "of": "edges" if settings.of_edges else "parts",
        **subject.to_json(),
        "behaviors": [b.to_json() for b in asked],
        "intervention": causes.describe(),
        "method": scores.method,
        "predicted": "divergence" if settings.way == "prune" else "behavior",
        "why": why,
        "causes_in_all": len(causes.causes),
        "settings": {
            "steps": settings.steps,
            "enough": settings.enough,
            "threshold": settings.threshold if settings.way == "prune" else None,
            "resamples": causes.draws if causes.instead.replacement == "resample" else None,
            "memory": settings.memory,
            "memory_estimated": sweep.memory,
            "seed": settings.seed,
        },
        "members": [
            {
                "id": causes.causes[i].id,
                "text": causes.causes[i].text,
                "predicted": float(scores.values[:, i].mean()),
                "measured": float(alone[i]) if k < most else None,
                "measured_error": float(spread[i]) if spread is not None and k < most else None,
                "needed": float(tested.needs[k]) if k < most else None,
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


def _alone(exact: Scores) -> tuple[np.ndarray, np.ndarray | None]:
    """Mean falls over behaviors, and their standard errors where activations were drawn.

    Draws of different prompts are independent.
    """
    mean = exact.values.mean(0)
    if exact.errors is None:
        return mean, None
    return mean, np.sqrt((exact.errors**2).sum(0)) / len(exact.behaviors)


def all_positions(model: Model, behaviors: Sequence[Behavior]) -> tuple[int, ...]:
    """Every token that all prompts have, counted from the first."""
    return tuple(range(min(len(encode_prompt(model, b.prompt).ids) for b in behaviors)))


def _references(subject: Subject, replacement: str, seed: int) -> list[str]:
    """Documents over which means are taken, or from which activations are drawn.

    Raises:
        InterventionError: there is no corpus.
    """
    corpus = subject.corpus
    if corpus is None:
        raise InterventionError(
            f"--replacement {replacement}",
            expected="documents that activations are taken from",
            got=f"{subject.source} alone",
            fix="Name a run, or give --corpus DIR.",
        )
    if replacement == "mean":
        return [corpus.text(i) for i in range(min(_REFERENCE, corpus.n_documents))]
    count = min(_RESAMPLED, corpus.n_documents)
    picks = generator(seed, "references").choice(corpus.n_documents, count, replace=False)
    return [corpus.text(int(i)) for i in sorted(picks)]


def _intervention(
    subject: Subject,
    behaviors: Sequence[Behavior],
    others: Mapping[str, str] | None,
    settings: CircuitSettings,
) -> tuple[Edges | Components, Sweep]:
    """What takes edges or parts away, in batches that keep within the memory."""
    usual = "other" if others else "zero" if subject.corpus is None else "mean"
    replacement = settings.replacement or usual
    if others and replacement != "other":
        raise InterventionError(
            "--replacement",
            expected="other prompts alone, which stand in the place of what is taken away",
            got=f"{replacement} beside them",
            fix="Leave one of the two out.",
        )
    from_texts = replacement in ("mean", "resample")
    texts = _references(subject, replacement, settings.seed) if from_texts else []
    instead = Instead(replacement, tuple(texts), others, settings.resamples, settings.seed)
    sweep = sweep_within(
        subject.model,
        behaviors,
        settings.memory,
        edges=settings.of_edges,
        reference=texts if replacement == "mean" else (),
        others=instead.prompts,
    )
    how: dict[str, Any] = {
        "replacement": replacement,
        "reference": texts,
        "other_prompt": others,
        "draws": settings.resamples,
        "seed": settings.seed,
        "batch_size": sweep.batch_size,
        "reuse": sweep.reuse,
        "positions": settings.positions,
    }
    if settings.of_edges:
        return Edges(subject.model, **how), sweep
    return Components(subject.model, units=settings.parts, apart=settings.apart, **how), sweep


def _scores(
    causes: Edges | Components, behaviors: Sequence[Behavior], settings: CircuitSettings
) -> tuple[Scores, str]:
    """Scores by the way that was chosen, and why that one."""
    way, why = settings.way, "as asked"
    passes = len(causes.causes) * len(behaviors) * causes.draws
    if way == "auto":
        cheap = passes <= CHEAP
        way = "exact" if cheap else "eap-ig" if settings.of_edges else "patching"
        told = f"taking away each of them alone costs {passes:,} passes of one row"
        more = "no more than" if cheap else "gradients first, since that is more than"
        why = f"{told}, {more} {CHEAP:,}"
    if way == "prune":
        pruned = greedy_pruning(Divergence(causes), behaviors, settings.threshold)
        return pruned.scores, why
    ways: dict[str, Callable[[Any, Sequence[Behavior]], Scores]] = {
        "exact": leave_one_out,
        "eap": edge_attribution,
        "eap-ig": lambda edges, b: edge_integrated_gradients(edges, b, settings.steps),
        "patching": attribution_patching,
    }
    return ways[way](causes, behaviors), why


def _members(scores: Scores, found: Curve, settings: CircuitSettings) -> list[int]:
    """What is in the circuit, the strongest first.

    After pruning, what was kept. Otherwise the shortest measured beginning that is faithful
    enough, and half of all if none is.
    """
    mean = scores.values.mean(0)
    order = [int(i) for i in np.argsort(-mean, kind="stable")]
    if settings.way == "prune":
        kept = int(scores.settings["kept"])
        if not kept:
            raise MethodError(
                "threshold",
                expected="a divergence that something stays above",
                got=f"{settings.threshold} nats, under which everything can go",
                fix="Try a tenth of it.",
            )
        return order[:kept]
    good = np.flatnonzero((found.faithfulness >= settings.enough) & (found.sizes <= 0.5))
    half = int(np.flatnonzero(found.sizes <= 0.5)[-1])
    return order[: int(found.counts[good[0] if good.size else half])]


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
