"""Components in explanations and judgements: exact where cheap, circuits, what orders carry."""

import json

import numpy as np
import pytest

from tests.models.small import small
from whence.attribution import attribution_patching, leave_one_out
from whence.core import Behavior
from whence.explain import JudgeSettings, Plan, explain, judge_components
from whence.explain.judged_page import judged_page
from whence.explain.report import render
from whence.interventions import Components
from whence.verification import baseline_scores, cascade, curve
from whence.worlds import induction

ASKED = Behavior("Ada Lovelace was born in", " London", " Paris")


@pytest.fixture(scope="module")
def written():
    return induction(6, noise=0.01)


def component_rows(result, method):
    return [row for row in result.rows if row["kind"] == "component" and row["method"] == method]


def test_where_all_is_too_much_the_strongest_by_gradients_are_taken_away(written):
    found = explain(
        written.model, written.behaviors[0], by=["component"], choices=Plan(most_exact=4)
    )
    assert "more than 4; the 4 strongest by gradients were" in found.record["notes"][0]
    exact = component_rows(found, "leave-one-out")
    assert len(exact) == 4
    whole = explain(written.model, written.behaviors[0], by=["component"])
    assert "each was taken away alone, in 10 passes" in whole.record["notes"][0]
    gradients = component_rows(whole, "attribution-patching")
    strongest = sorted(gradients, key=lambda row: -abs(row["predicted"]))[:4]
    assert {row["cause"]["id"] for row in exact} == {row["cause"]["id"] for row in strongest}
    measured = {
        row["cause"]["id"]: row["measured"] for row in component_rows(whole, "leave-one-out")
    }
    for row in exact:
        assert row["measured"] == pytest.approx(measured[row["cause"]["id"]], abs=1e-6)


def test_the_circuit_is_in_the_record_and_drawn_when_asked(written):
    asked = written.behaviors[0]
    plan = Plan(circuit=True, replacement="other", other_prompt=written.others[asked.prompt])
    found = explain(written.model, asked, by=["component"], choices=plan)
    members = {member["id"] for member in found.record["circuit"]["members"]}
    assert members == written.edges["other"]
    assert json.loads(json.dumps(found.record, allow_nan=False)) == found.record
    page = render(found.record)
    assert "of the behavior survives in these 3 of 110 edges" in page
    assert 'aria-label="3 edges between' in page
    again = explain(written.model, asked, by=["component"], choices=plan)
    assert again.record["circuit"] == found.record["circuit"]


def test_judged_by_what_the_first_components_carry(written):
    parts = Components(written.model, replacement="zero")
    settings = JudgeSettings(shares=(), sanity=False, subsets=20, keep_share=0.8)
    names = ["leave-one-out", "information-flow", "direct-logit-attribution", "random"]
    found = judge_components(parts, written.behaviors, names, settings=settings).to_json()
    curves = {row["method"]: row["curve"] for row in found["rows"]}
    assert list(curves) == names
    exact, chance = curves["leave-one-out"], curves["random"]
    assert exact["cmd"]["value"] < chance["cmd"]["value"]
    low, high = exact["comprehensiveness"]["interval"]
    assert low <= exact["comprehensiveness"]["value"] <= high
    assert exact["sufficiency"]["value"] < chance["sufficiency"]["value"]
    assert exact["insertion"]["value"] > chance["insertion"]["value"]
    # Any part of a chain breaks it: without the first alone all is lost that can be lost.
    everything = np.array([[True], [False]]).repeat(len(parts.causes), axis=1)
    whole, nothing = parts.measure(written.behaviors, everything).mean(axis=0)
    assert exact["comprehensiveness"]["value"] == pytest.approx(whole - nothing, rel=0.02)


def test_leads_over_random_orders_and_what_is_blind(written):
    parts = Components(written.model, replacement="zero")
    settings = JudgeSettings(shares=(), sanity=False, subsets=20, keep_share=0.8, cascade=True)
    names = ["leave-one-out", "attribution-patching", "random"]
    found = judge_components(parts, written.behaviors, names, settings=settings)
    record = found.to_json()
    rows = {row["method"]: row for row in record["rows"]}
    # Eight random orders, by the same removals as any other.
    orders = baseline_scores(parts.causes, written.behaviors)
    chance = [curve(s, parts) for name, s in orders.items() if name.startswith("random")]
    assert record["chance"]["orders"] == len(chance) == 8
    assert record["chance"]["insertion"] == pytest.approx(np.mean([c.cpr for c in chance]))
    assert record["chance"]["kept"] == pytest.approx(
        np.mean([c.faithfulness for c in chance], axis=0).tolist()
    )
    own = curve(leave_one_out(parts, written.behaviors), parts)
    low, high = rows["leave-one-out"]["over_random"]["insertion"]
    assert 0 < low < own.cpr - record["chance"]["insertion"] < high
    assert rows["leave-one-out"]["over_random"]["deletion"][1] < 0
    assert rows["leave-one-out"]["ahead"] == ["random"]
    assert rows["random"]["over_random"] == {}
    # Weights dealt out anew: the same as by hand, and none for an order that reads no model.
    by_hand = cascade(
        lambda model: [attribution_patching(parts.on(model), written.behaviors)], written.model
    )
    assert rows["attribution-patching"]["cascade"] == by_hand.to_json()
    assert rows["random"]["cascade"] is None
    page = judged_page(record, ["random"])
    for said in ("CPR (insertion)", "CMD", "mean of 8 random orders", "no longer itself"):
        assert said in page
    assert page.count("<svg") == 3


def test_components_of_another_model_are_taken_away_in_the_same_way(written):
    asked = written.behaviors[0]
    other = induction(6, noise=0.3).model
    settings = {
        "units": ("head", "layer"),
        "replacement": "other",
        "other_prompt": written.others,
        "positions": [1, -1],
        "groups": {"first": ["L0.H0", "L1"], "second": ["L1.H0"]},
        "batch_size": 3,
    }
    found, expected = (
        leave_one_out(parts, [asked])
        for parts in (
            Components(written.model, **settings).on(other),
            Components(other, **settings),
        )
    )
    assert (found.values == expected.values).all()
    assert found.settings == expected.settings


def test_methods_that_need_a_sum_are_left_out_where_the_stream_is_none():
    parts = Components(small("mamba"), units=("layer",), replacement="zero")
    settings = JudgeSettings(shares=(), sanity=False, subsets=12, keep_share=0.5)
    found = judge_components(parts, [ASKED], settings=settings)
    names = [row.method for row in found.rows]
    assert "attribution-patching" in names
    assert "information-flow" not in names
