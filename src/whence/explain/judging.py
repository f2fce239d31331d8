"""Methods by name, judged by real removals, with what each cost: one table.

For documents the removals are a bank's retrainings; for components and tokens random subsets
are drawn on the spot. The lines that judge are the same.

Two sanity rows stand below each method, and both must fail: its scores dealt out to other
causes, and its scores from an untrained model. A method whose scores do as well from that one
measured the text or the architecture, and nothing of the training.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from whence.core import Behavior, Scores
from whence.core.errors import MethodError
from whence.explain.judgement import (
    BASELINES,
    TOKEN_BASELINES,
    Judged,
    Judgement,
    JudgeSettings,
)
from whence.explain.methods import METHODS, Causes, Method, document_methods, methods_named
from whence.explain.peak import peak_memory
from whence.explain.untrained import untrained
from whence.interventions import Bank, Documents
from whence.verification import (
    FEWEST_SUBSETS,
    Agreement,
    Rise,
    agreement,
    lead,
    loss_rise,
    predicted_sums,
    recall_at_planted,
    shuffled,
)


@dataclass(frozen=True, eq=False, slots=True)
class Case:
    """One intervention with the behaviors it can measure and the subsets that judge."""

    causes: Causes
    behaviors: tuple[Behavior, ...]
    judged: Bool[np.ndarray, "judged cause"]
    measured: Float[np.ndarray, "behavior judged"]


def judge_documents(
    bank: Bank,
    behaviors: Sequence[Behavior],
    methods: Sequence[str] | None = None,
    *,
    given: Sequence[Scores] = (),
    blind: Mapping[str, Scores] | None = None,
    truth: Sequence[Sequence[str]] | None = None,
    settings: JudgeSettings | None = None,
) -> Judgement:
    """Judge document methods by a bank's retrainings.

    A method that fits subsets is cross-fitted: a subset is predicted by what was fitted to the
    others, so that every method is judged by the whole bank.

    Args:
        bank: subsets, trained.
        behaviors: each with a target.
        methods: names; None means all that there are, an empty list none besides `given`.
        given: scores made elsewhere, for the same causes and behaviors; `settings["peak_mb"]`
            of theirs, where it is there, is their memory.
        blind: for methods of `given`, by name, their scores from the model before training.
        truth: for each behavior the documents that matter, where that is known.
        settings: what else is measured.

    Raises:
        MethodError: an unknown method, or too few subsets.
    """
    settings = settings or JudgeSettings()
    chosen = {} if given and methods is not None and not methods else _named(methods, settings)
    fits = any(method.fits for method in chosen.values())
    fewest = FEWEST_SUBSETS * (2 if fits else 1)
    if len(bank.keep) < fewest:
        raise MethodError(
            f"{bank.path}",
            expected=f"at least {fewest} subsets",
            got=str(len(bank.keep)),
            fix="Give `whence bank` more --subsets: it keeps those that are there.",
        )
    case = Case(bank, tuple(behaviors), bank.keep, bank.measure(behaviors, bank.keep))
    before = None
    if settings.sanity and any(m.reads and not m.fits for m in chosen.values()):
        groups = bank.record["groups"]
        before = Documents(untrained(bank.run, bank.path / "untrained"), groups=groups)
    found = judge([case], chosen, [before] if before else None, settings)
    found += [_given(one, case, blind or {}, settings) for one in given]
    found = compared(found, settings)
    rises = loss_rises(found, bank, settings)
    rows = [
        replace(row, rises=rises.get(row.method, ()), recall=_recall(row, truth)) for row in found
    ]
    how = {
        **bank.describe(),
        "bank": {name: bank.record[name] for name in ("share", "seed", "subsets")},
        "before training": "the same run from weights drawn anew, at a learning rate of 1e-9"
        if before
        else None,
    }
    return Judgement("document", case.behaviors, len(bank.keep), tuple(rows), how)


def _named(methods: Sequence[str] | None, settings: JudgeSettings) -> dict[str, Method]:
    known = document_methods(memory=settings.memory, encoder=settings.encoder)
    asked = None if methods is None else [*methods, *(known.keys() - METHODS["document"].keys())]
    return methods_named("document", asked, known)


def judge(
    cases: Sequence[Case],
    methods: Mapping[str, Method],
    before: Sequence[Causes] | None,
    settings: JudgeSettings,
) -> list[Judged]:
    """Score by every method, and lay the sums beside what was measured."""
    rows = []
    for name, method in methods.items():
        start = time.perf_counter()
        with peak_memory() as peak:
            scores = scored(method, [c.causes for c in cases], cases)
        seconds = time.perf_counter() - start
        sanity = {}
        if settings.sanity:
            sanity["causes shuffled"] = _agree(_sums(map(shuffled, scores), cases), cases, settings)
            if before is not None and method.reads and not method.fits:
                blind = scored(method, before, cases)
                sanity["before training"] = _agree(_sums(blind, cases), cases, settings)
        predicted = _cross_fitted(method, cases, settings) if method.fits else _sums(scores, cases)
        rows.append(
            Judged(
                method=name,
                agreement=_agree(predicted, cases, settings),
                seconds=seconds,
                peak_mb=peak.megabytes,
                scores=scores,
                sanity=sanity,
            )
        )
    return rows


def _given(one: Scores, case: Case, blind: Mapping[str, Scores], settings: JudgeSettings) -> Judged:
    """Scores from elsewhere, judged by the same lines."""
    known, sanity = one.about(case.behaviors), {}
    if settings.sanity:
        controls = {"causes shuffled": shuffled(known)}
        if one.method in blind:
            controls["before training"] = blind[one.method].about(case.behaviors)
        for name, control in controls.items():
            sanity[name] = _agree(_sums([control], [case]), [case], settings)
    return Judged(
        method=one.method,
        agreement=_agree(_sums([known], [case]), [case], settings),
        seconds=one.cost.seconds,
        peak_mb=one.settings.get("peak_mb"),
        scores=(known,),
        sanity=sanity,
    )


def scored(method: Method, causes: Sequence[Causes], cases: Sequence[Case]) -> tuple[Scores, ...]:
    """The scores of one method, case by case, for causes that may be of another model."""
    pairs = zip(causes, cases, strict=True)
    return tuple(method.score(each, case.behaviors, case.judged) for each, case in pairs)


def _cross_fitted(
    method: Method, cases: Sequence[Case], settings: JudgeSettings
) -> list[Float[np.ndarray, "behavior judged"]]:
    """What is predicted of each subset by scores that were fitted to other subsets."""
    predicted = []
    for case in cases:
        sums = np.empty_like(case.measured)
        fold = np.arange(len(case.judged)) % settings.folds
        for number in range(settings.folds):
            held = fold == number
            scores = method.score(case.causes, case.behaviors, case.judged[~held])
            sums[:, held] = predicted_sums(scores, case.judged[held])
        predicted.append(sums)
    return predicted


def _sums(
    scores: Iterable[Scores], cases: Sequence[Case]
) -> list[Float[np.ndarray, "behavior judged"]]:
    """What scores predict of every subset."""
    predicted = []
    for one, case in zip(scores, cases, strict=True):
        if [c.id for c in one.causes] != [c.id for c in case.causes.causes]:
            raise MethodError(
                f"scores of {one.method}",
                expected=f"scores for the {len(case.causes.causes)} causes judged, in order",
                got=f"{len(one.causes)} causes that differ",
                fix="Score the same causes.",
            )
        predicted.append(predicted_sums(one, case.judged))
    return predicted


def _agree(
    predicted: Sequence[Float[np.ndarray, "behavior judged"]],
    cases: Sequence[Case],
    settings: JudgeSettings,
) -> Agreement:
    measured = np.concatenate([case.measured for case in cases])
    return agreement(np.concatenate(predicted), measured, settings.resampling)


def compared(rows: Sequence[Judged], settings: JudgeSettings) -> list[Judged]:
    """Say of each method whether it beats the best look-up."""
    base = max(
        (row for row in rows if row.method in {*BASELINES, *TOKEN_BASELINES}),
        key=lambda row: row.agreement.lds,
        default=None,
    )
    if base is None:
        return list(rows)
    return [
        row
        if row.method in {*BASELINES, *TOKEN_BASELINES}
        else replace(
            row,
            behind=base.method if row.agreement.lds < base.agreement.lds else None,
            lead=lead(row.agreement, base.agreement, settings.resampling),
        )
        for row in rows
    ]


def loss_rises(
    rows: Sequence[Judged], causes: Causes, settings: JudgeSettings
) -> dict[str, tuple[Rise, ...]]:
    """What removing the top causes of each method did, by its name."""
    if not settings.shares:
        return {}
    every = [replace(row.scores[0], method=row.method) for row in rows]
    found = loss_rise(every, causes, shares=settings.shares, settings=settings.verify)
    return {row.method: tuple(r for r in found if r.method == row.method) for row in rows}


def _recall(row: Judged, truth: Sequence[Sequence[str]] | None) -> float | None:
    return None if truth is None else float(recall_at_planted(row.scores[0], truth).mean())
