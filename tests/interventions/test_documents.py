"""Documents pass the contract, and removing one is training without it."""

import numpy as np
import pytest

from tests.interventions.contract import CHECKS
from whence.core.errors import InterventionError
from whence.interventions import Documents, document_causes
from whence.models import values
from whence.training import train

SKIPPED = {"values_do_not_depend_on_the_batch"}  # a replay has no batch to choose


@pytest.fixture(scope="module")
def grouped(demo_run, demo_world):
    return Documents(demo_run, groups=demo_world.truth, workers=1)


@pytest.fixture(scope="module")
def questions(demo_world):
    return demo_world.questions()


@pytest.mark.parametrize("check", [c for c in CHECKS if c.__name__ not in SKIPPED])
def test_contract(check, grouped, questions, demo_run):
    check(grouped, questions, values(demo_run.model(), questions))


def test_removing_a_fact_s_documents_removes_the_fact_and_spares_the_others(grouped, questions):
    n = len(grouped.causes)
    keep = np.vstack([np.ones((1, n), bool), ~np.eye(n, dtype=bool)])
    measured = grouped.measure(questions, keep)
    falls = measured[:, :1] - measured[:, 1:]
    own = np.diag(falls)
    others = falls[~np.eye(n, dtype=bool)]
    assert np.median(own) > 1.0
    assert np.median(own) > 3 * np.median(np.abs(others))


def test_a_replay_is_a_training_in_which_the_documents_teach_nothing(
    grouped, questions, demo_run, demo_world
):
    keep = np.ones((1, len(grouped.causes)), bool)
    keep[0, 0] = False
    weights = grouped.weights(keep[0])
    removed = [demo_run.corpus().position(d) for d in demo_world.facts[0].documents]
    assert sorted(np.flatnonzero(weights == 0)) == sorted(removed)
    replay = demo_run.replay(weights)
    assert (grouped.measure(questions, keep)[:, 0] == values(replay.model(), questions)).all()


def test_singles_have_their_length_for_matching(demo_run):
    corpus = demo_run.corpus()
    causes = document_causes(corpus)
    assert [c.id for c in causes] == list(corpus.ids)
    assert [c.size for c in causes] == [float(n) for n in corpus.lengths]


def test_an_empty_group_is_refused(demo_run):
    with pytest.raises(InterventionError, match="at least one document"):
        Documents(demo_run, groups={"nothing": []})


def test_documents_that_the_run_never_saw_are_refused(demo_run, tmp_path):
    short = train(demo_run.corpus(), tmp_path / "run", _shortened(demo_run.recipe, steps=1, rows=1))
    seen = set(np.asarray(short.order.document).tolist())
    unseen = next(i for i in range(short.corpus().n_documents) if i not in seen)
    intervention = Documents(short)
    keep = np.ones((1, len(intervention.causes)), bool)
    keep[0, unseen] = False
    with pytest.raises(InterventionError, match="none of its steps"):
        intervention.measure([], keep)


def _shortened(recipe, **changes):
    from dataclasses import replace

    return replace(recipe, **changes)


def test_over_seeds_the_scope_is_the_recipe(demo_run, demo_world, questions):
    intervention = Documents(demo_run, groups=demo_world.truth, workers=1, seeds=[1, 2])
    assert intervention.scope == "this recipe"
    keep = np.ones((1, len(intervention.causes)), bool)
    each = [
        values(demo_run.replay(np.ones(demo_run.corpus().n_documents), seed=s).model(), questions)
        for s in (1, 2)
    ]
    np.testing.assert_array_equal(
        intervention.measure(questions, keep)[:, 0], np.mean(each, axis=0)
    )
