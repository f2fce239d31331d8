"""Task-grams: pairs, counts and probabilities against plain loops over every place."""

import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tests.corpus.samples import documents
from whence.core.errors import CorpusError, SourceError
from whence.corpus import BuildSettings, build_from_documents, spellings
from whence.corpus.tasks import (
    Example,
    correlate,
    count_pairs,
    coverage,
    find_pairs,
    find_places,
    infinity_log_probabilities,
    mine_pairs,
    novelty,
    pair_table,
    read_examples,
    task_gram_log_probabilities,
    task_grams,
)
from whence.corpus.tasks.grams import grams_of

TEXTS = [
    "Ada was born in London. Later on Ada Lovelace left London for the sea.",
    "Ben was born in Paris, and Ada was not: London is where she was born.",
    "London, London! Ada met Ben in London. Ben was born in Paris.",
    "Nothing of the kind was ever said of anybody in Paris or in Rome.",
    "Ada Lovelace was born in London",
]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tasks") / "c"
    return build_from_documents(documents(TEXTS), folder, BuildSettings(vocab_size=300))


def places(corpus, names):
    """Every place of a text with several names, by looking at every place."""
    queries = {tuple(q) for name in names for q in spellings(corpus, name)}
    found = set()
    for d in range(corpus.n_documents):
        tokens = corpus.document(d).tokens.tolist()
        for query in queries:
            n = len(query)
            for i in range(len(tokens) - n + 1):
                if tuple(tokens[i : i + n]) == query:
                    found.add((d, i, i + n))
    return {
        (d, a, b)
        for d, a, b in found
        if not any(e == d and x <= a and b <= y and (a, b) != (x, y) for e, x, y in found)
    }


def test_places_are_all_of_them(corpus):
    for names in (["London"], ["Ada", "Ada Lovelace"], ["was born in"], ["Atlantis"]):
        found = find_places(corpus, names)
        documents = found.documents(corpus)
        bounds = corpus.offsets[documents]
        triples = zip(documents, found.starts - bounds, found.ends - bounds, strict=True)
        assert {tuple(map(int, t)) for t in triples} == places(corpus, names)


NAMES = [["Ada", "Ada Lovelace"], ["Ben"], ["London"], ["Paris", "Rome"], ["born"], ["Atlantis"]]


@pytest.mark.parametrize("window", [1, 4, 9, 1000])
def test_pairs_are_counted_as_by_hand(corpus, window):
    pairs = np.array(list(itertools.product(range(6), range(6))))
    counts = count_pairs(corpus, NAMES, NAMES, pairs, window)
    for k, (i, j) in enumerate(pairs.tolist()):
        left, right = places(corpus, NAMES[i]), places(corpus, NAMES[j])
        first, second = ({d for d, _, _ in found} for found in (left, right))
        near = [
            any(d == e and max(b, y) - min(a, x) <= window for e, x, y in right) for d, a, b in left
        ]
        assert counts.documents[k] == len(first & second)
        assert counts.first_documents[k] == len(first)
        assert counts.second_documents[k] == len(second)
        assert counts.near[k] == sum(near)
        assert counts.first_places[k] == len(left)


def test_log_probabilities_are_shares(corpus):
    pairs = np.array([[0, 2], [1, 2], [1, 5], [5, 1]])
    counts = count_pairs(corpus, NAMES, NAMES, pairs, 8)
    found = task_gram_log_probabilities(counts)
    assert found[0] == pytest.approx(math.log(counts.documents[0] / counts.first_documents[0]))
    assert found[2] == -np.inf
    assert math.isnan(found[3])
    near = task_gram_log_probabilities(counts, near=True)
    assert near[0] == pytest.approx(math.log(counts.near[0] / counts.first_places[0]))


def test_grams_are_words_as_they_stand():
    text = "Don't stop, co-operate. Ça va?"
    found = grams_of(text, 2)
    assert [g.text for g in found] == ["Don't stop", "stop, co-operate", "co-operate. Ça", "Ça va"]
    assert all(text[g.start : g.end] == g.text for g in found)
    assert [g.text for g in grams_of("one", 3)] == ["one"]
    assert grams_of(" ... ", 1) == []
    with pytest.raises(CorpusError, match="at least one word"):
        grams_of("a", 0)


