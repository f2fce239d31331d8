"""Activations drawn from reference texts, against hooks of our own and against linear models."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.attribution.test_edge_patching import linear
from tests.models.small import ARCHITECTURES, TEXTS, small
from whence.attribution import (
    attribution_patching,
    edge_attribution,
    edge_integrated_gradients,
    leave_one_out,
)
from whence.core import Behavior
from whence.core.errors import InterventionError
from whence.interventions import Components, Divergence, Edges, keep_without, sweep_within
from whence.interventions.instead import drawn_stretches
from whence.models import encode_prompt, value_tensor, values
from whence.models.encoding import EncodedPrompt, encode

PROMPT = "Ada Lovelace was born in"
BEHAVIORS = [Behavior(PROMPT, " London", " Paris"), Behavior("Dogs", " don't fly")]


def resampled(kind, model, **settings):
    return kind(model, replacement="resample", reference=TEXTS, **{"draws": 3} | settings)


def drawn(model, behavior, draws=3, seed=0):
    """The prompts that are drawn for one, as tokens."""
    texts = [encode_prompt(model, text) for text in TEXTS]
    own = [tuple(i for i, s in zip(t.ids, t.is_special, strict=True) if not s) for t in texts]
    prompt = encode_prompt(model, behavior.prompt)
    return drawn_stretches(own, prompt, draws=draws, seed=seed)


def seen_by_heads(model, ids, layer):
    """What goes into the output projection of one layer on some tokens, by a hook of our own."""
    found = []
    site = model.sites.layers[layer].attention_out
    hook = site.register_forward_pre_hook(lambda _, args: found.append(args[0]))
    with torch.no_grad():
        model.module(torch.tensor([ids]), use_cache=False)
    hook.remove()
    return found[0]


def patched_value(model, behavior, other, layer, head):
    """The value with one head's columns from another prompt and the same continuation."""
    encoded = encode(model, behavior)
    site, size = model.sites.layers[layer].attention_out, model.sites.layers[layer].head_size
    columns = slice(head * size, (head + 1) * size)
    total = 0.0
    for sign, answer in ((1, encoded.target_ids), (-1, encoded.foil_ids or ())):
        for i in range(len(answer)):
            instead = seen_by_heads(model, (*other, *answer[:i]), layer)

            def patch(_, args, instead=instead):
                x = args[0].clone()
                x[..., columns] = instead[..., columns]
                return (x,)

            hook = site.register_forward_pre_hook(patch)
            with torch.no_grad():
                ids = torch.tensor([(*encoded.prompt_ids, *answer[:i])])
                logits = model.module(ids, use_cache=False).logits[0, -1]
            hook.remove()
            total += sign * float(torch.log_softmax(logits.double(), -1)[answer[i]])
    return total


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_it_is_the_mean_over_patches_from_every_draw(name):
    model = small(name)
    components = resampled(Components, model, units=("head",), batch_size=5)
    keep = keep_without(components.causes, [["L1.H2"], [], ["L0.H1"]])
    found = components.measure_draws(BEHAVIORS, keep)
    for b, behavior in enumerate(BEHAVIORS):
        for removal, (layer, head) in ((0, (1, 2)), (2, (0, 1))):
            expected = [
                patched_value(model, behavior, other, layer, head)
                for other in drawn(model, behavior)
            ]
            np.testing.assert_allclose(found[b, removal], expected, atol=3e-5)
            assert np.std(expected) > 1e-5
    np.testing.assert_allclose(
        components.measure(BEHAVIORS, keep), found.mean(axis=2), rtol=0, atol=1e-12
    )
    assert (components.measure(BEHAVIORS, keep)[:, 1] == values(model, BEHAVIORS)).all()


