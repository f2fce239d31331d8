"""Context length probing: the rise with each further cause, against shorter prompts by hand."""

import numpy as np
import pytest

from tests.models.small import single_bytes, small
from tests.verification.linear_world import LinearWorld
from whence.attribution import context_length_probing
from whence.core import Behavior
from whence.core.errors import InterventionError
from whence.interventions import Divergence, Tokens
from whence.models import Model, encode, values
from whence.models.rows import log_probabilities, rows_of

PROMPT = "Ada Lovelace was born in"
BEHAVIORS = [Behavior(PROMPT, " London", " Paris"), Behavior(PROMPT, " the capital")]


def by_hand(model, behavior, first):
    """The value behind the start token and the prompt's tokens from `first` on."""
    encoded = encode(model, behavior)
    ids = (encoded.prompt_ids[0], *encoded.prompt_ids[first:])
    return sum(
        score.sign * x
        for row in rows_of(encoded, ids)
        for score, x in zip(row.scores, log_probabilities(model, [row]).tolist(), strict=True)
    )


def test_each_token_gets_the_rise_when_it_comes_in():
    model = small("llama")
    tokens = Tokens(model, PROMPT)
    found = context_length_probing(tokens, BEHAVIORS)
    n = len(encode(model, BEHAVIORS[0]).prompt_ids)
    for row, behavior in zip(found.values, BEHAVIORS, strict=True):
        lengths = [by_hand(model, behavior, first) for first in range(1, n + 1)]
        np.testing.assert_allclose(row, -np.diff(lengths), atol=2e-5)
        whole, nothing = values(model, [behavior])[0], lengths[-1]
        assert row.sum() == pytest.approx(whole - nothing, abs=2e-5)


def test_where_effects_add_up_it_gives_the_effects():
    effects = np.random.default_rng(0).normal(size=(3, 12))
    world = LinearWorld(effects, sizes=list(np.random.default_rng(1).permutation(12)))
    found = context_length_probing(world, world.behaviors)
    np.testing.assert_allclose(found.values, effects, atol=1e-12)


def test_the_nearest_comes_in_first():
    """Two causes that do the same work: the nearer takes all of it."""

    class Same(LinearWorld):
        def measure(self, behaviors, keep):
            return np.tile((keep[:, 0] | keep[:, 2]).astype(float), (len(behaviors), 1))

    world = Same(np.zeros((1, 3)), sizes=[5, 6, 7])
    found = context_length_probing(world, world.behaviors)
    np.testing.assert_array_equal(found.values, [[0, 0, 1]])


def test_the_distance_to_the_whole_prediction():
    tokens = Tokens(small(), PROMPT, unit="word")
    found = context_length_probing(Divergence(tokens), BEHAVIORS)
    assert found.values.sum(1) == pytest.approx(
        -Divergence(tokens).measure(BEHAVIORS, np.zeros((1, 5), dtype=bool))[:, 0]
    )


def test_nothing_to_predict_from_is_an_error():
    model = Model(small().module, single_bytes())
    with pytest.raises(InterventionError, match="at least one token to predict from"):
        context_length_probing(Tokens(model, "ab"), [Behavior("ab", " c")])
