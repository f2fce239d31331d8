"""Where the answer is known, every perturbing estimator gives it, and the same one."""

from itertools import permutations

import numpy as np
import pytest

from tests.verification.linear_world import LinearWorld
from whence.attribution import (
    Fit,
    coar,
    datamodel,
    exact_shapley,
    kernel_shapley,
    leave_one_out,
    lime,
    permutation_shapley,
    subset_regression,
)
from whence.core import Scores
from whence.core.errors import MethodError
from whence.interventions import random_subsets

EFFECTS = np.random.default_rng(0).normal(size=(3, 7))


class Bent(LinearWorld):
    """Any of the first two causes is enough; the third acts with the fourth alone; the rest add."""

    three = 0.0  # what the first three do together, which pairs of orders do not cancel

    def measure(self, behaviors, keep):
        self.measured_subsets += len(keep)
        value = 2.0 * (keep[:, 0] | keep[:, 1]) + 3.0 * (keep[:, 2] & keep[:, 3])
        value = value + self.three * keep[:, :3].all(1)
        value = value + keep[:, 4:] @ np.arange(1.0, keep.shape[1] - 3)
        return np.tile(value, (len(behaviors), 1))


ESTIMATORS = {
    "leave one out": leave_one_out,
    "exact Shapley": exact_shapley,
    "Shapley by permutations": lambda w, b: permutation_shapley(w, b, permutations=4),
    "kernel Shapley": kernel_shapley,
    "least squares": lambda w, b: subset_regression(
        w, b, random_subsets(7, 30, sizes="free", seed=1)
    ),
    "COAR": coar,
    "LIME": lime,
}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_in_an_additive_world_all_give_the_effects(name):
    world = LinearWorld(EFFECTS)
    scores = ESTIMATORS[name](world, world.behaviors)
    np.testing.assert_allclose(scores.values, EFFECTS, atol=1e-9)
    assert scores.unit == "nats"
    assert scores.estimand == ("alone" if name == "leave one out" else "average")
    if scores.errors is not None:
        np.testing.assert_allclose(scores.errors, 0, atol=1e-6)


def test_over_subsets_of_equal_size_the_differences_are_those_of_the_effects():
    world = LinearWorld(EFFECTS)
    scores = subset_regression(world, world.behaviors, random_subsets(7, 30))
    centred = EFFECTS - EFFECTS.mean(1, keepdims=True)
    np.testing.assert_allclose(scores.values, centred, atol=1e-9)
    assert scores.settings["rank"] == 6


def shapley_by_definition(world):
    n = len(world.causes)
    total = np.zeros(n)
    orders = list(permutations(range(n)))
    for order in orders:
        keep = np.zeros((n + 1, n), dtype=bool)
        for place, cause in enumerate(order):
            keep[place + 1 :, cause] = True
        total[list(order)] += np.diff(world.measure(world.behaviors[:1], keep)[0])
    return total / len(orders)


def test_exact_shapley_is_the_definition():
    world = Bent(np.zeros((1, 6)))
    scores = exact_shapley(world, world.behaviors)
    np.testing.assert_allclose(scores.values[0], shapley_by_definition(world), atol=1e-12)
    np.testing.assert_allclose(scores.values[0], [1, 1, 1.5, 1.5, 1, 2], atol=1e-12)


@pytest.mark.parametrize("method", [exact_shapley, permutation_shapley, kernel_shapley])
def test_shapley_values_add_up_to_the_whole(method):
    world = Bent(np.zeros((2, 7)))
    everything, nothing = world.measure(world.behaviors, np.array([[True] * 7, [False] * 7])).T
    scores = method(world, world.behaviors)
    np.testing.assert_allclose(scores.values.sum(1), everything - nothing, atol=1e-9)


@pytest.mark.parametrize(
    ("method", "options"),
    [(permutation_shapley, {"permutations": 8}), (kernel_shapley, {"subsets": 60})],
)
def test_sampled_shapley_values_miss_by_what_they_say(method, options):
    world = Bent(np.zeros((1, 7)))
    world.three = 12.0
    exact = exact_shapley(world, world.behaviors).values[0]
    draws = [method(world, world.behaviors, seed=seed, **options) for seed in range(200)]
    missed = np.array([d.values[0] - exact for d in draws])
    said = np.sqrt(np.mean([d.errors[0] ** 2 for d in draws], axis=0))
    # The mean of 200 draws is within four of its standard errors of the truth.
    assert (np.abs(missed.mean(0)) <= 4 * missed.std(0) / np.sqrt(200) + 0.02).all()
    moving = missed.std(0) > 0.05
    assert moving.any()
    np.testing.assert_allclose(said[moving], missed.std(0)[moving], rtol=0.35)


def test_least_squares_misses_by_what_it_says():
    effects = np.tile(np.arange(20.0), (400, 1))
    world = LinearWorld(effects, noise=0.5)
    scores = subset_regression(world, world.behaviors, random_subsets(20, 60, sizes="free"))
    off = (scores.values - effects) / scores.errors
    # Student's t with 39 degrees of freedom.
    assert off.std() == pytest.approx(np.sqrt(39 / 37), abs=0.05)


def test_a_datamodel_finds_the_few_that_matter_from_fewer_subsets_than_causes():
    effects = np.zeros((2, 120))
    effects[0, [3, 50]] = 2.0, -1.5
    effects[1, [7]] = 1.0
    world = LinearWorld(effects, noise=0.1, cheap=False)
    scores = datamodel(world, world.behaviors, random_subsets(120, 80))
    for row, own in zip(scores.values, effects, strict=True):
        strongest = np.argsort(-np.abs(row))[: np.count_nonzero(own)]
        assert set(strongest) == set(np.flatnonzero(own))
    np.testing.assert_allclose(scores.values, effects, atol=0.25)
    assert scores.cost.trainings == 80


def test_too_few_subsets_are_refused():
    world = LinearWorld(EFFECTS)
    with pytest.raises(MethodError, match="at least 8 for 7 causes"):
        subset_regression(world, world.behaviors, random_subsets(7, 7))
    with pytest.raises(MethodError, match="at least 10"):
        datamodel(world, world.behaviors, random_subsets(7, 7))
    with pytest.raises(MethodError, match="at least 14"):
        kernel_shapley(world, world.behaviors, subsets=4)
    with pytest.raises(MethodError, match="at most 12"):
        exact_shapley(LinearWorld(np.zeros((1, 13))), world.behaviors)
    with pytest.raises(MethodError, match="reverse"):
        permutation_shapley(world, world.behaviors, permutations=5)
    with pytest.raises(MethodError, match="'uniform'"):
        Fit(kernel="near", penalty="lasso")


def test_standard_errors_are_kept_with_the_scores(tmp_path):
    world = Bent(np.zeros((2, 7)))
    scores = permutation_shapley(world, world.behaviors)
    scores.save(tmp_path / "s")
    np.testing.assert_array_equal(Scores.load(tmp_path / "s").errors, scores.errors)
    half = scores.about(scores.behaviors[1:]).calibrated(-2.0, "test")
    np.testing.assert_allclose(half.errors, 2 * scores.errors[1:])
