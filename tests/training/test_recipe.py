from __future__ import annotations

import pytest

from whence.core.errors import RunError
from whence.training import Recipe


def test_record_and_back():
    recipe = Recipe(steps=7, betas=(0.8, 0.9), size="base")
    assert Recipe.from_json(recipe.to_json()) == recipe


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("context", 1),
        ("rows", 0),
        ("steps", 0),
        ("epochs", 0.0),
        ("learning_rate", float("nan")),
        ("epsilon", 0.0),
        ("warmup", 1.5),
        ("weight_decay", -1.0),
        ("betas", (0.9, 1.0)),
        ("threads", 0),
    ],
)
def test_a_wrong_value_is_named(name, value):
    with pytest.raises(RunError, match=rf"recipe\.{name}"):
        Recipe(**{name: value})


def test_unknown_fields_are_named():
    with pytest.raises(RunError, match="flavour"):
        Recipe.from_json({"flavour": "sweet"})
