"""Memorisation on panels and subsets whose truth is known, and on a real run."""

from dataclasses import replace

import numpy as np
import pytest

from whence.attribution.memorization import (
    NEVER,
    Panel,
    counterfactual,
    memorization_profile,
    panel_of,
)
from whence.core.errors import MethodError

CHECKPOINTS, PER_COHORT = 6, 60


def true_effect(g, c):
    """Jumps by 2 nats when seen, and half of it is gone a checkpoint later."""
    return 0.0 if c < g else 2.0 * 0.5 ** (c - g)


def simulated(seed, offset=1.5):
    """Cohorts that differ in level, a trend that all share, and noise of each document's own."""
    rng = np.random.default_rng(seed)
    cohort = np.repeat([NEVER, 1, 2, 3, 4, 5], PER_COHORT)
    trend = np.linspace(0, 5, CHECKPOINTS) ** 1.5
    level = rng.normal(size=len(cohort)) + np.where(cohort == NEVER, 0, offset * cohort)
    values = level[:, None] + trend + 0.5 * rng.normal(size=(len(cohort), CHECKPOINTS))
    for row, g in zip(values, cohort, strict=True):
        if g != NEVER:
            row += [true_effect(g, c) for c in range(CHECKPOINTS)]
    return Panel(values, cohort, tuple(range(0, 60, 10)))


TRUTH = np.array([[true_effect(g, c) for c in range(CHECKPOINTS)] for g in range(1, 6)])
BASE = np.arange(CHECKPOINTS) == np.arange(5)[:, None]


def test_the_estimate_is_unbiased_where_the_plain_difference_is_off_by_the_offset():
    found = [memorization_profile(simulated(s), resamples=20) for s in range(40)]
    missed = np.mean([f.effects for f in found], axis=0) - TRUTH
    spread = np.std([f.effects for f in found], axis=0)
    within = np.abs(missed[~BASE]) <= 4 * spread[~BASE] / np.sqrt(40)
    assert within.all()
    plain = np.mean([f.plain for f in found], axis=0) - TRUTH
    offsets = 1.5 * np.arange(1, 6)
    np.testing.assert_allclose(plain.mean(1), offsets, atol=0.15)


def test_errors_are_those_of_repeated_panels():
    found = [memorization_profile(simulated(s), resamples=200) for s in range(60)]
    spread = np.std([f.effects for f in found], axis=0)[~BASE].mean()
    said = np.mean([f.errors for f in found], axis=0)[~BASE].mean()
    assert said == pytest.approx(spread, rel=0.15)
    # The band holds all cells at once in 95 % of panels; 50 or fewer of 60 would be a fault.
    held = [(np.abs(f.effects - TRUTH) <= f.half_width)[~BASE].all() for f in found]
    assert sum(held) > 50


def test_instantaneous_persistent_residual_and_before():
    summary = memorization_profile(simulated(0, offset=0.0)).summary
    after = [TRUTH[g - 1, c] for g in range(1, 6) for c in range(g + 1, CHECKPOINTS)]
    for name, truth in {
        "before": 0.0,
        "instantaneous": 2.0,
        "persistent": np.mean(after),
        "residual": TRUTH[:, -1].mean(),
    }.items():
        low, high = summary[name].interval
        assert low - 0.1 < truth < high + 0.1, name
        assert high - low < 0.8


def test_the_record_and_what_is_significant():
    profile = memorization_profile(simulated(1))
    np.testing.assert_array_equal(np.diag(profile.significant, 1), True)
    assert not profile.significant[~BASE & (TRUTH == 0)].any()
    assert np.isnan(profile.effects[BASE]).all()
    record = profile.to_json()
    assert record["cohorts"] == [10, 20, 30, 40, 50]
    assert len(record["cells"]) == 30
    assert record["cells"][0]["effect"] is None
    assert record["controls"] == PER_COHORT


def test_a_panel_without_controls_or_with_wrong_cohorts_is_refused():
    panel = simulated(0)
    with pytest.raises(MethodError, match="0 controls"):
        memorization_profile(replace(panel, cohort=np.abs(panel.cohort)))
    with pytest.raises(MethodError, match="one cohort a document"):
        replace(panel, cohort=panel.cohort + 9)


def test_counterfactual_memorisation_is_a_difference_of_means():
    rng = np.random.default_rng(0)
    keep = rng.random((30, 8)) < 0.5
    effects = np.arange(8.0)
    likelihoods = -50 + effects * keep + rng.normal(size=keep.shape)
    found = counterfactual(likelihoods, keep)
    for document in range(8):
        with_it, without = (likelihoods[m[:, document], document] for m in (keep, ~keep))
        assert found.effects[document] == pytest.approx(with_it.mean() - without.mean())
        error = np.sqrt(with_it.var(ddof=1) / len(with_it) + without.var(ddof=1) / len(without))
        assert found.errors[document] == pytest.approx(error)
    assert (np.abs(found.effects - effects) < 4 * found.errors).all()


def test_too_few_subsets_are_refused():
    keep = np.ones((4, 2), dtype=bool)
    keep[:2, 0] = False
    with pytest.raises(MethodError, match="0 for one of them"):
        counterfactual(np.zeros((4, 2)), keep)


def test_a_document_is_learned_by_being_seen(demo_run, tmp_path):
    """A run of one pass, and texts of the same kind that it never saw."""
    from whence.corpus import BuildSettings, RawDocument, build_from_documents
    from whence.training import train

    corpus = demo_run.corpus()
    rng = np.random.default_rng(0)
    chosen = rng.permutation(corpus.n_documents).tolist()
    documents = [RawDocument(corpus.ids[i], corpus.text(i)) for i in chosen]
    tokenizer = str(corpus.tokenizer_path)
    settings = BuildSettings(tokenizer=tokenizer)
    half = len(documents) // 2
    seen, held_out = (
        build_from_documents(part, tmp_path / name, settings)
        for name, part in (("seen", documents[:half]), ("held-out", documents[half:]))
    )
    recipe = replace(demo_run.recipe, epochs=1.0, rows=2, context=48, checkpoint_every=4)
    run = train(seen, tmp_path / "run", replace(recipe, learning_rate=1e-2))
    steps = [c.step for c in run.checkpoints if c.step % 4 == 0]
    panel = panel_of(run, held_out, steps=steps)
    first = run.order.first_steps(seen.n_documents)
    # What was seen after the last checkpoint read is as good as never seen.
    unseen = held_out.n_documents + (first > steps[-1]).sum()
    assert (panel.cohort == NEVER).sum() == unseen
    assert panel.cohort[0] == next(i for i, s in enumerate(panel.steps) if s >= first[0])
    profile = memorization_profile(panel, resamples=200)
    instantaneous = profile.summary["instantaneous"]
    assert instantaneous.interval[0] > 0
    assert instantaneous.value > profile.summary["before"].value
    with pytest.raises(MethodError, match="whole corpus"):
        panel_of(run)


def test_controls_that_learn_in_another_way_are_doubted():
    panel = simulated(0)
    assert memorization_profile(panel, resamples=200).doubt is None
    controls = panel.cohort == NEVER
    drift = np.where(controls[:, None], 0.0, 0.5 * np.arange(len(panel.steps)))
    other = replace(panel, values=panel.values + drift)
    doubt = memorization_profile(other, resamples=200).doubt
    assert "do not learn as they do" in doubt
