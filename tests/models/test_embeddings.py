import numpy as np
import pytest
import torch

from whence.core.errors import ModelError
from whence.models import text_embeddings


def by_hand(model, text):
    """One text alone, from the list of all layers' states."""
    found = model.tokenizer(text, return_tensors="pt", return_special_tokens_mask=True)
    special = found.pop("special_tokens_mask")[0].bool()
    found.pop("token_type_ids", None)
    with torch.no_grad():
        states = model.module(**found, output_hidden_states=True).hidden_states[-1][0]
    return states[~special].mean(0).numpy()


TEXTS = ["Ada was born in", "a", "a somewhat longer text about something else, a b c"]


def test_the_mean_of_the_last_states_whatever_the_batch(demo_run):
    model = demo_run.model()
    expected = np.stack([by_hand(model, text) for text in TEXTS])
    for size in (1, 3):
        np.testing.assert_allclose(
            text_embeddings(model, TEXTS, batch_size=size), expected, atol=2e-5
        )


def test_a_text_longer_than_the_context_is_read_in_pieces(demo_run):
    model = demo_run.model()
    word = " born"
    long = word * (3 * model.context)
    ids = model.tokenizer(long)["input_ids"]
    assert len(ids) > model.context
    found = text_embeddings(model, [long])
    assert np.isfinite(found).all()
    sums, count = 0.0, 0
    for start in range(0, len(ids), model.context):
        part = torch.tensor([ids[start : start + model.context]])
        with torch.no_grad():
            states = model.module(part, output_hidden_states=True).hidden_states[-1][0]
        states = states[1:] if start == 0 else states
        sums, count = sums + states.double().sum(0).numpy(), count + len(states)
    np.testing.assert_allclose(found[0], sums / count, atol=2e-5)


def test_a_text_without_tokens(demo_run):
    with pytest.raises(ModelError, match="at least one token"):
        text_embeddings(demo_run.model(), ["a", ""])
