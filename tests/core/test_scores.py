import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whence.core import Behavior, Cause, Cost, Coverage, Scores
from whence.core.errors import DamagedError, MethodError, StorageError
from whence.core.records import read_json, seal, write_json


def scores(values, **options):
    values = np.asarray(values, dtype=np.float64)
    return Scores(
        values,
        behaviors=tuple(Behavior(f"p{i}", " t") for i in range(values.shape[0])),
        causes=tuple(Cause("document", f"d{i}") for i in range(values.shape[1])),
        **{"method": "by-hand", "estimand": "alone", **options},
    )


@given(st.lists(st.one_of(st.none(), st.integers(-3, 3)), min_size=1, max_size=50), st.data())
def test_top_is_a_stable_sort_of_what_was_scored(row, data):
    k = data.draw(st.integers(0, len(row) + 1))
    scored = [i for i, x in enumerate(row) if x is not None]
    expected = sorted(scored, key=lambda i: -row[i])[:k]
    values = [[np.nan if x is None else x for x in row]]
    assert scores(values).top(0, k).tolist() == expected


def test_calibration_scales_and_says_where_it_comes_from():
    raw = scores([[1.0, -2.0]], unit="rank", settings={"checkpoints": 3})
    fitted = raw.calibrated(0.5, "8 replays")
    assert fitted.values.tolist() == [[0.5, -1.0]]
    assert fitted.unit == "nats"
    assert fitted.settings["checkpoints"] == 3
    assert fitted.settings["calibration"] == {"slope": 0.5, "source": "8 replays"}
    assert raw.unit == "rank"


def test_costs_add():
    assert Cost(1.5, 2, 3, 4) + Cost(0.5, 20, 30, 40) == Cost(2.0, 22, 33, 44)


@pytest.mark.parametrize(("unit", "estimand"), [("nats", "marginal"), ("percent", "alone")])
def test_an_unknown_estimand_or_unit(untyped, unit, estimand):
    said = untyped(
        "import numpy as np",
        "from whence.core import Scores",
        f"Scores(np.zeros((0, 0)), (), (), 'by-hand', '{estimand}', '{unit}')",
    )
    assert said.startswith("whence.core.errors.MethodError: scores of by-hand: ")
    assert repr(estimand if unit == "nats" else unit) in said


def test_an_array_of_the_wrong_shape():
    with pytest.raises(MethodError, match="1 behaviors x 2 causes"):
        Scores(
            np.zeros((2, 1)),
            (Behavior("p", " t"),),
            (Cause("token", "T0"), Cause("token", "T1")),
            method="by-hand",
            estimand="alone",
        )


@pytest.fixture
def saved(tmp_path):
    made = scores(
        [[1.0, np.nan], [0.1, -3.0]],
        estimand="additive",
        unit="rank",
        settings={"layers": [1, 2]},
        cost=Cost(1.0, 2, 3, 4),
        coverage=Coverage("all 2 documents", 1.0),
    )
    made.save(tmp_path / "scores")
    return made, tmp_path / "scores"


def test_saving_keeps_everything(saved):
    made, folder = saved
    back = Scores.load(folder)
    np.testing.assert_array_equal(back.values, made.values)
    for name in ("behaviors", "causes", "method", "estimand", "unit", "cost", "coverage"):
        assert getattr(back, name) == getattr(made, name), name
    assert back.settings == made.settings


def test_saving_over_something(saved):
    made, folder = saved
    with pytest.raises(StorageError, match="a name that is free"):
        made.save(folder)


def test_a_truncated_array(saved):
    _, folder = saved
    (folder / "values.npy").write_bytes((folder / "values.npy").read_bytes()[:-1])
    with pytest.raises(DamagedError, match=r"values\.npy: expected \d+ bytes"):
        Scores.load(folder)


def test_nothing_there(tmp_path):
    with pytest.raises(DamagedError, match="no such file"):
        Scores.load(tmp_path / "scores")


def alter(folder, change):
    record = read_json(folder / "scores.json")
    change(record)
    write_json(folder / "scores.json", record)
    seal(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda r: r.update(version=2),
        lambda r: r.pop("unit"),
        lambda r: r.update(unit="percent"),
        lambda r: r["causes"].pop(),
        lambda r: r["causes"][0].update(kind="neuron"),
        lambda r: r["cost"].update(dollars=3),
    ],
)
def test_scores_of_other_make_that_cannot_be_read(saved, change):
    _, folder = saved
    alter(folder, change)
    with pytest.raises(DamagedError):
        Scores.load(folder)


def test_a_pickle_in_disguise_is_not_opened(saved):
    _, folder = saved
    np.save(folder / "values.npy", np.array([[object()] * 2] * 2), allow_pickle=True)
    seal(folder)
    with pytest.raises(DamagedError, match="allow_pickle"):
        Scores.load(folder)
