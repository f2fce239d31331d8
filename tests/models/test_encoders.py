"""Vectors of an encoder are the means of its states over the text's own tokens."""

import json
import shutil

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from tests.models.small import save_encoder
from whence.core.errors import ModelError
from whence.models import sentence_embeddings

TEXTS = ["Ada was born in London.", "Dogs fly.", "a", "The capital of France is Paris, they say."]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return save_encoder(tmp_path_factory.mktemp("encoder"))


def test_a_batch_gives_what_single_texts_give(encoder):
    found = sentence_embeddings(encoder, TEXTS, batch_size=3)
    module, tokenizer = (
        AutoModel.from_pretrained(encoder).eval(),
        AutoTokenizer.from_pretrained(encoder),
    )
    for text, vector in zip(TEXTS, found, strict=True):
        ids = tokenizer(text, return_tensors="pt", truncation=True, max_length=32)["input_ids"]
        with torch.no_grad():
            expected = module(input_ids=ids).last_hidden_state[0].mean(0)
        np.testing.assert_allclose(vector, expected, atol=1e-5)


def test_what_is_no_encoder_is_told(tmp_path):
    with pytest.raises(ModelError, match="a text encoder"):
        sentence_embeddings(str(tmp_path), TEXTS)


@pytest.mark.parametrize("way", ["mean_tokens", "cls_token", "max_tokens"])
def test_the_encoder_says_how_it_pools(encoder, way, tmp_path):
    shutil.copytree(encoder, tmp_path / "e")
    (tmp_path / "e" / "1_Pooling").mkdir()
    record = {"word_embedding_dimension": 16, f"pooling_mode_{way}": True}
    (tmp_path / "e" / "1_Pooling" / "config.json").write_text(json.dumps(record))
    if way == "max_tokens":
        with pytest.raises(ModelError, match="pooling_mode_max_tokens"):
            sentence_embeddings(str(tmp_path / "e"), TEXTS)
        return
    found = sentence_embeddings(str(tmp_path / "e"), TEXTS)
    same = np.allclose(found, sentence_embeddings(encoder, TEXTS), atol=1e-6)
    assert same == (way == "mean_tokens")
