import numpy as np
import pytest

from tests.verification.linear_world import LinearWorld
from whence.attribution import leave_one_out
from whence.core.errors import InterventionError


def test_in_a_linear_world_the_scores_are_the_effects():
    effects = np.random.default_rng(0).normal(size=(3, 7))
    world = LinearWorld(effects)
    scores = leave_one_out(world, world.behaviors)
    np.testing.assert_allclose(scores.values, effects, atol=1e-12)
    assert (scores.estimand, scores.unit) == ("alone", "nats")
    assert scores.cost.trainings == 0


def test_only_the_causes_asked_for_are_removed():
    world = LinearWorld(np.arange(5.0)[None], cheap=False)
    scores = leave_one_out(world, world.behaviors, ["d3", "d1"])
    np.testing.assert_array_equal(scores.values, [[np.nan, 1, np.nan, 3, np.nan]])
    assert world.measured_subsets == 3
    assert (scores.cost.trainings, scores.coverage.share) == (2, 0.4)


def test_an_unknown_cause_is_refused():
    world = LinearWorld([[1.0, 2.0]])
    with pytest.raises(InterventionError, match="'d9'"):
        leave_one_out(world, world.behaviors, ["d9"])
