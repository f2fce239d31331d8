import numpy as np
import pytest

from tests.verification.linear_world import LinearWorld
from whence.core import Scores
from whence.core.errors import InterventionError, MethodError
from whence.verification import EVEN_SIZES, SIZES, baseline_scores, circuit, curve, pooled_curve

EFFECTS = np.abs(np.random.default_rng(0).normal(size=(6, 40)))


def scores(world, values):
    return Scores(
        values=values,
        behaviors=world.behaviors,
        causes=world.causes,
        method="given",
        estimand="additive",
    )


def by_hand(effects, order, sizes=SIZES):
    """Areas in a world in which effects add up."""
    total = effects.sum()
    counts = [max(1, round(share * effects.shape[1])) for share in sizes]
    f = [effects[:, order[:k]].sum() / total for k in counts]
    areas = [
        (b - a) * (g + h) / 2
        for a, b, g, h in zip(sizes[:-1], sizes[1:], f[:-1], f[1:], strict=True)
    ]
    return np.array(f), sum(areas)


def test_in_an_additive_world_faithfulness_is_a_sum():
    world = LinearWorld(EFFECTS)
    order = np.argsort(-EFFECTS.mean(0))
    found = curve(scores(world, EFFECTS), world)
    f, area = by_hand(EFFECTS, order)
    np.testing.assert_allclose(found.faithfulness, f, atol=1e-9)
    np.testing.assert_allclose(found.completeness, f, atol=1e-9)
    assert found.cpr == pytest.approx(area)
    assert found.cmd == pytest.approx(SIZES[-1] - SIZES[0] - area)
    assert found.deletion == pytest.approx(SIZES[-1] - SIZES[0] - area)
    low, high = found.interval("cpr")
    assert low < found.cpr < high


def test_each_behavior_may_have_its_own_order():
    world = LinearWorld(EFFECTS)
    own = curve(scores(world, EFFECTS), world, shared=False)
    best = np.sort(EFFECTS, axis=1)[:, ::-1]
    np.testing.assert_allclose(own.kept[:, 6] - own.nothing, best[:, : own.counts[6]].sum(1))
    assert own.cpr > curve(scores(world, EFFECTS), world).cpr


def test_sufficiency_and_comprehensiveness_by_hand():
    world = LinearWorld(EFFECTS)
    found = curve(scores(world, EFFECTS), world, shared=False)
    sizes = [1, 2, 4, 8, 20]  # 1, 5, 10, 20 and 50 % of 40, at least one
    best = np.sort(EFFECTS, axis=1)[:, ::-1]
    rest = [best[:, k:].sum(1).mean() for k in sizes]
    gone = [best[:, :k].sum(1).mean() for k in sizes]
    assert found.sufficiency == pytest.approx(np.mean(rest))
    assert found.comprehensiveness == pytest.approx(np.mean(gone))


def test_magnitude_and_score_differ_where_causes_oppose():
    effects = EFFECTS * np.where(np.arange(40) % 2, 1, -0.5)
    world = LinearWorld(effects)
    by_score = curve(scores(world, effects), world)
    by_magnitude = curve(scores(world, effects), world, order="magnitude")
    assert by_score.cpr > 1.0  # supporters alone do more than the whole
    assert by_magnitude.cmd < by_score.cmd


def test_good_orders_beat_those_that_know_nothing():
    world = LinearWorld(EFFECTS + 3 * (np.arange(40) % 7 == 0))
    good = curve(scores(world, world.effects), world)
    rest = [curve(s, world) for s in baseline_scores(world.causes, world.behaviors).values()]
    assert len(rest) == 10
    assert all(good.cpr > other.cpr and good.deletion < other.deletion for other in rest)


def test_wrong_settings():
    world = LinearWorld(EFFECTS)
    other = LinearWorld(EFFECTS[:, :5])
    with pytest.raises(MethodError, match="40 causes"):
        curve(scores(other, other.effects), world)
    for sizes in [(), (0.5, 0.5), (0.0, 1.0), (0.5, 2.0)]:
        with pytest.raises(MethodError, match="ascending"):
            curve(scores(world, EFFECTS), world, sizes=sizes)
    still = LinearWorld(np.zeros((2, 3)))
    with pytest.raises(MethodError, match="the same sum"):
        curve(scores(still, still.effects), still)


