"""The main job: attribute over documents, components and tokens, verify, write it down.

    result = explain("runs/mine", Behavior("Ada was born in", target=" London"))
    result.table()
    result.save("ada.html")

With a recorded run all three kinds are explained, and every kind is verified: components
and tokens by a forward pass for each cause, documents by training again without each
method's set. With only a checkpoint, documents can at most be looked up in a corpus, and
the record says that they were not verified.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from whence.core import Behavior, Kind, Scores
from whence.core.errors import PlanError
from whence.core.records import write_json
from whence.corpus import Corpus
from whence.explain.answers import answer_map, answer_record
from whence.explain.circuit_cost import circuit_of, with_circuit
from whence.explain.findings import (
    Findings,
    among_components,
    among_documents,
    among_tokens,
    references,
    tokens_of,
)
from whence.explain.plan import Estimate, Plan, check_workers, estimate, fit
from whence.explain.record import make_record
from whence.explain.subject import Subject, open_subject
from whence.interventions import sweep_within
from whence.models import Model, with_answer
from whence.training import GRADIENT_MEMORY, Run

Source = Path | str | Run | Model


@dataclass(frozen=True, eq=False, slots=True)
class Explanation:
    """Why a model did something, and what came of testing it.

    Attributes:
        record: the whole, as plain data (see `docs/read-a-report.md`).
    """

    record: dict[str, Any]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One cause under one method each."""
        found: list[dict[str, Any]] = self.record["rows"]
        return found

    def table(self) -> None:
        """Print it to the terminal."""
        from rich.console import Console  # noqa: PLC0415

        from whence.explain.table import print_record  # noqa: PLC0415

        print_record(self.record, Console())

    def save(self, path: Path | str) -> None:
        """Write the report (`.html`) or the record (`.json`).

        Raises:
            PlanError: the name ends otherwise.
        """
        path = Path(path)
        if path.suffix == ".json":
            write_json(path, self.record)
        elif path.suffix in (".html", ".htm"):
            from whence.explain.report import write_report  # noqa: PLC0415

            write_report(self.record, path)
        else:
            raise PlanError(
                str(path),
                expected="a name that ends in .html or .json",
                got=path.suffix or "no ending",
                fix="Name a report.html or a record.json.",
            )


def explain(source: Source, behavior: Behavior, **options: Any) -> Explanation:
    """Explain one behavior; see `explain_many` for the options."""
    return explain_many(source, [behavior], **options)[0]


def explain_many(
    source: Source,
    behaviors: Sequence[Behavior],
    *,
    by: Sequence[Kind] | None = None,
    corpus: Path | str | Corpus | None = None,
    budget: float | None = None,
    plan: Plan | None = None,
    choices: Plan | None = None,
    scores: Sequence[Scores] | None = None,
    workers: int | None = None,
    memory: int | None = None,
    on_plan: Callable[[Plan, Estimate], object] | None = None,
    answer: bool = False,
) -> list[Explanation]:
    """Explain behaviors of one model together: the replays of one serve the others as controls.

    Args:
        source: a run or a checkpoint, by path, by name, or opened.
        behaviors: what to explain; one without a target stands for the model's own answer.
        by: kinds of cause; None means all that can be.
        corpus: documents to look up, for a checkpoint without a recorded run.
        budget: seconds that documents may take, if nothing else is planned; 600 by default.
        plan: carry out exactly this one; no budget is looked at.
        choices: a plan whose budgeted parts are still open; None means the defaults.
        scores: document scores to test in place of our own, from any method.
        workers: training replays at a time.
        memory: bytes beyond the model: the plan's batch follows from it, and what the derivative
            through the run may keep on its way. None means the usual batch, and 1 GiB.
        on_plan: called with the plan and its estimated cost before the work begins.
        answer: the behaviors are the tokens of one answer, each behind those before it; then each
            explanation also holds the map of the whole answer.

    Returns:
        One explanation a behavior, in order.

    Raises:
        PlanError: documents are asked for where there are none.
        BehaviorError: a behavior cannot be measured.
    """
    check_workers(workers)
    # Components too: their mean activations are taken over documents.
    chosen = plan or choices or Plan()
    needs_corpus = by is None or set(by) != {"token"} or chosen.removal == "sample-ngrams"
    subject = open_subject(source, corpus, needs_corpus=needs_corpus)
    behaviors = [with_answer(subject.model, b) for b in behaviors]
    if plan is None:
        open_plan = _possible(choices or Plan(), subject, by)
        open_plan = _within(open_plan, subject, behaviors, memory)
        plan, cost = fit(open_plan, subject.run, len(behaviors), budget, workers)
    else:
        plan = _possible(plan, subject, by)
        cost = estimate(plan, subject.run, len(behaviors), workers)
    plan, why = with_circuit(plan, subject, behaviors, memory)
    cost = replace(cost, circuit=why)
    if on_plan is not None:
        on_plan(plan, cost)
    found = _found(subject, behaviors, plan, scores, workers, memory or GRADIENT_MEMORY)
    more = _whole_answer(subject, behaviors, plan) if answer and "token" in plan.by else {}
    records = []
    for number, behavior in enumerate(behaviors):
        record = {**make_record(subject, behavior, number, found[behavior], plan), **more}
        record["notes"] += [why] if why else []
        if plan.circuit:
            record["circuit"] = circuit_of(subject, behavior, plan, memory)
        records.append(Explanation(record))
    return records


def _whole_answer(
    subject: Subject, behaviors: Sequence[Behavior], plan: Plan
) -> dict[str, dict[str, Any]]:
    """What each token of an answer owes to the prompt and to those before it."""
    first = tokens_of(subject, behaviors[0].prompt, plan)
    return {"answer": answer_record(answer_map(subject.model, behaviors, first=first))}


def _possible(plan: Plan, subject: Subject, by: Sequence[Kind] | None) -> Plan:
    """The plan with what this subject cannot have left out, or refused if it was asked for."""
    wanted = tuple(by) if by is not None else plan.by
    if "document" in wanted and subject.corpus is None:
        if by is not None:
            raise PlanError(
                "--by documents",
                expected="a recorded run, or a corpus to look documents up in",
                got=f"{subject.source}, a checkpoint alone",
                fix="Name a run, or give --corpus DIR.",
            )
        wanted = tuple(kind for kind in wanted if kind != "document")
    if subject.corpus is None and plan.replacement == "resample":
        raise PlanError(
            "--replacement resample",
            expected="a recorded run, or a corpus whose documents activations are drawn from",
            got=f"{subject.source}, a checkpoint alone",
            fix="Name a run, or give --corpus DIR.",
        )
    no_mean = subject.corpus is None and plan.replacement == "mean"
    replacement = "zero" if no_mean else plan.replacement
    components = plan.components
    if "component" in wanted and not components:
        has_heads = all(layer.has_heads for layer in subject.model.sites.layers)
        components = ("head", "mlp") if has_heads else ("layer",)
    return replace(plan, by=wanted, replacement=replacement, components=components)


def _within(
    plan: Plan, subject: Subject, behaviors: Sequence[Behavior], memory: int | None
) -> Plan:
    """The plan with a batch that keeps forward passes within a budget of memory."""
    if memory is None or not {"component", "token"} & set(plan.by):
        return plan
    means = "component" in plan.by and plan.replacement == "mean"
    texts = references(subject.corpus, plan) if means else []
    others = {"other": 1, "resample": plan.draws}.get(plan.replacement, 0)
    others = others if "component" in plan.by else 0
    sweep = sweep_within(subject.model, behaviors, memory, reference=texts, others=others)
    return replace(plan, batch_size=min(plan.batch_size, sweep.batch_size))


def _found(
    subject: Subject,
    behaviors: Sequence[Behavior],
    plan: Plan,
    scores: Sequence[Scores] | None,
    workers: int | None,
    memory: int,
) -> dict[Behavior, list[Findings]]:
    """Findings for each behavior; documents and components are done for all of them at once."""
    together = []
    if "document" in plan.by:
        together.append(
            among_documents(subject, behaviors, plan, given=scores, workers=workers, memory=memory)
        )
    if "component" in plan.by:
        together.append(among_components(subject, behaviors, plan))
    found = {}
    for behavior in behaviors:
        tokens = [among_tokens(subject, behavior, plan)] if "token" in plan.by else []
        found[behavior] = together + tokens
    return found
