"""Attribute and verify, one kind of cause after the other.

Every kind goes the same way: a few methods score, their claims are put to the judge, and
what comes back is the same record. Where a removal is a forward pass, every cause is
removed for real; for documents, where it is a training run, each method's set is.
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from whence.attribution import (
    attention_rollout,
    attribution_patching,
    bm25,
    embedding,
    exact_spans,
    gradient_x_input,
    integrated_gradients,
    leave_one_out,
    random_order,
    sentences,
    through_run_by_part,
    through_run_integrated,
    tracin,
    value_flow,
)
from whence.core import Behavior, Cause, Cost, Kind, Scores, Verdict
from whence.core.errors import MethodError, ModelError, PlanError
from whence.core.seeds import generator
from whence.corpus import Corpus, group_by, near_duplicates, ngram_model
from whence.explain.calibration import cross_calibrated
from whence.explain.plan import Plan, replayable
from whence.explain.plan_rules import PLANNED
from whence.explain.reading import BASELINES
from whence.explain.steepness import steepness
from whence.explain.subject import Subject
from whence.interventions import Components, Documents, Intervention, Tokens, document_causes
from whence.models import Model
from whence.training import GRADIENT_MEMORY
from whence.verification import Claim, VerifySettings, judge, set_claims, single_claims

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, eq=False, slots=True)
class Findings:
    """What was found among causes of one kind.

    Attributes:
        kind: of the causes.
        behaviors: the rows of all scores here.
        scores: one for each method.
        singles: verdicts on single causes, by method.
        sets: verdicts on sets, by method.
        notes: what a reader must know about them.
        parts: scores of the lead derivative by part of the model, where it was taken.
        seconds: wall time.
    """

    kind: Kind
    behaviors: tuple[Behavior, ...]
    scores: tuple[Scores, ...]
    singles: dict[str, list[Verdict]] = field(default_factory=dict)
    sets: dict[str, list[Verdict]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    parts: dict[str, Scores] = field(default_factory=dict)
    seconds: float = 0.0


def among_tokens(subject: Subject, behavior: Behavior, plan: Plan) -> Findings:
    """Which words of the prompt: every one is removed."""
    start = time.perf_counter()
    intervention = tokens_of(subject, behavior.prompt, plan)
    scores: tuple[Scores, ...] = (
        leave_one_out(intervention, [behavior]),
        gradient_x_input(intervention, [behavior]),
        integrated_gradients(
            intervention, [behavior], plan.integrated_steps, baseline=plan.baseline
        ),
    )
    notes: tuple[str, ...] = ()
    for follow in (attention_rollout, value_flow):
        try:
            scores = (*scores, follow(intervention, [behavior]))
        except (MethodError, ModelError) as error:
            notes = (*notes, f"{follow.__name__.replace('_', '-')} was left out: {error}")
    return replace(_judged(intervention, scores, plan.top_tokens, plan, start), notes=notes)


def tokens_of(subject: Subject, prompt: str, plan: Plan) -> Tokens:
    """A prompt's tokens, cut and taken away as a plan says.

    Raises:
        PlanError: they are to be drawn from an n-gram model, and there is no corpus.
    """
    ngrams = None
    if plan.removal == "sample-ngrams":
        if subject.corpus is None:
            raise PlanError(
                "--removal sample-ngrams",
                expected="a corpus, from whose n-gram model tokens are drawn",
                got=f"{subject.source} alone",
                fix="Name a run, or give --corpus DIR.",
            )
        ngrams = ngram_model(subject.corpus)
    return Tokens(
        subject.model,
        prompt,
        unit=plan.spans if plan.unit == "span" else plan.unit,
        separator=plan.separator,
        removal=plan.removal,
        replacement=plan.neutral,
        ngrams=ngrams,
        draws=plan.draws,
        seed=plan.seed,
        batch_size=plan.batch_size,
    )


def among_components(subject: Subject, behaviors: Sequence[Behavior], plan: Plan) -> Findings:
    """Which parts of the model: every head and MLP is replaced."""
    start = time.perf_counter()
    from_texts = plan.replacement in ("mean", "resample")
    texts = references(subject.corpus, plan) if from_texts else None
    intervention = Components(
        subject.model,
        units=plan.components,
        replacement=plan.replacement,
        reference=texts,
        other_prompt=plan.other_prompt,
        draws=plan.draws,
        seed=plan.seed,
        batch_size=plan.batch_size,
    )
    scores, note = _swept(intervention, behaviors, plan)
    found = _judged(intervention, scores, plan.top_components, plan, start)
    return replace(found, notes=(note,))


def _swept(
    intervention: Components, behaviors: Sequence[Behavior], plan: Plan
) -> tuple[tuple[Scores, ...], str]:
    """Every component taken away alone where that is cheap; else the strongest by gradients.

    Where it is not, gradients are kept for those alone too, so that all that is shown is measured.
    """
    gradients = attribution_patching(intervention, behaviors)
    passes = len(intervention.causes) * len(behaviors) * intervention.draws
    if passes <= plan.most_exact:
        note = f"components: each was taken away alone, in {passes:,} passes of one row"
        return (leave_one_out(intervention, behaviors), gradients), note
    count = max(1, plan.most_exact // (len(behaviors) * intervention.draws))
    order = np.argsort(-np.abs(gradients.values).mean(0), kind="stable")
    first = sorted(int(i) for i in order[:count])
    exact = leave_one_out(intervention, behaviors, [intervention.causes[i].id for i in first])
    values = np.full_like(gradients.values, np.nan)
    values[:, first] = gradients.values[:, first]
    note = (
        f"components: to take each away alone would cost {passes:,} passes of one row, more than "
        f"{plan.most_exact:,}; the {len(first)} strongest by gradients were, the others were not"
    )
    return (exact, replace(gradients, values=values)), note


def among_documents(
    subject: Subject,
    behaviors: Sequence[Behavior],
    plan: Plan,
    *,
    given: Sequence[Scores] | None = None,
    workers: int | None = None,
    memory: int = GRADIENT_MEMORY,
) -> Findings:
    """Which training documents: each tested method's set is removed by training again.

    Args:
        subject: what is explained.
        behaviors: explained together; the sets of one are controls for the others.
        plan: what to do.
        given: scores to test in place of our own; they must hold these behaviors.
        workers: training replays at a time.
        memory: bytes for states that the derivative through the run keeps.
    """
    start = time.perf_counter()
    assert subject.corpus is not None
    if not replayable(subject.run, plan):
        causes = document_causes(subject.corpus, document_groups(subject.corpus, plan))
        note = "documents were only looked up: without a recorded training none can be taken away"
        scores = _lookups(subject.corpus, subject.model, behaviors, causes, plan)
        return _unjudged(scores, behaviors, note, start)
    intervention = Documents(
        subject.run,
        groups=document_groups(subject.corpus, plan),
        workers=workers,
        seeds=plan.seeds or None,
    )
    parts: dict[str, Scores] = {}
    notes: tuple[str, ...] = ()
    if given is not None:
        scores = tuple(s.about(behaviors) for s in given)
    else:
        scores, parts = _scored(intervention, behaviors, plan, memory)
    if parts:
        look = steepness(subject.run, parts["model"])
        notes = (str(look),)
        if look.steep:
            scores = _after_the_next(scores)
    if not plan.tested:
        note = "no document was taken away: the budget does not reach for the training replays"
        found = _unjudged(scores, behaviors, note, start)
        return replace(found, notes=(*notes, *found.notes), parts=parts)
    tested = {*plan.tested, *(s.method for s in scores if s.method not in PLANNED)}
    tested -= BASELINES - {*plan.tested}
    claims = {s.method: set_claims(s, plan.top_documents) for s in scores if s.method in tested}
    verdicts = _judge(claims, behaviors, intervention, plan)
    for number, each in enumerate(scores):
        if each.unit == "rank" and each.method in verdicts:
            fitted = cross_calibrated(each, verdicts[each.method])
            if fitted is not None:
                calibrated, verdicts[each.method] = fitted
                scores = (*scores[:number], calibrated, *scores[number + 1 :])
    if plan.integrate and "through-run" in verdicts:
        more, again = _integrated(intervention, behaviors, verdicts["through-run"], plan, memory)
        scores, verdicts[more.method] = (*scores, more), again
    return Findings(
        "document",
        tuple(behaviors),
        scores,
        sets=verdicts,
        notes=notes,
        parts=parts,
        seconds=time.perf_counter() - start,
    )


def _after_the_next(scores: tuple[Scores, ...]) -> tuple[Scores, ...]:
    """The first method behind the one after it, unless that is a mere look-up."""
    first, *others = scores
    if not others or others[0].method in BASELINES:
        return scores
    return (others[0], first, *others[1:])


def _integrated(
    intervention: Documents,
    behaviors: Sequence[Behavior],
    verdicts: Sequence[Verdict],
    plan: Plan,
    memory: int,
) -> tuple[Scores, list[Verdict]]:
    """Each behavior's set again, with the derivative integrated over the way to its absence."""
    rows, again = [], []
    for verdict in verdicts:
        asked = [behaviors[verdict.behavior]]
        found = through_run_integrated(
            intervention, asked, verdict.causes, points=plan.integrate, memory=memory
        )
        rows.append(found)
        again.append(replace(verdict, predicted=float(np.nansum(found.values))))
    values = np.full((len(behaviors), len(intervention.causes)), np.nan)
    for verdict, found in zip(verdicts, rows, strict=True):
        values[verdict.behavior] = found.values[0]
    cost = sum((found.cost for found in rows), Cost())
    settings = {"points": plan.integrate}
    whole = replace(
        rows[0], values=values, behaviors=tuple(behaviors), cost=cost, settings=settings
    )
    return whole, again


