"""Tokens drawn into the gaps: by whose probabilities, and what the values then mean."""

import numpy as np
import pytest
import torch

from tests.models.small import byte_level, single_bytes, small
from whence.core import Behavior
from whence.core.errors import InterventionError
from whence.corpus import BuildSettings, RawDocument, build_from_documents, ngram_model
from whence.interventions import Tokens, keep_without
from whence.interventions.drawing import draw, ngram_predictions, own_predictions
from whence.models import Model, encode_prompt, values
from whence.worlds import induction

PROMPT = "Ada Lovelace was born in"


def next_token(model, ids):
    with torch.no_grad():
        logits = model.module(torch.tensor([ids]), use_cache=False).logits[0, -1].double()
    logits[model.tokenizer.all_special_ids] = -torch.inf
    logits[len(model.tokenizer) :] = -torch.inf
    return logits.softmax(-1).numpy()


def test_own_predictions_are_the_models():
    model = small("llama")
    ids = encode_prompt(model, PROMPT).ids
    found = own_predictions(model, 2)([ids[:4], ids[:2], ids])
    for row, prefix in zip(found, (ids[:4], ids[:2], ids), strict=True):
        np.testing.assert_allclose(row, next_token(model, list(prefix)), atol=1e-6)


def test_draws_follow_the_predictions():
    """Frequencies of one drawn token beside its probabilities: a chi-square that holds."""
    model = small()
    ids = encode_prompt(model, PROMPT).ids
    stays = np.ones((1, len(ids)), dtype=bool)
    stays[0, 4] = False
    drawn = draw(ids, stays, own_predictions(model, 8), draws=4000, seed=1)[0]
    assert all(text[:4] == ids[:4] and text[5:] == ids[5:] for text in drawn)
    counts = np.bincount([text[4] for text in drawn], minlength=model.vocabulary_size)
    p = next_token(model, list(ids[:4]))
    likely = p * 4000 > 5
    chi = ((counts - 4000 * p) ** 2 / (4000 * p + 1e-12))[likely].sum()
    assert chi < likely.sum() + 4 * np.sqrt(2 * likely.sum())


def test_what_was_drawn_counts_for_what_is_drawn_next():
    """A model that repeats: after "a b c a" it must say b, whatever c was replaced by."""
    world = induction(1)
    model = world.model
    ids = model.tokenizer("a b c a b")["input_ids"]
    stays = np.ones((1, len(ids)), dtype=bool)
    stays[0, [3, 5]] = False
    for text in draw(ids, stays, own_predictions(model, 8), draws=20, seed=0)[0]:
        if text[3] not in (ids[1], ids[2]):  # then "a b" is the only one to repeat
            assert text[5] == ids[2]


def test_the_value_is_the_mean_over_draws():
    model = small()
    behavior = Behavior(PROMPT, " London", " Paris")
    tokens = Tokens(model, PROMPT, removal="sample", draws=3, seed=5)
    keep = keep_without(tokens.causes, [["T2", "T5"], []])
    found = tokens.measure([behavior], keep)[0]
    assert found[1] == values(model, [behavior])[0]
    replaced = []
    stays = np.ones((1, 10), dtype=bool)
    stays[0, [2, 5]] = False
    ids = encode_prompt(model, PROMPT).ids
    for text in draw(ids, stays, own_predictions(model, 32), draws=3, seed=5)[0]:
        one = Tokens(model, PROMPT, removal="replace", replacement=text[2], groups={"x": ["T2"]})
        if text[5] == ids[5]:
            replaced.append(one.measure([behavior], np.array([[False]]))[0, 0])
        else:
            with torch.no_grad():
                target = model.tokenizer(" London", add_special_tokens=False)["input_ids"]
                foil = model.tokenizer(" Paris", add_special_tokens=False)["input_ids"]
                value = 0.0
                for sign, more in ((1, target), (-1, foil)):
                    whole = [*text, *more]
                    logits = model.module(torch.tensor([whole]), use_cache=False).logits[0]
                    said = logits.log_softmax(-1)
                    value += sign * sum(
                        said[len(text) - 1 + i, t].item() for i, t in enumerate(more)
                    )
            replaced.append(value)
    assert found[0] == pytest.approx(np.mean(replaced), abs=2e-5)


@pytest.fixture(scope="module")
def language(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ngrams")
    byte_level().save_pretrained(folder / "tokenizer")
    documents = [RawDocument(f"d{i}", text) for i, text in enumerate([PROMPT + " London"] * 5)]
    settings = BuildSettings(tokenizer=str(folder / "tokenizer"))
    return ngram_model(build_from_documents(documents, folder / "corpus", settings), 3)


def test_draws_of_the_corpus_say_what_it_says(language):
    model = small()
    ids = encode_prompt(model, PROMPT).ids
    found = ngram_predictions(model, language)([ids[:4]])[0]
    assert found.argmax() == ids[4]
    assert found.sum() == pytest.approx(1)
    tokens = Tokens(model, PROMPT, removal="sample-ngrams", ngrams=language, draws=2)
    behavior = Behavior(PROMPT, " London")
    own = values(model, [behavior])[0]
    found = tokens.measure([behavior], keep_without(tokens.causes, [["T4"], []]))[0]
    assert found[1] == own
    assert tokens.describe()["ngrams"]["order"] == 3


def test_an_ngram_model_of_other_tokens_is_refused(language):
    model = Model(small().module, single_bytes())
    with pytest.raises(InterventionError, match="own 256 tokens"):
        Tokens(model, "ab", removal="sample-ngrams", ngrams=language)


def test_nothing_before_the_first_token_is_an_error():
    model = Model(small().module, single_bytes())
    tokens = Tokens(model, "ab", removal="sample")
    with pytest.raises(InterventionError, match="before the first token"):
        tokens.measure([Behavior("ab", " c")], np.array([[False, True]]))
