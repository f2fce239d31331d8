"""Slopes too large to be believed are told from those that may be."""

from pathlib import Path

import numpy as np
import pytest

from whence.core import Behavior, Cause, Scores
from whence.explain import steepness as module
from whence.explain.findings import _after_the_next
from whence.training import Run


def scores(values, method="through-run"):
    values = np.array(values, dtype=float)
    behaviors = tuple(Behavior(f"q{i}", " a") for i in range(len(values)))
    causes = tuple(Cause("document", f"d{i}") for i in range(values.shape[1]))
    return Scores(values, behaviors, causes, method=method, estimand="additive")


class MovedBy(Run):
    """A run whose "models" are the values that they give."""

    def model(self, step=None):
        return self.record["first"] if step == 0 else self.record["last"]


def run_from(first, last):
    return MovedBy(Path("runs/mine"), {"first": first, "last": last})


@pytest.fixture
def look(monkeypatch):
    """The look, at a run that moved every behavior from -1 to 4."""
    monkeypatch.setattr(module, "values", lambda model, b: np.full(len(b), model))
    return lambda values: module.steepness(run_from(-1.0, 4.0), scores(values))


def test_a_document_with_more_than_half_of_all_is_not_believed(look):
    assert (look([[1, -2, 0]]).largest, look([[1, -2, 0]]).moved) == (2, 5)
    assert not look([[1, -2, 0]]).steep
    assert look([[1, -2.6, 0]]).steep
    assert "does not lead" in str(look([[11, 0, 0]]))
    assert "leads" in str(look([[1, 0, 0]]))


def test_most_behaviors_decide(look):
    assert not look([[1, 0], [1, 0], [50, 0]]).steep
    assert look([[1, 0], [30, 0], [50, 0]]).steep


def test_a_behavior_that_hardly_moved_is_taken_to_have_moved_a_nat(monkeypatch):
    monkeypatch.setattr(module, "values", lambda model, b: np.zeros(len(b)))
    found = module.steepness(run_from(0.0, 0.0), scores([[0.4, 0.1]]))
    assert (found.moved, found.steep) == (1.0, False)


def test_what_is_not_believed_stands_behind_the_next_method_but_before_look_ups():
    through, tracin, bm25 = (scores([[1.0]], m) for m in ("through-run", "tracin", "bm25"))
    assert _after_the_next((through, tracin, bm25)) == (tracin, through, bm25)
    assert _after_the_next((through, bm25)) == (through, bm25)
