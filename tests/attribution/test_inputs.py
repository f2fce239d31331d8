import numpy as np
import pytest
import torch

from tests.models.small import small
from whence.attribution import gradient_x_input, integrated_gradients, smooth_grad
from whence.core import Behavior
from whence.core.errors import InterventionError, MethodError
from whence.interventions import Tokens
from whence.models import encode, value_tensor, values

PROMPT = "Ada Lovelace was born in"
BEHAVIORS = [Behavior(PROMPT, " London", " Paris"), Behavior(PROMPT, " the capital")]


@pytest.mark.parametrize("name", ["gpt2", "llama", "gemma2"])
def test_gradient_x_input_is_the_slope_as_embeddings_shrink(name):
    model = small(name)
    scores = gradient_x_input(Tokens(model, PROMPT), BEHAVIORS)
    encoded = encode(model, BEHAVIORS[0])
    with torch.no_grad():
        prompt = model.sites.embedding(torch.tensor(encoded.prompt_ids))
    for column, cause in enumerate(scores.causes):
        at, step = int(cause.id[1:]), 1e-2
        both = torch.stack([prompt.clone(), prompt.clone()])
        both[0, at] *= 1 + step
        both[1, at] *= 1 - step
        with torch.no_grad():
            high, low = value_tensor(model, encoded, prompt_embeddings=both).tolist()
        assert scores.values[0, column] == pytest.approx((high - low) / (2 * step), abs=2e-3)


@pytest.mark.parametrize("name", ["gpt2", "llama", "gemma2"])
def test_integrated_gradients_add_up_to_the_change_from_the_baseline(name):
    model = small(name)
    intervention = Tokens(model, PROMPT)
    scores = integrated_gradients(intervention, BEHAVIORS, steps=512)
    errors = scores.settings["completeness_error"]
    assert np.abs(errors).max() < 0.02
    # The reported error is of all tokens; without a start token the causes are all of them.
    if not any(encode(model, BEHAVIORS[0]).is_special):
        assert scores.values.sum(1) == pytest.approx(values(model, BEHAVIORS), abs=10)


def test_more_steps_miss_less():
    model = small("llama")
    coarse, fine = (
        abs(
            integrated_gradients(Tokens(model, PROMPT), BEHAVIORS[:1], steps=n).settings[
                "completeness_error"
            ][0]
        )
        for n in (1, 128)
    )
    assert fine < coarse


def test_a_group_gets_the_sum_of_its_tokens():
    model = small("llama")
    single = gradient_x_input(Tokens(model, PROMPT), BEHAVIORS)
    words = gradient_x_input(Tokens(model, PROMPT, unit="word"), BEHAVIORS)
    np.testing.assert_allclose(single.values.sum(1), words.values.sum(1), atol=1e-6)
    assert words.values.shape[1] == 5


def test_no_steps_are_refused():
    with pytest.raises(MethodError, match="at least 1"):
        integrated_gradients(Tokens(small("llama"), PROMPT), BEHAVIORS, steps=0)


@pytest.mark.parametrize("baseline", ["mean", "zero", "neutral", 7])
def test_each_baseline_gives_its_own_change(baseline):
    """What scores add up to is v(prompt) - v(baseline), by two passes of the model alone."""
    model = small("gpt2")
    found = integrated_gradients(Tokens(model, PROMPT), BEHAVIORS[:1], 64, baseline=baseline)
    encoded = encode(model, BEHAVIORS[0])
    table = model.module.get_input_embeddings().weight
    start = {
        "mean": table[: len(model.tokenizer)].mean(0),
        "zero": torch.zeros_like(table[0]),
        "neutral": table[0],
        7: table[7],
    }[baseline]
    with torch.no_grad():
        bare = start.expand(len(encoded.prompt_ids), -1)
        none = value_tensor(model, encoded, prompt_embeddings=bare).item()
    change = values(model, BEHAVIORS[:1])[0] - none
    assert found.settings["change"][0] == pytest.approx(change, abs=1e-4)
    assert abs(found.settings["completeness_error"][0]) < 0.05
    assert found.settings["baseline"] in {"mean embedding", "zero", "token 0", "token 7"}


def test_a_little_noise_changes_little_and_averages_out():
    model = small("gpt2")
    tokens = Tokens(model, PROMPT)
    plain = gradient_x_input(tokens, BEHAVIORS)
    still = smooth_grad(tokens, BEHAVIORS, samples=2, noise=1e-5)
    np.testing.assert_allclose(still.values, plain.values, atol=1e-3)
    one, two = (smooth_grad(tokens, BEHAVIORS, samples=400, seed=s).values for s in (0, 1))
    few, other = (smooth_grad(tokens, BEHAVIORS, samples=4, seed=s).values for s in (0, 1))
    # The mean of a hundred times as many samples spreads a tenth as far.
    assert np.abs(one - two).mean() < 0.3 * np.abs(few - other).mean()


def test_smooth_grad_is_the_mean_gradient_at_noisy_prompts():
    model = small("llama")
    tokens = Tokens(model, PROMPT)
    encoded = encode(model, BEHAVIORS[0])
    with torch.no_grad():
        prompt = model.sites.embedding(torch.tensor(encoded.prompt_ids))
    span = (prompt.max() - prompt.min()).item()
    found = smooth_grad(tokens, BEHAVIORS[:1], samples=1, noise=0.2, seed=3)
    from whence.core.seeds import derive

    draws = torch.Generator().manual_seed(derive(3, "smooth-grad"))
    point = prompt + 0.2 * span * torch.randn((1, *prompt.shape), generator=draws)[0]
    point.requires_grad_(True)
    value_tensor(model, encoded, prompt_embeddings=point).backward()
    expected = (point.grad * prompt).sum(-1).detach()
    own = [int(cause.id[1:]) for cause in tokens.causes]
    np.testing.assert_allclose(found.values[0], expected[own], atol=1e-4)


def test_wrong_settings():
    tokens = Tokens(small("llama"), PROMPT)
    with pytest.raises(MethodError, match="mean, zero, neutral, or a token's number"):
        integrated_gradients(tokens, BEHAVIORS, baseline="median")
    with pytest.raises(InterventionError, match="exactly one token"):
        integrated_gradients(tokens, BEHAVIORS, baseline=9999)
    for wrong in ({"samples": 0}, {"noise": 0.0}):
        with pytest.raises(MethodError, match="noise above 0"):
            smooth_grad(tokens, BEHAVIORS, **wrong)
