"""The search commands say what looking through the documents by hand says."""

import json
import re

import numpy as np
import pytest

from tests.corpus.samples import TEXTS, make
from tests.corpus.test_command import whence
from tests.corpus.test_index_infinigram import lay_out
from whence.core.errors import CorpusError, MissingExtraError, PlanError, TokenizerError
from whence.corpus import bm25, open_corpus, ranked

NEW = ["Ada was born in Paris.", "nothing of the kind", "BORN IN LONDON, reborn in London"]


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    return make(tmp_path_factory, TEXTS, vocab_size=320)


@pytest.fixture(scope="module")
def new(old, tmp_path_factory):
    return make(tmp_path_factory, NEW, tokenizer=str(old.tokenizer_path))


def said(*words):
    return json.loads(whence(*words, "--json"))


def places(texts, pattern, flags=0):
    return [(i, m.start()) for i, t in enumerate(texts) for m in re.finditer(pattern, t, flags)]


def test_letters(old):
    for options, pattern, flags in [
        (["--letters"], "orn", 0),
        (["--ignore-case"], "ORN", re.IGNORECASE),
        (["--word-start"], r"\bmat", 0),
        (["--ignore-case", "--word-start"], r"\bLONDON", re.IGNORECASE),
    ]:
        text, expected = pattern.removeprefix(r"\b"), places(TEXTS, pattern, flags)
        assert expected
        assert said("count", old.path, text, *options) == {"count": len(expected)}
        found = said("find", old.path, text, *options)
        assert [(row["index"], row["start"]) for row in found["occurrences"]] == expected
        for row in found["occurrences"]:
            whole = TEXTS[row["index"]]
            assert row["match"] == whole[row["start"] : row["end"]]
            assert row["match"].lower() == text.lower()
            assert whole[: row["start"]].encode() == whole.encode()[: row["byte"]]
    assert "orn" in whence("find", old.path, "ORN", "--ignore-case")
    assert "Orn" not in whence("count", old.path, "ORN", "--ignore-case")


def test_several_corpora(old, new):
    both = ("--also", new.path)
    assert said("count", old.path, "born in London", *both)["count"] == 3 + 1
    expected = places(TEXTS + NEW, "born in London")
    assert said("count", old.path, "born in London", "--letters", *both)["count"] == len(expected)
    rows = said("find", old.path, "born in London", "--letters", *both)["occurrences"]
    first = {str(old.path): 0, str(new.path): len(TEXTS)}
    assert [(first[row["corpus"]] + row["index"], row["start"]) for row in rows] == expected
    assert said("find", old.path, "was born", *both)["occurrences"][-1]["corpus"] == str(new.path)
    assert new.path.name in whence("find", old.path, "was born", *both)
    after = {r["text"]: r["count"] for r in said("next", old.path, "born in", *both)["next"]}
    assert sum(after.values()) == said("count", old.path, "born in", *both)["count"]
    slice_of_both = (*both, "--where", "id=d0")
    assert said("count", old.path, "born in London", *slice_of_both)["count"] == 1


def test_together(old, new):
    asked = ["Ada Lovelace OR Émile", "London"]
    found = said("together", old.path, *asked)
    expected = [i for i, t in enumerate(TEXTS) if re.search("Ada Lovelace|Émile", t)]
    expected = [i for i in expected if "London" in TEXTS[i]]
    assert sorted({row["index"] for row in found["stretches"]}) == expected
    assert found["documents"] == len(expected)
    letters = said("together", old.path, "LOVELACE", "machines", "--ignore-case")
    assert [row["match"] for row in letters["stretches"]] == [TEXTS[0][4 : TEXTS[0].index(".\n")]]
    size = len(letters["stretches"][0]["match"])
    for window, count in ((size, 1), (size - 1, 0)):
        words = ("LOVELACE", "machines", "--ignore-case", "--window", window)
        assert said("together", old.path, *words)["count"] == count
    assert said("together", old.path, "zzzz", "London", "--letters")["count"] == 0
    several = said("together", old.path, "Ada", "born", "--also", new.path)
    assert several["stretches"][-1]["corpus"] == str(new.path)
    assert "in 1 document" in whence("together", old.path, "Lovelace", "machines")


