"""A plan may come from a file that anybody wrote."""

import pytest

from whence.core.errors import PlanError
from whence.explain import Plan


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
