import numpy as np
import pytest
from scipy.stats import norm

from tests.verification.linear_world import LinearWorld
from whence.core import Cause, Scores
from whence.core.errors import MethodError
from whence.verification import (
    Claim,
    VerifySettings,
    finding,
    judge,
    prediction_interval,
    prepare,
    verify,
)


def scores_of(world, values, estimand="additive"):
    return Scores(
        values=np.atleast_2d(np.asarray(values, dtype=float)),
        behaviors=world.behaviors,
        causes=world.causes,
        method="test",
        estimand=estimand,
    )


def effects(n=60, **large):
    row = np.zeros(n)
    for name, value in large.items():
        row[int(name[1:])] = value
    return row


def test_true_causes_are_confirmed_with_no_error_in_the_predicted_size():
    world = LinearWorld(effects(d3=2.0, d5=1.0), noise=0.05)
    verdict = verify(scores_of(world, world.effects), world, top=2)[0]
    assert verdict.finding == "confirmed"
    assert verdict.causes == ("d3", "d5")
    assert abs(verdict.error) < 0.3


def test_a_cause_that_works_the_other_way_is_refuted():
    world = LinearWorld(effects(d3=-2.0), noise=0.05)
    claimed = effects(d3=1.0)
    assert verify(scores_of(world, claimed), world, top=1)[0].finding == "refuted"


def test_a_predicted_rise_is_confirmed_by_a_rise():
    world = LinearWorld(effects(d3=-2.0), noise=0.05)
    verdicts = judge([Claim(0, (3,), -2.0, -1, "additive")], world.behaviors, world)
    assert [v.finding for v in verdicts] == ["confirmed"]


def test_random_claims_are_rarely_confirmed():
    # With a level of 95 % one claim in forty is confirmed by chance: of 400, more than 20
    # would happen once in two thousand times.
    world = LinearWorld(np.zeros((1, 400)), noise=1.0)
    claims = [Claim(0, (i,), 1.0, 1, "additive") for i in range(400)]
    found = [v.finding for v in judge(claims, world.behaviors, world)]
    assert found.count("confirmed") <= 20
    assert found.count("refuted") <= 20


def test_the_interval_is_the_published_formula():
    draws = np.random.default_rng(0).normal(3.0, 2.0, size=10_000)
    low, high = prediction_interval(draws)
    assert low == pytest.approx(3 + 2 * norm.ppf(0.025), abs=0.1)
    assert high == pytest.approx(3 + 2 * norm.ppf(0.975), abs=0.1)
    # Eight values by hand: t(0.975, 7) = 2.36462.
    low, high = prediction_interval(np.array([1.0, 2, 3, 4, 5, 6, 7, 8]))
    assert high - 4.5 == pytest.approx(2.36462 * 2.449490 * np.sqrt(9 / 8), rel=1e-5)


def test_fewer_than_eight_controls_decide_nothing():
    assert finding(100.0, (-1.0, 1.0), 1, 7) == "not verified"
    assert finding(100.0, (-1.0, 1.0), 1, 8) == "confirmed"
    world = LinearWorld([[5.0, 0.0, 0.0]])
    assert verify(scores_of(world, world.effects), world, top=1)[0].finding == "not verified"


def test_where_a_removal_is_expensive_other_claims_serve_as_controls():
    many = LinearWorld(np.eye(10, 100) * 3, noise=0.05, cheap=False)
    verdicts = verify(scores_of(many, many.effects), many, top=1)
    assert many.measured_subsets == 1 + 10  # nothing but the ten claims themselves
    assert all(v.finding == "confirmed" and len(v.controls) == 9 for v in verdicts)

    one = LinearWorld(effects(d3=3.0), noise=0.05, cheap=False)
    (verdict,) = verify(scores_of(one, one.effects), one, top=1)
    assert one.measured_subsets == 1 + 1 + 8
    assert len(verdict.controls) == 8


def test_a_set_named_for_the_same_behavior_is_no_control():
    world = LinearWorld(effects(d3=3.0, d4=3.0), noise=0.05, cheap=False)
    claims = [Claim(0, (3,), 3.0, 1, "additive"), Claim(0, (4,), None, 1, "additive")]
    trial = prepare(claims, world, VerifySettings())
    removed = {tuple(np.flatnonzero(~trial.keep[a])) for c in trial.controls for ((_, a),) in c}
    assert removed.isdisjoint({(3,), (4,)})
    assert all(v.finding == "confirmed" for v in judge(claims, world.behaviors, world))


def test_an_average_effect_is_measured_over_random_contexts():
    class Pair(LinearWorld):
        """Either of two causes is enough: alone neither matters, on average each does."""

        def measure(self, behaviors, keep):
            return np.tile((keep[:, 0] | keep[:, 1]).astype(float), (len(behaviors), 1))

    world = Pair(np.zeros((1, 40)))
    settings = VerifySettings(contexts=64)
    (alone,) = judge([Claim(0, (0,), 0.5, 1, "alone")], world.behaviors, world, settings)
    (average,) = judge([Claim(0, (0,), 0.5, 1, "average")], world.behaviors, world, settings)
    assert alone.measured == 0.0
    assert average.measured == pytest.approx(0.5, abs=0.2)  # 3 standard errors
    assert average.finding == "confirmed"


def test_equal_settings_choose_equal_removals():
    world = LinearWorld(np.zeros((3, 50)), cheap=False)
    claims = [Claim(b, (b, b + 10), 1.0, 1, "additive") for b in range(3)]
    first, second = (prepare(claims, world, VerifySettings(seed=4)).keep for _ in range(2))
    assert (first == second).all()
    assert (prepare(claims, world, VerifySettings(seed=5)).keep.shape) == first.shape


def test_scores_of_other_causes_are_refused():
    world = LinearWorld(effects(d3=3.0))
    other = Scores(np.ones((1, 1)), world.behaviors, (Cause("document", "x"),), "test", "additive")
    with pytest.raises(MethodError, match="60 causes"):
        verify(other, world)


def test_too_few_controls_are_refused():
    with pytest.raises(MethodError, match="at least 8"):
        VerifySettings(controls=3)