@pytest.mark.parametrize("name", ["gpt2", "llama", "gemma2", "mixtral"])
def test_edges_from_every_sender_are_the_drawn_prompts_own(name):
    """All edges cut, and the last token's logits are those that the drawn prompts give."""
    model = small(name)
    behavior = Behavior(PROMPT, " London")
    edges = resampled(Edges, model, receivers=["logits"])
    n = len(encode(model, behavior).target_ids)
    found = edges.measure_draws([behavior], np.zeros((1, len(edges.causes)), dtype=bool))[0, 0]
    for value, other in zip(found, drawn(model, behavior), strict=True):
        target = encode(model, behavior).target_ids
        with torch.no_grad():
            logits = model.module(torch.tensor([(*other, *target)]), use_cache=False).logits[0]
        told = torch.log_softmax(logits[-n - 1 : -1].double(), -1)
        expected = sum(float(told[i, token]) for i, token in enumerate(target))
        assert value == pytest.approx(expected, abs=3e-5)


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_gradients_are_exact_where_the_model_is_linear(name):
    edges = resampled(Edges, linear(name))
    behaviors = [Behavior(PROMPT, " London", " is")]
    exact = leave_one_out(edges, behaviors)
    assert np.abs(exact.values).max() > 1e-2
    assert exact.errors is not None
    assert exact.errors.max() > 1e-3
    for method in (edge_attribution, edge_integrated_gradients):
        found = method(edges, behaviors)
        np.testing.assert_allclose(found.values, exact.values, atol=1e-5)
        np.testing.assert_allclose(found.errors, exact.errors, atol=1e-5)


@pytest.mark.parametrize("name", ["gpt2", "qwen3", "opt"])
def test_attribution_patching_is_the_mean_of_linear_predictions(name):
    """Slope times change for one head, with the slope from a variable of zeros at its place."""
    model, behavior = small(name), BEHAVIORS[1]
    found = attribution_patching(resampled(Components, model, units=("head",)), [behavior])
    encoded, layer, head = encode(model, behavior), 1, 2
    site, size = model.sites.layers[layer].attention_out, model.sites.layers[layer].head_size
    seen = {}

    def watch(_, args):
        seen["a"] = args[0].detach()
        seen["extra"] = torch.zeros_like(args[0], requires_grad=True)
        return (args[0] + seen["extra"], *args[1:])

    hook = site.register_forward_pre_hook(watch)
    value = value_tensor(model, encoded)
    hook.remove()
    (slope,) = torch.autograd.grad(value, seen["extra"])
    columns = slice(head * size, (head + 1) * size)
    falls = []
    for other in drawn(model, behavior):
        instead = seen_by_heads(model, (*other, *encoded.target_ids[:-1]), layer)
        falls.append(float((slope * (seen["a"] - instead))[..., columns].sum()))
    number = [cause.id for cause in found.causes].index(f"L{layer}.H{head}")
    assert found.values[0, number] == pytest.approx(np.mean(falls), abs=1e-5)
    assert found.errors is not None
    assert found.errors[0, number] == pytest.approx(np.std(falls, ddof=1) / 3**0.5, abs=1e-5)
    assert found.cost.forwards == 4


def test_exact_scores_carry_the_spread_over_draws():
    components = resampled(Components, small(), draws=5)
    scores = leave_one_out(components, BEHAVIORS, ["L0.H1", "L2.MLP"])
    keep = keep_without(components.causes, [["L0.H1"], ["L2.MLP"]])
    every = components.measure_draws(BEHAVIORS, keep)
    there = np.isfinite(scores.values)
    assert scores.errors is not None
    assert (there == np.isfinite(scores.errors)).all()
    np.testing.assert_allclose(
        scores.errors[there].reshape(2, 2), every.std(axis=2, ddof=1) / 5**0.5, atol=1e-6
    )
    assert leave_one_out(resampled(Components, small(), draws=1), BEHAVIORS[:1]).errors is None
    assert leave_one_out(Components(small(), replacement="zero"), BEHAVIORS[:1]).errors is None


@pytest.mark.parametrize("kind", [Components, Edges])
def test_draws_are_the_same_in_any_company_and_follow_the_seed(kind):
    made = [resampled(kind, small(), seed=seed) for seed in (0, 0, 1)]
    keep = np.zeros((1, len(made[0].causes)), dtype=bool)
    first = made[0].measure(BEHAVIORS, keep)
    np.testing.assert_allclose(made[1].measure(BEHAVIORS[1:], keep), first[1:], atol=1e-5)
    assert np.abs(made[2].measure(BEHAVIORS, keep) - first).min() > 1e-4


