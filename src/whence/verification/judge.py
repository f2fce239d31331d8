"""The judge: remove what was named, remove matched random things, compare.

The rule, the same for documents, components and tokens:

    confirmed       the fall lies beyond the 95 % t-prediction interval of the controls,
                    on the side that the claim predicted
    refuted         it lies beyond the interval on the other side, and has the other sign
    not verified    otherwise, or with fewer than eight controls

With n controls of mean m and standard deviation s, one more control would fall with
95 % probability inside m +- t(0.975, n - 1) * s * sqrt(1 + 1/n). That the predicted
*size* is off is another matter and stands apart, as the verdict's `error`.

The judge takes claims as data. It does not know which method made them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import t as student

from whence.core import Behavior, Finding, Scores, Verdict
from whence.core.errors import MethodError
from whence.core.seeds import generator
from whence.interventions import Intervention
from whence.verification.claims import Claim, set_claims, single_claims
from whence.verification.controls import matched_sets

FEWEST_CONTROLS = 8


@dataclass(frozen=True, slots=True)
class VerifySettings:
    """How claims are put to the test.

    Attributes:
        controls: matched random removals for each claim; at least 8.
        level: of the prediction interval.
        contexts: random subsets over which an "average" estimand is measured.
        share_controls: let the removal made for one behavior serve as a control for the
            others. It spares training runs, and is the default where a removal is one.
        seed: of the controls and contexts.

    Raises:
        MethodError: fewer than eight controls, or a level outside (0, 1).
    """

    controls: int = FEWEST_CONTROLS
    level: float = 0.95
    contexts: int = 16
    share_controls: bool | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.controls < FEWEST_CONTROLS:
            raise MethodError(
                "controls",
                expected=f"at least {FEWEST_CONTROLS}",
                got=str(self.controls),
                fix="With fewer, the interval is too wide to decide anything.",
            )
        if not 0 < self.level < 1:
            raise MethodError(
                "level", expected="a number in (0, 1)", got=str(self.level), fix="Try 0.95."
            )

    def to_json(self) -> dict[str, Any]:
        """The record of these settings."""
        return {
            "controls": self.controls,
            "level": self.level,
            "contexts": self.contexts,
            "share_controls": self.share_controls,
            "seed": self.seed,
        }


@dataclass(frozen=True, eq=False, slots=True)
class Trial:
    """Which removals are measured, and which of them each claim is compared with.

    Attributes:
        keep: one row a removal; False marks what is taken away. Row 0 removes nothing.
        claims: what is tested.
        named: for each claim the rows (with, without) of its removal, one pair a context.
        controls: for each claim and control the rows (with, without), one pair a context.
    """

    keep: Bool[np.ndarray, "subset cause"]
    claims: tuple[Claim, ...]
    named: tuple[tuple[tuple[int, int], ...], ...]
    controls: tuple[tuple[tuple[tuple[int, int], ...], ...], ...]

    @property
    def removals(self) -> int:
        """How many different removals are measured, besides removing nothing."""
        return len(self.keep) - 1


class _Rows:
    """Rows of `keep`, each removal once."""

    def __init__(self, causes: int) -> None:
        self.causes = causes
        self.rows: dict[bytes, int] = {}
        self.keep: list[Bool[np.ndarray, " cause"]] = []
        self.row(np.ones(causes, dtype=bool))

    def row(self, keep: Bool[np.ndarray, " cause"]) -> int:
        key = keep.tobytes()
        if key not in self.rows:
            self.rows[key] = len(self.keep)
            self.keep.append(keep)
        return self.rows[key]

    def pair(self, context: Bool[np.ndarray, " cause"], removed: Sequence[int]) -> tuple[int, int]:
        present, absent = context.copy(), context.copy()
        present[list(removed)] = True
        absent[list(removed)] = False
        return self.row(present), self.row(absent)


def prepare(claims: Sequence[Claim], intervention: Intervention, settings: VerifySettings) -> Trial:
    """Choose the removals that test some claims; nothing is measured yet.

    The choice depends on the claims and the seed alone, so that its cost can be shown and
    recorded before any of it is paid.
    """
    causes = intervention.causes
    share = settings.share_controls
    share = not intervention.cheap if share is None else share
    rows = _Rows(len(causes))
    contexts = _contexts(len(causes), settings)
    named, controls = [], []
    pool = _pool(claims, intervention, settings) if share else []
    for claim in claims:
        where = contexts[claim.estimand]
        named.append(tuple(rows.pair(c, claim.causes) for c in where))
        sets = (
            _from_pool(pool, claim, claims)
            if share
            else matched_sets(
                causes,
                claim.causes,
                frozenset(),
                settings.controls,
                generator(settings.seed, "controls", _name(claim, causes)),
            )
        )
        controls.append(tuple(tuple(rows.pair(c, s) for c in where) for s in sets))
    return Trial(np.stack(rows.keep), tuple(claims), tuple(named), tuple(controls))


def _name(claim: Claim, causes: Sequence[Any]) -> str:
    return "/".join([str(claim.behavior), *(causes[i].id for i in claim.causes)])


def _contexts(causes: int, settings: VerifySettings) -> dict[str, list[Bool[np.ndarray, " cause"]]]:
    everything = [np.ones(causes, dtype=bool)]
    rng = generator(settings.seed, "contexts")
    halves = [rng.random(causes) < 0.5 for _ in range(settings.contexts)]
    return {"alone": everything, "additive": everything, "average": halves}


def _pool(
    claims: Sequence[Claim], intervention: Intervention, settings: VerifySettings
) -> list[tuple[int, tuple[int, ...]]]:
    """Removals that all claims share: each claim's own, and random ones where those are too few.

    Returns:
        (behavior it was named for, or -1 for a random one; causes).
    """
    pool = [(claim.behavior, claim.causes) for claim in claims]
    lacking = max((settings.controls - len(_from_pool(pool, c, claims)) for c in claims), default=0)
    forbidden = frozenset(i for claim in claims for i in claim.causes)
    drawn: set[tuple[int, ...]] = set()
    for number in range(lacking):
        like = claims[number % len(claims)]
        rng = generator(settings.seed, "pool", number, _name(like, intervention.causes))
        for candidate in matched_sets(intervention.causes, like.causes, forbidden, lacking, rng):
            if candidate not in drawn:
                drawn.add(candidate)
                pool.append((-1, candidate))
                break
    return pool


def _from_pool(
    pool: Sequence[tuple[int, tuple[int, ...]]], claim: Claim, claims: Sequence[Claim]
) -> list[tuple[int, ...]]:
    """The pooled removals that may stand as controls for a claim: of others, sharing no cause.

    A set that was named for the same behavior by another method is no control, nor is one
    that holds any cause named for this behavior.
    """
    own = {i for other in claims if other.behavior == claim.behavior for i in other.causes}
    found: list[tuple[int, ...]] = []
    for behavior, removed in pool:
        if behavior != claim.behavior and own.isdisjoint(removed) and removed not in found:
            found.append(removed)
    return found


def decide(
    trial: Trial,
    values: Float[np.ndarray, "behavior subset"],
    intervention: Intervention,
    settings: VerifySettings,
) -> list[Verdict]:
    """Turn measured values into one verdict a claim.

    Args:
        trial: what was removed.
        values: nats; every behavior under every row of `trial.keep`.
        intervention: tells scope and names.
        settings: those that the trial was prepared with.
    """
    verdicts = []
    for claim, named, controls in zip(trial.claims, trial.named, trial.controls, strict=True):
        row = values[claim.behavior]
        measured = _fall(row, named)
        falls = np.array([_fall(row, control) for control in controls])
        low, high = prediction_interval(falls, settings.level)
        mean = float(falls.mean()) if falls.size else float("nan")
        verdicts.append(
            Verdict(
                behavior=claim.behavior,
                causes=tuple(intervention.causes[i].id for i in claim.causes),
                predicted=claim.predicted,
                measured=measured,
                controls=tuple(float(f) for f in falls),
                control_mean=mean,
                control_interval=(low, high),
                interval=(measured - high, measured - low),
                finding=finding(measured, (low, high), claim.sign, falls.size),
                scope=intervention.scope,
                estimand=claim.estimand,
            )
        )
    return verdicts


def _fall(row: Float[np.ndarray, " subset"], pairs: Sequence[tuple[int, int]]) -> float:
    return float(np.mean([row[present] - row[absent] for present, absent in pairs]))


def prediction_interval(
    controls: Float[np.ndarray, " control"], level: float = 0.95
) -> tuple[float, float]:
    """Where one more control would lie: m +- t((1 + level)/2, n - 1) * s * sqrt(1 + 1/n), nats.

    Fewer than two controls say nothing: the interval is then the whole line.
    """
    n = controls.size
    if n < 2:
        return float("-inf"), float("inf")
    reach = student.ppf((1 + level) / 2, n - 1) * controls.std(ddof=1) * np.sqrt(1 + 1 / n)
    return float(controls.mean() - reach), float(controls.mean() + reach)


def finding(measured: float, interval: tuple[float, float], sign: int, controls: int) -> Finding:
    """The rule: see the head of this module.

    Args:
        measured: the fall, nats.
        interval: of one more control, nats.
        sign: +1 when a fall was predicted, -1 when a rise.
        controls: how many there were.
    """
    if controls < FEWEST_CONTROLS:
        return "not verified"
    low, high = interval
    if sign < 0:
        measured, low, high = -measured, -high, -low
    if measured > max(high, 0.0):
        return "confirmed"
    if measured < min(low, 0.0):
        return "refuted"
    return "not verified"


def judge(
    claims: Sequence[Claim],
    behaviors: Sequence[Behavior],
    intervention: Intervention,
    settings: VerifySettings | None = None,
) -> list[Verdict]:
    """Test claims by removal.

    Args:
        claims: from `set_claims`, `single_claims`, or a user's own.
        behaviors: what the claims' `behavior` counts into.
        intervention: takes the causes away.
        settings: how; the defaults follow the rule at the head of this module.

    Returns:
        One verdict a claim, in their order.
    """
    settings = settings or VerifySettings()
    if not claims:
        return []
    trial = prepare(claims, intervention, settings)
    values = intervention.measure(behaviors, trial.keep)
    return decide(trial, values, intervention, settings)


def verify(
    scores: Scores,
    intervention: Intervention,
    *,
    top: int = 5,
    singles: bool | None = None,
    settings: VerifySettings | None = None,
) -> list[Verdict]:
    """Test scores by removing their top causes, as a set and one by one where that is cheap.

    Args:
        scores: from any method, ours or anybody's; its causes must be the intervention's.
        intervention: takes the causes away.
        top: how many causes make a behavior's set.
        singles: also remove the top causes one by one; None means where it is cheap.
        settings: controls, level, seed.

    Returns:
        The verdicts on sets first, then those on single causes.

    Raises:
        MethodError: the scores are about other causes than the intervention's.
    """
    if [c.id for c in scores.causes] != [c.id for c in intervention.causes]:
        raise MethodError(
            f"scores of {scores.method}",
            expected=f"scores for the intervention's {len(intervention.causes)} causes, in order",
            got=f"{len(scores.causes)} causes that differ",
            fix="Score the same causes that the intervention takes away.",
        )
    singles = intervention.cheap if singles is None else singles
    claims = set_claims(scores, top) + (single_claims(scores, top) if singles else [])
    return judge(claims, scores.behaviors, intervention, settings)