def test_an_index_of_infini_gram(old, tmp_path):
    documents = [old.document(i).tokens.tolist() for i in range(old.n_documents)]
    lay_out(tmp_path, 0, documents[:2], 2)
    lay_out(tmp_path, 1, documents[2:], 2)
    ids = " ".join(map(str, old.encode(" born in London")))
    reads = ("--tokenizer", old.tokenizer_path)
    assert said("count", tmp_path, "--tokens", ids)["count"] == 3
    assert said("count", tmp_path, "born in London", *reads)["count"] == 3
    theirs = said("find", tmp_path, "born in London", *reads, "--limit", 2)
    ours = said("find", old.path, "born in London", "--limit", 2)
    for a, b in zip(theirs["occurrences"], ours["occurrences"], strict=True):
        assert (a["index"], a["offset"], a["match"]) == (b["index"], b["offset"], b["match"])
        assert a["after"][:5] == b["after"][:5]
    assert ids in " ".join(row["match"] for row in _rows(tmp_path, ids))
    assert said("next", tmp_path, "born in", *reads) == said("next", old.path, "born in")
    words = ("Lovelace", "machines")
    assert said("together", tmp_path, *words, *reads)["count"] == 1
    for mistake, match in [
        (("count", "born"), "Add --tokenizer"),
        (("count", "born", "--ignore-case"), "--ignore-case: expected a corpus"),
        (("count", "born", "--also", old.path), "--also: expected a corpus"),
        (("count", "--tokens", "1", "--token-bytes", 3), "1, 2 or 4 bytes"),
    ]:
        with pytest.raises(CorpusError, match=match):
            whence(mistake[0], tmp_path, *mistake[1:])
    with pytest.raises(TokenizerError, match=r"a folder with tokenizer.json"):
        whence("count", tmp_path, "born", "--tokenizer", tmp_path)
    with pytest.raises(CorpusError, match="a corpus knows its tokenizer"):
        whence("count", old.path, "born", "--token-bytes", 2)


def _rows(folder, ids):
    return said("find", folder, "--tokens", ids)["occurrences"]


@pytest.mark.parametrize("query", ["Ada born", "the cat the mat", "return x", "Ada zzzz"])
def test_ranks_are_those_of_bm25(old, query):
    expected = bm25(old, [query])[0]
    found = dict(ranked(old, query))
    assert set(found) == set(np.flatnonzero(expected).tolist())
    np.testing.assert_allclose([found[i] for i in found], expected[list(found)], rtol=1e-5)
    assert list(found.values()) == sorted(found.values(), reverse=True)
    rows = said("rank", old.path, query)["documents"]
    assert [row["index"] for row in rows] == list(found)


def test_documents_that_were_found_are_ranked(old, tmp_path_factory):
    holding = [i for i, text in enumerate(TEXTS) if "born in London" in text]
    rows = said("rank", old.path, "Ada machines", "--holding", "born in London")
    alone = make(tmp_path_factory, [TEXTS[i] for i in holding], tokenizer="bytes")
    expected = [(holding[i], round(score, 6)) for i, score in ranked(alone, "Ada machines")]
    assert [(row["index"], row["score"]) for row in rows["documents"]] == expected
    assert said("rank", old.path, "Ada", "--holding", "zzzz")["documents"] == []
    assert "shown" in whence("rank", old.path, "Ada")
    with pytest.raises(CorpusError, match="at least one word"):
        whence("rank", old.path, "...")


def test_fetching_many_documents(old, tmp_path):
    (tmp_path / "ids").write_text("d3\nd0\n")
    found = said("fetch", old.path, "d1", "--file", tmp_path / "ids")["documents"]
    assert [(d["id"], d["text"]) for d in found] == [(f"d{i}", TEXTS[i]) for i in (1, 3, 0)]
    lines = whence("fetch", old.path, "d1", "2").splitlines()
    assert [json.loads(line)["index"] for line in lines] == [1, 2]
    for words, match in [
        ([], "at least one id"),
        (["d77"], "the id of one of its 5 documents"),
        (["77"], "a document from 0 to 4"),
        (["--file", tmp_path / "none"], "a file with ids"),
    ]:
        with pytest.raises(CorpusError, match=match):
            whence("fetch", old.path, *words)


def test_workers(old):
    processes = ("--engine", "processes", "--workers", 2)
    assert said("count", old.path, "born in London", *processes)["count"] == 3
    alone = said("trace", old.path, TEXTS[0])
    assert said("trace", old.path, TEXTS[0], *processes) == alone
    whence("index", "build", old.path, "--shard-tokens", 100, *processes)
    assert len(open_corpus(old.path).index().shards) > 1
    assert said("find", old.path, "born", *processes) == said("find", old.path, "born")
    letters = ("--letters", *processes)
    assert said("find", old.path, "orn", *letters) == said("find", old.path, "orn", "--letters")
    assert said("trace", old.path, TEXTS[0], *processes) == alone


def test_engines_that_cannot_be_used(old, monkeypatch):
    with pytest.raises(PlanError, match="--engine: expected serial or processes or ray"):
        whence("count", old.path, "born", "--engine", "spark")
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'whence\[ray\]'"):
        whence("count", old.path, "born", "--engine", "ray")


def test_what_is_no_query(old):
    for words in (["", "--letters"], [""], ["--tokens", "1", "--letters"], []):
        with pytest.raises(CorpusError):
            whence("count", old.path, *words)
    with pytest.raises(CorpusError, match="--word-start"):
        from whence.cli.searching import Given, searched

        with searched(Given(old.path, word_start=True)) as search:
            search.together([["a"]], None)
