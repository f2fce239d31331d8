from itertools import product

import numpy as np
import pytest
from scipy import stats

from tests.verification.linear_world import LinearWorld
from whence.attribution import benjamini_hochberg, effect_tests, sign_flip_p_values
from whence.core.errors import MethodError


def test_p_values_are_those_of_all_changes_of_sign():
    data = np.random.default_rng(0).normal(0.3, size=(8, 3))
    found = sign_flip_p_values(data)
    for column, p in zip(data.T, found, strict=True):
        sums = [np.dot(signs, column) for signs in product([1, -1], repeat=8)]
        assert p == pytest.approx(np.mean(np.array(sums) >= column.sum() - 1e-9))


def test_random_changes_of_sign_agree_with_scipy():
    data = np.random.default_rng(1).normal(0.2, size=(20, 2))
    found = sign_flip_p_values(data, flips=20_000)
    for column, p in zip(data.T, found, strict=True):
        expected = stats.permutation_test(
            (column,),
            np.mean,
            permutation_type="samples",
            alternative="greater",
            n_resamples=20_000,
            rng=np.random.default_rng(2),
        ).pvalue
        # Five standard errors of either.
        assert p == pytest.approx(expected, abs=5 * np.sqrt(2 * expected / 20_000))


def test_adjusted_values_are_scipys():
    p_values = np.random.default_rng(3).random(40) ** 3
    expected = stats.false_discovery_control(p_values, method="bh")
    np.testing.assert_allclose(benjamini_hochberg(p_values), expected)


def noisy(matter, seed, behaviors=16, causes=60):
    effects = np.random.default_rng(seed).normal(size=(behaviors, causes))
    effects[:, :matter] += 2.0
    return LinearWorld(effects)


def test_causes_that_matter_are_found_and_few_others():
    """Over 40 worlds the share of false discoveries stays below the level that was asked."""
    found, false = 0, []
    for seed in range(40):
        world = noisy(6, seed)
        tested = effect_tests(world, world.behaviors, level=0.1, flips=1_999, seed=seed)
        found += int(tested.discoveries[:6].sum())
        false.append(tested.discoveries[6:].sum() / max(1, tested.discoveries.sum()))
    assert found > 0.9 * 6 * 40
    assert np.mean(false) < 0.1 + 3 * np.std(false) / np.sqrt(40)


def test_where_nothing_matters_little_is_found():
    """At most one world in ten may show anything; 40 worlds with 12 or more: p < 1e-3."""
    any_found = 0
    for seed in range(40):
        world = noisy(0, 100 + seed)
        tested = effect_tests(world, world.behaviors, level=0.1, flips=1_999, seed=seed)
        any_found += bool(tested.discoveries.any())
    assert any_found < 12


def test_scores_are_the_falls_alone():
    world = noisy(3, 0)
    tested = effect_tests(world, world.behaviors)
    np.testing.assert_allclose(tested.scores.values, world.effects, atol=1e-9)
    assert tested.scores.estimand == "alone"
    assert (tested.discoveries == (tested.adjusted <= 0.05)).all()


def test_wrong_settings():
    world = noisy(3, 0, behaviors=5)
    with pytest.raises(MethodError, match="at least six"):
        effect_tests(world, world.behaviors)
    with pytest.raises(MethodError, match="at least two causes"):
        lonely = noisy(1, 0, causes=1)
        effect_tests(lonely, lonely.behaviors)
