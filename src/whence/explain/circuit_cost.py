"""The circuit of an explanation: what looking for it costs, whether that is cheap, and the circuit.

The cost is told before anything is done, in forward passes of one row and in operations:

    passes         each edge cut alone; the order and eight random ones followed, kept and removed;
                   the members, at most `MOST_SINGLE`, taken from the circuit and from random parts
                   of it; all of it once a draw, where activations are drawn
    operations     passes x tokens x 2 x parameters: a multiplication and an addition each

It is cheap where every edge can be cut alone in no more passes than components may take
(`Plan.most_exact`) and all of it stays within `CHEAP_OPERATIONS`. The clock is not asked, so that
equal settings lead to equal records on any machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from whence.core import Behavior
from whence.core.errors import ModelError, PlanError
from whence.explain.circuits import CURVE_SIZES, MOST_SINGLE, CircuitSettings, find_circuit
from whence.explain.plan import Plan
from whence.explain.subject import Subject
from whence.interventions import Edges, sweep_within
from whence.models import Model, encode, rows_of

CHEAP_OPERATIONS = 2e12
"""Of all behaviors together: about a minute of one core."""


@dataclass(frozen=True, slots=True)
class CircuitCost:
    """What looking for the circuits of some behaviors takes.

    Attributes:
        edges: forward passes of one row in which each edge is cut alone.
        passes: all of them.
        operations: floating-point operations of all of them.
    """

    edges: int
    passes: int
    operations: float

    def __str__(self) -> str:
        return f"about {self.passes:,} passes of one row and {self.operations:.1g} operations"


def circuit_cost(model: Model, behaviors: Sequence[Behavior], plan: Plan) -> CircuitCost:
    """What the circuits of some behaviors would cost, each found on its own.

    Raises:
        ModelError: the model has no edges: its streams are not known, or no sum.
        BehaviorError: a behavior cannot be measured.
    """
    settings = _settings(plan, None)
    draws = settings.resamples if settings.replacement == "resample" else 1
    n = len(Edges(model, replacement="zero").causes)
    followed = (1 + settings.draws) * (2 * len(CURVE_SIZES) + 2)
    # Half of all at most are members; each is tried in the circuit and in random parts of it.
    members = min(n // 2, MOST_SINGLE) * (2 * (1 + settings.draws) + 1)
    rows = [row for behavior in behaviors for row in rows_of(encode(model, behavior))]
    each = (n + followed + members) * draws
    parameters = sum(parameter.numel() for parameter in model.module.parameters())
    return CircuitCost(
        edges=n * draws * len(rows),
        passes=each * len(rows),
        operations=2.0 * parameters * each * sum(len(row.ids) for row in rows),
    )


def with_circuit(
    plan: Plan, subject: Subject, behaviors: Sequence[Behavior], memory: int | None
) -> tuple[Plan, str]:
    """The plan with circuits decided on, and what is said of it; what was asked for stays.

    What is said depends on the decision and the cost, not on who decided: a plan that is handed
    in again gives the same record.

    Args:
        plan: with `circuit` None where the cost decides.
        subject: the model.
        behaviors: each with a target.
        memory: bytes beyond the parameters; edges need more than components do.

    Raises:
        ModelError: a circuit is asked for, and the model has no edges.
        PlanError: a circuit is asked for, and the memory does not do for one row.
    """
    if "component" not in plan.by:
        return replace(plan, circuit=bool(plan.circuit)), ""
    try:
        cost = circuit_cost(subject.model, behaviors, plan)
        sweep_within(subject.model, behaviors, memory, edges=True)
    except (ModelError, PlanError) as error:
        if plan.circuit:
            raise
        why = "there are no edges" if isinstance(error, ModelError) else "edges need more memory"
        return replace(plan, circuit=False), f"circuit: left out, {why} ({error})"
    dear = ""
    if cost.edges > plan.most_exact:
        dear = f"; each edge alone would take {cost.edges:,}, more than {plan.most_exact:,}"
    elif cost.operations > CHEAP_OPERATIONS:
        dear = f"; more operations than {CHEAP_OPERATIONS:.0e}"
    looked_for = not dear if plan.circuit is None else plan.circuit
    decided = replace(plan, circuit=looked_for)
    if looked_for:
        return decided, f"circuit: looked for: {cost}{dear}"
    return decided, f"circuit: left out, it would take {cost}{dear} (--circuit looks for it)"


def circuit_of(
    subject: Subject, behavior: Behavior, plan: Plan, memory: int | None
) -> dict[str, Any]:
    """The circuit of one behavior, as an explanation's record holds it."""
    others = None if plan.other_prompt is None else {behavior.prompt: plan.other_prompt}
    settings = _settings(plan, memory)
    found = find_circuit(subject, [behavior], others=others, settings=settings)
    names = ("intervention", "method", "why", "causes_in_all", "settings", "members", "values")
    return {name: found[name] for name in (*names, "faithfulness", "incompleteness", "curve")}


def _settings(plan: Plan, memory: int | None) -> CircuitSettings:
    """Edges carry what stands in the place of components."""
    return CircuitSettings(
        replacement=plan.replacement, resamples=plan.draws, memory=memory, seed=plan.seed
    )
