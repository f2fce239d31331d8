"""Rollout and value flow: their pieces against the model's own sums, and on planted truth."""

import numpy as np
import pytest
import torch

from tests.models.small import ARCHITECTURES, STATE_SPACE, small
from whence.attribution import attention_rollout, value_flow
from whence.attribution.flow_terms import layer_terms
from whence.core import Behavior
from whence.core.errors import MethodError, ModelError
from whence.interventions import Tokens
from whence.models import as_matrix, encode, rows_of
from whence.verification import recall_at_planted
from whence.worlds import copying, induction

PROMPT = "Ada Lovelace was born in"
BEHAVIOR = Behavior(PROMPT, " London", " Paris")
KNOWN = [name for name in ARCHITECTURES if name != "opt-norm-after"]


@pytest.mark.parametrize("name", KNOWN)
def test_what_places_write_adds_up_to_what_the_attention_gives(name):
    model = small(name)
    (row,) = rows_of(encode(model, Behavior(PROMPT, " London")))
    given = {}
    handles = []
    for stream in model.streams:
        last = stream.attention_after or stream.sites.attention_out

        def note(module, args, out, at=stream.sites.layer):
            given.setdefault(at, out[0].double())  # the pass; matrices are read afterwards

        handles.append(last.register_forward_hook(note))
    layers = layer_terms(model, row)
    for handle in handles:
        handle.remove()
    for stream, terms in zip(model.streams, layers, strict=True):
        out = stream.sites.attention_out
        width = stream.sites.n_heads * stream.sites.head_size
        constant = as_matrix(out, width, next(out.parameters()))[1].double() * terms.scale
        summed = terms.brought().sum(1) + constant
        np.testing.assert_allclose(summed, given[stream.sites.layer], atol=2e-4)


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("method", [attention_rollout, value_flow])
def test_shares_of_all_tokens_add_up_to_one(name, method):
    tokens = Tokens(small(name), PROMPT)
    scores = method(tokens, [BEHAVIOR])
    assert scores.unit == "rank"
    assert (scores.values > 0).all()
    # What is missing is the start token's and the target's own.
    assert 0.05 < scores.values.sum() < 1


def test_rollout_of_one_layer_by_hand():
    world = copying(1)
    behavior = world.behaviors[0]
    (row,) = rows_of(encode(world.model, Behavior(behavior.prompt, behavior.target)))
    with torch.no_grad():
        ids = torch.tensor([row.ids])
        weights = world.model.module(ids, output_attentions=True).attentions[0][0]
    last = weights.mean(0)[-1].double() / 2
    last[-1] += 0.5
    found = attention_rollout(Tokens(world.model, behavior.prompt), [behavior]).values[0]
    np.testing.assert_allclose(found, last[1:], atol=1e-6)


def test_value_flow_finds_the_token_that_is_copied():
    world = copying(8, noise=0.02)
    for behavior in world.behaviors:
        tokens = Tokens(world.model, behavior.prompt)
        scores = value_flow(tokens, [behavior])
        rest = [c.id for c in tokens.causes[:-1]]  # the last is its own state
        best = max(rest, key=lambda name: scores.values[0, int(name[1:]) - 1])
        assert best == "T3"


def test_both_are_blind_to_the_foil():
    world = induction(1)
    behavior = world.behaviors[0]
    tokens = Tokens(world.model, behavior.prompt)
    other = Behavior(behavior.prompt, behavior.target, " l")
    for method in (attention_rollout, value_flow):
        scores = method(tokens, [behavior, other])
        assert (scores.values[0] == scores.values[1]).all()
        assert scores.settings["foil"] == "plays no part"
    assert recall_at_planted(scores, [{"T1"}, {"T1"}]).shape == (2,)


def test_a_model_that_tells_no_weights_is_refused():
    tokens = Tokens(small("llama", "sdpa"), PROMPT)
    for method in (attention_rollout, value_flow):
        with pytest.raises(MethodError, match=r"'sdpa', which tells none.*attention=.eager"):
            method(tokens, [BEHAVIOR])


def test_a_stream_that_is_no_sum_has_no_value_flow():
    tokens = Tokens(small("opt-norm-after"), PROMPT)
    assert attention_rollout(tokens, [BEHAVIOR]).values.shape == (1, 9)
    with pytest.raises(ModelError, match="residual stream"):
        value_flow(tokens, [BEHAVIOR])


@pytest.mark.parametrize("name", STATE_SPACE)
def test_a_model_without_attention_says_so(name):
    tokens = Tokens(small(name), PROMPT)
    with pytest.raises(MethodError, match="which has no attention"):
        attention_rollout(tokens, [BEHAVIOR])
    with pytest.raises(ModelError, match="state-space layers"):
        value_flow(tokens, [BEHAVIOR])
