import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from whence.core import Cause
from whence.verification.controls import matched_sets


def causes(n, strata=2):
    return [Cause("component", f"c{i}", stratum=f"s{i % strata}", size=float(i)) for i in range(n)]


@given(st.integers(2, 40), st.integers(1, 4), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_controls_are_distinct_and_share_nothing_with_the_named_set(n, size, count, seed):
    rng = np.random.default_rng(seed)
    named = [int(i) for i in rng.choice(n, min(size, n), replace=False)]
    found = matched_sets(causes(n), named, frozenset(), count, rng)
    assert len(found) == len(set(found)) <= count
    assert all(set(named).isdisjoint(s) and len(set(s)) == len(s) >= len(named) for s in found)


def test_controls_have_the_stratum_and_nearly_the_size_of_the_named():
    every = causes(400)
    for drawn in matched_sets(every, [200], frozenset(), 8, np.random.default_rng(0)):
        (control,) = (every[i] for i in drawn)
        assert control.stratum == every[200].stratum
        assert abs(control.size - 200) <= 32


def test_where_single_controls_run_out_larger_sets_are_drawn():
    found = matched_sets(causes(5, strata=1), [0], frozenset(), 8, np.random.default_rng(0))
    assert sorted(map(len, found)) == [1, 1, 1, 1, 2, 2, 2, 2]


def test_a_group_that_shares_a_member_with_the_named_one_is_no_control():
    every = [
        Cause("document", "a", members=("d1", "d2")),
        Cause("document", "b", members=("d2", "d3")),
        Cause("document", "c", members=("d4",)),
    ]
    assert matched_sets(every, [0], frozenset(), 8, np.random.default_rng(0)) == [(2,)]
