"""Searching text and phrases, against looking at every place of every string."""

from itertools import product

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.corpus.brute import Brute, index_of
from tests.corpus.samples import make
from whence.core.errors import CorpusError
from whence.corpus import Stretch, find_together

SMALL = [HealthCheck.function_scoped_fixture]
letters = st.text("aAbß\u1e9esSſkK\u212aéÉ _.İi", min_size=1, max_size=9)
texts = st.lists(letters, min_size=1, max_size=5).filter(lambda ts: any(t.strip() for t in ts))


def starts(text, query, ignore_case):
    """Where a text is found in another, by trying every start and end."""
    wanted = query.casefold() if ignore_case else query
    for start in range(len(text)):
        ends = range(start + 1, len(text) + 1)
        parts = (text[start:end] for end in ends)
        if any((part.casefold() if ignore_case else part) == wanted for part in parts):
            yield start


def starts_word(text, start):
    return start == 0 or not (text[start - 1].isalnum() or text[start - 1] == "_")


@settings(max_examples=15, deadline=None, suppress_health_check=SMALL)
@given(documents=texts, queries=st.lists(st.text("aAbsSßkié_", min_size=1, max_size=3), max_size=4))
def test_text_is_found_everywhere(tmp_path_factory, documents, queries):
    corpus = make(tmp_path_factory, documents, tokenizer="bytes")
    index = corpus.text_index()
    for query, ignore_case, word_start in product(queries, [False, True], [False, True]):
        expected = [
            (d, len(corpus.text(d)[:start].encode()), start)
            for d in range(corpus.n_documents)
            for start in starts(corpus.text(d), query, ignore_case)
            if not word_start or starts_word(corpus.text(d), start)
        ]
        asked = {"ignore_case": ignore_case, "word_start": word_start}
        found = index.locate(query, **asked)
        assert [(o.document, o.offset, index.characters(o)) for o in found] == expected
        assert index.count(query, **asked) == len(expected)
        assert len(index.locate(query, 1, **asked)) == min(1, len(expected))


def test_inside_a_word_and_whatever_the_tokenizer(tmp_path_factory):
    corpus = make(tmp_path_factory, ["Lovelace loved a glove.", "LOVE"], vocab_size=400)
    index = corpus.text_index()
    assert index.count("love") == 2
    assert index.count("love", ignore_case=True) == 4
    assert index.count("love", word_start=True) == 1
    assert index.spellings("love") == [b"LOVE", b"Love", b"love"]


@pytest.mark.parametrize("query", ["", "\ud800"])
def test_a_text_that_cannot_be_looked_for(tmp_path_factory, query):
    corpus = make(tmp_path_factory, ["a"], tokenizer="bytes")
    with pytest.raises(CorpusError, match="a text in UTF-8"):
        corpus.text_index().count(query)


phrase = st.lists(st.integers(0, 2), min_size=1, max_size=2)
clauses = st.lists(st.lists(phrase, min_size=1, max_size=2), min_size=1, max_size=3)


@settings(max_examples=60, deadline=None, suppress_health_check=SMALL)
@given(
    documents=st.lists(
        st.lists(st.integers(0, 4), min_size=1, max_size=12), min_size=1, max_size=4
    ),
    asked=clauses,
    window=st.sampled_from([None, 2, 4, 7]),
)
def test_phrases_together(tmp_path_factory, documents, asked, window):
    cuts = (1,) if len(documents) > 1 else ()
    index = index_of(tmp_path_factory.mktemp("i"), documents, 5, cuts=cuts)
    holding = []
    for d, tokens in enumerate(documents):
        for a in range(len(tokens)):
            for b in range(a + 1, len(tokens) + 1):
                part = Brute([tokens[a:b]])
                if all(any(part.count(p) for p in clause) for clause in asked):
                    holding.append((d, a, b))
    shortest = [
        Stretch(d, a, b)
        for d, a, b in holding
        if not any(e == d and a <= c and f <= b and (c, f) != (a, b) for e, c, f in holding)
        and (window is None or b - a <= window)
    ]
    assert find_together(index, asked, window) == shortest


@pytest.mark.parametrize("asked", [[], [[]], [[[1]], []]])
def test_no_clauses(tmp_path, asked):
    with pytest.raises(CorpusError, match="at least one clause"):
        find_together(index_of(tmp_path, [[1]], 4), asked)


def test_places_are_numbers(tmp_path):
    documents, offsets = index_of(tmp_path, [[1, 1], [1]], 4, cuts=(1,)).locate_all([1])
    np.testing.assert_array_equal(documents, [0, 0, 1])
    np.testing.assert_array_equal(offsets, [0, 1, 0])
