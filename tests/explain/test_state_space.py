import pytest

from tests.models.small import STATE_SPACE, small
from whence.core import Behavior
from whence.core.errors import InterventionError
from whence.explain import Plan, explain

ASKED = Behavior("Ada Lovelace was born in", " London", " Paris")


@pytest.mark.parametrize("name", STATE_SPACE)
def test_layers_and_tokens_of_a_state_space_model_are_explained(name, tmp_path):
    found = explain(small(name), ASKED, choices=Plan(integrated_steps=2))
    assert found.record["plan"]["components"] == ["layer"]
    parts = {row["cause"]["id"] for row in found.rows if row["kind"] == "component"}
    assert parts == {"L0", "L1", "L2"}
    assert all(row["measured"] is not None for row in found.rows)
    found.save(tmp_path / "page.html")
    assert "L1" in (tmp_path / "page.html").read_text()


def test_heads_that_are_not_there_are_asked_for():
    with pytest.raises(InterventionError, match="layer or stream"):
        explain(small("mamba"), ASKED, by=["component"], choices=Plan(components=("head",)))


def test_memory_sets_the_batch_of_the_plan():
    plan = Plan(circuit=False)
    found = [
        explain(small("llama"), ASKED, by=["component", "token"], memory=memory, choices=plan)
        for memory in (None, 400_000)
    ]
    sizes = [each.record["plan"]["batch_size"] for each in found]
    assert sizes[0] == 32
    assert 1 <= sizes[1] < 32
    for one, other in zip(*(each.rows for each in found), strict=True):
        assert one["measured"] == pytest.approx(other["measured"], abs=1e-5)
