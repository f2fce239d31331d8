"""Mamba: layers and the stream between them, through the same sites and hooks."""

import numpy as np
import pytest

from tests.interventions.contract import CHECKS
from tests.models.small import STATE_SPACE, TEXTS, small
from whence.attribution import attribution_patching, leave_one_out
from whence.core import Behavior
from whence.core.errors import InterventionError, ModelError
from whence.interventions import Components, Tokens, keep_without
from whence.models import values

PROMPT, OTHER = "Ada Lovelace was born in", "Ada Lovelace was born is"
BEHAVIORS = [Behavior(PROMPT, " London", " Paris"), Behavior(PROMPT, " London too")]


def parts(name, **settings):
    return Components(small(name), **({"units": ("layer", "stream")} | settings))


@pytest.mark.parametrize("check", CHECKS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("name", STATE_SPACE)
def test_contract(name, check):
    taken = parts(name, replacement="mean", reference=TEXTS[:3])
    check(taken, BEHAVIORS, values(small(name), BEHAVIORS))


@pytest.mark.parametrize("name", STATE_SPACE)
def test_a_layer_without_its_addition_by_hooks_of_our_own(name):
    model = small(name)
    block = model.sites.layers[1].block
    handle = block.register_forward_hook(lambda _, args, kwargs, out: args[0], with_kwargs=True)
    expected = values(model, BEHAVIORS)
    handle.remove()
    taken = parts(name, replacement="zero")
    found = taken.measure(BEHAVIORS, keep_without(taken.causes, [["L1"]]))
    np.testing.assert_allclose(found[:, 0], expected, atol=1e-5)


@pytest.mark.parametrize("name", STATE_SPACE)
def test_the_stream_of_another_prompt_at_every_token_is_the_other_prompt(name):
    """From the first layer on nothing of the prompt is left; the target's tokens are the same."""
    taken = parts(name, units=("stream",), replacement="other", other_prompt=OTHER)
    found = taken.measure(BEHAVIORS, keep_without(taken.causes, [["L0.stream"]]))
    others = [Behavior(OTHER, b.target, b.foil) for b in BEHAVIORS]
    np.testing.assert_allclose(found[:, 0], values(small(name), others), atol=1e-5)


@pytest.mark.parametrize("name", STATE_SPACE)
def test_passes_that_begin_in_the_middle_match_whole_ones(name):
    found = [
        leave_one_out(parts(name, replacement="zero", reuse=reuse), BEHAVIORS).values
        for reuse in (True, False)
    ]
    np.testing.assert_allclose(*found, atol=2e-6)


@pytest.mark.parametrize("name", STATE_SPACE)
def test_attribution_patching_is_a_slope(name):
    """For a small step towards the replacement the module itself, changed by a hook, moves so."""
    model, step = small(name), 1e-2
    taken = parts(name, units=("layer",), replacement="zero")
    predicted = attribution_patching(taken, BEHAVIORS[:1]).values[0]
    for layer, expected in zip(model.sites.layers, predicted, strict=True):
        moved = []
        for sign in (1, -1):

            def shrink(_, args, out, sign=sign):
                return out - sign * step * (out - args[0])

            handle = layer.block.register_forward_hook(shrink)
            moved.append(values(model, BEHAVIORS[:1])[0])
            handle.remove()
        assert (moved[1] - moved[0]) / (2 * step) == pytest.approx(expected, abs=2e-3, rel=2e-2)


def test_heads_and_positions_with_gaps_are_errors():
    for unit in ("head", "mlp", "neuron"):
        with pytest.raises(InterventionError, match=f"layer or stream.*{unit}"):
            parts("mamba", units=(unit,), replacement="zero")
    tokens = Tokens(small("mamba"), PROMPT, removal="drop-keep-positions")
    with pytest.raises(ModelError, match="counts them itself"):
        tokens.measure(BEHAVIORS[:1], keep_without(tokens.causes, [["T2"]]))
    assert np.isfinite(leave_one_out(Tokens(small("mamba"), PROMPT), BEHAVIORS[:1]).values).all()
    assert small("mamba").context > 10**9
