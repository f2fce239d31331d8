import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.corpus.samples import TEXTS, make
from whence.core.errors import CorpusError
from whence.corpus import bm25, exact_spans, shared_spans, spellings
from whence.corpus.lookup import words

few = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def bm25_by_hand(texts, query, k1=1.5, b=0.75):
    split = [words(t) for t in texts]
    mean = sum(map(len, split)) / len(split)
    scores = []
    for document in split:
        score = 0.0
        for word in words(query):
            df = sum(word in d for d in split)
            tf = document.count(word)
            idf = math.log(1 + (len(split) - df + 0.5) / (df + 0.5))
            if df:
                score += idf * tf / (tf + k1 * (1 - b + b * len(document) / mean))
        scores.append(score)
    return scores


def test_bm25_is_its_formula(tmp_path_factory):
    texts = ["The cat sat.", "the cat, the dog", "Nothing here!", "a dog a dog a dog"]
    corpus = make(tmp_path_factory, texts, tokenizer="bytes")
    queries = ["the cat", "DOG dog", "unheard", "", "a nothing"]
    expected = [bm25_by_hand(texts, query) for query in queries]
    np.testing.assert_allclose(bm25(corpus, queries), expected, rtol=1e-5)


def longest_common(a, b):
    return max(
        (
            n
            for i in range(len(a))
            for n in range(1, len(a) - i + 1)
            if any(a[i : i + n] == b[j : j + n] for j in range(len(b) - n + 1))
        ),
        default=0,
    )


@few
@given(
    texts=st.lists(st.text("abc", min_size=1, max_size=12), min_size=1, max_size=14),
    query=st.text("abcd", min_size=1, max_size=10),
)
def test_exact_spans_are_the_longest_common_runs(tmp_path_factory, texts, query):
    corpus = make(tmp_path_factory, texts, tokenizer="bytes")
    expected = [longest_common(query, text) for text in texts]
    assert exact_spans(corpus, query).tolist() == expected


@few
@given(text=st.text("ab", min_size=1, max_size=12), query=st.text("abc", min_size=1, max_size=8))
def test_shared_spans_mark_what_is_in_common(tmp_path_factory, text, query):
    corpus = make(tmp_path_factory, [text], tokenizer="bytes")
    marked = {c for a, b in shared_spans(corpus, 0, query) for c in range(a, b)}
    pairs = {i for i in range(len(text) - 1) if text[i : i + 2] in query}
    assert marked == pairs | {i + 1 for i in pairs}


ASKED = ["Ada", "born in London", "the cat sat", "return", "漢字", "東京"]


@pytest.mark.parametrize("query", ASKED)
def test_a_text_is_found_wherever_whole_tokens_spell_it(corpus, query):
    index = corpus.index()
    found = [
        (o.document, corpus.char_span(o.document, o.offset, o.offset + len(s)))
        for s in spellings(corpus, query)
        for o in index.locate(s)
    ]
    assert len(found) == len(set(found))
    for document, (start, end) in found:
        assert TEXTS[document][start:end].strip().lower() == query.lower()


@pytest.mark.parametrize(
    ("family", "query", "times"),
    [
        ("bytes", "cat", 2),
        ("bytes", "a", sum(t.count("a") for t in TEXTS)),
        ("bpe", "the cat sat", 2),
        ("bpe", "return", 2),
        ("bpe", "born in London", 3),
        ("metaspace", "born in London", 3),
        ("metaspace", "Ada", 3),
        ("prepend", "born in London", 3),
        ("prepend", "the cat sat", 2),
        ("wordpiece", "born in london", 3),
    ],
)
def test_a_text_is_counted_once_a_place(corpora, family, query, times):
    corpus = corpora[family]
    assert corpus.index().count_many(spellings(corpus, query)).sum() == times


def test_an_empty_text_cannot_be_looked_for(corpora):
    with pytest.raises(CorpusError, match="at least one character"):
        spellings(corpora["bytes"], "")


def test_a_query_that_is_not_utf8(corpus):
    with pytest.raises(CorpusError, match="expected text in UTF-8"):
        spellings(corpus, "born \udcff")