@pytest.mark.parametrize("kind", [Components, Edges])
def test_what_is_not_kept_is_computed_again(kind, monkeypatch):
    usual = resampled(kind, small())
    keep = ~np.eye(len(usual.causes), dtype=bool)[::9]
    expected = usual.measure(BEHAVIORS, keep)
    again = resampled(kind, small(), reuse=False).measure(BEHAVIORS, keep)
    np.testing.assert_allclose(again, expected, atol=2e-5)
    for limit in (100, 60_000):
        for module in ("resuming", "replacements", "beginnings"):
            monkeypatch.setattr(f"whence.interventions.{module}.MOST_KEPT", limit)
        found = resampled(kind, small()).measure(BEHAVIORS, keep)
        np.testing.assert_allclose(found, expected, atol=2e-5)


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_a_pass_that_begins_at_a_layer_and_a_token_is_the_whole_pass(name):
    at_tokens = {"positions": [1, -1], "apart": True, "units": ("head", "stream")}
    usual = resampled(Components, small(name), **at_tokens)
    keep = ~np.eye(len(usual.causes), dtype=bool)
    again = resampled(Components, small(name), reuse=False, **at_tokens)
    expected = again.measure_draws(BEHAVIORS, keep)
    np.testing.assert_allclose(usual.measure_draws(BEHAVIORS, keep), expected, atol=2e-5)
    own = values(small(name), BEHAVIORS)
    assert (np.abs(expected - own[:, None, None]) > 1e-5).any(axis=(0, 2)).mean() > 0.8


def test_a_divergence_is_the_mean_of_that_of_every_draw():
    parts = resampled(Components, small(), draws=2)
    keep = keep_without(parts.causes, [["L0.H1"], []])
    found = Divergence(parts).measure(BEHAVIORS, keep)
    assert (found[:, 0] < -1e-6).all()
    assert (found[:, 1] == 0).all()


def test_memory_counts_what_is_kept_of_every_draw():
    plain = sweep_within(small(), BEHAVIORS)
    few, many = (sweep_within(small(), BEHAVIORS, others=n) for n in (1, 16))
    assert plain.memory < few.memory < many.memory
    assert many.memory - plain.memory == 16 * (few.memory - plain.memory)
    tight = sweep_within(small(), BEHAVIORS, plain.memory // 4, others=10_000)
    assert not tight.reuse
    edges = [sweep_within(small(), BEHAVIORS, edges=True, others=n).memory for n in (0, 8)]
    assert edges[0] < edges[1]


@given(
    st.lists(st.lists(st.integers(5, 20), max_size=9).map(tuple), min_size=1, max_size=4),
    st.integers(1, 4),
    st.integers(0, 2**32),
    st.booleans(),
)
def test_drawn_stretches_are_stretches(texts, size, seed, start):
    special = (True,) * start + (False,) * size
    ids = tuple(range(100, 100 + len(special)))
    prompt = EncodedPrompt("x", "", ids, (None,) * len(ids), special)
    every = [text[i : i + size] for text in texts for i in range(len(text) - size + 1)]
    if not every:
        with pytest.raises(InterventionError, match=f"at least 1 stretches of {size} tokens"):
            drawn_stretches(texts, prompt, draws=1, seed=seed)
        return
    found = drawn_stretches(texts, prompt, draws=len(every), seed=seed)
    # As many draws as places: every place once.
    assert sorted(one[start:] for one in found) == sorted(every)
    assert all(one[:start] == ids[:start] for one in found)
    with pytest.raises(InterventionError, match=f"{len(every)} in {len(texts)} texts"):
        drawn_stretches(texts, prompt, draws=len(every) + 1, seed=seed)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "texts to draw activations from"),
        ({"reference": TEXTS, "draws": 0}, "at least 1"),
    ],
)
@pytest.mark.parametrize("kind", [Components, Edges])
def test_wrong_settings(kind, settings, message):
    with pytest.raises(InterventionError, match=message):
        kind(small(), replacement="resample", **settings)


@pytest.mark.parametrize("kind", [Components, Edges])
def test_texts_that_are_too_short_say_so(kind):
    short = kind(small(), replacement="resample", reference=["Ada", "is"], draws=2)
    with pytest.raises(InterventionError, match=r"0 in 2 texts of up to \d tokens"):
        short.measure(BEHAVIORS[:1], np.zeros((1, len(short.causes)), dtype=bool))
