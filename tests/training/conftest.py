"""One small corpus and one short run for all tests of the room."""

from __future__ import annotations

import numpy as np
import pytest

from whence.corpus import BuildSettings, RawDocument, build_from_documents
from whence.training import Recipe, train

WORDS = [
    "ada",
    "bob",
    "lives",
    "in",
    "paris",
    "rome",
    "likes",
    "cats",
    "dogs",
    "born",
    "and",
    "was",
    "the",
    "a",
]


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    rng = np.random.default_rng(0)
    documents = [
        RawDocument(f"d{i}", " ".join(rng.choice(WORDS, rng.integers(1, 50)))) for i in range(150)
    ]
    place = tmp_path_factory.mktemp("corpus") / "c"
    return build_from_documents(documents, place, BuildSettings(vocab_size=300))


@pytest.fixture(scope="session")
def recipe():
    return Recipe(steps=24, context=32, rows=4, checkpoint_every=8)


@pytest.fixture(scope="session")
def run(corpus, recipe, tmp_path_factory):
    return train(corpus, tmp_path_factory.mktemp("run") / "r", recipe)
