import numpy as np
import pytest
import torch

from tests.models.small import ARCHITECTURES, byte_level, single_bytes, small, unigram
from whence.core import Behavior
from whence.core.errors import BehaviorError, InterventionError
from whence.interventions import Tokens, keep_without
from whence.models import Model, encode, values

PROMPT = "Ada Lovelace was born in"
BEHAVIOR = Behavior(PROMPT, " London", " Paris")


def log_p(model, prompt, continuation, masked=(), positions=None):
    """By hand: one text; masked tokens are hidden from every other."""
    ids = torch.tensor([[*prompt, *continuation]])
    mask = torch.ones_like(ids)
    mask[0, list(masked)] = 0
    places = torch.arange(ids.shape[1])[None] if positions is None else torch.tensor([positions])
    with torch.no_grad():
        logits = model.module(
            ids, attention_mask=mask, position_ids=places, use_cache=False
        ).logits[0]
    found = logits.log_softmax(-1)
    return sum(found[len(prompt) - 1 + i, t].item() for i, t in enumerate(continuation))


def without(tokens, *removals, behavior=BEHAVIOR):
    return tokens.measure([behavior], keep_without(tokens.causes, removals))[0]


def by_hand(model, change):
    found = encode(model, BEHAVIOR)
    prompt = change(list(found.prompt_ids))
    return log_p(model, prompt, found.target_ids) - log_p(model, prompt, found.foil_ids)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_drop_is_the_shorter_prompt(name):
    model = small(name)
    found = without(Tokens(model, PROMPT), ["T3"], ["T2", "T9"], [f"T{i}" for i in range(1, 10)])
    np.testing.assert_allclose(found[0], by_hand(model, lambda p: p[:3] + p[4:]), atol=2e-5)
    np.testing.assert_allclose(found[1], by_hand(model, lambda p: p[:2] + p[3:9]), atol=2e-5)
    np.testing.assert_allclose(found[2], by_hand(model, lambda p: p[:1]), atol=2e-5)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_drop_with_positions_kept_is_a_token_that_nobody_sees(name):
    """Hiding a token from all others by the attention mask is the same, where no window slides."""
    model = small(name)
    if name in {"mistral", "gemma2", "gemma3"}:
        pytest.skip("a sliding window counts tokens, not positions")
    encoded = encode(model, BEHAVIOR)
    expected = [
        log_p(model, encoded.prompt_ids, encoded.target_ids, hidden)
        - log_p(model, encoded.prompt_ids, encoded.foil_ids, hidden)
        for hidden in ([3], [1, 5, 6])
    ]
    tokens = Tokens(model, PROMPT, removal="drop-keep-positions")
    found = without(tokens, ["T3"], ["T1", "T5", "T6"])
    np.testing.assert_allclose(found, expected, atol=2e-5)
    shifted = without(Tokens(model, PROMPT), ["T3"], ["T1", "T5", "T6"])
    assert (np.abs(found - shifted) > 1e-5).all()


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_masked_token_is_one_that_nobody_sees(name):
    model = small(name)
    encoded = encode(model, BEHAVIOR)
    expected = [
        log_p(model, encoded.prompt_ids, encoded.target_ids, hidden)
        - log_p(model, encoded.prompt_ids, encoded.foil_ids, hidden)
        for hidden in ([3], [1, 5, 6])
    ]
    tokens = Tokens(model, PROMPT, removal="mask")
    np.testing.assert_allclose(without(tokens, ["T3"], ["T1", "T5", "T6"]), expected, atol=2e-5)


@pytest.mark.parametrize("name", ["gpt2", "llama", "opt"])
def test_without_the_last_token_the_one_before_predicts(name):
    model = small(name)
    kept, masked = (
        without(Tokens(model, PROMPT, removal=removal), ["T9"], ["T8", "T9"])
        for removal in ("drop-keep-positions", "mask")
    )
    np.testing.assert_allclose(masked, kept, atol=2e-5)


@pytest.mark.parametrize("name", ["mistral", "gemma2", "gemma3"])
def test_positions_kept_under_a_sliding_window(name):
    model = small(name)
    encoded = encode(model, BEHAVIOR)
    prompt = [t for i, t in enumerate(encoded.prompt_ids) if i != 3]
    places = [0, 1, 2, 4, 5, 6, 7, 8, 9]
    expected = log_p(model, prompt, encoded.target_ids, positions=[*places, 10]) - log_p(
        model,
        prompt,
        encoded.foil_ids,
        positions=[*places, *range(10, 10 + len(encoded.foil_ids))],
    )
    tokens = Tokens(model, PROMPT, removal="drop-keep-positions")
    np.testing.assert_allclose(without(tokens, ["T3"])[0], expected, atol=2e-5)


def test_a_state_space_model_has_nothing_to_hide_tokens_with():
    with pytest.raises(InterventionError, match="a model with attention"):
        Tokens(small("mamba"), PROMPT, removal="mask")


def test_replace_puts_the_neutral_token_there():
    model = small()
    for given, number in ((None, 0), (7, 7), (" London", 282)):
        tokens = Tokens(model, PROMPT, removal="replace", replacement=given)
        expected = by_hand(model, lambda p, n=number: [*p[:4], n, *p[5:]])
        np.testing.assert_allclose(without(tokens, ["T4"])[0], expected, atol=2e-5)
        assert tokens.describe()["replacement"] == number