def test_behaviors_with_causes_of_their_own_make_one_curve():
    """Two worlds of different sizes: shares of the causes are what they have in common."""
    worlds = [LinearWorld(EFFECTS[:1, :20]), LinearWorld(EFFECTS[1:2, :10])]
    found = pooled_curve([(scores(world, world.effects), world) for world in worlds])
    assert found.kept.shape == (2, len(EVEN_SIZES))
    for row, world in enumerate(worlds):
        best = np.sort(world.effects[0])[::-1]
        for k, share in enumerate(EVEN_SIZES):
            count = max(1, round(share * len(best)))
            assert found.kept[row, k] == pytest.approx(best[:count].sum())
            assert found.removed[row, k] == pytest.approx(best[count:].sum())
    assert found.counts[-1] == 15
    total = sum(world.effects.sum() for world in worlds)
    np.testing.assert_allclose(found.faithfulness, found.kept.sum(0) / total)
    with pytest.raises(MethodError, match="causes that differ"):
        pooled_curve([(scores(worlds[0], worlds[0].effects), worlds[1])])


def test_a_behavior_that_its_causes_oppose_does_not_cancel_another():
    worlds = [LinearWorld(EFFECTS[:1, :10]), LinearWorld(-EFFECTS[:1, :10])]
    found = pooled_curve([(scores(world, world.effects), world) for world in worlds])
    total = EFFECTS[0, :10].sum()
    # With everything both are back where they were: their sum is what it was with nothing.
    assert found.faithfulness[-1] == pytest.approx(0)
    best = np.sort(EFFECTS[0, :10])[::-1]
    least = np.sort(EFFECTS[0, :10])
    for k, share in enumerate(EVEN_SIZES):
        count = max(1, round(share * 10))
        expected = (best[:count].sum() - least[:count].sum()) / (2 * total)
        assert found.faithfulness[k] == pytest.approx(expected)
    low, high = found.interval("insertion")
    assert -1 < low <= high < 1


def test_intervals_and_leads_by_the_same_draws():
    world = LinearWorld(EFFECTS + 3 * (np.arange(40) % 7 == 0))
    good = curve(scores(world, world.effects), world, sizes=EVEN_SIZES)
    rest = [
        curve(s, world, sizes=EVEN_SIZES)
        for s in baseline_scores(world.causes, world.behaviors).values()
    ]
    for area in ("insertion", "deletion", "sufficiency", "comprehensiveness"):
        low, high = good.interval(area)
        assert low <= getattr(good, area) <= high
        assert good.lead([good], area) == (0.0, 0.0)
    assert all(good.lead([other], "insertion")[0] > 0 for other in rest)
    assert all(good.lead([other], "deletion")[1] < 0 for other in rest)
    told = good.to_json()
    assert told["deletion"]["value"] == pytest.approx(good.deletion)
    assert len(told["kept"]) == len(EVEN_SIZES)


class Backup(LinearWorld):
    """The second cause does the work of the first when that is gone; the third adds."""

    def measure(self, behaviors, keep):
        value = 2.0 * (keep[:, 0] | keep[:, 1]) + 1.0 * keep[:, 2]
        return np.tile(value, (len(behaviors), 1))


def test_a_circuit_without_its_backup_is_faithful_but_not_complete():
    world = Backup(np.zeros((2, 6)))
    ids = [cause.id for cause in world.causes]
    part = circuit(world, world.behaviors, [ids[0], ids[2]])
    assert part.faithfulness == pytest.approx(1.0)
    assert part.incompleteness == pytest.approx(2.0)
    np.testing.assert_allclose(part.needs, [2.0, 1.0])
    whole = circuit(world, world.behaviors, ids[:3])
    assert whole.incompleteness == pytest.approx(0.0)
    # Alone neither of the two is needed; without the other, each is.
    np.testing.assert_allclose(whole.needs, [2.0, 2.0, 1.0])
    wide = circuit(world, world.behaviors, ids[:4])
    np.testing.assert_allclose(wide.needs, [2.0, 2.0, 1.0, 0.0])


def test_a_circuit_needs_members():
    world = Backup(np.zeros((2, 6)))
    with pytest.raises(MethodError, match="0 members"):
        circuit(world, world.behaviors, [])
    with pytest.raises(InterventionError, match="no such"):
        circuit(world, world.behaviors, ["no such"])


def test_behaviors_that_oppose_their_causes_do_not_cancel_the_others():
    """Two behaviors, one with all signs turned: of the sum of changes nothing would be left."""
    effects = np.array([[4.0, 2.0, 1.0, 1.0], [-3.0, -2.0, -1.5, -1.0]])
    world, sizes = LinearWorld(effects), [0.25, 1.0]
    given = scores(world, np.tile(effects[0], (2, 1)))
    absolute = curve(given, world, sizes=sizes, absolute=True)
    np.testing.assert_allclose(absolute.faithfulness, [(4 - 3) / 15.5, (8 - 7.5) / 15.5])
    as_in_mib = curve(given, world, sizes=sizes)
    np.testing.assert_allclose(as_in_mib.faithfulness, [(4 - 3) / 0.5, 1.0])
