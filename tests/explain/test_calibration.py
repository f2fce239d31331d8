import numpy as np
import pytest

from whence.core import Behavior, Cause, Scores, Verdict
from whence.explain.calibration import cross_calibrated, fit_slope


def verdict(behavior, causes, measured):
    return Verdict(
        behavior=behavior,
        causes=causes,
        predicted=None,
        measured=measured,
        controls=(),
        control_mean=0.0,
        control_interval=(0.0, 0.0),
        interval=(0.0, 0.0),
        finding="confirmed",
        scope="this run",
        estimand="additive",
    )


def test_the_slope_is_least_squares_through_the_origin():
    rng = np.random.default_rng(0)
    raw = rng.normal(size=50)
    measured = 0.3 * raw + rng.normal(size=50)
    expected = np.linalg.lstsq(raw[:, None], measured, rcond=None)[0][0]
    assert fit_slope(raw, measured).slope == pytest.approx(expected)
    assert fit_slope(np.zeros(3), np.ones(3)) is None


def test_no_behavior_s_own_removal_enters_its_prediction():
    scores = Scores(
        values=np.eye(6) * 2.0,
        behaviors=tuple(Behavior("p", f"t{i}") for i in range(6)),
        causes=tuple(Cause("document", f"d{i}") for i in range(6)),
        method="m",
        estimand="additive",
        unit="rank",
    )
    measured = [1.0, 1.0, 1.0, 1.0, 1.0, 100.0]
    verdicts = [verdict(i, (f"d{i}",), m) for i, m in enumerate(measured)]
    calibrated, predicted = cross_calibrated(scores, verdicts)
    assert predicted[5].predicted == pytest.approx(1.0)  # the others' slope, not its own 100
    assert predicted[0].predicted > 1.0
    assert calibrated.unit == "nats"
    assert cross_calibrated(scores, verdicts[:4]) is None
