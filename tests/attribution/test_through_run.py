"""Through the run: that the derivative is right is tested where it is made; here, its use."""

import numpy as np
import pytest

from whence.attribution import (
    through_run,
    through_run_by_part,
    through_run_by_token,
    through_run_integrated,
)
from whence.core.errors import MethodError
from whence.interventions import Documents
from whence.training import Recipe, train


@pytest.fixture(scope="module")
def run(demo_run, tmp_path_factory):
    """A smooth training: large batches, a long warm-up, an epsilon that matters.

    With the defaults the training is too chaotic for its slope to tell about removals.
    """
    recipe = Recipe(context=64, rows=32, steps=65, epsilon=1e-8, warmup=0.25)
    return train(demo_run.corpus(), tmp_path_factory.mktemp("smooth") / "run", recipe)


@pytest.fixture(scope="module")
def scores(run, demo_world):
    return through_run(Documents(run), demo_world.questions()[:2])


def test_the_documents_that_state_a_fact_come_first(scores, demo_world):
    stating = demo_world.facts[0].documents
    best = [scores.causes[i].id for i in np.argsort(-scores.values[0])[: len(stating)]]
    assert set(best) == set(stating)


def test_a_group_has_the_sum_of_its_documents(run, demo_world, scores):
    ids = [cause.id for cause in scores.causes]
    groups = {"one": ids[:3], "two": ids[3:5]}
    found = through_run(Documents(run, groups=groups), demo_world.questions()[:2])
    assert found.values[:, 0] == pytest.approx(scores.values[:, :3].sum(1), rel=1e-4)
    assert (found.unit, found.estimand) == ("nats", "additive")


@pytest.fixture(scope="module")
def gentle(quick_run, tmp_path_factory):
    """A second's training with large batches."""
    recipe = Recipe(context=16, rows=24, steps=24, epsilon=1e-8, warmup=0.25, learning_rate=5e-3)
    place = tmp_path_factory.mktemp("gentle") / "run"
    return Documents(train(quick_run.run.corpus(), place, recipe), workers=1)


@pytest.fixture(scope="module")
def its_scores(gentle, quick_run):
    return through_run(gentle, quick_run.questions[:2])


def test_parts_add_up(gentle, its_scores, quick_run):
    split = through_run_by_part(gentle, quick_run.questions[:1])
    assert {"L0.H0", "L0.H3", "L0.MLP", "L1.H0", "L1.MLP", "embedding"} <= split.keys()
    whole = split.pop("model").values[0]
    assert whole == pytest.approx(its_scores.values[0], rel=1e-3, abs=1e-4)
    total = sum(part.values[0] for part in split.values())
    assert total == pytest.approx(whole, rel=1e-3, abs=1e-4 * np.abs(whole).max())
    assert "not split" not in split
    coarse = through_run_by_part(gentle, quick_run.questions[:1], heads=False)
    heads = sum(part.values for name, part in split.items() if name.startswith("L1.H"))
    expected = coarse["L1.attention"].values
    assert heads == pytest.approx(expected, rel=1e-3, abs=1e-4 * np.abs(expected).max())


def test_integrated_over_the_way_it_predicts_removals_better_than_at_its_start(
    gentle, its_scores, quick_run
):
    question = quick_run.questions[0]
    named = [its_scores.causes[i].id for i in np.argsort(-its_scores.values[0])[:5]]
    keep = np.array([[c.id not in named for c in gentle.causes]])
    both = np.concatenate([np.ones_like(keep), keep])
    with_them, without = gentle.measure([question], both)[0]
    measured, first = with_them - without, its_scores.values[0, ~keep[0]].sum()
    found = through_run_integrated(gentle, [question], named, points=3)
    assert np.isfinite(found.values).sum() == len(named)
    # 0.93 nats fell, 1.38 were predicted to first order, 0.82 along the way.
    assert abs(np.nansum(found.values) - measured) < 0.35 * abs(first - measured)
    with pytest.raises(MethodError, match="0 points"):
        through_run_integrated(gentle, [question], named, points=0)


def test_tokens_add_up_to_documents(gentle, its_scores, quick_run):
    found = through_run_by_token(gentle, quick_run.questions[:2])
    corpus = gentle.corpus
    frame = len(corpus.start_tokens) + len(corpus.end_tokens)
    for number, (name, length) in enumerate(zip(corpus.ids, corpus.lengths, strict=True)):
        assert found[name].shape == (2, length + frame)
        expected = its_scores.values[:, number]
        assert found[name].sum(1) == pytest.approx(expected, rel=1e-3, abs=1e-4)