EXAMPLES = [
    Example("0", "where was Ada born", "in London then"),
    Example("1", "where was Ben born", "in Paris then"),
]


def test_pairs_are_those_above_the_threshold_in_one_example():
    grams = task_grams(EXAMPLES, 1)
    assert grams.inputs == ("where", "was", "Ada", "born", "Ben")
    assert grams.outputs == ("in", "London", "then", "Paris")
    random = np.random.default_rng(0)
    left, right = random.normal(size=(5, 6)), random.normal(size=(4, 6))
    table = mine_pairs(grams, left, right, 0.1)
    expected = {}
    for own_in, own_out in zip(grams.input_of, grams.output_of, strict=True):
        for i, j in itertools.product(own_in, own_out):
            cosine = left[i] @ right[j] / np.linalg.norm(left[i]) / np.linalg.norm(right[j])
            if cosine > 0.1:
                expected[grams.inputs[i], grams.outputs[j]] = pytest.approx(cosine)
    rows = zip(table.pairs.tolist(), table.similarity.tolist(), strict=True)
    assert {(table.inputs[i], table.outputs[j]): s for (i, j), s in rows} == expected
    found = find_pairs(table, EXAMPLES, 1)
    for one in found:
        output = table.outputs[table.pairs[one.pair, 1]]
        assert EXAMPLES[one.example].output[one.start : one.end] == output
    by_example = {(one.example, one.pair) for one in found}
    assert len(by_example) == len(found) >= len(expected)


def test_a_gram_is_no_pair_with_itself():
    grams = task_grams([Example("0", "same", "same")], 1)
    assert len(mine_pairs(grams, np.ones((1, 2)), np.ones((1, 2)), 0.5)) == 0


def test_vectors_must_be_those_of_the_grams():
    grams = task_grams(EXAMPLES, 1)
    with pytest.raises(CorpusError, match="5 finite vectors"):
        mine_pairs(grams, np.ones((4, 2)), np.ones((4, 2)), 0.5)
    with pytest.raises(CorpusError, match="nan or infinity"):
        mine_pairs(grams, np.full((5, 2), np.nan), np.ones((4, 2)), 0.5)


def test_coverage_sums_documents(corpus):
    table = pair_table([("Ada", "London", 1.0), ("Ben", "Paris", 1.0), ("born", "London", 1.0)])
    counts = count_pairs(
        corpus, [(t,) for t in table.inputs], [(t,) for t in table.outputs], table.pairs
    )
    found = find_pairs(table, EXAMPLES, 1)
    assert coverage(found, counts, 3).tolist() == [
        counts.documents[0] + counts.documents[2],
        counts.documents[1],
        0,
    ]


def longest_context(corpus, before, token):
    """The infinity-gram by trying every suffix, longest first."""
    everything = [corpus.document(i).tokens.tolist() for i in range(corpus.n_documents)]
    for length in range(len(before), -1, -1):
        context = before[len(before) - length :]
        after = [
            tokens[i + length]
            for tokens in everything
            for i in range(len(tokens) - length)
            if tokens[i : i + length] == context
        ]
        if after:
            return after.count(token) / len(after)
    raise AssertionError


@pytest.mark.parametrize(
    "text", ["Ben was born in London", "Ada met Ada Lovelace in the sea", "xyz Rome"]
)
def test_infinity_grams_are_those_of_every_suffix(corpus, text):
    tokens = corpus.encode(text).tolist()
    alone = [longest_context(corpus, tokens[:i], token) for i, token in enumerate(tokens)]
    expected = sum(math.log(p) for p in alone if p > 0)
    assert infinity_log_probabilities(corpus, text, [(0, len(text))])[0] == pytest.approx(expected)


def test_a_stretch_of_the_infinity_gram_counts_its_own_tokens(corpus):
    text = "Ada was born in London"
    parts = list(itertools.pairwise([0, 3, 7, 12, 15, len(text)]))
    *found, whole = infinity_log_probabilities(corpus, text, [*parts, (0, len(text))])
    assert sum(found) == pytest.approx(whole)
    unseen = "Ada was born in Xylophon"
    assert infinity_log_probabilities(corpus, unseen, [(16, 17)])[0] == -np.inf


