"""An index on disk: shards, resuming, checking, repairing, and what is refused."""

import json
import pickle
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests.corpus.samples import TEXTS, make
from tests.corpus.test_command import whence
from whence.core.errors import CorpusError, DamagedError, PlanError, StorageError, TokenizerError
from whence.core.records import manifest
from whence.corpus import (
    IndexSettings,
    build_index,
    check,
    open_corpus,
    open_indexes,
    repair_index,
)
from whence.corpus.index import files

FEW = IndexSettings(shard_tokens=100)


@pytest.fixture
def corpus(tmp_path_factory):
    return make(tmp_path_factory, TEXTS * 3, vocab_size=320)


def answers(index, corpus):
    query = corpus.encode(" was born in London")
    return (
        index.count(query),
        [list(map(int, each)) for each in index.next(query[:1])],
        index.locate(query),
        index.longest_matches(query).counts.tolist(),
        index.infinity_probabilities(query).probability.tolist(),
        index.longest_by_document(query).tolist(),
    )


def test_many_shards_answer_as_one(corpus):
    one = answers(build_index(corpus), corpus)
    many = build_index(corpus, FEW)
    assert len(many.shards) > 3
    assert answers(many, corpus) == one


def test_new_documents_are_a_corpus_that_is_searched_with_the_old(corpus, tmp_path_factory):
    tokenizer = str(corpus.tokenizer_path)
    new = make(tmp_path_factory, ["He was born in London.", "x"], tokenizer=tokenizer)
    whole = make(tmp_path_factory, [*TEXTS * 3, "He was born in London.", "x"], tokenizer=tokenizer)
    both = open_indexes([corpus, new])
    assert answers(both, corpus) == answers(whole.index(), corpus)
    np.testing.assert_array_equal(both.bounds, whole.offsets)
    assert pickle.loads(pickle.dumps(both)).count([5]) == whole.index().count([5])
    other = make(tmp_path_factory, TEXTS, vocab_size=300)
    with pytest.raises(TokenizerError, match="the tokenizer of"):
        open_indexes([corpus, other])
    with pytest.raises(CorpusError, match="corpora: expected one or more"):
        open_indexes([])


def test_several_threads_ask_one_index(corpus):
    index = corpus.index()
    queries = [corpus.document(0).tokens[i : i + 3] for i in range(12)] * 20
    expected = [index.next(query).counts.tolist() for query in queries]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda query: index.next(query).counts.tolist(), queries))
    assert found == expected


def test_shards_are_cut_by_documents():
    bounds = np.array([0, 5, 9, 30, 31, 32])
    assert files.cut(bounds, 10) == [(0, 2), (2, 3), (3, 5)]
    assert files.cut(bounds, 1000) == [(0, 5)]


def test_a_build_that_was_stopped_goes_on_and_gives_the_same_bytes(corpus, monkeypatch):
    build_index(corpus, FEW)
    folders = sorted((corpus.path / "index").glob("0*"))
    expected = [manifest(folder) for folder in folders]
    made, build_one = [], files._build_one

    def interrupted(corpus, folder, *rest):
        if len(made) == 2:
            raise KeyboardInterrupt
        made.append(folder.name)
        build_one(corpus, folder, *rest)

    monkeypatch.setattr(files, "_build_one", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build_index(corpus, FEW)
    # The index that was there serves on.
    assert [manifest(folder) for folder in folders] == expected
    again = []
    monkeypatch.setattr(
        files, "_build_one", lambda c, f, *r: (again.append(f.name), build_one(c, f, *r))
    )
    build_index(corpus, FEW)
    assert made + again == [folder.name for folder in folders]
    assert [manifest(folder) for folder in folders] == expected


def test_a_damaged_shard_is_seen_and_made_again(corpus):
    build_index(corpus, FEW)
    whole = manifest(corpus.path / "index" / "00001")
    path = corpus.path / "index" / "00001" / "suffixes.npy"
    data = bytearray(path.read_bytes())
    data[-9] ^= 1
    path.write_bytes(data)
    with pytest.raises(DamagedError, match="the bytes that were written"):
        check(corpus)
    assert repair_index(corpus, FEW) == ["00001"]
    assert manifest(corpus.path / "index" / "00001") == whole
    check(corpus)
    path.write_bytes(data[:-5])
    with pytest.raises(DamagedError, match=r"suffixes.npy: expected .* bytes.* --repair"):
        open_corpus(corpus.path).index()
    assert repair_index(corpus, FEW) == ["00001"]
    shutil.rmtree(corpus.path / "index" / "00000")
    with pytest.raises(DamagedError, match="--repair"):
        open_corpus(corpus.path).index()
    assert repair_index(corpus, FEW) == ["00000"]
    assert open_corpus(corpus.path).index().count([5]) == build_index(corpus).count([5])


def test_places_outside_the_text_are_damage_and_no_crash(corpus):
    build_index(corpus)
    path = corpus.path / "index" / "00000" / "suffixes.npy"
    array = np.load(path)
    array[:] = 255
    np.save(path, array)
    index = open_corpus(corpus.path).index()
    query = corpus.encode(" born")
    for ask in (index.count, index.next, index.longest_matches, index.locate):
        with pytest.raises(DamagedError, match="outside the text"):
            ask(query)


def test_an_index_of_another_version(corpus):
    corpus.index()
    record = corpus.path / "index" / "index.json"
    record.write_text(record.read_text().replace('"version": 2', '"version": 1'))
    with pytest.raises(DamagedError, match=r"version 2, got one of .*, version 1"):
        open_corpus(corpus.path).index()
    record.unlink()
    with pytest.raises(DamagedError, match="another version"):
        open_corpus(corpus.path).index()


def test_too_little_memory_is_said_beforehand(corpus):
    with pytest.raises(PlanError, match=r"at least [\d,]+ bytes for a shard of"):
        build_index(corpus, IndexSettings(memory=1000))
    with pytest.raises(PlanError, match="shard_tokens"):
        IndexSettings(shard_tokens=0)
    with pytest.raises(PlanError, match="over"):
        IndexSettings(over="words")


def test_a_folder_that_cannot_be_written(corpus):
    (corpus.path / ".index.build").write_text("in the way")
    with pytest.raises((StorageError, NotADirectoryError)):
        build_index(corpus)


def test_the_command(corpus):
    said = json.loads(
        whence("index", "build", corpus.path, "--memory", "1G", "--shard-tokens", 200, "--json")
    )
    assert said["suffixes"] == corpus.n_tokens
    assert said["shards"] > 1
    whence("index", "build", corpus.path, "--text")
    described = json.loads(whence("index", "info", corpus.path, "--json"))
    assert described["text"]["suffixes"] == corpus.record["text_bytes"]
    assert json.loads(whence("index", "check", corpus.path, "--json"))["whole"]
    again = whence("index", "build", corpus.path, "--repair", "--json")
    assert json.loads(again) == {"made_again": []}
    with pytest.raises(PlanError, match="--memory"):
        whence("index", "build", corpus.path, "--memory", "much")
