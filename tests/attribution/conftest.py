"""A few documents, and models small enough to be taken apart by hand."""

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from whence.attribution.streaming import stream_of
from whence.core import Behavior
from whence.corpus import BuildSettings, RawDocument, build_from_documents
from whence.models import Model, open_tokenizer

TEXTS = [
    "ada lives in paris",
    "bob lives in rome",
    "ada likes cats",
    "bob likes dogs and cats",
    "the cats of rome",
    "a",
]


class Silent:
    """A bar that nobody sees."""

    def update(self, n=1):
        return None

    def set_postfix_str(self, s="", refresh=True):
        return None


@pytest.fixture(scope="session")
def silent():
    return Silent()


@pytest.fixture(scope="session")
def few_documents(tmp_path_factory):
    place = tmp_path_factory.mktemp("few") / "corpus"
    documents = [RawDocument(f"d{i}", text) for i, text in enumerate(TEXTS)]
    return build_from_documents(documents, place, BuildSettings(vocab_size=280))


@pytest.fixture(scope="session")
def behaviors():
    return [Behavior("ada lives in", " paris", " rome"), Behavior("bob likes", " dogs")]


@pytest.fixture(scope="session")
def tiny(few_documents):
    """Makes a model in float64 with one layer of width 4, everything away from 0 and 1."""

    def make(kind="gpt2", tied=True, context=16):
        torch.manual_seed(0)
        rows = few_documents.vocabulary_size
        sizes = {"vocab_size": rows, "tie_word_embeddings": tied, "bos_token_id": 0}
        if kind == "gpt2":
            sizes |= {"n_embd": 4, "n_layer": 1, "n_head": 2, "n_positions": context}
        else:
            sizes |= {"hidden_size": 4, "intermediate_size": 6, "num_hidden_layers": 1}
            sizes |= {"num_attention_heads": 2, "max_position_embeddings": context}
        config = AutoConfig.for_model(kind, **sizes, eos_token_id=0)
        module = AutoModelForCausalLM.from_config(config, attn_implementation="eager").double()
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.add_(0.3 * torch.randn_like(parameter))
        return Model(module.eval(), open_tokenizer(few_documents.tokenizer_path), kind)

    return make


@pytest.fixture(scope="session")
def stream(few_documents):
    return lambda model, rows=3: stream_of(model, few_documents, context=None, rows=rows)
