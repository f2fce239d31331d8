import numpy as np
import pytest

from whence.core import Cause
from whence.core.errors import InterventionError
from whence.interventions import check_keep, keep_without
from whence.interventions.groups import grouped, kept_singles, membership

SINGLES = tuple(Cause("component", f"C{i}", f"text {i}", size=float(i)) for i in range(5))
GROUPS = {"a": ["C0", "C1"], "b": ["C1", "C2"], "c": ["C4"]}


def test_a_thing_is_gone_when_any_of_its_groups_is():
    causes = grouped(SINGLES, GROUPS)
    table = membership(causes, [c.id for c in SINGLES])
    rng = np.random.default_rng(0)
    for keep in rng.random((20, 3)) < 0.5:
        gone = {
            m for cause, stays in zip(causes, keep, strict=True) if not stays for m in cause.members
        }
        expected = [c.id not in gone for c in SINGLES]
        assert kept_singles(keep[None], table)[0].tolist() == expected


def test_groups_are_causes():
    first = grouped(SINGLES, GROUPS)[0]
    assert first == Cause("component", "a", "text 0, text 1", ("C0", "C1"), "group", 0.5)
    assert grouped(SINGLES, None) is SINGLES


def test_keep_without():
    keep = keep_without(SINGLES, [["C0", "C3"], []])
    assert keep.tolist() == [[False, True, True, False, True], [True] * 5]


@pytest.mark.parametrize("keep", [np.ones((1, 5)), np.ones(5, bool), np.ones((2, 4), bool)])
def test_check_keep(keep):
    with pytest.raises(InterventionError, match="removals x 5 causes"):
        check_keep(keep, SINGLES)
