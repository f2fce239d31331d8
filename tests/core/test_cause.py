import json

import pytest

from whence.core.cause import Cause, index_of
from whence.core.errors import InterventionError


def test_a_single_thing_is_its_own_only_member():
    assert Cause("token", "T3").members == ("T3",)
    assert Cause("token", "words", members=("T1", "T2")).members == ("T1", "T2")


def test_an_unknown_kind(untyped):
    said = untyped("from whence.core import Cause", "Cause('neuron', 'N1')")
    assert said.startswith("whence.core.errors.InterventionError: cause 'N1': ")
    assert "'neuron'" in said


def test_records_keep_everything():
    cause = Cause("document", "group 1", "Ada ...", ("d1", "d2"), "news", 31.0)
    assert Cause.from_json(json.loads(json.dumps(cause.to_json()))) == cause


def test_names_are_found_in_the_order_asked():
    causes = tuple(Cause("token", f"T{i}") for i in range(20))
    assert index_of(causes, ["T7", "T0", "T7"], "here") == [7, 0, 7]
    assert index_of(causes, [], "here") == []


def test_a_name_that_is_not_there():
    causes = tuple(Cause("token", f"T{i}") for i in range(20))
    with pytest.raises(InterventionError, match=r"here: .*20 causes \(T0, .*got 'T20'"):
        index_of(causes, ["T1", "T20"], "here")
