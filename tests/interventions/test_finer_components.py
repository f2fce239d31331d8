"""Neurons, streams, chosen positions, and passes that begin in the middle."""

import copy

import numpy as np
import pytest
import torch

from tests.models.small import ARCHITECTURES, TEXTS, small
from whence.attribution import attribution_patching
from whence.core import Behavior
from whence.core.errors import InterventionError
from whence.interventions import Components, keep_without
from whence.interventions.replacements import activations
from whence.models import Model, encode, rows_of, values

PROMPT, OTHER = "Ada Lovelace was born in", "Ada Lovelace was born is"
BEHAVIORS = [Behavior(PROMPT, " London", " Paris"), Behavior(PROMPT, " the", " a")]
DENSE = [name for name in ARCHITECTURES if name not in ("mixtral", "qwen2_moe")]


def without(components, *removals, behaviors=BEHAVIORS):
    return components.measure(behaviors, keep_without(components.causes, removals))


@pytest.mark.parametrize("name", DENSE)
def test_a_neuron_is_a_column_of_the_last_matrix(name):
    model = small(name)
    components = Components(model, units=("neuron",), replacement="zero")
    found = without(components, ["L1.N5"], ["L0.N3", "L2.N7"])
    for column, neurons in enumerate([[(1, 5)], [(0, 3), (2, 7)]]):
        other = Model(copy.deepcopy(model.module), model.tokenizer)
        for layer, neuron in neurons:
            weight = other.sites.layers[layer].mlp_out.weight.data
            (weight if name == "gpt2" else weight.T)[neuron] = 0
        np.testing.assert_allclose(found[:, column], values(other, BEHAVIORS), atol=2e-5)


def test_experts_have_no_neurons_to_name():
    with pytest.raises(InterventionError, match="mixture of experts"):
        Components(small("mixtral"), units=("neuron",), replacement="zero")


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_stream_of_another_prompt_is_that_prompt(name):
    model = small(name)
    components = Components(model, units=("stream",), replacement="other", other_prompt=OTHER)
    found = without(components, ["L0.stream"], ["L1.stream"], ["L2.stream"])
    expected = values(model, [Behavior(OTHER, b.target, b.foil) for b in BEHAVIORS])
    np.testing.assert_allclose(found, expected[:, None].repeat(3, axis=1), atol=2e-5)


@pytest.mark.parametrize("name", ["gpt2", "llama", "olmo2", "opt"])
def test_heads_at_positions_by_a_hook(name):
    model = small(name)
    n = len(encode(model, BEHAVIORS[0]).prompt_ids)
    parts = Components(
        model, units=("head",), replacement="zero", positions=[0, 2, n - 1], apart=True
    )
    assert [c.id for c in parts.causes[:4]] == ["L0.H0@0", "L0.H0@2", f"L0.H0@{n - 1}", "L0.H1@0"]
    found = without(parts, ["L1.H2@2"], ["L0.H1@0", f"L1.H2@{n - 1}"])

    def zeroing(layer, head, position):
        site = model.sites.layers[layer]

        def hook(_, args):
            x = args[0].clone()
            x[:, position, head * site.head_size : (head + 1) * site.head_size] = 0
            return (x,)

        return site.attention_out.register_forward_pre_hook(hook)

    for column, places in enumerate([[(1, 2, 2)], [(0, 1, 0), (1, 2, n - 1)]]):
        handles = [zeroing(*place) for place in places]
        expected = values(model, BEHAVIORS)
        for handle in handles:
            handle.remove()
        np.testing.assert_allclose(found[:, column], expected, atol=2e-5)


def test_positions_together_are_positions_apart_all_removed():
    model = small("llama")
    settings = {"replacement": "other", "other_prompt": OTHER, "units": ("head", "stream")}
    together = Components(model, positions=[1, -1], **settings)
    apart = Components(model, positions=[1, -1], apart=True, **settings)
    for ids in (["L1.H2"], ["L0.H0", "L2.stream"]):
        each = [f"{name}@{position}" for name in ids for position in (1, -1)]
        np.testing.assert_allclose(without(together, ids), without(apart, each), atol=1e-6)


def test_a_negative_position_counts_from_the_prompts_end():
    model = small("gpt2")
    n = len(encode(model, BEHAVIORS[0]).prompt_ids)
    found, expected = (
        without(Components(model, replacement="zero", positions=[p]), ["L1.H0"])
        for p in (-2, n - 2)
    )
    assert (found == expected).all()


@pytest.mark.parametrize("name", ["gpt2", "qwen3"])
def test_first_order_at_positions_adds_up(name):
    model = small(name)
    n = len(encode(model, BEHAVIORS[0]).prompt_ids)
    settings = {"units": ("head", "mlp", "layer", "stream"), "replacement": "zero"}
    apart = attribution_patching(
        Components(model, positions=range(n), apart=True, **settings), BEHAVIORS
    ).values.reshape(len(BEHAVIORS), -1, n)
    together = attribution_patching(Components(model, positions=range(n), **settings), BEHAVIORS)
    np.testing.assert_allclose(apart.sum(2), together.values, atol=1e-4)
    one = attribution_patching(Components(model, positions=[3], **settings), BEHAVIORS)
    np.testing.assert_allclose(apart[:, :, 3], one.values, atol=1e-5)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_pass_from_the_middle_is_the_whole_pass(name):
    model = small(name)
    behaviors = [*BEHAVIORS, Behavior("Dogs", " don't fly", " do")]
    settings = {"units": ("head", "mlp", "layer", "stream"), "replacement": "mean"}
    reused, whole = (
        Components(model, reference=TEXTS[:2], reuse=reuse, **settings) for reuse in (True, False)
    )
    keep = np.random.default_rng(0).random((12, len(whole.causes))) < 0.9
    keep = np.concatenate([keep, ~np.eye(len(whole.causes), dtype=bool), keep[:1] | True])
    found, expected = (parts.measure(behaviors, keep) for parts in (reused, whole))
    np.testing.assert_allclose(found, expected, atol=2e-5)
    assert (found[:, -1] == values(model, behaviors)).all()


