"""Modified Kneser-Ney against its formulas, written down with dictionaries."""

from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.corpus.samples import TEXTS, make
from whence.core.errors import CorpusError, DamagedError
from whence.corpus import fit_ngrams, ngram_model, open_ngrams, perplexity
from whence.corpus.ngrams.kneser_ney import FALLBACK, discounts_of

START, END = "<s>", "</s>"


class Textbook:
    """Chen and Goodman's formulas over tuples, recursive, nothing stored but counts."""

    def __init__(self, documents, order, vocabulary):
        self.order, self.vocabulary = order, vocabulary
        raw = defaultdict(Counter)
        for document in documents:
            framed = [START, *document, END]
            for n in range(1, order + 1):
                for i in range(len(framed) - n + 1):
                    raw[n][tuple(framed[i : i + n])] += 1
        self.counts = {}
        for n in range(1, order + 1):
            before = defaultdict(set)
            for gram in raw.get(n + 1, ()):
                before[gram[1:]].add(gram[0])
            real = n == order
            self.counts[n] = {
                g: c if real or g[0] == START else len(before[g])
                for g, c in raw[n].items()
                if g != (START,)
            }
        self.discounts = {n: self.estimate(self.counts[n].values()) for n in self.counts}

    @staticmethod
    def estimate(counts):
        n = Counter(counts)
        if not (n[1] and n[2] and n[3]):
            return FALLBACK
        y = n[1] / (n[1] + 2 * n[2])
        found = tuple(c - (c + 1) * y * n[c + 1] / n[c] for c in (1, 2, 3))
        return found if all(0 <= d <= c for c, d in enumerate(found, 1)) else FALLBACK

    def p(self, word, context):
        context = tuple(context)[max(0, len(context) - self.order + 1) :]
        n = len(context) + 1
        after = {g[-1]: c for g, c in self.counts[n].items() if g[:-1] == context}
        lower = self.p(word, context[1:]) if context else 1 / (self.vocabulary + 1)
        total = sum(after.values())
        if not total:
            return lower
        discount = self.discounts[n]
        freed = sum(discount[min(c, 3) - 1] for c in after.values())
        count = after.get(word, 0)
        taken = discount[min(count, 3) - 1] if count else 0
        return max(count - taken, 0) / total + freed / total * lower


def corpus_of(tmp_path_factory, documents):
    texts = ["".join("abcd"[t] for t in document) for document in documents]
    return make(tmp_path_factory, texts, tokenizer="bytes")


LETTERS = st.lists(st.integers(0, 3), min_size=1, max_size=14)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(LETTERS, min_size=1, max_size=6), st.integers(1, 4), LETTERS)
def test_probabilities_are_the_textbook_s(tmp_path_factory, documents, order, asked):
    corpus = corpus_of(tmp_path_factory, documents)
    model = ngram_model(corpus, order)
    book = Textbook(
        [corpus.document(i).tokens.tolist() for i in range(corpus.n_documents)],
        order,
        corpus.vocabulary_size,
    )
    for n in range(1, order + 1):
        assert model.record["discounts"][n - 1] == pytest.approx(book.discounts[n])
    tokens = corpus.encode("".join("abcd"[t] for t in asked)).tolist()
    framed = [START, *tokens, END]
    expected = [np.log(book.p(framed[i], framed[:i])) for i in range(1, len(framed))]
    np.testing.assert_allclose(model.log_probabilities(tokens), expected, atol=1e-5)


def test_discounts_of_real_shape():
    counts = np.array([7, 50, 20, 10, 6])
    y = 50 / 90
    expected = (1 - 2 * y * 20 / 50, 2 - 3 * y * 10 / 20, 3 - 4 * y * 6 / 10)
    found = discounts_of(counts)
    assert found.estimated
    assert found.values == pytest.approx(expected)
    assert not discounts_of(np.array([0, 2, 0, 1, 0])).estimated


@pytest.fixture(scope="module")
def english(tmp_path_factory):
    pieces = TEXTS * 3
    pieces += [f"the {a} sat on the {b}" for a in ["cat", "dog", "man"] for b in ["mat", "hat"]]
    return make(tmp_path_factory, pieces, vocab_size=320)


