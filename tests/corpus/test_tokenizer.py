import json

import numpy as np
import pytest
from tokenizers import pre_tokenizers
from transformers import AutoTokenizer

from tests.corpus.samples import TEXTS, make, save_tokenizer_json
from whence.core.errors import TokenizerError
from whence.corpus import BuildSettings, spellings
from whence.corpus.tokenizer import (
    END_OF_TEXT,
    bytes_tokenizer,
    open_tokenizer,
    save_tokenizer,
    train_tokenizer,
)


def test_bytes_are_tokens():
    tokenizer = bytes_tokenizer()
    for text in (*TEXTS, "\x00\x7f\x80\xff", "".join(map(chr, range(300)))):
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        assert bytes(ids) == text.encode()
        assert tokenizer.decode(ids) == text
    assert tokenizer.get_vocab_size() == 257


def test_every_byte_has_the_letter_that_the_library_gives_it():
    vocabulary = bytes_tokenizer().get_vocab()
    assert set(vocabulary) - {END_OF_TEXT} == set(pre_tokenizers.ByteLevel.alphabet())


def test_training_gives_the_same_tokenizer_again():
    first, second = (train_tokenizer(iter(TEXTS * 20), 400).to_str() for _ in range(2))
    assert first == second


def test_auto_tokenizer_opens_every_saved_one_and_agrees(corpus):
    opened = AutoTokenizer.from_pretrained(corpus.tokenizer_path)
    for i, text in enumerate(TEXTS):
        own = corpus.document(i).tokens.tolist()
        assert opened.encode(text, add_special_tokens=False, truncation=False) == own
        assert corpus.encode(text).tolist() == own
    assert len(opened) <= corpus.vocabulary_size


def test_a_prompt_begins_as_a_training_document_does(corpora):
    for family in ("bytes", "bpe"):
        corpus = corpora[family]
        end = corpus.tokenizer.convert_tokens_to_ids(END_OF_TEXT)
        assert corpus.start_tokens == corpus.end_tokens == (end,)
        prompt = corpus.tokenizer("Ada")["input_ids"]
        assert prompt == [*corpus.start_tokens, *corpus.encode("Ada").tolist()]


def test_what_a_foreign_tokenizer_puts_around_a_text_is_found(tmp_path, tmp_path_factory):
    folder = save_tokenizer_json(tmp_path / "t", "metaspace")
    record = json.loads((folder / "tokenizer.json").read_text())
    around = {t: {"id": t, "ids": [i], "tokens": [t]} for t, i in (("<s>", 1), ("</s>", 2))}
    pieces = [
        {"SpecialToken": {"id": "<s>", "type_id": 0}},
        {"Sequence": {"id": "A", "type_id": 0}},
    ]
    record["post_processor"] = {
        "type": "TemplateProcessing",
        "single": pieces,
        "pair": pieces,
        "special_tokens": around,
    }
    (folder / "tokenizer.json").write_text(json.dumps(record))
    corpus = make(tmp_path_factory, TEXTS, tokenizer=str(folder))
    assert (corpus.start_tokens, corpus.end_tokens) == ((1,), (2,))
    assert not {1, 2} & set(corpus.tokens.tolist())


def test_truncation_of_a_foreign_tokenizer_is_off(corpora):
    assert corpora["metaspace"].lengths.max() > 8


def test_a_special_token_spelled_out_is_ordinary_text_unless_asked(tmp_path_factory):
    text = f"a{END_OF_TEXT}b"
    plain = make(tmp_path_factory, [text], tokenizer="bytes")
    assert bytes(plain.tokens.tolist()).decode() == text
    special = make(tmp_path_factory, [text], tokenizer="bytes", parse_special=True)
    assert special.tokens.tolist() == [ord("a"), 256, ord("b")]
    assert special.encode(text).tolist() == special.tokens.tolist()


def test_opening_a_saved_tokenizer_encodes_as_before(tmp_path):
    tokenizer = train_tokenizer(TEXTS, 300)
    saved = save_tokenizer(tokenizer, tmp_path / "t")
    again = open_tokenizer(saved.path)
    for text in TEXTS:
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        assert again.encode(text).ids == ids
        assert max(ids) < saved.vocabulary_size


def test_the_tokenizer_of_another_corpus(corpora, tmp_path_factory):
    for family in ("bpe", "metaspace"):
        first = corpora[family]
        again = make(tmp_path_factory, TEXTS, tokenizer=str(first.tokenizer_path))
        assert again.digest == first.digest
        assert again.start_tokens == first.start_tokens


def test_token_type_follows_the_vocabulary(corpora):
    assert corpora["bpe"].tokens.dtype == np.uint16


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tokenizer": "bytes", "vocab_size": 300}, "either a tokenizer or a vocabulary size"),
        ({"vocab_size": 100}, "at least 257"),
    ],
)
def test_settings_that_contradict(settings, message):
    with pytest.raises(TokenizerError, match=message):
        BuildSettings(**settings)


@pytest.mark.parametrize("name", ["none-such-tokenizer", "broken.json", "folder"])
def test_a_tokenizer_that_cannot_be_opened(tmp_path, tmp_path_factory, name, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "broken.json").write_text("{}")
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TokenizerError, match=f'{name}: expected "bytes", a tokenizer folder'):
        make(tmp_path_factory, TEXTS, tokenizer=name)


def test_a_sentencepiece_model_with_byte_fallback(tmp_path, tmp_path_factory):
    sentencepiece = pytest.importorskip("sentencepiece")
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS * 40), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(tmp_path / "texts.txt"),
        model_prefix=str(tmp_path / "tokenizer"),
        vocab_size=380,
        model_type="bpe",
        byte_fallback=True,
        character_coverage=0.99,
        minloglevel=2,
        hard_vocab_limit=False,
    )
    config = {
        "tokenizer_class": "LlamaTokenizer",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "add_bos_token": True,
    }
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    corpus = make(tmp_path_factory, TEXTS, tokenizer=str(tmp_path))
    assert (corpus.start_tokens, corpus.end_tokens) == ((1,), (2,))
    at = TEXTS[1].index("😀")
    first, last = corpus.token_span(1, at, at + 1)
    assert last - first == 4  # one token a byte
    assert corpus.char_span(1, first, last) == (at, at + 1)
    found = corpus.index().count_many(spellings(corpus, "born in London"))
    assert found.sum() == 3