def document_groups(corpus: Corpus, plan: Plan) -> dict[str, list[str]] | None:
    """Documents that are taken away together, by name; None where each stands alone."""
    if not plan.groups:
        return None
    if plan.groups.startswith("field:"):
        found = group_by(corpus, plan.groups.removeprefix("field:"))
        return {name or "(none)": [corpus.ids[i] for i in rows] for name, rows in found.items()}
    copies = {rows[0]: rows for rows in near_duplicates(corpus)}
    joined = {i for rows in copies.values() for i in rows}
    return {
        f"{corpus.ids[i]} and {len(copies[i]) - 1} like it" if i in copies else corpus.ids[i]: [
            corpus.ids[row] for row in copies.get(i, [i])
        ]
        for i in range(corpus.n_documents)
        if i in copies or i not in joined
    }


def document_scores(
    intervention: Documents, behaviors: Sequence[Behavior], plan: Plan
) -> tuple[Scores, ...]:
    """Score documents by every method of a plan, the baselines last; nothing is removed."""
    return _scored(intervention, behaviors, plan, GRADIENT_MEMORY)[0]


def _scored(
    intervention: Documents, behaviors: Sequence[Behavior], plan: Plan, memory: int
) -> tuple[tuple[Scores, ...], dict[str, Scores]]:
    """Scores by every method, and those of the derivative through the run by part."""
    model, causes = intervention.run.model(), intervention.causes
    scores = _lookups(intervention.corpus, model, behaviors, causes, plan)
    parts: dict[str, Scores] = {}
    if plan.checkpoints:
        raw = tracin(intervention, behaviors, steps=plan.checkpoints, rows=plan.rows)
        scores = (raw, *scores)
    if plan.through_run:
        parts = through_run_by_part(intervention, behaviors, memory=memory)
        scores = (parts["model"], *scores)
    return tuple(_in_nats(s, plan) for s in scores), parts


