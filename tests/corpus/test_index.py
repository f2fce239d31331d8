import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.corpus.samples import make
from whence.core.errors import CorpusError, DamagedError
from whence.corpus import BuildSettings, Index, RawDocument, build_from_documents, open_corpus

small_texts = st.lists(st.text("ab\n", min_size=1, max_size=12), min_size=1, max_size=6).filter(
    lambda texts: any(t.strip() for t in texts)
)
queries = st.text("abc\n", min_size=1, max_size=6)


def places(corpus, query):
    """Where a query occurs, by trying every place."""
    documents = [corpus.document(d).tokens.tolist() for d in range(corpus.n_documents)]
    return [
        (d, o)
        for d, tokens in enumerate(documents)
        for o in range(len(tokens) - len(query) + 1)
        if tokens[o : o + len(query)] == query
    ]


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(texts=small_texts, asked=st.lists(queries, min_size=1, max_size=4))
def test_agrees_with_brute_force(tmp_path_factory, texts, asked):
    corpus = make(tmp_path_factory, texts, tokenizer="bytes")
    index = corpus.index()
    encoded = [list(query.encode()) for query in asked]
    truth = [places(corpus, query) for query in encoded]
    assert index.count_many(encoded).tolist() == [len(t) for t in truth]
    for query, where in zip(encoded, truth, strict=True):
        assert index.count(query) == len(where)
        assert [(o.document, o.offset) for o in index.locate(query)] == where
        assert [(o.document, o.offset) for o in index.locate(query, 2)] == where[:2]
        after = [
            int(corpus.document(d).tokens[o + len(query)])
            for d, o in where
            if o + len(query) < corpus.lengths[d]
        ]
        tokens, counts = index.next(query)
        expected = sorted(((after.count(t), t) for t in set(after)), key=lambda p: (-p[0], p[1]))
        assert list(zip(counts.tolist(), tokens.tolist(), strict=True)) == expected


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(texts=small_texts, query=st.text("abc\n", min_size=1, max_size=14))
def test_longest_match_is_the_first_of_the_longest(tmp_path_factory, texts, query):
    corpus = make(tmp_path_factory, texts, tokenizer="bytes")
    tokens = list(query.encode())
    spans = [(a, b) for a in range(len(tokens)) for b in range(a + 1, len(tokens) + 1)]
    there = [(b - a, -a, len(places(corpus, tokens[a:b]))) for a, b in spans]
    length, start, count = max((t for t in there if t[2]), default=(0, 0, 0))
    match = corpus.index().longest_match(tokens)
    assert (match.end - match.start, -match.start, match.count) == (length, start, count)


def test_wide_vocabularies_and_repeats(tmp_path_factory):
    corpus = make(tmp_path_factory, ["the cat " * 50, "cat"] + [f"w{i} x" for i in range(200)])
    index = corpus.index()
    rng = np.random.default_rng(0)
    for _ in range(40):
        document = corpus.document(int(rng.integers(corpus.n_documents))).tokens
        start = int(rng.integers(len(document)))
        query = document[start : start + int(rng.integers(1, 6))].tolist()
        assert index.count(query) == len(places(corpus, query)) == index.count_many([query])[0]


def test_u32_tokens(tmp_path, tmp_path_factory):
    vocabulary = {f"w{i}": i for i in range(70_000)}
    record = {
        "version": "1.0",
        "added_tokens": [],
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "w0"},
    }
    (tmp_path / "tokenizer.json").write_text(json.dumps(record))
    corpus = make(
        tmp_path_factory,
        ["w69999 w1 w65536", "w1 w65536"],
        tokenizer=str(tmp_path / "tokenizer.json"),
    )
    assert corpus.tokens.dtype == np.uint32
    assert corpus.tokens.tolist() == [69999, 1, 65536, 1, 65536]
    assert corpus.index().count([1, 65536]) == 2
    assert corpus.index().next([1]).tokens.tolist() == [65536]


def test_next_of_nothing_is_how_often_each_token_occurs(corpora):
    corpus = corpora["bpe"]
    tokens, counts = corpus.index().next([])
    assert dict(zip(tokens.tolist(), counts.tolist(), strict=True)) == {
        t: int((corpus.tokens == t).sum()) for t in set(corpus.tokens.tolist())
    }


def test_token_arrays_of_any_width_can_be_asked_for(corpora):
    corpus = corpora["bpe"]
    query = corpus.document(0).tokens[:3]
    assert query.dtype == np.uint16
    for kind in (np.uint16, np.int32, np.int64):
        assert corpus.index().count(query.astype(kind)) == corpus.index().count(query.tolist())
    assert corpus.decode(query) == corpus.decode(query.tolist())


def test_it_is_an_index(corpora):
    assert isinstance(corpora["bpe"].index(), Index)


@pytest.mark.parametrize("query", [[], [999], [-1]])
def test_a_query_of_no_or_foreign_tokens_is_an_error(corpora, query):
    with pytest.raises(CorpusError, match="query"):
        corpora["bytes"].index().count(query)


def test_a_query_longer_than_the_corpus_does_not_occur(corpora):
    assert corpora["bytes"].index().count([65] * 10_000) == 0


def test_the_index_of_another_corpus_is_refused(tmp_path):
    made = [
        build_from_documents([RawDocument("a", t)], tmp_path / t, BuildSettings(tokenizer="bytes"))
        for t in ("xy", "zy")
    ]
    made[0].index()
    (made[0].path / "index").rename(made[1].path / "index")
    with pytest.raises(DamagedError, match="an index of this corpus"):
        made[1].index()


def test_a_truncated_index_is_damaged(tmp_path):
    settings = BuildSettings(tokenizer="bytes")
    made = build_from_documents([RawDocument("a", "xyz")], tmp_path / "c", settings)
    made.index()
    path = made.path / "index" / "00000" / "suffixes.npy"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DamagedError, match=r"suffixes.npy.*bytes"):
        open_corpus(made.path).index()
