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
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from whence.core import Behavior, Kind, Scores
from whence.core.errors import MethodError, ModelError
from whence.core.records import finite
from whence.explain.methods import METHODS, Causes, Method, document_methods, methods_named
from whence.explain.peak import peak_memory
from whence.explain.untrained import untrained
from whence.interventions import Bank, Components, Documents, random_subsets
from whence.training import GRADIENT_MEMORY
from whence.verification import (
    FEWEST_SUBSETS,
    SHARES,
    Agreement,
    Curve,
    Resampling,
    Rise,
    VerifySettings,
    agreement,
    curve,
    lead,
    loss_rise,
    predicted_sums,
    recall_at_planted,
    shuffled,
)

VERSION = 1
BASELINES = ("embedding", "sentences", "bm25", "exact-spans", "random")
TOKEN_BASELINES = ("attention-rollout", "value-flow", "embedding-norm", "last-first", "first-first")
"""Besides a random order."""


@dataclass(frozen=True, eq=False, slots=True)
class Judged:
    """One method in the table.

    Attributes:
        method: its name.
        agreement: its linear datamodeling score.
        behind: the baseline to which it loses, if its score is lower than that one's.
        lead: interval of its lead over the best baseline; None for a baseline.
        sanity: the scores that must fail: name -> agreement.
        rises: what removing its top causes did.
        recall: mean recall at the number planted, where the truth was given.
        seconds: wall time of the scoring, without retrainings that a bank held already.
        peak_mb: largest resident memory while scoring; None where it is not known.
        scores: for each scored intervention.
        curve: what the first causes of its order carry, where that was measured.
        ahead: baselines that this order beats: without its first causes less of the behaviors
            survives, by an interval (95 %, over behaviors) that lies below zero.
    """

    method: str
    agreement: Agreement
    seconds: float
    peak_mb: float | None
    scores: tuple[Scores, ...]
    behind: str | None = None
    lead: tuple[float, float] | None = None
    sanity: Mapping[str, Agreement] = field(default_factory=dict)
    rises: tuple[Rise, ...] = ()
    recall: float | None = None
    curve: Curve | None = None
    ahead: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """One row of the record."""
        first = self.scores[0]
        return {
            "method": self.method,
            "lds": self.agreement.lds,
            "interval": list(self.agreement.interval),
            "estimand": first.estimand,
            "unit": first.unit,
            "coverage": first.coverage.to_json(),
            "behind": self.behind,
            "lead": None if self.lead is None else list(self.lead),
            "loss_rise": [rise.to_json() for rise in self.rises],
            "recall": self.recall,
            "curve": None if self.curve is None else self.curve.to_json(),
            "ahead": list(self.ahead),
            "seconds": round(self.seconds, 3),
            "trainings": sum(s.cost.trainings for s in self.scores),
            "peak_mb": None if self.peak_mb is None else finite(round(self.peak_mb, 1)),
            "sanity": {
                name: {
                    "lds": found.lds,
                    "interval": list(found.interval),
                    "fails": bool(found.interval[0] <= 0),
                }
                for name, found in self.sanity.items()
            },
        }


@dataclass(frozen=True, eq=False, slots=True)
class Judgement:
    """The whole table.

    Attributes:
        kind: of the causes.
        behaviors: that were measured.
        subsets: random removals that each score rests on.
        rows: one a method, as asked for.
        how: everything else that can change a number.
    """

    kind: Kind
    behaviors: tuple[Behavior, ...]
    subsets: int
    rows: tuple[Judged, ...]
    how: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """The record."""
        return {
            "whence": "judgement",
            "version": VERSION,
            "kind": self.kind,
            "behaviors": [b.to_json() for b in self.behaviors],
            "subsets": self.subsets,
            "rows": [row.to_json() for row in self.rows],
            "how": dict(self.how),
        }


