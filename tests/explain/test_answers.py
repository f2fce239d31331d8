"""A whole answer: each row is the score of that token alone, by all that stands before it."""

import numpy as np
import pytest

from tests.models.small import small
from whence.attribution import leave_one_out
from whence.core import Behavior
from whence.core.errors import MethodError, PlanError
from whence.explain import answer_map, explain_many
from whence.explain.report import render
from whence.interventions import Tokens
from whence.models import answers_token_by_token
from whence.worlds import induction

PROMPT = "Ada Lovelace was born in"
ANSWER = [
    Behavior(PROMPT, " London"),
    Behavior(PROMPT + " London", " and"),
    Behavior(PROMPT + " London and", " Paris"),
]


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_each_row_is_that_token_removed_from_that_prompt(name):
    model = small(name)
    found = answer_map(model, ANSWER, first=Tokens(model, PROMPT, unit="word"))
    ids = [cause.id for cause in found.causes]
    assert ids == ["W0", "W1", "W2", "W3", "W4", "A0", "A1"]
    for row, behavior in zip(found.values, ANSWER, strict=True):
        words = Tokens(model, behavior.prompt, unit="word")
        expected = leave_one_out(words, [behavior]).values[0]
        np.testing.assert_allclose(row[: len(expected)], expected, atol=2e-5)
        assert np.isnan(row[len(expected) :]).all()


def test_every_token_of_the_prompt_is_a_cause_by_itself():
    model = small()
    found = answer_map(model, ANSWER)
    expected = leave_one_out(Tokens(model, PROMPT), ANSWER[:1]).values[0]
    np.testing.assert_allclose(found.values[0, : len(expected)], expected, atol=2e-5)
    assert [c.id for c in found.causes[-2:]] == ["A0", "A1"]


@pytest.mark.parametrize("method", ["integrated-gradients", "value-flow", "context-length"])
def test_by_other_methods(method):
    found = answer_map(small(), ANSWER, method)
    assert found.method == method
    assert np.isfinite(found.values[2]).all()


def test_the_models_own_answer_rests_on_what_it_said_before():
    """A model that repeats: to say c after "a b c a b" it needs the b that it has just said."""
    model = induction(1).model
    answer = answers_token_by_token(model, "a b c d a", 3)
    assert [behavior.target for behavior in answer] == [" b", " c", " d"]
    found = answer_map(model, answer)
    ids = np.array([cause.id for cause in found.causes])
    needed = [{"T1", "T2", "T5"}, {"T2", "T3", "A0"}, {"T3", "T4", "A1"}]
    for row, expected in zip(found.values, needed, strict=True):
        assert set(ids[np.argsort(-np.nan_to_num(row))[:3]]) == expected


def test_what_does_not_follow_is_refused():
    with pytest.raises(PlanError, match="do not follow one another"):
        answer_map(small(), ANSWER[::-1])
    with pytest.raises(PlanError, match="0 behaviors"):
        answer_map(small(), [])
    with pytest.raises(MethodError, match="names out of"):
        answer_map(small(), ANSWER, "attention")


def test_the_record_and_the_page_hold_it():
    results = explain_many(small(), ANSWER, by=["token"], answer=True)
    told = results[1].record["answer"]
    assert told["tokens"] == [" London", " and", " Paris"]
    assert told["values"][0][-1] is None
    page = render(results[1].record)
    assert "The whole answer" in page
    assert "comes later" in page
    alone = explain_many(small(), ANSWER[:1], by=["token"])[0].record
    assert "answer" not in alone
    assert "The whole answer" not in render(alone)
