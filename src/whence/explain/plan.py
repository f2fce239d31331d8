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
from typing import Any, Literal, TypeGuard

from whence.attribution import spread
from whence.core import KINDS, Kind
from whence.core.errors import PlanError
from whence.explain.calibration import load_slopes
from whence.training import Run
from whence.verification import FEWEST_CONTROLS

DEFAULT_BUDGET = 600.0
"""Seconds, when nobody says otherwise."""

# Scoring documents may take this share of a budget; the rest is for replays, without
# which nothing is known.
_SCORING_SHARE = 0.3
_MOST_CHECKPOINTS = 5
# One checkpoint's scores cost about this many forward-backward passes over the corpus.
_SCORING_PASSES = 1.5
# More tokens at once run slower on a CPU: the logits no longer fit its caches.
_BATCH_TOKENS = 2048
_TESTED = ("tracin", "bm25", "exact-spans")

Replacement = Literal["mean", "zero", "other"]
Unit = Literal["token", "word"]
Removal = Literal["drop", "drop-keep-positions", "replace"]


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that decides the numbers of an explanation.

    Attributes:
        by: kinds of cause.
        unit: what a token cause is: "token" or "word".
        removal: how tokens are taken away.
        integrated_steps: gradients along the path of integrated gradients.
        groups: how documents are put together into causes: "" for each alone, "near-duplicates"
            (each of the others alone), or "field:NAME" for the values of a metadata field.
        components: units of components: "head", "mlp", "layer".
        replacement: what stands in for a component's activation: its mean over documents, zero,
            or its value on another prompt.
        other_prompt: that prompt, of as many tokens.
        references: documents over which the mean activation is taken.
        top_documents: size of the set of documents that is removed together.
        top_components: the same for components.
        top_tokens: the same for tokens.
        shown: documents listed for each method.
        checkpoints: steps at which document gradients are taken; empty leaves the method out.
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
    removal: Removal = "drop"
    integrated_steps: int = 32
    groups: str = ""
    components: tuple[str, ...] = ("head", "mlp")
    replacement: Replacement = "mean"
    other_prompt: str | None = None
    references: int = 64
    top_documents: int = 10
    top_components: int = 5
    top_tokens: int = 3
    shown: int = 10
    checkpoints: tuple[int, ...] = ()
    tested: tuple[str, ...] = ()
    controls: int = FEWEST_CONTROLS
    seeds: tuple[int, ...] = ()
    slopes: tuple[tuple[str, float], ...] = ()
    batch_size: int = 32
    rows: int = 32
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("by", "components", "checkpoints", "tested", "seeds"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        object.__setattr__(self, "slopes", tuple((str(m), float(x)) for m, x in self.slopes))
        unknown = [kind for kind in self.by if kind not in KINDS]
        if unknown or not self.by:
            raise PlanError(
                "--by",
                expected=f"one or more of {', '.join(KINDS)}",
                got=", ".join(unknown) or "none",
                fix="Name the kinds of cause to look among, separated by commas.",
            )
        if self.groups not in ("", "near-duplicates") and not self.groups.startswith("field:"):
            raise PlanError(
                "--groups",
                expected="near-duplicates or field:NAME",
                got=repr(self.groups),
                fix="Leave it out to take each document alone.",
            )
        if (self.replacement == "other") != (self.other_prompt is not None):
            raise PlanError(
                "--other-prompt",
                expected="a prompt together with the replacement 'other', or neither",
                got=f"{self.other_prompt!r} with the replacement {self.replacement!r}",
                fix="Give --other-prompt TEXT alone; it chooses the replacement.",
            )
        for name in ("top_documents", "top_components", "top_tokens", "shown", "references"):
            if getattr(self, name) < 1:
                raise PlanError(
                    name, expected="at least 1", got=str(getattr(self, name)), fix="Raise it."
                )

    def to_json(self) -> dict[str, Any]:
        """The record of this plan."""
        plain = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}
        return {**plain, "slopes": [list(pair) for pair in self.slopes]}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Plan:
        """Read a plan, or the plan inside an explanation's record.

        Raises:
            PlanError: a field is unknown.
        """
        record = record.get("plan", record)
        unknown = sorted(set(record) - {f.name for f in fields(cls)})
        if unknown:
            raise PlanError(
                "plan",
                expected=f"fields out of {', '.join(f.name for f in fields(cls))}",
                got=", ".join(unknown),
                fix="Use the plan of a record that this version of Whence wrote.",
            )
        plain: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in record.items()
        }
        plain["slopes"] = tuple((m, x) for m, x in record.get("slopes", ()))
        return cls(**plain)


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a plan is expected to cost.

    Attributes:
        scoring: seconds for document gradients.
        replays: how many training runs.
        replay_seconds: seconds of one of them, alone on its threads.
        workers: how many run at a time.
    """

    scoring: float = 0.0
    replays: int = 0
    replay_seconds: float = 0.0
    workers: int = 1

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
        PlanError: the budget is not positive.
    """
    budget = DEFAULT_BUDGET if budget is None else budget
    if not budget > 0:
        raise PlanError(
            "--budget", expected="seconds above 0", got=str(budget), fix="Try --budget 600."
        )
    if not replayable(run, plan):
        return replace(plan, checkpoints=(), tested=()), Estimate()
    workers = workers or max(1, (os.cpu_count() or 1) // run.recipe.threads)
    per_checkpoint = _seconds_per_checkpoint(run)
    kept = [c for c in run.checkpoints if c.step > 0]
    count = min(_MOST_CHECKPOINTS, int(_SCORING_SHARE * budget / max(per_checkpoint, 1e-9)))
    steps = tuple(c.step for c in spread(kept, count)) if count else ()
    left = budget - len(steps) * per_checkpoint
    methods = _TESTED if steps else _TESTED[1:]
    tested: tuple[str, ...] = ()
    for n in range(len(methods), 0, -1):
        if replays_needed(n, behaviors, len(plan.seeds)) * run.seconds / workers <= left:
            tested = methods[:n]
            break
    found = replace(
        plan,
        checkpoints=steps,
        tested=tested,
        slopes=tuple(sorted(load_slopes(run).items())),
        rows=max(1, _BATCH_TOKENS // run.recipe.context),
    )
    return found, estimate(found, run, behaviors, workers)


def replayable(run: Run | None, plan: Plan) -> TypeGuard[Run]:
    """Whether documents are asked about and can be taken away by training again."""
    return run is not None and run.kind == "trained" and "document" in plan.by


def estimate(plan: Plan, run: Run | None, behaviors: int, workers: int | None = None) -> Estimate:
    """What a plan will cost, from the speed that the run recorded of itself."""
    if not replayable(run, plan):
        return Estimate()
    return Estimate(
        scoring=len(plan.checkpoints) * _seconds_per_checkpoint(run),
        replays=replays_needed(len(plan.tested), behaviors, len(plan.seeds)),
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


def _seconds_per_checkpoint(run: Run) -> float:
    trained = sum(entry["tokens"] for entry in run.journal())
    passes = _SCORING_PASSES * run.corpus().n_tokens / max(trained, 1)
    return float(run.seconds * passes)


def chosen(names: Sequence[str]) -> tuple[Kind, ...]:
    """Kinds from the words that people type: "documents", "document", "components", ..."""
    singular = [name.strip().removesuffix("s") for name in names if name.strip()]
    return Plan(by=tuple(singular)).by  # type: ignore[arg-type]
