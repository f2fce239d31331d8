from itertools import pairwise

import pytest
import torch
from torch import nn

from tests.models.small import ARCHITECTURES, byte_level, small
from whence.core import Behavior
from whence.core.errors import BehaviorError
from whence.models import (
    Model,
    answers_token_by_token,
    encode,
    greedy,
    with_answer,
)
from whence.models.generation import _most_probable

PROMPT = "Ada Lovelace was born in"


class Scripted(nn.Module):
    """Says what it is told to, whatever the prompt: a module only as far as answers need it."""

    def __init__(self, prompt, says):
        super().__init__()
        self.length = len(byte_level()(prompt)["input_ids"])
        self.says = [*says, byte_level().eos_token_id]
        self.weight = nn.Parameter(torch.zeros(1))

    @property
    def config(self):
        return self

    def get_text_config(self):
        return self

    max_position_embeddings = 64

    def forward(self, input_ids, **_):
        logits = torch.zeros(1, 1, len(byte_level()))
        said = input_ids.shape[1] - self.length
        logits[0, 0, self.says[min(said, len(self.says) - 1)]] = 1
        return type("Output", (), {"logits": logits})


def scripted(prompt, text):
    ids = text if isinstance(text, list) else byte_level()(text, add_special_tokens=False).input_ids
    return Model(Scripted(prompt, ids), byte_level())


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_each_token_is_the_one_that_transformers_generates(name):
    model = small(name)
    ids = list(encode(model, Behavior(PROMPT, "x")).prompt_ids)
    expected = model.module.generate(
        torch.tensor([ids]),
        attention_mask=torch.ones(1, len(ids), dtype=torch.long),
        max_new_tokens=6,
        do_sample=False,
        eos_token_id=None,
        pad_token_id=0,
        suppress_tokens=list(range(len(model.tokenizer), model.vocabulary_size)),
    )[0].tolist()
    for _ in range(6):
        ids.append(_most_probable(model, ids))
    assert ids == expected


@pytest.mark.parametrize(
    ("says", "whole", "line"),
    [
        (" London", " London", " London"),
        (" London.\nAlan", " London.\nAlan", " London."),
        ("\n\n London\nAlan", "\n\n London\nAlan", "\n\n London"),
        (" 東京🙂", " 東京🙂", " 東京🙂"),
        ("\n\n", "\n\n", "\n\n"),
    ],
)
def test_an_answer_ends_with_the_text_or_the_line(says, whole, line):
    model = scripted(PROMPT, says)
    assert greedy(model, PROMPT, 30) == whole
    assert greedy(model, PROMPT, 30, stop_at_line_end=True) == line
    assert with_answer(model, Behavior(PROMPT), 30) == Behavior(PROMPT, line)


def test_the_number_of_tokens_is_limited():
    model = scripted(PROMPT, " London Paris")
    assert greedy(model, PROMPT, 1) == " London"
    assert greedy(model, PROMPT, 0) == ""


def test_the_context_is_a_limit():
    prompt = "was " * 58 + "born"
    model = scripted(prompt, " in" * 20)
    assert greedy(model, prompt, 99).count(" in") == 64 - model.module.length
    with pytest.raises(BehaviorError, match="at most 64 tokens"):
        greedy(model, "was " * 70)


def test_half_a_character_is_no_answer():
    emoji = byte_level()("🙂", add_special_tokens=False).input_ids
    assert len(emoji) > 1
    london = byte_level()(" London", add_special_tokens=False).input_ids
    assert greedy(scripted(PROMPT, [*london, *emoji[:-1]]), PROMPT) == " London"
    assert greedy(scripted(PROMPT, [*london, *emoji[:-1], *london]), PROMPT) == " London"


def test_token_by_token():
    model = scripted(PROMPT, " London is 🙂\nAlan")
    found = answers_token_by_token(model, PROMPT, 30)
    assert found[0] == Behavior(PROMPT, " London")
    assert "".join(b.target for b in found) == " London is 🙂"
    for before, after in pairwise(found):
        assert after.prompt == before.prompt + before.target
    assert any("🙂" in b.target for b in found)


def test_a_target_that_is_there_stays():
    behavior = Behavior(PROMPT, " Paris")
    assert with_answer(scripted(PROMPT, " London"), behavior) is behavior


def test_no_answer_is_an_error():
    for ask in (
        lambda model: with_answer(model, Behavior(PROMPT)),
        lambda model: answers_token_by_token(model, PROMPT),
    ):
        with pytest.raises(BehaviorError, match="the end of the text"):
            ask(scripted(PROMPT, []))
