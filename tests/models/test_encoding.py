from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.models.small import END, TOKENIZERS, byte_level, llama_bpe, single_bytes, small, unigram
from whence.core import Behavior
from whence.core.errors import BehaviorError
from whence.models import encode, encode_prompt

PAIRS = [
    ("Ada Lovelace was born in", " London"),
    ("Ada Lovelace was born in ", "London"),
    ("Ada Lovelace was born in", "London"),
    ("The capital of France is", " Paris, and the capital of Japan is"),
    ("The capital of Japan is", "東京."),
    ("The capital of Japan is 東", "京."),
    ("Dogs don", "'t fly"),
    ("Dogs don't fly", " 🙂 but birds do."),
    ("A new line:\n", "begins"),
    ("A new line:", "\nbegins"),
    ("A new line:\n\n  ", "  begins"),
    ("12 + 30 = 4", "2"),
    ("Lon", "don"),
    ("in Lond", "on"),
    ("two  blanks", "  here"),
    ("x", " "),
]
LOSSLESS = ("byte-level", "llama", "bytes")  # this unigram's vocabulary lacks many letters


def text_of(tokenizer, ids):
    return tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)


@pytest.mark.parametrize("kind", LOSSLESS)
@pytest.mark.parametrize(("prompt", "target"), PAIRS)
def test_tokens_decode_to_prompt_and_target(kind, prompt, target):
    tokenizer = TOKENIZERS[kind]()
    found = encode(tokenizer, Behavior(prompt, target, target + "!"))
    assert text_of(tokenizer, found.prompt_ids) == found.prompt == prompt.rstrip()
    assert text_of(tokenizer, found.prompt_ids + found.target_ids) == prompt + target
    assert text_of(tokenizer, found.prompt_ids + found.foil_ids) == prompt + target + "!"
    assert found.prompt + found.target == prompt + target


@pytest.mark.parametrize("target", ["London", " London", ", London too", "don"])
def test_a_unigram_tokenizer_spells_targets_behind_a_prompt(target):
    found = encode(unigram(), Behavior("Alan Turing was born in", target))
    assert text_of(unigram(), found.prompt_ids + found.target_ids) == (
        "Alan Turing was born in" + target
    )


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_the_prompt_is_encoded_as_the_tokenizer_does(kind):
    tokenizer = TOKENIZERS[kind]()
    prompt = "Ada Lovelace was born in"
    usual = tokenizer(prompt)["input_ids"]
    found = encode(tokenizer, Behavior(prompt, " London"))
    ends_with_end = kind == "unigram"
    assert list(found.prompt_ids) == (usual[:-1] if ends_with_end else usual)
    assert found.is_special == (kind != "bytes",) + (False,) * (len(found.prompt_ids) - 1)


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_blanks_at_the_end_of_the_prompt_belong_to_the_target(kind):
    tokenizer = TOKENIZERS[kind]()
    a = encode(tokenizer, Behavior("was born in", " London", " Paris"))
    b = encode(tokenizer, Behavior("was born in ", "London", "Paris"))
    assert a == b


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_the_prompts_tokens_do_not_depend_on_the_target(kind):
    tokenizer = TOKENIZERS[kind]()
    for prompt, target in PAIRS:
        if kind == "unigram" and not set(prompt + target) <= set("Ada Lovelace was born in London"):
            continue
        found = encode(tokenizer, Behavior(prompt, target))
        assert found.prompt_ids == encode_prompt(tokenizer, prompt).ids


def test_a_word_of_the_vocabulary_stays_one_token():
    for tokenizer in (byte_level(), llama_bpe(), unigram()):
        assert len(encode(tokenizer, Behavior("was born in", " London")).target_ids) == 1


def test_a_border_inside_a_word_is_no_token_of_the_whole_word():
    """Joined, " London" is one token; split by the user, the target is spelled by itself."""
    found = encode(byte_level(), Behavior("was born in Lon", "don"))
    joint = byte_level()("was born in London")["input_ids"]
    assert list(found.prompt_ids + found.target_ids) != joint
    assert text_of(byte_level(), found.target_ids) == "don"


@pytest.mark.parametrize("kind", LOSSLESS)
def test_spans_are_exact_and_cover_the_prompt(kind):
    prompt = "The capital of Japan is 東京 🙂 now"
    found = encode_prompt(TOKENIZERS[kind](), prompt)
    spans = [span for span in found.spans if span is not None]
    assert spans[0][0] == 0
    assert spans[-1][1] == len(prompt)
    for (_, end), (start, _) in pairwise(spans):
        assert start <= end  # bytes of one character share it; nothing is left out
    for token, span in zip(found.ids, found.spans, strict=True):
        if span is not None:
            piece = prompt[slice(*span)]
            text = text_of(byte_level(), [token]) if kind == "byte-level" else None
            assert text is None or "\ufffd" in text or text == piece


def test_offsets_that_leave_blanks_out_are_mended():
    from tokenizers import processors
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast(tokenizer_object=byte_level(False).backend_tokenizer)
    tokenizer.backend_tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    found = encode_prompt(tokenizer, "was born in London")
    tokenizer.backend_tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    assert found.spans == encode_prompt(tokenizer, "was born in London").spans


def test_an_empty_prompt_needs_a_start_token():
    found = encode(byte_level(), Behavior("", "London"))
    assert found.prompt_ids == (byte_level().convert_tokens_to_ids(END),)
    assert found.is_special == (True,)
    found = encode(unigram(), Behavior(" \n", "London"))
    assert found.prompt_ids == (0,)  # the end token of an empty text is none of the prompt's
    for tokenizer in (single_bytes(), byte_level(start=False)):
        with pytest.raises(BehaviorError, match="without a start token"):
            encode(tokenizer, Behavior("  ", "London"))


def test_special_tokens_that_the_user_writes_are_the_users():
    found = encode(byte_level(), Behavior(f"one{END}two", " three"))
    assert sum(found.is_special) == 1
    assert found.prompt_ids.count(byte_level().convert_tokens_to_ids(END)) == 2


def test_letters_that_the_tokenizer_does_not_know_are_no_target():
    assert encode(unigram(), Behavior("鬱 was born in", " London")).prompt_ids.count(2)
    for target, foil in ((" 鬱", None), (" London", " 鬱")):
        with pytest.raises(BehaviorError, match="a part is unknown"):
            encode(unigram(), Behavior("was born in", target, foil))


def test_faults():
    with pytest.raises(BehaviorError, match="no target"):
        encode(byte_level(), Behavior("x"))
    with pytest.raises(BehaviorError, match="at most 64 tokens"):
        encode(small(), Behavior("a b c d e " * 40, "x"))


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=12), st.text(min_size=1, max_size=8))
def test_any_text_is_spelled_exactly(prompt, target):
    tokenizer = byte_level()
    try:
        text = (prompt + target).encode().decode()
    except UnicodeEncodeError:
        return
    found = encode(tokenizer, Behavior(prompt, target))
    assert text_of(tokenizer, found.prompt_ids + found.target_ids) == text
    assert found.prompt_ids == encode_prompt(tokenizer, prompt).ids
