import itertools
import random

import pytest

from tests.corpus.samples import make
from whence.core.errors import CorpusError
from whence.corpus import (
    BuildSettings,
    RawDocument,
    build_from_documents,
    group_by,
    near_duplicates,
    with_word,
)
from whence.corpus.sketches import shingles


def test_near_duplicates_are_those_that_share_their_runs_of_words(tmp_path_factory):
    rng = random.Random(0)
    texts = [" ".join(rng.choices("abcdefghij", k=60)) for _ in range(20)]
    texts += [texts[3], texts[5].upper(), texts[7] + " k", "short", "short!", texts[9][:40]]
    corpus = make(tmp_path_factory, texts, tokenizer="bytes")
    joined = {tuple(group) for group in near_duplicates(corpus, 0.8)}
    pairs = {
        (i, j)
        for i, j in itertools.combinations(range(len(texts)), 2)
        if len(shingles(texts[i]) & shingles(texts[j]))
        >= 0.8 * len(shingles(texts[i]) | shingles(texts[j]))
    }
    assert joined == pairs == {(3, 20), (5, 21), (7, 22), (23, 24)}


def test_no_pair_below_the_threshold_is_joined(tmp_path_factory):
    rng = random.Random(1)
    texts = []
    for k in range(15):
        words = rng.choices("abcdefghijklmnopqrst", k=60)
        texts += [" ".join(words), " ".join([*words[:20], "X", *words[21:40], "Y", *words[41:]])]
        a, b = shingles(texts[2 * k]), shingles(texts[2 * k + 1])
        assert 0.6 < len(a & b) / len(a | b) < 0.8
    corpus = make(tmp_path_factory, texts, tokenizer="bytes")
    assert near_duplicates(corpus, 0.8) == []
    assert near_duplicates(corpus, 0.6) == [[2 * k, 2 * k + 1] for k in range(15)]


def test_groups_are_connected_through_others(tmp_path_factory):
    words = [f"w{i}" for i in range(100)]
    texts = [" ".join(words[k : k + 80]) for k in (0, 8, 16)]
    corpus = make(tmp_path_factory, texts, tokenizer="bytes")
    assert near_duplicates(corpus, 0.75) == [[0, 1, 2]]
    with pytest.raises(CorpusError, match="threshold"):
        near_duplicates(corpus, 1.5)


def test_metadata_slices(tmp_path):
    documents = [RawDocument(str(i), "x", {"year": year}) for i, year in enumerate([1, 2, 1, None])]
    corpus = build_from_documents(documents, tmp_path / "c", BuildSettings(tokenizer="bytes"))
    assert group_by(corpus, "year") == {"1": [0, 2], "2": [1], "": [3]}
    with pytest.raises(CorpusError, match=r"out of id, year, got 'month'"):
        group_by(corpus, "month")


def test_documents_with_a_word(tmp_path_factory):
    texts = ["The art of war", "start", "ART!", "the Art of it"]
    corpus = make(tmp_path_factory, texts, tokenizer="bytes")
    assert with_word(corpus, "art") == [0, 2, 3]
    assert with_word(corpus, "art of") == [0, 3]
    with pytest.raises(CorpusError, match="word"):
        with_word(corpus, "!")
