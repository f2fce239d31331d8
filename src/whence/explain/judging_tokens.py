"""Token methods judged: by random omissions, and by what their first words carry.

Every prompt has causes of its own, so each is a case of its own, and the numbers are means over
them. Besides the linear datamodeling score, each method's order is followed from its first cause
to its last: kept alone (insertion, sufficiency) and taken away (deletion, comprehensiveness).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from whence.core import Behavior
from whence.explain.judging import (
    TOKEN_BASELINES,
    Judged,
    Judgement,
    JudgeSettings,
    compared,
    drawn,
    judge,
    judgement,
)
from whence.explain.methods import Causes, methods_named
from whence.interventions import Tokens
from whence.models import BATCH_SIZE, Model
from whence.verification import EVEN_SIZES, pooled_curve


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
    settings, cut = settings or JudgeSettings(), cut or Cut()
    chosen = methods_named("token", methods)
    cases = [drawn(cut.of(model, b.prompt), [b], settings) for b in behaviors]
    untrained: list[Causes] | None = None
    if before is not None:
        untrained = [cut.of(before, b.prompt) for b in behaviors]
    rows = compared(judge(cases, chosen, untrained, settings), settings)
    causes = [case.causes for case in cases]
    followed = [_followed(row, causes) for row in rows]
    return judgement("token", cases, [_ahead(row, followed) for row in followed], settings)


def _followed(row: Judged, causes: Sequence[Causes]) -> Judged:
    """With the curve of its order."""
    found = pooled_curve(list(zip(row.scores, causes, strict=True)), sizes=EVEN_SIZES)
    return replace(row, curve=replace(found, method=row.method))


def _ahead(row: Judged, rows: Sequence[Judged]) -> Judged:
    """With the names of the baselines that its order beats, behavior by behavior."""
    beaten = []
    for other in rows:
        if other.method in (*TOKEN_BASELINES, "random") and other is not row:
            assert row.curve is not None
            assert other.curve is not None
            if row.curve.lead(other.curve, "deletion")[1] < 0:
                beaten.append(other.method)
    return replace(row, ahead=tuple(beaten))