@settings(deadline=None, max_examples=40)
@given(
    st.lists(
        st.tuples(st.integers(-4, 4), st.floats(-5, 5, allow_subnormal=False)),
        min_size=4,
        max_size=30,
    )
)
def test_the_correlation_is_scipys(points):
    a, b = (np.array(column, float) for column in zip(*points, strict=True))
    found = correlate(a, b, resamples=20)
    if len(set(a)) == 1 or len(set(b)) == 1:
        assert math.isnan(found.rho)
        return
    expected = stats.spearmanr(a, b)
    assert found.rho == pytest.approx(expected.statistic, abs=1e-9)
    if abs(found.rho) < 0.999:
        assert found.p_value == pytest.approx(expected.pvalue, abs=1e-9)
    tau = stats.kendalltau(a, b).statistic
    assert found.kendall_distance == pytest.approx((1 - tau) / 2)


def test_minus_infinity_is_the_lowest_and_nan_is_left_out():
    a = np.array([-np.inf, 0.0, 1.0, 2.0, np.nan])
    b = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    found = correlate(a, b, resamples=10)
    assert (found.rho, found.points, found.left_out) == (pytest.approx(1), 4, 1)
    with pytest.raises(CorpusError, match="at least three"):
        correlate(a[:2], b[:2])


def test_the_interval_covers_as_often_as_it_says():
    """100 samples of 60 points with a true correlation: 95 % of intervals, give or take."""
    random, true = np.random.default_rng(0), 6 / np.pi * np.arcsin(0.5 / 2)
    covered = 0
    for sample in range(100):
        x, noise = random.normal(size=(2, 60))
        y = 0.5 * x + math.sqrt(0.75) * noise
        found = correlate(x, y, resamples=120, seed=sample)
        covered += found.low <= true <= found.high
    assert 0.87 <= covered / 100 <= 0.99


def test_points_of_one_example_go_together():
    """Copies of points carry no news: the interval must not shrink because of them."""
    random = np.random.default_rng(1)
    a, b = random.normal(size=(2, 30))
    alone = correlate(a, b, resamples=400, seed=3)
    copied = correlate(np.repeat(a, 9), np.repeat(b, 9), np.repeat(np.arange(30), 9), seed=3)
    assert copied.groups == 30
    assert copied.high - copied.low == pytest.approx(alone.high - alone.low, rel=0.2)
    careless = correlate(np.repeat(a, 9), np.repeat(b, 9), seed=3)
    assert careless.high - careless.low < 0.6 * (copied.high - copied.low)
    assert correlate(a, b, resamples=400, seed=3) == alone


def test_novelty_is_that_of_sets(corpus):
    said = ["Ada was born in Rome", "London, London!", "zebra"]
    found = novelty(corpus, said, 6)
    for k, n in enumerate(found.lengths):
        known = set()
        for i in range(corpus.n_documents):
            tokens = corpus.document(i).tokens.tolist()
            known |= {tuple(tokens[p : p + n]) for p in range(len(tokens) - n + 1)}
        for row, text in enumerate(said):
            tokens = corpus.encode(text).tolist()
            runs = [tuple(tokens[p : p + n]) for p in range(len(tokens) - n + 1)]
            assert found.ngrams[row, k] == len(runs)
            assert found.novel[row, k] == sum(run not in known for run in runs)
    assert found.longest[1] == len(corpus.encode(said[1]))
    with pytest.raises(CorpusError, match="at least one text"):
        novelty(corpus, [])


def test_examples_are_read(tmp_path):
    path = tmp_path / "e.jsonl"
    path.write_text('{"id": 7, "q": "a", "a": "b"}\n\n{"q": "c", "a": "d"}\n')
    assert read_examples(path, "q", "a") == [Example("7", "a", "b"), Example("3", "c", "d")]
    with pytest.raises(SourceError, match=r"line 1.*'input'"):
        read_examples(path)
    path.write_text("")
    with pytest.raises(SourceError, match="one object a line"):
        read_examples(path)
    path.write_text(json.dumps({"input": " ", "output": "x"}))
    with pytest.raises(SourceError, match="text in the field 'input'"):
        read_examples(path)
