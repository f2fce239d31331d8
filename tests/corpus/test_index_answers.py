"""Every question to an index, against looking at every place."""

import pickle

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.corpus.brute import Brute, index_of
from whence.core.errors import CorpusError
from whence.corpus import Index

SMALL = [HealthCheck.function_scoped_fixture]
sizes = st.sampled_from([(2, np.uint8), (3, np.uint16), (3, np.uint32), (400, np.uint16)])


@st.composite
def questions(draw):
    """Documents (some repeated), a vocabulary, a query, and where shards are cut."""
    vocabulary, kind = draw(sizes)
    token = st.integers(0, vocabulary - 1)
    documents = draw(st.lists(st.lists(token, min_size=1, max_size=14), min_size=1, max_size=6))
    documents += draw(st.lists(st.sampled_from(documents), max_size=3))
    query = draw(st.lists(token, min_size=1, max_size=12))
    cuts = draw(st.sampled_from([(), (1,)])) if len(documents) > 1 else ()
    return documents, vocabulary, kind, query, cuts


def asked(tmp_path_factory, question, **settings):
    documents, vocabulary, kind, query, cuts = question
    folder = tmp_path_factory.mktemp("index")
    index = index_of(folder, documents, vocabulary, kind=kind, cuts=cuts, **settings)
    return index, Brute(documents), query


def same(probabilities, expected):
    columns = [
        getattr(probabilities, n) for n in ("probability", "length", "context_count", "count")
    ]
    for column, wanted in zip(columns, zip(*expected, strict=True), strict=True):
        np.testing.assert_array_equal(column, wanted)


@settings(max_examples=60, deadline=None, suppress_health_check=SMALL)
@given(question=questions())
def test_counts_and_places(tmp_path_factory, question):
    index, brute, query = asked(tmp_path_factory, question)
    parts = [query[a:b] for a in range(len(query)) for b in range(a + 1, len(query) + 1)]
    counts = [brute.count(part) for part in parts]
    assert [index.count(part) for part in parts] == counts
    assert index.count_many(parts).tolist() == counts
    assert index.count_many(np.array([query, query])).tolist() == [brute.count(query)] * 2
    for part in parts[:8]:
        where = brute.places(part)
        assert index.contains(part) == bool(where)
        for limit in (None, 0, 1, 2):
            found = index.locate(part, limit)
            assert [(o.document, o.offset) for o in found] == where[:limit]


@settings(max_examples=60, deadline=None, suppress_health_check=SMALL)
@given(question=questions())
def test_what_follows(tmp_path_factory, question):
    index, brute, query = asked(tmp_path_factory, question)
    for length in range(len(query)):
        tokens, counts = index.next(query[:length])
        found = list(zip(counts.tolist(), tokens.tolist(), strict=True))
        assert found == brute.next(query[:length])


@settings(max_examples=60, deadline=None, suppress_health_check=SMALL)
@given(question=questions(), shortest=st.integers(1, 3))
def test_longest_matches(tmp_path_factory, question, shortest):
    index, brute, query = asked(tmp_path_factory, question)
    lengths = [brute.longest(query, start) for start in range(len(query))]
    found = index.longest_matches(query)
    assert index.longest(query).tolist() == found.lengths.tolist()
    assert found.lengths.tolist() == lengths
    counts = [brute.count(query[s : s + n]) if n else 0 for s, n in enumerate(lengths)]
    assert found.counts.tolist() == counts
    maximal = [(m.start, m.end, m.count) for m in index.maximal_matches(query, shortest)]
    assert maximal == brute.maximal(query, shortest)
    assert index.longest_by_document(query).tolist() == brute.by_document(query)
    best = max(lengths)
    start = lengths.index(best) if best else 0
    match = index.longest_match(query)
    assert (match.start, match.end) == (start, start + best)
    assert match.count == (brute.count(query[start : start + best]) if best else 0)


