"""Components in explanations and judgements: exact where cheap, circuits, what orders carry."""

import json

import numpy as np
import pytest

from tests.models.small import small
from whence.attribution import attribution_patching, leave_one_out
from whence.core import Behavior
from whence.explain import JudgeSettings, Plan, explain, judge_components, open_subject
from whence.explain.circuit_cost import circuit_cost, circuit_of
from whence.explain.judged_page import judged_page
from whence.explain.report import render
from whence.interventions import Components, sweep_within
from whence.models import BATCH_SIZE, encode, rows_of
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


def circuit_note(found):
    (note,) = (n for n in found.record["notes"] if n.startswith("circuit"))
    return note


def test_the_circuit_is_looked_for_where_that_is_cheap(written, monkeypatch):
    asked = written.behaviors[0]
    found = explain(written.model, asked, by=["component"])
    told = []
    again = explain(written.model, asked, by=["component"], on_plan=lambda *both: told.extend(both))
    assert found.record["circuit"]["causes_in_all"] == 110
    assert found.record["plan"]["circuit"] is True
    assert circuit_note(found).startswith("circuit: looked for: about ")
    assert told[1].circuit == circuit_note(again)
    assert again.record["circuit"] == found.record["circuit"]
    plan = Plan.from_json(found.record)
    assert explain(written.model, asked, plan=plan).record["circuit"] == found.record["circuit"]
    monkeypatch.setattr("whence.explain.circuit_cost.CHEAP_OPERATIONS", 1.0)
    dear = explain(written.model, asked, by=["component"])
    assert "circuit" not in dear.record
    assert "more operations than" in circuit_note(dear)
    for wanted in (True, False):
        found = explain(written.model, asked, by=["component"], choices=Plan(circuit=wanted))
        assert ("circuit" in found.record) == wanted
    assert circuit_note(found).startswith("circuit: left out")


def test_the_circuit_is_left_out_where_edges_are_many_or_none(written):
    asked = written.behaviors[0]
    many = explain(written.model, asked, by=["component"], choices=Plan(most_exact=100))
    assert "each edge alone would take 110, more than 100" in circuit_note(many)
    assert "circuit" not in many.record
    needed = sweep_within(written.model, [asked], edges=True).memory
    tight = explain(written.model, asked, by=["component"], memory=needed // BATCH_SIZE // 3)
    assert "edges need more memory" in circuit_note(tight)
    assert tight.record["plan"]["batch_size"] > 1
    none = explain(small("mamba"), ASKED, by=["component"])
    assert "there are no edges" in circuit_note(none)
    tokens = explain(written.model, asked, by=["token"])
    assert tokens.record["plan"]["circuit"] is False
    assert not any(n.startswith("circuit") for n in tokens.record["notes"])


def test_the_cost_of_a_circuit_is_what_it_takes_at_most(written):
    """Rows that really pass through the model, counted by a hook."""
    asked = written.behaviors[0]
    plan = Plan(replacement="other", other_prompt=written.others[asked.prompt])
    cost = circuit_cost(written.model, [asked], plan)
    assert cost.edges == 110
    passed = []
    handle = written.model.module.register_forward_pre_hook(
        lambda _, args, kwargs: passed.append(len(kwargs["input_ids"])), with_kwargs=True
    )
    circuit_of(open_subject(written.model, None), asked, plan, None)
    handle.remove()
    # Few members make it cheaper than told: at most half of all edges are.
    assert cost.edges < sum(passed) < cost.passes
    size = sum(p.numel() for p in written.model.module.parameters())
    (row,) = rows_of(encode(written.model, asked))
    assert cost.operations == 2 * size * cost.passes * len(row.ids)
    drawn = circuit_cost(written.model, [asked] * 2, Plan(replacement="resample", draws=3))
    assert drawn.edges == 6 * cost.edges
    assert drawn.passes == 6 * cost.passes


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
