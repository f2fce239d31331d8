import pickle

import pytest

from whence.core import errors

KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.UserError)
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_error_survives_the_way_home_from_a_worker(kind):
    if kind is errors.MissingExtraError:
        error = kind("a parquet source", package="pyarrow", extra="parquet")
    else:
        error = kind("runs/a", expected="a run", got="a cat", fix="Feed it.")
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is kind
    assert str(back) == str(error)
    assert (back.place, back.expected, back.got, back.fix) == (
        error.place,
        error.expected,
        error.got,
        error.fix,
    )


def test_a_message_names_place_expectation_finding_and_next_step():
    error = errors.RunError("runs/a", expected="a run", got="a cat", fix="Feed it.")
    assert str(error) == "runs/a: expected a run, got a cat. Feed it."


def test_a_missing_extra_names_the_command_that_installs_it():
    error = errors.MissingExtraError("recording a Trainer", package="accelerate", extra="trainer")
    assert "pip install 'whence[trainer]'" in str(error)


def test_the_tree_in_the_docstring_is_the_tree():
    drawn = {word for word in errors.__doc__.split() if word.endswith("Error")}
    assert drawn == {kind.__name__ for kind in KINDS} | {"WhenceError"}
