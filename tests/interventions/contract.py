"""What every intervention must do, as checks that take one and some behaviors."""

import json

import numpy as np
import pytest

from whence.core.errors import InterventionError
from whence.interventions import Intervention, keep_without

CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


def keeps(intervention, n=6, seed=0):
    """Random removals, of about one cause in four, none of them empty."""
    keep = np.random.default_rng(seed).random((n, len(intervention.causes))) < 0.75
    keep[np.arange(n), np.arange(n) % keep.shape[1]] = False
    return keep


@check
def is_an_intervention(intervention, behaviors, own):
    assert isinstance(intervention, Intervention)
    assert intervention.scope in {"this run", "this model", "this recipe"}
    assert all(cause.kind == intervention.kind for cause in intervention.causes)
    ids = [cause.id for cause in intervention.causes]
    assert len(set(ids)) == len(ids) > 0


@check
def keeping_all_gives_the_own_values_to_the_last_bit(intervention, behaviors, own):
    keep = np.ones((3, len(intervention.causes)), dtype=bool)
    keep[1, 0] = False
    found = intervention.measure(behaviors, keep)
    assert found.dtype == np.float64
    assert found.shape == (len(behaviors), 3)
    assert (found[:, 0] == own).all()
    assert (found[:, 2] == own).all()


@check
def the_same_question_gives_the_same_bits(intervention, behaviors, own):
    keep = keeps(intervention)
    first = intervention.measure(behaviors, keep)
    assert (first == intervention.measure(behaviors, keep)).all()


@check
def the_order_of_removals_does_not_matter(intervention, behaviors, own):
    keep = keeps(intervention)
    order = np.random.default_rng(1).permutation(len(keep))
    found = intervention.measure(behaviors, keep)
    np.testing.assert_allclose(
        intervention.measure(behaviors, keep[order]), found[:, order], atol=1e-5
    )


@check
def values_do_not_depend_on_the_batch(intervention, behaviors, own):
    keep = keeps(intervention, 3)
    found = intervention.measure(behaviors, keep)
    for b, behavior in enumerate(behaviors):
        for s in range(len(keep)):
            alone = intervention.measure([behavior], keep[s : s + 1])
            np.testing.assert_allclose(alone[0, 0], found[b, s], atol=1e-5)


@check
def some_removal_changes_something(intervention, behaviors, own):
    found = intervention.measure(behaviors, ~np.eye(len(intervention.causes), dtype=bool))
    assert (np.abs(found - own[:, None]) > 1e-4).any()


@check
def no_removal_and_no_behavior_give_empty_arrays(intervention, behaviors, own):
    n = len(intervention.causes)
    assert intervention.measure(behaviors, np.ones((0, n), bool)).shape == (len(behaviors), 0)
    assert intervention.measure([], np.ones((2, n), bool)).shape == (0, 2)


@check
def it_describes_itself_as_json(intervention, behaviors, own):
    about = intervention.describe()
    assert json.loads(json.dumps(about, allow_nan=False)) == about
    assert about["kind"] == intervention.kind
    assert about["removal"]


@check
def a_wrong_shape_is_an_error(intervention, behaviors, own):
    n = len(intervention.causes)
    with pytest.raises(InterventionError, match=f"removals x {n} causes"):
        intervention.measure(behaviors, np.ones((2, n + 1), dtype=bool))


@check
def an_unknown_cause_is_an_error(intervention, behaviors, own):
    with pytest.raises(InterventionError, match="no such thing"):
        keep_without(intervention.causes, [["no such thing"]])
