"""The plan: what an explanation will do, fixed before it begins.

A budget in seconds and what the run recorded of its own speed lead to a plan: which
methods, how many checkpoints, how many training replays. From there on the clock is not
looked at again, so that two equal plans give two equal records. The plan stands in the
record, and can be handed in again.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, TypeGuard

from whence.attribution import rows_of_run, spread
from whence.core import KINDS, Kind
from whence.core.errors import PlanError
from whence.explain.calibration import load_slopes
from whence.explain.plan_rules import (
    PLANNED,
    Baseline,
    Removal,
    Replacement,
    Unit,
    as_tuples,
    check_fields,
)
from whence.training import Run
from whence.verification import FEWEST_CONTROLS

DEFAULT_BUDGET = 600.0
"""Seconds, when nobody says otherwise."""

# Scoring documents may take this share of a budget; the rest is for replays, without
# which nothing is known.
_SCORING_SHARE = 0.3
_MOST_CHECKPOINTS = 5
# A baseline that takes more than this is left to whoever asks for it.
_EMBEDDING_SHARE = 0.05
# One checkpoint's scores cost about this many forward-backward passes over the corpus.
_SCORING_PASSES = 1.5
# The derivative through the run, in trainings: once, and for each further behavior.
_THROUGH_RUN = (2.6, 1.2)


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that decides the numbers of an explanation.

    Attributes:
        by: kinds of cause.
        unit: what a token cause is: "token", "word", "sentence", "demonstration", "turn", or
            "span" for those that are given.
        spans: characters [start, end) of the prompt, for the unit "span".
        separator: what stands between demonstrations; None means that it is found.
        removal: how tokens are taken away.
        neutral: the token that stands there, for "replace" and "mask"; None means the tokenizer's.
        draws: how often tokens are drawn, for "sample" and "sample-ngrams", and activations, for
            the replacement "resample".
        integrated_steps: gradients along the path of integrated gradients.
        baseline: where that path begins: "mean", "zero" or "neutral".
        groups: how documents are put together into causes: "" for each alone, "near-duplicates"
            (each of the others alone), or "field:NAME" for the values of a metadata field.
        components: units of components: "head", "mlp", "layer", "stream"; empty for heads and MLPs,
            and layers in a model that has neither.
        replacement: what stands in for a component's activation: its mean over documents, zero,
            its value on another prompt, or its values on stretches drawn from documents.
        other_prompt: that prompt, of as many tokens.
        references: documents over which the mean activation is taken, or from which stretches are
            drawn.
        top_documents: size of the set of documents that is removed together.
        top_components: the same for components.
        most_exact: forward passes of one row up to which every component is taken away alone;
            beyond, gradients come first, and only the strongest are.
        circuit: also look for the circuit: the edges between components that carry the behavior;
            None leaves it to what that costs.
        top_tokens: the same for tokens.
        shown: documents listed for each method.
        checkpoints: steps at which document gradients are taken; empty leaves the method out.
        through_run: differentiate through the whole recorded training; None leaves it to the
            budget.
        integrate: points at which that derivative is taken on the way from the lead method's set
            to its absence, for a prediction that may bend; 0 leaves it out.
        embedding: also rank documents by the similarity of the model's own states, which takes
            a forward pass over the corpus.
        encoder: also rank them by this sentence encoder, a folder or a name.
        tested: methods whose set of documents is removed by a replay.
        controls: matched random removals for every claim that is tested.
        seeds: average document removals over these seeds ("this recipe"); empty means the
            recorded run itself ("this run").
        slopes: nats per unit of a ranking method's raw score, from measured replays of the run.
        batch_size: sequences in one forward pass.
        rows: documents in one batch of gradients.
        seed: of everything random.
    """

    by: tuple[Kind, ...] = KINDS
    unit: Unit = "token"
    spans: tuple[tuple[int, int], ...] = ()
    separator: str | None = None
    removal: Removal = "drop"
    neutral: str | None = None
    draws: int = 4
    integrated_steps: int = 32
    baseline: Baseline = "mean"
    groups: str = ""
    components: tuple[str, ...] = ()
    replacement: Replacement = "mean"
    other_prompt: str | None = None
    references: int = 64
    top_documents: int = 10
    top_components: int = 5
    most_exact: int = 20_000
    circuit: bool | None = None
    top_tokens: int = 3
    shown: int = 10
    checkpoints: tuple[int, ...] = ()
    through_run: bool | None = None
    integrate: int = 0
    embedding: bool = False
    encoder: str | None = None
    tested: tuple[str, ...] = ()
    controls: int = FEWEST_CONTROLS
    seeds: tuple[int, ...] = ()
    slopes: tuple[tuple[str, float], ...] = ()
    batch_size: int = 32
    rows: int = 32
    seed: int = 0

    def __post_init__(self) -> None:
        check_fields({field.name: getattr(self, field.name) for field in fields(self)})
        if (self.unit == "span") != bool(self.spans):
            raise PlanError(
                "--spans",
                expected="spans together with the unit 'span', or neither",
                got=f"{len(self.spans)} spans with the unit {self.unit!r}",
                fix="Give --spans FILE alone; it chooses the unit.",
            )
        if (self.replacement == "other") != (self.other_prompt is not None):
            raise PlanError(
                "--other-prompt",
                expected="a prompt together with the replacement 'other', or neither",
                got=f"{self.other_prompt!r} with the replacement {self.replacement!r}",
                fix="Give --other-prompt TEXT alone; it chooses the replacement.",
            )

    def to_json(self) -> dict[str, Any]:
        """The record of this plan."""
        plain = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}
        pairs = {name: [list(pair) for pair in plain[name]] for name in ("slopes", "spans")}
        return {**plain, **pairs}

    @classmethod
    def from_json(cls, record: Any) -> Plan:
        """Read a plan, or the plan inside an explanation's record.

        Raises:
            PlanError: it is not a plan, or a field is unknown or cannot be.
        """
        found = record.get("plan", record) if isinstance(record, Mapping) else record
        if not isinstance(found, Mapping):
            raise PlanError(
                "plan",
                expected="an object with the fields of a plan",
                got=repr(found)[:80],
                fix="Use a record that `whence explain` wrote.",
            )
        unknown = sorted(set(found) - {f.name for f in fields(cls)})
        if unknown:
            raise PlanError(
                "plan",
                expected=f"fields out of {', '.join(f.name for f in fields(cls))}",
                got=", ".join(unknown),
                fix="Use the plan of a record that this version of Whence wrote.",
            )
        values = {name: as_tuples(value) for name, value in found.items()}
        check_fields(values)  # before they are used: the file may be anybody's
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a plan is expected to cost.

    Attributes:
        scoring: seconds for document gradients.
        replays: how many training runs.
        replay_seconds: seconds of one of them, alone on its threads.
        workers: how many run at a time.
        why: which method leads the documents, and why.
        circuit: whether the circuit is looked for, and why; empty where nobody asks for
            components.
    """

    scoring: float = 0.0
    replays: int = 0
    replay_seconds: float = 0.0
    workers: int = 1
    why: str = ""
    circuit: str = ""

    @property
    def seconds(self) -> float:
        """The whole, in seconds."""
        return self.scoring + self.replays * self.replay_seconds / self.workers

    def __str__(self) -> str:
        parts = []
        if self.scoring:
            parts.append(f"scoring the documents about {self.scoring:.0f} s")
        if self.replays:
            parts.append(
                f"{self.replays} training replays of about {self.replay_seconds:.0f} s, "
                f"{self.workers} at a time"
            )
        return f"about {self.seconds:.0f} s" + (f" ({'; '.join(parts)})" if parts else "")


def fit(
    plan: Plan, run: Run | None, behaviors: int, budget: float | None, workers: int | None = None
) -> tuple[Plan, Estimate]:
    """Fill in what a budget decides: checkpoints, replays, and whose sets are tested.

    Args:
        plan: what was chosen by hand.
        run: the recorded training, if there is one.
        behaviors: how many are explained together; they share controls.
        budget: seconds; None means the default.
        workers: replays at a time; None means as many as the cores allow.

    Raises:
        PlanError: the budget is not positive, or the run's speed is not known.
    """
    budget = DEFAULT_BUDGET if budget is None else budget
    check_workers(workers)
    if not budget > 0:
        raise PlanError(
            "--budget", expected="seconds above 0", got=str(budget), fix="Try --budget 600."
        )
    if not replayable(run, plan):
        return replace(plan, checkpoints=(), tested=(), through_run=False), Estimate()
    if run.seconds <= 0:
        raise PlanError(
            f"{run.path}/timings.jsonl",
            expected="the wall times of the training, from which a budget becomes a plan",
            got="none",
            fix="Give --plan RECORD.json, which needs no clock.",
        )
    workers = workers or max(1, (os.cpu_count() or 1) // run.recipe.threads)
    why = ""
    if plan.through_run is None:
        wanted, why = _affordable(plan, run, behaviors, budget, workers)
        plan = replace(plan, through_run=wanted)
    per_checkpoint, through = _seconds_per_checkpoint(run), _through_run(plan, run, behaviors)
    kept = [c for c in run.checkpoints if c.step > 0]
    count = min(_MOST_CHECKPOINTS, int(_SCORING_SHARE * budget / max(per_checkpoint, 1e-9)))
    steps = tuple(c.step for c in spread(kept, count)) if count else ()
    # One forward pass over the corpus, where a checkpoint's gradients take three times that.
    embedding = plan.embedding or per_checkpoint <= _EMBEDDING_SHARE * budget
    scoring = len(steps) * per_checkpoint + (per_checkpoint / 3 if embedding else 0) + through
    left = budget - scoring
    missing = {"through-run": not plan.through_run, "tracin": not steps}
    methods = tuple(method for method in PLANNED if not missing.get(method))
    tested: tuple[str, ...] = ()
    for n in range(len(methods), 0, -1):
        if replays_needed(n, behaviors, len(plan.seeds)) * run.seconds / workers <= left:
            tested = methods[:n]
            break
    found = replace(
        plan,
        checkpoints=steps,
        embedding=embedding,
        tested=tested,
        slopes=tuple(sorted(load_slopes(run).items())),
        rows=rows_of_run(run),
    )
    return found, replace(estimate(found, run, behaviors, workers), why=why)


def _affordable(
    plan: Plan, run: Run, behaviors: int, budget: float, workers: int
) -> tuple[bool, str]:
    """Whether the derivative through the run is taken where nobody said so, and why.

    It must leave enough for its own set to be removed beside controls: unverified, it is one
    more opinion.
    """
    if plan.seeds:
        return False, "no derivative through the run, which is of one seed alone"
    seconds = _through_run(replace(plan, through_run=True), run, behaviors)
    replays = replays_needed(1, behaviors) * run.seconds / workers
    share = _SCORING_SHARE * budget
    told = f"the derivative through the run takes about {seconds:.0f} s"
    if seconds > share:
        return False, f"{told}, more than the {share:.0f} s that scoring may take: left out"
    if seconds + replays > budget:
        return False, f"{told} and leaves too little for replays to test it: left out"
    return True, f"{told} of a budget of {budget:.0f} s: taken"


def check_workers(workers: int | None) -> None:
    """Complain about a number of workers that cannot be.

    Raises:
        PlanError: it is below 1.
    """
    if workers is not None and workers < 1:
        raise PlanError(
            "--workers",
            expected="at least 1",
            got=str(workers),
            fix="Leave it out to use as many as the cores allow.",
        )


def replayable(run: Run | None, plan: Plan) -> TypeGuard[Run]:
    """Whether documents are asked about and can be taken away by training again."""
    return run is not None and run.kind == "trained" and "document" in plan.by


def estimate(plan: Plan, run: Run | None, behaviors: int, workers: int | None = None) -> Estimate:
    """What a plan will cost, from the speed that the run recorded of itself."""
    if not replayable(run, plan):
        return Estimate()
    return Estimate(
        scoring=(len(plan.checkpoints) + (1 / 3 if plan.embedding else 0))
        * _seconds_per_checkpoint(run)
        + _through_run(plan, run, behaviors),
        replays=replays_needed(len(plan.tested), behaviors, len(plan.seeds))
        + plan.integrate * behaviors,
        replay_seconds=run.seconds,
        workers=workers or max(1, (os.cpu_count() or 1) // run.recipe.threads),
    )


def replays_needed(methods: int, behaviors: int, seeds: int = 0) -> int:
    """Training runs for one set a method and behavior, with pooled controls.

    The sets of the other behaviors serve as controls; random ones make up what is missing.
    """
    if not methods:
        return 0
    named = methods * behaviors
    controls = max(0, FEWEST_CONTROLS - methods * (behaviors - 1))
    return (named + controls) * max(1, seeds) + seeds


def _through_run(plan: Plan, run: Run, behaviors: int) -> float:
    """Seconds for the derivative through the run, 0 where it is not asked for."""
    first, further = _THROUGH_RUN
    once = run.seconds * (first + further * (behaviors - 1)) if plan.through_run else 0.0
    return once + plan.integrate * behaviors * run.seconds * first


def _seconds_per_checkpoint(run: Run) -> float:
    trained = sum(entry["tokens"] for entry in run.journal())
    passes = _SCORING_PASSES * run.corpus().n_tokens / max(trained, 1)
    return float(run.seconds * passes)


def chosen(names: Sequence[str]) -> tuple[Kind, ...]:
    """Kinds from the words that people type: "documents", "document", "components", ...

    Raises:
        PlanError: a word names no kind, or there is none.
    """
    singular = [name.strip().removesuffix("s") for name in names if name.strip()]
    kinds = tuple(kind for name in singular for kind in KINDS if kind == name)
    if len(kinds) != len(singular) or not kinds:
        raise PlanError(
            "--by",
            expected=f"one or more of {', '.join(f'{kind}s' for kind in KINDS)}",
            got=", ".join(names) or "none",
            fix="Name the kinds of cause to look among, separated by commas.",
        )
    return kinds