def test_causes_are_the_prompts_own_tokens():
    tokens = Tokens(small(), PROMPT)
    assert "".join(cause.text for cause in tokens.causes) == PROMPT
    assert tokens.causes[0].id == "T1"  # T0 is the start token: there, but no cause
    assert [cause.size for cause in tokens.causes] == list(range(1, len(tokens.causes) + 1))
    assert {cause.stratum for cause in tokens.causes} == {"token"}


def test_words_are_their_tokens():
    tokens = Tokens(small(), "  Ada Lovelace,  was\nborn 🙂", unit="word")
    assert [c.text for c in tokens.causes] == ["Ada", "Lovelace,", "was", "born", "🙂"]
    members = [m for c in tokens.causes for m in c.members]
    all_tokens = [c.id for c in Tokens(small(), "  Ada Lovelace,  was\nborn 🙂").causes]
    assert sorted(members) == sorted(all_tokens)
    words = Tokens(small(), PROMPT, unit="word")
    singles = Tokens(small(), PROMPT)
    np.testing.assert_allclose(
        without(words, ["W1"]), without(singles, words.causes[1].members), atol=1e-5
    )


def test_spans_take_every_token_that_they_touch():
    start = PROMPT.index("Lovelace")
    spans = Tokens(small(), PROMPT, unit=[(start, start + 8), (0, 1)])
    words = Tokens(small(), PROMPT, unit="word")
    assert [c.id for c in spans.causes] == ["S0", "S1"]
    assert spans.causes[0].text == "Lovelace"
    assert spans.causes[0].members == words.causes[1].members
    assert spans.causes[1].members == ("T1",)


def test_a_word_without_blanks_around_in_other_scripts():
    tokens = Tokens(small(), "東京 🙂", unit="word")
    assert [c.text for c in tokens.causes] == ["東京", "🙂"]


def test_groups_of_words():
    tokens = Tokens(small(), PROMPT, unit="word", groups={"name": ["W0", "W1"]})
    singles = Tokens(small(), PROMPT, unit="word")
    assert tokens.causes[0].text == "Ada, Lovelace"
    np.testing.assert_allclose(without(tokens, ["name"]), without(singles, ["W0", "W1"]), atol=1e-5)


def test_blanks_at_the_end_of_the_prompt_are_the_targets():
    tokens = Tokens(small(), PROMPT + " ")
    assert [c.id for c in tokens.causes] == [c.id for c in Tokens(small(), PROMPT).causes]
    behavior = Behavior(PROMPT + " ", "London", "Paris")
    np.testing.assert_allclose(
        without(tokens, ["T2"], behavior=behavior), without(Tokens(small(), PROMPT), ["T2"])
    )


def test_a_tokenizer_that_ends_texts():
    model = Model(small().module, unigram())
    tokens = Tokens(model, "Alan Turing was born in")
    own = values(model, [Behavior("Alan Turing was born in", " London")])
    keep = np.ones((1, len(tokens.causes)), dtype=bool)
    assert tokens.measure([Behavior("Alan Turing was born in", " London")], keep)[0] == own


def test_nothing_left_to_predict_from_is_an_error():
    model = Model(small().module, single_bytes())
    behavior = Behavior("ab", " c")
    tokens = Tokens(model, "ab")
    with pytest.raises(InterventionError, match="at least one token to predict from"):
        without(tokens, ["T0", "T1"], behavior=behavior)
    assert np.isfinite(without(tokens, ["T1"], behavior=behavior)).all()
    replaced = Tokens(model, "ab", removal="replace", replacement=3)
    assert np.isfinite(without(replaced, ["T0", "T1"], behavior=behavior)).all()


def test_another_prompt_is_an_error():
    tokens = Tokens(small(), PROMPT)
    with pytest.raises(BehaviorError, match="whose tokens are taken away"):
        tokens.measure([Behavior("Dogs", " fly")], np.ones((1, len(tokens.causes)), dtype=bool))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"removal": "hide"}, "drop, drop-keep-positions, mask, replace, sample"),
        ({"unit": "letter"}, "token, word, sentence, demonstration, turn, or a list of spans"),
        ({"unit": [(0, 3), (40, 50)]}, "span .40, 50.: expected characters"),
        ({"unit": [(0, 99)]}, "a span that leaves it"),
        ({"unit": [(3, 3)]}, "a span without a token"),
        ({"removal": "replace", "replacement": " London Paris"}, "exactly one token"),
        ({"removal": "replace", "replacement": 9999}, "exactly one token"),
        ({"groups": {"x": ["T0"]}}, "group 'x'.*T0"),
        ({"unit": []}, "at least one"),
        ({"removal": "drop", "replacement": 3}, "the removal .replace. or .mask."),
        ({"removal": "sample-ngrams"}, "an n-gram model together with"),
        ({"removal": "sample", "draws": 0}, "draws: expected at least 1"),
    ],
)
def test_wrong_settings(settings, message):
    with pytest.raises(InterventionError, match=message):
        Tokens(small(), PROMPT, **settings)


def test_a_prompt_without_text_is_an_error():
    with pytest.raises(InterventionError, match="at least one token in the prompt"):
        Tokens(small(), " ")


def test_no_neutral_token_is_an_error():
    model = Model(small().module, single_bytes())
    with pytest.raises(InterventionError, match="a tokenizer without a neutral one"):
        Tokens(model, "ab", removal="replace")


def test_the_start_token_is_not_a_cause():
    assert byte_level()(PROMPT)["input_ids"][0] == 0
    assert "T0" not in [c.id for c in Tokens(small(), PROMPT).causes]