def _judged(
    intervention: Intervention, scores: tuple[Scores, ...], top: int, plan: Plan, start: float
) -> Findings:
    """Every cause alone and every method's top set, all in one trial."""
    behaviors = scores[0].behaviors
    singles = {s.method: single_claims(s) for s in scores}
    sets = {s.method: set_claims(s, top) for s in scores}
    together = {("single", m): c for m, c in singles.items()}
    together |= {("set", m): c for m, c in sets.items()}
    found = _judge(together, behaviors, intervention, plan)
    return Findings(
        intervention.kind,
        behaviors,
        scores,
        singles={m: found["single", m] for m in singles},
        sets={m: found["set", m] for m in sets},
        seconds=time.perf_counter() - start,
    )


def _judge(
    claims: dict[Key, list[Claim]],
    behaviors: Sequence[Behavior],
    intervention: Intervention,
    plan: Plan,
) -> dict[Key, list[Verdict]]:
    """Judge many lists of claims in one trial, so that equal removals are made once."""
    settings = VerifySettings(controls=plan.controls, seed=plan.seed)
    every = [claim for some in claims.values() for claim in some]
    verdicts = iter(judge(every, behaviors, intervention, settings))
    return {key: [next(verdicts) for _ in some] for key, some in claims.items()}


def _unjudged(
    scores: tuple[Scores, ...], behaviors: Sequence[Behavior], note: str, start: float
) -> Findings:
    seconds = time.perf_counter() - start
    return Findings("document", tuple(behaviors), scores, notes=(note,), seconds=seconds)


def _lookups(
    corpus: Corpus,
    model: Model,
    behaviors: Sequence[Behavior],
    causes: tuple[Cause, ...],
    plan: Plan,
) -> tuple[Scores, ...]:
    states = (
        (embedding(model, corpus, behaviors, causes, batch_size=plan.batch_size),)
        if plan.embedding
        else ()
    )
    if plan.encoder is not None:
        states = (*states, sentences(plan.encoder, corpus, behaviors, causes))
    return (
        bm25(corpus, behaviors, causes),
        exact_spans(corpus, behaviors, causes),
        *states,
        random_order(behaviors, causes, plan.seed),
    )


def _in_nats(scores: Scores, plan: Plan) -> Scores:
    slope = dict(plan.slopes).get(scores.method)
    return scores if slope is None else scores.calibrated(slope, "replays of this run")


def references(corpus: Corpus | None, plan: Plan) -> list[str]:
    """Texts that activations are taken from: documents drawn with the plan's seed."""
    assert corpus is not None
    rng = generator(plan.seed, "references")
    count = min(plan.references, corpus.n_documents)
    picks = rng.choice(corpus.n_documents, count, replace=False)
    return [corpus.document(int(i)).text for i in sorted(picks)]
