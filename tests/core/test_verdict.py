import json
import math

from whence.core import Verdict


def verdict(**changes):
    fields = {
        "behavior": 0,
        "causes": ("d1", "d2"),
        "predicted": 2.0,
        "measured": 1.5,
        "controls": (0.0, 0.25),
        "control_mean": 0.125,
        "control_interval": (-math.inf, math.inf),
        "interval": (0.5, math.inf),
        "finding": "confirmed",
        "scope": "this run",
        "estimand": "additive",
    }
    return Verdict(**{**fields, **changes})


def test_the_error_is_predicted_minus_measured():
    assert verdict().error == 0.5
    assert verdict(predicted=None).error is None


def test_a_record_is_json_even_where_an_interval_has_no_end():
    record = json.loads(json.dumps(verdict().to_json(), allow_nan=False))
    assert record["interval"] == [0.5, None]
    assert record["control"]["interval"] == [None, None]
    assert record["control"]["n"] == 2
    assert record["verdict"] == "confirmed"