@settings(max_examples=60, deadline=None, suppress_health_check=SMALL)
@given(question=questions(), n=st.integers(1, 5))
def test_probabilities(tmp_path_factory, question, n):
    index, brute, query = asked(tmp_path_factory, question)
    places = range(len(query))
    same(index.infinity_probabilities(query), [brute.infinity(query, i) for i in places])
    expected = [brute.probability(query, i, min(i, n - 1)) for i in places]
    same(index.ngram_probabilities(query, n), expected)


@settings(max_examples=40, deadline=None, suppress_health_check=SMALL)
@given(question=questions(), shortest=st.integers(1, 3))
def test_repeats(tmp_path_factory, question, shortest):
    documents, vocabulary, kind, query, _ = question
    index, brute, _ = asked(tmp_path_factory, (documents, vocabulary, kind, query, ()))
    found = []
    for repeat in index.repeats(shortest):
        document = documents[repeat.example.document]
        text = tuple(document[repeat.example.offset :][: repeat.length])
        found.append((repeat.length, repeat.count, text))
    expected = brute.repeats(shortest)
    assert set(found) == expected
    assert len(found) == len(expected)
    lengths = sorted((length for length, *_ in expected), reverse=True)
    for limit in (0, 1, 3):
        assert [r.length for r in index.repeats(shortest, limit)] == lengths[:limit]


@settings(max_examples=40, deadline=None, suppress_health_check=SMALL)
@given(question=questions(), seed=st.integers(0, 9))
def test_a_slice_of_the_documents(tmp_path_factory, question, seed):
    documents, *_, query, _ = question
    wanted = np.random.default_rng(seed).random(len(documents)) < 0.6
    whole, _, _ = asked(tmp_path_factory, question)
    index = whole.restricted(wanted)
    brute = Brute([d if w else [] for d, w in zip(documents, wanted, strict=True)])
    assert index.count(query[:1]) == brute.count(query[:1])
    assert [(o.document, o.offset) for o in index.locate(query[:1])] == brute.places(query[:1])
    tokens, counts = index.next([])
    assert list(zip(counts.tolist(), tokens.tolist(), strict=True)) == brute.next([])
    lengths = [brute.longest(query, start) for start in range(len(query))]
    assert index.longest_matches(query).lengths.tolist() == lengths
    same(
        index.infinity_probabilities(query),
        [brute.infinity(query, i) for i in range(len(query))],
    )
    again = index.restricted(np.arange(len(documents)) % 2 == 0)
    kept = [
        d if w and not i % 2 else [] for i, (d, w) in enumerate(zip(documents, wanted, strict=True))
    ]
    assert again.count(query[:1]) == Brute(kept).count(query[:1])


def test_the_largest_tokens_and_full_keys(tmp_path):
    """Token 65,535 fills its sixteen bits; keys of four are all ones."""
    top = 65_535
    documents = [[top] * 9, [top, 0, top], [0] * 9, [0], [0, 0], [top]]
    index, brute = index_of(tmp_path, documents, 1 << 16), Brute(documents)
    for query in ([top], [0], [top] * 4, [0] * 4, [top] * 9, [0] * 10, [top, 0], [0, top]):
        assert index.count(query) == brute.count(query)
        assert [(o.document, o.offset) for o in index.locate(query)] == brute.places(query)