@dataclass(frozen=True, slots=True)
class JudgeSettings:
    """What is judged besides the linear datamodeling score, and how.

    Attributes:
        shares: of the causes whose removal is measured; empty measures none.
        sanity: also judge scores that must fail.
        resampling: of the intervals.
        folds: of a method that fits subsets; each is predicted by what was fitted to the others.
        verify: controls of the removals.
        subsets: for components and tokens, how many random removals.
        keep_share: for components and tokens, what share stays.
        seed: of these.
        memory: for documents, bytes for training states that the derivative keeps.
        encoder: for documents, a sentence encoder that ranks them too.
    """

    shares: tuple[float, ...] = SHARES
    sanity: bool = True
    resampling: Resampling = field(default_factory=Resampling)
    folds: int = 5
    verify: VerifySettings = field(default_factory=VerifySettings)
    subsets: int = 100
    keep_share: float = 0.5
    seed: int = 0
    memory: int = GRADIENT_MEMORY
    encoder: str | None = None


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
    rises = _rises(found, bank, settings)
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


def judge_components(
    components: Components,
    behaviors: Sequence[Behavior],
    methods: Sequence[str] | None = None,
    *,
    before: Components | None = None,
    settings: JudgeSettings | None = None,
) -> Judgement:
    """Judge component methods by random ablations.

    Args:
        components: what is ablated, and how.
        behaviors: each with a target.
        methods: names; None means all.
        before: the same components of a model with other weights, whose scores must fail.
        settings: how many subsets, what share stays, what else is measured.
    """
    settings = settings or JudgeSettings(keep_share=0.9)
    chosen = methods_named("component", methods)
    if methods is None and not _has_streams(components):
        chosen = {name: method for name, method in chosen.items() if not method.streams}
    case = drawn(components, behaviors, settings)
    found = compared(judge([case], chosen, [before] if before else None, settings), settings)
    rises = _rises(found, components, settings)
    rows = [
        replace(row, rises=rises.get(row.method, ()), curve=_carried(row, components))
        for row in found
    ]
    return judgement("component", [case], rows, settings)


def _has_streams(components: Components) -> bool:
    try:
        return bool(components.model.streams)
    except ModelError:
        return False


def _carried(row: Judged, components: Components) -> Curve:
    """What the first components of a method's order carry, as in MIB."""
    return replace(curve(row.scores[0], components), method=row.method)


def drawn(causes: Causes, behaviors: Sequence[Behavior], settings: JudgeSettings) -> Case:
    """Random removals, measured. A short prompt has fewer different ones than are drawn."""
    keep = random_subsets(
        len(causes.causes), settings.subsets, share=settings.keep_share, seed=settings.seed
    )
    return Case(causes, tuple(behaviors), keep, causes.measure(behaviors, keep))


def judgement(
    kind: Kind, cases: Sequence[Case], rows: Sequence[Judged], settings: JudgeSettings
) -> Judgement:
    """The table of methods that were judged by random removals drawn on the spot."""
    how = {
        **cases[0].causes.describe(),
        "share": settings.keep_share,
        "seed": settings.seed,
        "subsets": settings.subsets,
    }
    behaviors = tuple(b for case in cases for b in case.behaviors)
    return Judgement(kind, behaviors, settings.subsets, tuple(rows), how)


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
            scores = _scored(method, [c.causes for c in cases], cases)
        seconds = time.perf_counter() - start
        sanity = {}
        if settings.sanity:
            sanity["causes shuffled"] = _agree(_sums(map(shuffled, scores), cases), cases, settings)
            if before is not None and method.reads and not method.fits:
                blind = _scored(method, before, cases)
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


def _scored(method: Method, causes: Sequence[Causes], cases: Sequence[Case]) -> tuple[Scores, ...]:
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


def _rises(
    rows: Sequence[Judged], causes: Causes, settings: JudgeSettings
) -> dict[str, tuple[Rise, ...]]:
    if not settings.shares:
        return {}
    every = [replace(row.scores[0], method=row.method) for row in rows]
    found = loss_rise(every, causes, shares=settings.shares, settings=settings.verify)
    return {row.method: tuple(r for r in found if r.method == row.method) for row in rows}


def _recall(row: Judged, truth: Sequence[Sequence[str]] | None) -> float | None:
    return None if truth is None else float(recall_at_planted(row.scores[0], truth).mean())
