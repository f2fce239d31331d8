"""Corpora of the same documents, one for every tokenizer family."""

import pytest

from tests.corpus.samples import FAMILIES, TEXTS, make, save_tokenizer_json


@pytest.fixture(scope="session")
def corpora(tmp_path_factory):
    """The same documents in a corpus of every tokenizer family."""
    folder = tmp_path_factory.mktemp("tokenizers")
    made = {
        "bytes": make(tmp_path_factory, TEXTS, tokenizer="bytes"),
        "bpe": make(tmp_path_factory, TEXTS, vocab_size=320),
    }
    for family in FAMILIES[2:]:
        path = save_tokenizer_json(folder / family, family)
        made[family] = make(tmp_path_factory, TEXTS, tokenizer=str(path))
    return made


@pytest.fixture(params=FAMILIES)
def corpus(request, corpora):
    return corpora[request.param]
