"""Methods about parts and words judged: by random removals, and by what their first causes carry.

Components are one case: all behaviors share the parts of the model. Every prompt has words of its
own, so each is a case of its own, and the numbers are means over them. Besides the linear
datamodeling score, each method's order is followed from its first cause to its last, kept alone
(insertion, which of components is CPR, and sufficiency) and taken away (deletion,
comprehensiveness), beside random orders: how far it is ahead of them, behavior by behavior, has an
interval of its own. Asked for, the model's weights are dealt out anew part by part, and a method
whose scores do not change is reported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from whence.core import Behavior, Kind, Scores
from whence.core.errors import ModelError
from whence.core.progress import progress
from whence.explain.judgement import TOKEN_BASELINES, Judged, Judgement, JudgeSettings
from whence.explain.judging import Case, compared, judge, loss_rises, scored
from whence.explain.methods import Causes, Method, methods_named
from whence.interventions import Components, Tokens, random_subsets
from whence.models import BATCH_SIZE, Model
from whence.verification import (
    EVEN_SIZES,
    TOLD,
    Curve,
    baseline_scores,
    cascade,
    curve,
    pooled_curve,
)

_RANDOM = "random"

Follow = Callable[[Sequence[Scores]], Curve]
"""Follows an order, given by its scores of every case."""


@dataclass(frozen=True, slots=True)
class Cut:
    """What prompts are cut into, and how that is taken away.

    Attributes:
        unit: "token", "word", "sentence", "demonstration" or "turn".
        removal: see `whence.interventions.Tokens`.
        batch_size: rows in one forward pass.
    """

    unit: str = "token"
    removal: str = "drop"
    batch_size: int = BATCH_SIZE

    def of(self, model: Model, prompt: str) -> Tokens:
        """A prompt, cut."""
        return Tokens(
            model, prompt, unit=self.unit, removal=self.removal, batch_size=self.batch_size
        )


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

    Raises:
        MethodError: an unknown method, or behaviors that these components do not change.
    """
    settings = settings or JudgeSettings(keep_share=0.9)
    chosen = methods_named("component", methods)
    if methods is None and not _has_streams(components):
        chosen = {name: method for name, method in chosen.items() if not method.streams}
    found = _judged(
        "component",
        [_drawn(components, behaviors, settings)],
        chosen,
        (lambda model: [components.on(model)], None if before is None else [before]),
        lambda scores: curve(scores[0], components, absolute=True),
        settings,
    )
    rises = loss_rises(found.rows, components, settings)
    rows = tuple(replace(row, rises=rises.get(row.method, ())) for row in found.rows)
    return replace(found, rows=rows)


def judge_tokens(
    model: Model,
    behaviors: Sequence[Behavior],
    methods: Sequence[str] | None = None,
    *,
    before: Model | None = None,
    cut: Cut | None = None,
    settings: JudgeSettings | None = None,
) -> Judgement:
    """Judge token methods by leaving random words out of each behavior's prompt.

    Args:
        model: what is explained.
        behaviors: each with a target; every prompt has tokens of its own.
        methods: names; None means all.
        before: a model with other weights, whose scores must fail.
        cut: what a cause is, and how it is taken away; None means tokens, dropped.
        settings: how many subsets, what share stays.

    Raises:
        MethodError: an unknown method, or prompts of a single cause.
        InterventionError: a prompt cannot be cut that way.
    """
    settings, how = settings or JudgeSettings(), cut or Cut()

    def made(of: Model) -> list[Causes]:
        return [how.of(of, behavior.prompt) for behavior in behaviors]

    causes = made(model)
    cases = [_drawn(own, [b], settings) for own, b in zip(causes, behaviors, strict=True)]
    return _judged(
        "token",
        cases,
        methods_named("token", methods),
        (made, None if before is None else made(before)),
        lambda scores: pooled_curve(list(zip(scores, causes, strict=True)), sizes=EVEN_SIZES),
        settings,
    )


