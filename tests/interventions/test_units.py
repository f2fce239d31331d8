"""What a prompt is cut into; every token belongs to one cause, or to what stays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from tests.models.small import byte_level, small, unigram
from whence.core.errors import InterventionError
from whence.interventions import Tokens
from whence.interventions.units import prompt_causes, template_headers
from whence.models import encode_prompt

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LLAMA3 = (
    "{{ bos_token }}{% for m in messages %}<|start|>{{ m.role }}<|end|>\n\n{{ m.content | trim }}"
    "<|eot|>{% endfor %}{% if add_generation_prompt %}<|start|>assistant<|end|>\n\n{% endif %}"
)
NO_SYSTEM = (
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}"
    "{% endif %}{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]{% else %} {{ m.content }}"
    "</s>{% endif %}{% endfor %}"
)
TALK = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Where was Ada born?"},
    {"role": "assistant", "content": "In London."},
    {"role": "user", "content": "And Alan?"},
]


def chat(template):
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=byte_level(start=False)._tokenizer,
        eos_token="<|endoftext|>",
        bos_token="<|endoftext|>",
    )
    tokenizer.chat_template = template
    return tokenizer


def texts(prompt, unit, tokenizer=None, separator=None):
    tokenizer = tokenizer or byte_level()
    causes = prompt_causes(tokenizer, encode_prompt(tokenizer, prompt), unit, separator)
    return [cause.text for cause in causes]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("Ada was born. Where? In London", ["Ada was born.", "Where?", "In London"]),
        ('He said "No!" twice. Yes', ['He said "No!"', "twice.", "Yes"]),
        ("one line\nanother. And 3.14 is none", ["one line", "another.", "And 3.14 is none"]),
        ("東京は首都です。次の文です。", ["東京は首都です。", "次の文です。"]),
        ("  \n\nAlone", ["Alone"]),
        ("Really?! Yes...", ["Really?!", "Yes..."]),
    ],
)  # fmt: skip
def test_sentences(prompt, expected):
    assert texts(prompt, "sentence") == expected


def test_demonstrations_end_before_the_question():
    prompt = "cat -> chat\n\ndog -> chien\n\nbird ->"
    assert texts(prompt, "demonstration") == ["cat -> chat", "dog -> chien"]
    lines = "cat -> chat\ndog -> chien\nbird ->"
    assert texts(lines, "demonstration") == ["cat -> chat", "dog -> chien"]
    marked = "cat: chat ### dog: chien ### bird:"
    assert texts(marked, "demonstration", separator="###") == ["cat: chat", "dog: chien"]


def test_the_question_stays():
    tokens = Tokens(small(), "a b\n\nc d\n\ne f", unit="demonstration")
    removed = {m for cause in tokens.causes for m in cause.members}
    encoded = encode_prompt(small(), "a b\n\nc d\n\ne f")
    left = [s for i, s in enumerate(encoded.spans) if s is not None and f"T{i}" not in removed]
    assert "".join(encoded.text[slice(*s)] for s in left).strip() == "e f"


@pytest.mark.parametrize("template", [CHATML, LLAMA3])
@pytest.mark.parametrize("asking", [True, False])
def test_turns_of_a_chat_template(template, asking):
    tokenizer = chat(template)
    prompt = tokenizer.apply_chat_template(TALK, tokenize=False, add_generation_prompt=asking)
    found = texts(prompt, "turn", tokenizer)
    assert len(found) == len(TALK)  # the open turn is where the answer goes
    for turn, said in zip(found, TALK, strict=True):
        assert said["content"] in turn
        assert said["role"] in turn


def test_headers_by_hand():
    assert template_headers(chat(CHATML)) == (
        "<|im_start|>assistant\n",
        "<|im_start|>user\n",
        "<|im_start|>system\n",
    )
    assert template_headers(chat(NO_SYSTEM)) == ("[INST] ",)


def test_turns_by_role_markers():
    prompt = "User: Where was Ada born?\nAssistant: In London.\nUser: And Alan?\nAssistant:"
    assert texts(prompt, "turn") == [
        "User: Where was Ada born?",
        "Assistant: In London.",
        "User: And Alan?",
    ]
    assert texts("### Instruction: add\n### Response: yes", "turn") == [
        "### Instruction: add",
        "### Response: yes",
    ]


@pytest.mark.parametrize("unit", ["word", "sentence"])
@pytest.mark.parametrize("tokenizer", [byte_level, unigram])
@given(prompt=st.text("ab .\n?東", min_size=1, max_size=30))
def test_every_token_belongs_to_one_cause(unit, tokenizer, prompt):
    if not prompt.strip():
        return
    encoded = encode_prompt(tokenizer(), prompt)
    causes = prompt_causes(tokenizer(), encoded, unit)
    members = [m for cause in causes for m in cause.members]
    own = [f"T{i}" for i, span in enumerate(encoded.spans) if span is not None]
    assert sorted(members) == sorted(own)


@pytest.mark.parametrize(
    ("prompt", "unit", "separator", "message"),
    [
        ("one line", "demonstration", None, "a prompt of one line"),
        ("one line", "demonstration", "###", "cut at '###'"),
        ("no roles", "turn", None, "headers of the tokenizer's chat template"),
        ("a b", "word", "\n", "the unit demonstration"),
        ("a b", "letters", None, "token, word, sentence"),
    ],
)
def test_what_cannot_be_cut(prompt, unit, separator, message):
    with pytest.raises(InterventionError, match=message):
        texts(prompt, unit, separator=separator)
