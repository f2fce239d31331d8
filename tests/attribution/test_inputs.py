import numpy as np
import pytest
import torch

from tests.models.small import small
from whence.attribution import gradient_x_input, integrated_gradients
from whence.core import Behavior
from whence.core.errors import MethodError
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