def _judged(
    kind: Kind,
    cases: Sequence[Case],
    methods: Mapping[str, Method],
    others: tuple[Callable[[Model], Sequence[Causes]], Sequence[Causes] | None],
    follow: Follow,
    settings: JudgeSettings,
) -> Judgement:
    """The table of methods, with their curves.

    Args:
        kind: of the causes.
        cases: causes, behaviors, and the removals that judge.
        methods: by name.
        others: makes the causes of every case in another model; and those of the model before
            training, if there is one.
        follow: an order.
        settings: what is measured.
    """
    made, before = others
    rows = compared(judge(cases, methods, before, settings), settings)
    rows = [replace(row, curve=replace(follow(row.scores), method=row.method)) for row in rows]
    chance = [follow(scores) for scores in _random_orders(cases, settings.seed)]
    rows = [replace(row, over_random=_over(row, chance)) for row in rows]
    rows = [replace(row, ahead=_ahead(row, rows)) for row in rows]
    if settings.cascade:
        noticing = [row for row in rows if methods[row.method].reads]
        found = {
            row.method: _noticed(row, methods[row.method], cases, made, settings.seed)
            for row in progress(noticing, "weights dealt out anew", len(noticing))
        }
        rows = [found.get(row.method, row) for row in rows]
    how = {
        **cases[0].causes.describe(),
        "share": settings.keep_share,
        "seed": settings.seed,
        "subsets": settings.subsets,
    }
    behaviors = tuple(b for case in cases for b in case.behaviors)
    return Judgement(kind, behaviors, settings.subsets, tuple(rows), how, tuple(chance))


def _drawn(causes: Causes, behaviors: Sequence[Behavior], settings: JudgeSettings) -> Case:
    """Random removals, measured. A short prompt has fewer different ones than are drawn."""
    keep = random_subsets(
        len(causes.causes), settings.subsets, share=settings.keep_share, seed=settings.seed
    )
    return Case(causes, tuple(behaviors), keep, causes.measure(behaviors, keep))


def _random_orders(cases: Sequence[Case], seed: int) -> list[tuple[Scores, ...]]:
    """Several orders at random, each of the causes of every case."""
    drawn = [baseline_scores(case.causes.causes, case.behaviors, seed=seed) for case in cases]
    names = [name for name in drawn[0] if name.startswith(_RANDOM)] if drawn else []
    return [tuple(own[name] for own in drawn) for name in names]


def _over(row: Judged, chance: Sequence[Curve]) -> dict[str, tuple[float, float]]:
    """By how much an order's areas are above those of random ones."""
    if row.method == _RANDOM or row.curve is None:
        return {}
    return {area: row.curve.lead(chance, area) for area in TOLD}


def _ahead(row: Judged, rows: Sequence[Judged]) -> tuple[str, ...]:
    """The names of the baselines in the table that its order beats, behavior by behavior."""
    beaten = []
    for other in rows:
        if other.method == _RANDOM and row.over_random:
            beaten += [_RANDOM] * (row.over_random["deletion"][1] < 0)
        elif other.method in TOKEN_BASELINES and other is not row:
            assert row.curve is not None
            assert other.curve is not None
            if row.curve.lead([other.curve], "deletion")[1] < 0:
                beaten.append(other.method)
    return tuple(beaten)


def _noticed(
    row: Judged,
    method: Method,
    cases: Sequence[Case],
    made: Callable[[Model], Sequence[Causes]],
    seed: int,
) -> Judged:
    """With what becomes of its scores as the weights are dealt out anew."""
    causes = cases[0].causes
    assert isinstance(causes, Components | Tokens)
    found = cascade(lambda model: scored(method, made(model), cases), causes.model, seed=seed)
    return replace(row, cascade=replace(found, method=row.method))


def _has_streams(components: Components) -> bool:
    try:
        return bool(components.model.streams)
    except ModelError:
        return False
