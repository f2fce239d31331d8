import numpy as np
import pytest

from tests.verification.linear_world import LinearWorld
from whence.core import Scores
from whence.verification import set_claims, single_claims


def scores(values, **options):
    world = LinearWorld(values)
    return Scores(
        values=world.effects,
        behaviors=world.behaviors,
        causes=world.causes,
        method="test",
        **{"estimand": "additive", **options},
    )


def test_a_set_holds_the_strongest_supporting_causes_and_predicts_their_sum():
    (claim,) = set_claims(scores([[1.0, -5.0, 3.0, 0.5, 2.0]]), top=3)
    assert claim.causes == (0, 2, 4)
    assert claim.predicted == pytest.approx(6.0)


def test_a_set_leaves_out_causes_that_oppose_the_behavior():
    (claim,) = set_claims(scores([[1.0, -5.0, -3.0]]), top=3)
    assert claim.causes == (0,)
    assert set_claims(scores([[-1.0, -5.0]]), top=2) == []


def test_effects_alone_are_not_summed_over_a_set():
    (claim,) = set_claims(scores([[1.0, 2.0]], estimand="alone"), top=2)
    assert claim.predicted is None
    assert [c.predicted for c in single_claims(scores([[1.0, 2.0]], estimand="alone"))] == [2, 1]


def test_ranks_predict_no_size():
    (claim,) = set_claims(scores([[10.0, 20.0]], unit="rank"), top=1)
    assert (claim.causes, claim.predicted, claim.sign) == ((1,), None, 1)


def test_single_claims_are_ordered_by_size_carry_their_sign_and_skip_what_has_no_score():
    claims = single_claims(scores([[1.0, -5.0, np.nan, 2.0]]), top=2)
    assert [(c.causes, c.sign) for c in claims] == [((1,), -1), ((3,), 1)]
