"""A plan may come from a file that anybody wrote."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from whence.core.errors import PlanError
from whence.explain import Plan
from whence.training import Checkpoint, Recipe, Run


@pytest.mark.parametrize(
    "record",
    [
        [],
        5,
        None,
        {"plan": 5},
        {"by": 5},
        {"by": ["documents"]},
        {"by": []},
        {"slopes": 5},
        {"slopes": [1]},
        {"slopes": [["tracin", "steep"]]},
        {"top_tokens": "3"},
        {"rows": 0},
        {"tested": ["foo"]},
        {"seed": "x"},
        {"seeds": ["a"]},
        {"batch_size": 0},
        {"components": ["neuron"]},
        {"unit": "letter"},
        {"groups": "everything"},
        {"embedding": 1},
        {"through_run": 1},
        {"integrate": -1},
        {"integrate": 99},
        {"unknown": 1},
    ],
)
def test_junk_is_refused_in_one_message(record):
    with pytest.raises(PlanError, match="plan"):
        Plan.from_json(record)


def test_a_plan_survives_its_record():
    plan = Plan(
        by=("token",), checkpoints=(3, 9), embedding=True, slopes=(("bm25", 0.25),), seeds=(1, 2)
    )
    assert Plan.from_json(plan.to_json()) == plan
    assert Plan.from_json({"plan": plan.to_json()}) == plan


class OfSoManySeconds(Run):
    """A run of ten seconds and a thousand tokens, as far as a plan asks."""

    seconds, recipe = 10.0, Recipe()
    checkpoints = tuple(Checkpoint(step, Path("x"), 1e-3) for step in (0, 5, 10))

    def journal(self):
        return [{"tokens": 1000}]

    def corpus(self, path=None):
        return SimpleNamespace(n_tokens=1000)


@pytest.fixture
def fitted(monkeypatch):
    """Plans a budget for a run that takes 10 seconds."""
    from whence.explain import plan as module

    monkeypatch.setattr(module, "load_slopes", lambda run: {})
    run = OfSoManySeconds(Path("runs/mine"), {"kind": "trained"})

    def fit(budget, **choices):
        return module.fit(Plan(**choices), run, 1, budget, workers=2)

    return fit


def test_the_derivative_through_the_run_is_taken_where_the_budget_allows(fitted):
    plan, cost = fitted(600.0)
    assert plan.through_run is True
    assert plan.tested[0] == "through-run"
    assert "26 s of a budget of 600 s: taken" in cost.why
    plan, cost = fitted(60.0)
    assert plan.through_run is False
    assert "tracin" in plan.tested
    assert "26 s, more than the 18 s" in cost.why
    assert fitted(600.0, seeds=(0, 1))[0].through_run is False


def test_what_was_said_by_hand_is_kept(fitted):
    assert fitted(60.0, through_run=True)[0].through_run is True
    plan, cost = fitted(600.0, through_run=False)
    assert (plan.through_run, cost.why) == (False, "")


def test_points_of_the_integral_cost_replays(fitted):
    plain, with_points = fitted(600.0)[1], fitted(600.0, integrate=3)[1]
    assert with_points.replays == plain.replays + 3
    assert with_points.scoring == pytest.approx(plain.scoring + 3 * 26)
