import numpy as np
import pytest

from tests.models.small import small
from tests.verification.linear_world import LinearWorld
from whence.attribution import greedy_pruning
from whence.core import Behavior
from whence.core.errors import InterventionError, MethodError
from whence.interventions import Divergence, Edges, Tokens

EFFECTS = np.random.default_rng(0).normal(size=(3, 7))


class Either(LinearWorld):
    """One of the first two is enough; the rest add."""

    def measure(self, behaviors, keep):
        value = 2.0 * (keep[:, 0] | keep[:, 1]) + keep[:, 2:] @ np.arange(1.0, keep.shape[1] - 1)
        return np.tile(value, (len(behaviors), 1))


def test_in_an_additive_world_those_above_the_threshold_stay():
    world = LinearWorld(EFFECTS)
    for threshold in (0.0, 0.1, 0.4):
        pruned = greedy_pruning(world, world.behaviors, threshold)
        assert (pruned.kept == (EFFECTS.mean(0) >= threshold)).all()
        np.testing.assert_allclose(pruned.scores.values, EFFECTS, atol=1e-9)


def test_one_of_two_that_do_the_same_is_enough():
    world = Either(EFFECTS)
    pruned = greedy_pruning(world, world.behaviors, 0.5)
    assert pruned.kept.tolist() == [True, False, *[True] * 5]
    first = greedy_pruning(world, world.behaviors, 0.5, order=[c.id for c in world.causes[:2]])
    assert first.kept.tolist() == [False, *[True] * 6]
    assert np.isnan(first.scores.values[:, 2:]).all()


def test_falls_of_the_removed_add_up():
    world = Either(EFFECTS)
    pruned = greedy_pruning(world, world.behaviors, 2.5)
    ends = np.array([[True] * 7, pruned.kept])
    whole, left = world.measure(world.behaviors, ends)[0]
    assert pruned.scores.values[0, ~pruned.kept].sum() == pytest.approx(whole - left)
    assert not pruned.kept.all()


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_edges_that_are_pruned_by_divergence_hold_it_low(name):
    """Every trial by hand: the same loop over plain measurements."""
    behaviors = [Behavior("Ada Lovelace was born in", " London")]
    edges = Edges(
        small(name),
        senders=["embedding", "L0.MLP", "L1.H1"],
        receivers=["L1.MLP", "L2.H3.Q", "logits"],
        replacement="other",
        other_prompt="Ada Lovelace was born is",
    )
    divergence = Divergence(edges)
    pruned = greedy_pruning(divergence, behaviors, 0.02)
    kept, now = np.ones(len(edges.causes), dtype=bool), 0.0
    for number in reversed(range(len(kept))):
        without = kept.copy()
        without[number] = False
        rise = -divergence.measure(behaviors, without[None])[0, 0]
        if rise - now < 0.02:
            kept, now = without, rise
    assert (pruned.kept == kept).all()
    assert 0 < kept.sum() < len(kept)
    assert now < 0.02 * (~kept).sum()


def test_a_prompt_gets_shorter():
    tokens = Tokens(small("llama"), "Ada Lovelace was born in", unit="word", removal="replace")
    pruned = greedy_pruning(Divergence(tokens), [Behavior(tokens.prompt, " London")], 0.1)
    assert pruned.scores.method == "greedy-pruning"
    assert pruned.scores.cost.forwards == len(tokens.causes) + 1


def test_wrong_settings():
    world = LinearWorld(EFFECTS)
    with pytest.raises(MethodError, match="not negative"):
        greedy_pruning(world, world.behaviors, -1.0)
    with pytest.raises(MethodError, match="0 behaviors"):
        greedy_pruning(world, [], 1.0)
    with pytest.raises(InterventionError, match="no such"):
        greedy_pruning(world, world.behaviors, 1.0, order=["no such"])
