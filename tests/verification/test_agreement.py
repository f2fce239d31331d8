"""Linear datamodeling scores, removals of the strongest and planted causes, on known worlds."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr

from tests.verification.linear_world import LinearWorld
from whence.core import Scores
from whence.core.errors import MethodError
from whence.interventions import random_subsets
from whence.verification import (
    Resampling,
    agreement,
    lead,
    linear_datamodeling_score,
    loss_rise,
    predicted_sums,
    recall_at_planted,
    shuffled,
)

EFFECTS = np.random.default_rng(0).normal(size=(6, 40))


def scores_of(world, values, **options):
    return Scores(
        values=np.asarray(values, dtype=float),
        behaviors=world.behaviors,
        causes=world.causes,
        method=options.pop("method", "test"),
        estimand="additive",
        **options,
    )


def test_the_truth_scores_one_and_its_opposite_minus_one():
    world = LinearWorld(EFFECTS)
    keep = random_subsets(40, 30)
    for sign in (1, -1):
        scores = scores_of(world, sign * EFFECTS)
        found = linear_datamodeling_score(scores, world, world.behaviors, keep)
        assert found.lds == pytest.approx(sign)
        assert found.interval == pytest.approx((sign, sign))


def test_it_is_the_mean_of_spearman_s_correlations():
    rng = np.random.default_rng(1)
    predicted, measured = rng.integers(0, 9, (5, 30)).astype(float), rng.normal(size=(5, 30))
    found = agreement(predicted, measured)
    expected = [spearmanr(p, m).statistic for p, m in zip(predicted, measured, strict=True)]
    np.testing.assert_allclose(found.by_behavior, expected, atol=1e-12)
    assert found.lds == pytest.approx(np.mean(expected))


def test_a_constant_added_to_all_scores_changes_nothing_over_subsets_of_equal_size():
    world, keep = LinearWorld(EFFECTS, noise=2.0), random_subsets(40, 30)
    first, second = (
        linear_datamodeling_score(scores_of(world, EFFECTS + add), world, world.behaviors, keep)
        for add in (0.0, 5.0)
    )
    assert first.lds == pytest.approx(second.lds)


def test_predictions_that_say_nothing_score_zero():
    found = agreement(np.zeros((2, 20)), np.random.default_rng(0).normal(size=(2, 20)))
    assert found.lds == 0
    assert found.interval == (0, 0)


def test_the_interval_holds_the_truth_as_often_as_it_says():
    """Many small judgements of predictions whose true correlation is known."""
    rng = np.random.default_rng(0)
    how = Resampling(resamples=200)
    truth = 6 / np.pi * np.arcsin(0.6 / 2)  # Spearman of two normals with correlation 0.6
    held = 0
    for _ in range(60):
        x = rng.normal(size=(6, 60))
        y = 0.6 * x + 0.8 * rng.normal(size=x.shape)
        low, high = agreement(x, y, how).interval
        held += low <= truth <= high
    # 95 %, less a little for so few behaviors; 48 or fewer of 60 would be a fault.
    assert held > 48


def test_shuffled_scores_fail_and_better_ones_lead():
    world, keep = LinearWorld(EFFECTS, noise=1.0), random_subsets(40, 60)
    how = Resampling()
    good = scores_of(world, EFFECTS)
    rough = scores_of(world, EFFECTS + np.random.default_rng(3).normal(size=EFFECTS.shape) * 2)
    judged = [
        linear_datamodeling_score(s, world, world.behaviors, keep, how)
        for s in (good, rough, shuffled(good))
    ]
    low, high = judged[2].interval
    assert low < 0 < high
    assert lead(judged[0], judged[1], how)[0] > 0
    assert judged[0].lds > judged[1].lds > judged[2].lds


def test_a_cause_without_a_score_counts_as_nothing():
    world = LinearWorld([[1.0, 2.0, 4.0]])
    keep = random_subsets(3, 5)
    partly = predicted_sums(scores_of(world, [[1.0, np.nan, 4.0]]), keep)
    np.testing.assert_allclose(partly, [[1.0, 0.0, 4.0]] @ keep.T)


def test_too_few_subsets_or_other_causes_are_refused():
    world = LinearWorld(EFFECTS)
    other = LinearWorld(np.zeros((6, 3)))
    with pytest.raises(MethodError, match="at least 8"):
        agreement(np.zeros((1, 7)), np.zeros((1, 7)))
    with pytest.raises(MethodError, match="not finite"):
        agreement(np.full((1, 9), np.nan), np.zeros((1, 9)))
    with pytest.raises(MethodError, match="40 causes"):
        linear_datamodeling_score(
            scores_of(other, other.effects), world, world.behaviors, random_subsets(40, 9)
        )
    with pytest.raises(MethodError, match=r"0\.95"):
        Resampling(resamples=3)


def strong_world(cheap):
    effects = np.zeros((4, 200))
    effects[:, :4] = 1.0
    return LinearWorld(effects, noise=0.05, cheap=cheap)


@pytest.mark.parametrize("cheap", [True, False])
def test_the_strongest_are_removed_beside_random_ones(cheap):
    world = strong_world(cheap)
    right = scores_of(world, world.effects, method="right")
    wrong = scores_of(world, np.roll(world.effects, 50, axis=1), method="wrong")
    found = loss_rise([right, wrong], world, shares=(0.01, 0.02))
    assert [(r.method, r.share, r.causes) for r in found] == [
        ("right", 0.01, 2),
        ("wrong", 0.01, 2),
        ("right", 0.02, 4),
        ("wrong", 0.02, 4),
    ]
    assert [round(r.measured) for r in found] == [2, 0, 4, 0]
    assert [r.interval[0] > 0 for r in found[::2]] == [True, True]
    assert max(abs(r.measured - r.control) for r in found[1::2]) < 0.2
    assert found[0].confirmed == 1.0
    if not cheap:
        # Per share one removal a method and eight controls, and one that removes nothing.
        assert world.measured_subsets == 2 * (1 + 2 + 8)


def test_a_method_that_supports_nothing_removes_nothing():
    world = strong_world(cheap=True)
    (rise,) = loss_rise([scores_of(world, -world.effects)], world, shares=(0.01,))
    assert (rise.causes, rise.measured, rise.to_json()["interval"]) == (0, 0, [None, None])


def test_recall_of_planted_causes():
    world = LinearWorld([[3.0, 2.0, 1.0, 0.0], [0.0, 1.0, 2.0, 3.0]])
    scores = scores_of(world, world.effects)
    np.testing.assert_array_equal(recall_at_planted(scores, [["d0", "d2"], ["d3"]]), [0.5, 1.0])
    with pytest.raises(MethodError, match="2 behaviors"):
        recall_at_planted(scores, [["d0"]])
    with pytest.raises(MethodError, match="1 without"):
        recall_at_planted(scores, [["d0"], []])


def test_different_behaviors_are_not_compared():
    world = strong_world(cheap=True)
    scores = scores_of(world, world.effects)
    with pytest.raises(MethodError, match="different behaviors"):
        loss_rise([scores, replace(scores, behaviors=scores.behaviors[::-1])], world)