@pytest.mark.parametrize("replacement", ["zero", "mean", "other"])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_pass_from_a_token_on_is_the_whole_pass(name, replacement):
    model = small(name)
    behaviors = [*BEHAVIORS, Behavior(OTHER, " don't fly", " do")]
    n = len(encode(model, BEHAVIORS[0]).prompt_ids)
    settings = {
        "units": ("head", "mlp", "layer", "stream"),
        "replacement": replacement,
        "reference": TEXTS[:2],
        "other_prompt": {PROMPT: OTHER, OTHER: PROMPT},
        "positions": [-1, 1, n - 3, 4],
        "apart": True,
    }
    reused, whole = (Components(model, reuse=reuse, **settings) for reuse in (True, False))
    keep = np.random.default_rng(0).random((8, len(whole.causes))) < 0.95
    keep = np.concatenate([keep, ~np.eye(len(whole.causes), dtype=bool), keep[:1] | True])
    found, expected = (parts.measure(behaviors, keep) for parts in (reused, whole))
    np.testing.assert_allclose(found, expected, atol=2e-5)
    assert (found[:, -1] == values(model, behaviors)).all()


def test_tokens_before_the_change_are_not_run():
    model = Model(copy.deepcopy(small("llama").module), small("llama").tokenizer)
    n = len(encode(model, BEHAVIORS[0]).prompt_ids)
    parts = Components(model, replacement="zero", positions=[n - 2], apart=True)
    ran = []
    assert model.goes_on  # asked once, in passes of its own
    for site in model.sites.layers:
        site.mlp.register_forward_hook(lambda _, args, __: ran.append(args[0].shape[1]))
    without(parts, [f"L1.H1@{n - 2}"], behaviors=BEHAVIORS[:1])
    row = rows_of(encode(model, BEHAVIORS[0]))[0]
    # The whole row once; then layers 1 and 2 from the token before the last on.
    rest = len(row.ids) - (n - 2)
    assert ran == [len(row.ids)] * 3 + [rest] * 2


def test_too_much_to_keep_is_computed_again(monkeypatch):
    settings = {"replacement": "other", "other_prompt": OTHER, "positions": [1, 3]}
    usual = Components(small(), **settings)
    keep = ~np.eye(len(usual.causes), dtype=bool)
    expected = usual.measure(BEHAVIORS, keep)
    for module in ("resuming", "replacements"):
        monkeypatch.setattr(f"whence.interventions.{module}.MOST_KEPT", 100)
    found = Components(small(), **settings).measure(BEHAVIORS, keep)
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_layers_before_the_change_are_not_run():
    model = Model(copy.deepcopy(small("llama").module), small("llama").tokenizer)
    parts = Components(model, replacement="zero")
    ran = []
    for layer, site in enumerate(model.sites.layers):
        site.mlp.register_forward_hook(lambda *_, layer=layer: ran.append(layer))
    without(parts, ["L2.H1"])
    # Once for the kept stream, once for the removal, which begins at layer 2.
    assert ran == [0, 1, 2, 2]
    assert all("forward" not in site.block.__dict__ for site in model.sites.layers)


def test_blocks_are_whole_again_after_a_fault():
    model = Model(copy.deepcopy(small().module), small().tokenizer)
    parts = Components(model, replacement="zero")

    def fail(*_):
        if "forward" in model.sites.layers[0].block.__dict__:
            raise RuntimeError("in the middle")

    handle = model.sites.layers[2].mlp.register_forward_hook(fail)
    with pytest.raises(RuntimeError, match="in the middle"):
        without(parts, ["L2.H0"])
    handle.remove()
    assert all("forward" not in site.block.__dict__ for site in model.sites.layers)
    assert (values(model, BEHAVIORS) == values(small(), BEHAVIORS)).all()


def test_denoising_brings_the_behavior_back():
    """With the prompts exchanged, everything replaced is the first prompt again."""
    model = small("llama")
    back = Components(model, units=("stream",), replacement="other", other_prompt=PROMPT)
    other = [Behavior(OTHER, b.target, b.foil) for b in BEHAVIORS]
    found = without(back, ["L0.stream"], behaviors=other)[:, 0]
    np.testing.assert_allclose(found, values(model, BEHAVIORS), atol=2e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"positions": []}, "some different tokens"),
        ({"positions": [1, 1]}, "some different tokens"),
        ({"apart": True}, "some different tokens"),
        ({"positions": [50]}, "tokens of a prompt of"),
    ],
)
def test_wrong_positions(settings, message):
    with pytest.raises(InterventionError, match=message):
        parts = Components(small(), replacement="zero", **settings)
        parts.measure(BEHAVIORS, np.zeros((1, len(parts.causes)), dtype=bool))


def test_neurons_read_by_hand():
    """What `activations` gives at a neuron's place is the input of the last matrix."""
    model = small("llama")
    parts = Components(model, units=("neuron",), replacement="zero")
    rows = rows_of(encode(model, BEHAVIORS[0]))
    seen = []
    handle = model.sites.layers[1].mlp_out.register_forward_pre_hook(
        lambda _, args: seen.append(args[0])
    )
    found = activations(model, parts.places, rows)
    handle.remove()
    torch.testing.assert_close(found[1], seen[0])