def test_distributions_sum_to_one_and_agree_with_single_probabilities(english):
    model = ngram_model(english, 3)
    tokens = english.encode("the cat sat on the hat").tolist()
    singles = np.exp(model.log_probabilities(tokens))
    for i in range(len(tokens) + 1):
        p = model.distribution(tokens[:i])
        assert p.shape == (english.vocabulary_size + 1,)
        assert p.min() > 0
        assert p.sum() == pytest.approx(1, abs=1e-5)
        assert p[tokens[i] if i < len(tokens) else -1] == pytest.approx(singles[i], rel=1e-5)
    inside = model.distribution(tokens[:2], begins=False)
    assert inside.sum() == pytest.approx(1, abs=1e-5)


def test_memory_does_not_change_a_byte(english, tmp_path):
    large = fit_ngrams(english, tmp_path / "large", 4)
    small = fit_ngrams(english, tmp_path / "small", 4, memory=48 * 20)
    files = sorted(p.name for p in large.path.iterdir())
    assert files == sorted(p.name for p in small.path.iterdir())
    for name in files:
        assert (large.path / name).read_bytes() == (small.path / name).read_bytes()


def test_a_slice_is_a_corpus_of_its_own(english, tmp_path, tmp_path_factory):
    mask = np.arange(english.n_documents) % 3 == 0
    part = fit_ngrams(english, tmp_path / "part", 3, documents=mask)
    texts = [english.text(i) for i in np.flatnonzero(mask).tolist()]
    alone = make(tmp_path_factory, texts, tokenizer=str(english.tokenizer_path))
    whole = ngram_model(alone, 3)
    tokens = english.encode("the cat sat in London")
    np.testing.assert_array_equal(part.log_probabilities(tokens), whole.log_probabilities(tokens))


def test_perplexity(english):
    model = ngram_model(english, 3)
    texts = ["the cat sat on the mat", "zq zq"]
    found = perplexity(english, model, texts)
    total = sum(model.log_probabilities(english.encode(t)).sum() for t in texts)
    assert found.nats == pytest.approx(-total)
    assert found.tokens == sum(len(english.encode(t)) + 1 for t in texts)
    assert found.perplexity == pytest.approx(np.exp(-total / found.tokens))
    assert found.bits_per_byte == pytest.approx(-total / np.log(2) / 27)
    assert perplexity(english, model, texts[:1]).perplexity < 10 < found.perplexity


def test_a_model_is_made_once_and_bound_to_its_corpus(english, tmp_path_factory):
    model = ngram_model(english, 3)
    before = (model.path / "manifest.json").stat().st_mtime_ns
    assert (ngram_model(english, 3).path / "manifest.json").stat().st_mtime_ns == before
    other = make(tmp_path_factory, ["another corpus"], vocab_size=320)
    (other.path / "ngrams-3").symlink_to(model.path)
    with pytest.raises(DamagedError, match="this corpus"):
        ngram_model(other, 3)


def test_damage_is_seen(english, tmp_path):
    model = fit_ngrams(english, tmp_path / "m", 2)
    file = model.path / "keys-2.npy"
    file.write_bytes(file.read_bytes()[:-8])
    with pytest.raises(DamagedError, match="bytes"):
        open_ngrams(model.path)


def test_mistakes(english, tmp_path):
    for order in (0, 13):
        with pytest.raises(CorpusError, match="order"):
            fit_ngrams(english, tmp_path / "m", order)
    with pytest.raises(CorpusError, match="at least one"):
        fit_ngrams(english, tmp_path / "m", 2, documents=np.zeros(english.n_documents, bool))
    with pytest.raises(CorpusError, match="token ids from 0"):
        ngram_model(english, 3).log_probabilities([english.vocabulary_size])
    with pytest.raises(CorpusError, match="at least one"):
        perplexity(english, ngram_model(english, 3), [])
    assert not (tmp_path / "m").exists()