def test_many_suffixes_between_two_keys(tmp_path):
    """More of one kind than there are suffixes to a key, and few of others."""
    rng = np.random.default_rng(0)
    documents = [rng.choice([7, 7, 7, 7, 8, 9], 600).tolist() for _ in range(3)]
    index, brute = index_of(tmp_path, documents, 300), Brute(documents)
    for length in (1, 2, 3, 5, 8):
        for start in rng.integers(0, 500, 6):
            query = documents[0][start : start + length]
            assert index.count(query) == brute.count(query)
            assert index.next(query).counts.sum() == len(brute.after(query))
    assert index.next([5]).tokens.tolist() == []


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.uint32])
def test_counts_of_longest_matches_where_many_suffixes_are_alike(tmp_path, kind):
    """Edges of what matches lie beyond the suffixes between two keys, and token 0 is frequent."""
    rng = np.random.default_rng(1)
    documents = [rng.choice([0, 0, 0, 1, 2], size).tolist() for size in (900, 1, 700, 2, 5, 60)]
    index, brute = index_of(tmp_path, documents, 4, kind=kind), Brute(documents)
    for _ in range(4):
        query = rng.choice([0, 0, 0, 1, 2, 3], 80, p=[0.3, 0.2, 0.2, 0.1, 0.15, 0.05]).tolist()
        query += documents[0][100 : 100 + int(rng.integers(40))]
        lengths = [brute.longest(query, start) for start in range(len(query))]
        found = index.longest_matches(query)
        assert found.lengths.tolist() == lengths
        spans = [query[start : start + n] for start, n in enumerate(lengths)]
        assert found.counts.tolist() == [brute.count(span) if span else 0 for span in spans]


@pytest.mark.parametrize("length", [1, 3, 9])
def test_rows_are_counted_in_any_order(tmp_path, length):
    """So many that they are put in order first; one by one they are not."""
    rng = np.random.default_rng(2)
    documents = [rng.integers(0, 30, 500).tolist() for _ in range(5)]
    index, brute = index_of(tmp_path, documents, 1 << 16, cuts=(2,), threads=2), Brute(documents)
    rows = rng.integers(0, 31, (5000, length)).astype(np.uint16)
    rows[:500] = [documents[i % 5][i % 400 : i % 400 + length] for i in range(500)]
    found = index.count_many(rows)
    assert found.tolist() == [index.count(row) for row in rows]
    assert found[:60].tolist() == [brute.count(row) for row in rows[:60].tolist()]
    assert found[:500].all()


def test_threads_answer_alike(tmp_path):
    rng = np.random.default_rng(0)
    documents = [rng.integers(0, 20, 300).tolist() for _ in range(20)]
    one = index_of(tmp_path / "1", documents, 20)
    two = index_of(tmp_path / "2", documents, 20, threads=2)
    queries = rng.integers(0, 20, (3000, 3))
    np.testing.assert_array_equal(one.count_many(queries), two.count_many(queries))
    np.testing.assert_array_equal(one.count_many(queries), one.count_many(list(queries)))
    text = rng.integers(0, 20, 2000)
    np.testing.assert_array_equal(one.longest_matches(text), two.longest_matches(text))


def test_a_slice_goes_to_another_process(tmp_path):
    documents = [[1, 2], [1, 3]]
    index = index_of(tmp_path / "a", documents, 4)
    assert isinstance(index, Index)
    other = pickle.dumps(index.restricted(np.array([True, False])).__reduce__()[1][-1])
    assert pickle.loads(other).tolist() == [True, False]


def test_a_mask_of_another_size_is_an_error(tmp_path):
    with pytest.raises(CorpusError, match="a value for each of 1 documents"):
        index_of(tmp_path, [[1]], 4).restricted(np.ones(3, bool))


@pytest.mark.parametrize("ask", ["longest_matches", "infinity_probabilities", "maximal_matches"])
def test_a_query_of_nothing_is_an_error(tmp_path, ask):
    with pytest.raises(CorpusError, match="at least one token"):
        getattr(index_of(tmp_path, [[1]], 4), ask)([])


@pytest.mark.parametrize("token", [4, -1, 1 << 80])
def test_a_token_that_there_is_not_is_an_error(tmp_path, token):
    index = index_of(tmp_path, [[1]], 4)
    for ask in (index.count, index.longest_matches, index.locate, index.next):
        with pytest.raises(CorpusError, match=f"from 0 to 3, got {token}"):
            ask([1, token])
    with pytest.raises(CorpusError, match=f"got {token}"):
        index.count_many([[1], [token]])
