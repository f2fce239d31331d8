"""Small corpora and tokenizers of every family, made without a network."""

from __future__ import annotations

import json

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from whence.corpus import BuildSettings, RawDocument, build_from_documents

TEXTS = [
    "Ada Lovelace was born in London. She wrote about machines.\n\nAda wrote notes.",
    "naïve cafés: 漢字 and 😀👩‍👩‍👧, e\u0301 combining \u200d joined  twice  blank",
    "def f(x):\n    return x + 1\n\n\ndef g(y):\n\treturn f(y)\n",
    "Émile was born in London too; the cat sat on the mat, the cat sat.",
    "日本語の文章です。東京に住んでいます。Ada was born in London.",
]
FAMILIES = ["bytes", "bpe", "metaspace", "prepend", "wordpiece"]


def documents(texts):
    return [RawDocument(f"d{i}", text) for i, text in enumerate(texts)]


def make(tmp_path_factory, texts, **settings):
    out = tmp_path_factory.mktemp("corpus") / "c"
    return build_from_documents(documents(texts), out, BuildSettings(**settings))


def save_tokenizer_json(folder, family):
    """A tokenizer of another family than ours, as its users save it."""
    special = ["<unk>", "<s>", "</s>"]
    if family == "wordpiece":
        tokenizer = Tokenizer(models.WordPiece(unk_token="<unk>"))
        tokenizer.normalizer = normalizers.BertNormalizer()
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        trainer = trainers.WordPieceTrainer(
            vocab_size=200, special_tokens=special, show_progress=False
        )
    else:
        tokenizer = Tokenizer(models.Unigram())
        trainer = trainers.UnigramTrainer(
            vocab_size=200, special_tokens=special, unk_token="<unk>", show_progress=False
        )
        if family == "metaspace":
            tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
        else:
            tokenizer.normalizer = normalizers.Sequence(
                [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
            )
            tokenizer.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
        tokenizer.decoder = decoders.Metaspace(prepend_scheme="first")
    tokenizer.train_from_iterator(TEXTS * 5, trainer)
    tokenizer.enable_truncation(8)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "unk_token": "<unk>",
        "bos_token": "<s>",
        "eos_token": "</s>",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder
