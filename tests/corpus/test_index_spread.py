"""Shards held by workers answer as one index does, wherever the workers are."""

from dataclasses import astuple
from itertools import pairwise

import numpy as np
import pytest

from tests.corpus.samples import TEXTS, make
from whence.core.engines import open_engine
from whence.core.errors import CorpusError, DamagedError
from whence.core.records import manifest
from whence.corpus import (
    IndexSettings,
    TextIndex,
    build_index,
    find_together,
    open_corpus,
    open_indexes,
    spread_index,
    trace,
)
from whence.corpus.index.spread import _edges

FEW = IndexSettings(shard_tokens=100)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    made = make(tmp_path_factory, TEXTS * 3, vocab_size=320)
    build_index(made, FEW)
    build_index(made, IndexSettings(over="text", shard_tokens=200))
    return made


def answers(index, corpus):
    """Everything that an index can be asked, as plain data."""
    text = corpus.encode("Ada Lovelace was born in London, and the cat sat on the mat")
    query = corpus.encode(" was born in London")
    queries = [corpus.tokens[i : i + 2].astype(np.int64) for i in range(40)]
    return [
        index.documents,
        index.tokens,
        index.contains(query),
        index.count(query),
        index.count_many(queries).tolist(),
        index.count_many(np.stack(queries)).tolist(),
        index.locate(query),
        index.locate(query, 2),
        [each.tolist() for each in index.locate_all(query[:2])],
        [each.tolist() for each in index.next(query[:1])],
        [each.tolist() for each in index.next([])],
        [each.tolist() for each in index.longest_matches(text)],
        index.maximal_matches(text, 2),
        index.longest_match(text),
        index.longest_by_document(text).tolist(),
        np.array(astuple(index.ngram_probabilities(text, 3))).tobytes(),
        np.array(astuple(index.infinity_probabilities(text))).tobytes(),
        find_together(index, [[query[:2]], [query[2:], text[:2]]], 9),
        trace(corpus, corpus.decode(text), index=index).to_json(),
    ]


def check(engine, corpus):
    some = np.arange(corpus.n_documents) % 3 > 0
    with spread_index([corpus], engine, FEW) as index:
        assert answers(index, corpus) == answers(corpus.index(), corpus)
        # Each shard tells its own repeats; which of equally long ones come first is open.
        for limit in (None, 5):
            told = [(r.length, r.count) for r in index.repeats(3, limit)]
            expected = [(r.length, r.count) for r in corpus.index().repeats(3, limit)]
            assert sorted(told) == sorted(expected)
        rest = corpus.index().restricted(some)
        assert answers(index.restricted(some), corpus) == answers(rest, corpus)
        odd = np.arange(corpus.n_documents) % 2 > 0
        twice = index.restricted(some).restricted(odd)
        assert answers(twice, corpus) == answers(rest.restricted(odd), corpus)
        assert index.tokens == corpus.n_tokens
        with pytest.raises(CorpusError, match="at least one token"):
            index.count([])
        with pytest.raises(CorpusError, match="token ids from 0 to"):
            index.longest_matches([10**6])
        with pytest.raises(CorpusError, match="a value for each of"):
            index.restricted(np.ones(3, bool))


@pytest.mark.parametrize("name", ["serial", "processes"])
def test_every_answer(corpus, name):
    check(open_engine(name, None if name == "serial" else 2), corpus)


def test_every_answer_on_ray(corpus, ray):
    check(open_engine("ray", 2), corpus)


def test_the_text_and_several_corpora(corpus, tmp_path_factory):
    tokenizer = str(corpus.tokenizer_path)
    new = make(tmp_path_factory, ["He was born in London.", "x"], tokenizer=tokenizer)
    engine = open_engine("processes", 2)
    with spread_index([corpus, new], engine) as index:
        assert answers(index, corpus)[:17] == answers(open_indexes([corpus, new]), corpus)[:17]
    with spread_index([corpus], engine, IndexSettings(over="text")) as index:
        text, whole = TextIndex(corpus, index), corpus.text_index()
        for options in ({}, {"ignore_case": True}, {"word_start": True}):
            assert text.locate("was", **options) == whole.locate("was", **options)
            assert text.count("WAS", **options) == whole.count("WAS", **options)


def test_workers_make_the_same_bytes(tmp_path_factory):
    corpus = make(tmp_path_factory, TEXTS * 3, vocab_size=320)
    build_index(corpus, FEW)
    folders = sorted((corpus.path / "index").glob("0*"))
    expected = [manifest(folder) for folder in folders]
    build_index(corpus, FEW, open_engine("processes", 2))
    assert [manifest(folder) for folder in folders] == expected
    assert open_corpus(corpus.path).index().count([5]) == corpus.index().count([5])


def test_ray_makes_the_same_bytes(tmp_path_factory, ray):
    corpus = make(tmp_path_factory, TEXTS * 3, vocab_size=320)
    build_index(corpus, FEW)
    folders = sorted((corpus.path / "index").glob("0*"))
    expected = [manifest(folder) for folder in folders]
    build_index(corpus, FEW, open_engine("ray", 2))
    assert [manifest(folder) for folder in folders] == expected


def test_a_damaged_shard_is_told_by_its_worker(tmp_path_factory):
    corpus = make(tmp_path_factory, TEXTS * 3, vocab_size=320)
    build_index(corpus, FEW)
    path = corpus.path / "index" / "00002" / "suffixes.npy"
    array = np.load(path)
    array[:] = 255
    np.save(path, array)
    with pytest.raises(DamagedError, match="outside the text"):
        with spread_index([corpus], open_engine("processes", 2)) as index:
            index.locate(corpus.document(9).tokens[:1])


@pytest.mark.parametrize("workers", range(1, 9))
def test_shards_are_shared_out_evenly(corpus, workers):
    index = corpus.index()
    edges = _edges(index, workers)
    sizes = [sum(s.packing.count for s in index.shards[a:b]) for a, b in pairwise(edges)]
    assert len(sizes) == min(workers, len(index.shards))
    assert min(sizes) > 0
    largest = max(shard.packing.count for shard in index.shards)
    assert max(sizes) <= index.tokens / len(sizes) + 2 * largest
