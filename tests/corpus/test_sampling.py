from collections import Counter

import numpy as np
import pytest
from scipy import stats

from tests.corpus.brute import Brute
from tests.corpus.samples import make
from whence.core.errors import CorpusError
from whence.corpus import continuations, ngram_model, sample

TEXTS = ["abcabd", "abcab", "abd", "bcabca", "dab"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make(tmp_path_factory, TEXTS, tokenizer="bytes")


@pytest.fixture(scope="module")
def brute():
    return Brute([text.encode() for text in TEXTS])


def test_equal_seeds_give_equal_texts(corpus):
    model = ngram_model(corpus, 3)
    for source in (model, None):
        first = sample(corpus, source, "a", seed=3)
        assert first == sample(corpus, source, "a", seed=3)
        assert any(first != sample(corpus, source, "a", seed=s) for s in range(4, 9))
        assert corpus.decode(first.tokens) == first.text
        assert len(first.contexts) == len(first.tokens)


def drawn(corpus, model, prompt, count=600, **options):
    texts = [sample(corpus, model, prompt, tokens=1, seed=s, **options) for s in range(count)]
    return Counter(-1 if t.ended else t.tokens[0] for t in texts)


def fits(counts, expected, total):
    """Chi-squared; a right sampler fails once in ten thousand, and the seeds are fixed."""
    seen = np.array([counts.get(token, 0) for token in expected], float)
    wanted = np.array(list(expected.values())) * total
    assert sum(seen) == total
    return stats.chisquare(seen, wanted).pvalue > 1e-4


def test_the_n_gram_model_s_own_distribution_is_drawn_from(corpus):
    model = ngram_model(corpus, 3)
    p = model.distribution(corpus.encode("ab"))
    likely = {t: p[t] for t in np.flatnonzero(p > 0.01).tolist() if t < len(p) - 1}
    counts = drawn(corpus, model, "ab")
    rest = 1 - sum(likely.values())
    others = Counter({t: n for t, n in counts.items() if t in likely})
    others[-2] = 600 - sum(others.values())
    assert fits(others, {**likely, -2: rest}, 600)


def test_infinity_grams_follow_the_longest_context_and_may_end(corpus):
    # "bcab": twice in "abcab", "abcabd", once more in "bcabca"; then "d", an end and "c".
    counts = drawn(corpus, None, "zbcab")
    expected = {ord("d"): 1 / 3, -1: 1 / 3, ord("c"): 1 / 3}
    assert fits(counts, expected, 600)
    assert sample(corpus, None, "zbcab", tokens=1, seed=1).contexts in {(), (4,)}


def test_fewest_asks_for_shorter_contexts(corpus, brute):
    # Only "ab" occurs seven times: seven continuations, ends among them.
    count = brute.count(b"ab")
    expected = {token: n / count for n, token in brute.next(b"ab")}
    expected[-1] = 1 - sum(expected.values())
    assert fits(drawn(corpus, None, "zbcab", fewest=count), expected, 600)


def test_temperature_zero_takes_the_likeliest(corpus):
    assert sample(corpus, None, "bc", temperature=0, tokens=2).text == "ab"
    cold = sample(corpus, None, "ab", temperature=0.01, tokens=1, seed=5)
    assert cold.text == "c"


@pytest.mark.parametrize("options", [{"tokens": 0}, {"temperature": -1.0}, {"fewest": 0}])
def test_mistakes(corpus, options):
    with pytest.raises(CorpusError, match="at least"):
        sample(corpus, None, "a", **options)


def test_the_tree_counts(corpus, brute):
    tree = continuations(corpus, "ab", depth=3, breadth=2)

    def check(branch, tokens):
        assert branch.count == brute.count(tokens)
        following = brute.next(tokens)
        assert branch.kinds == len(following)
        assert branch.ends == branch.count - len(brute.after(tokens))
        for child, (count, token) in zip(branch.children, following, strict=False):
            assert child.token == token
            assert child.count == count
            assert child.probability == count / branch.count
            check(child, [*tokens, token])

    def deepest(branch):
        return 1 + max(map(deepest, branch.children), default=-1)

    check(tree, list(b"ab"))
    assert deepest(tree) == 3
    assert tree.to_json()["children"][0]["text"] == tree.children[0].text


def test_a_tree_s_mistakes(corpus):
    with pytest.raises(CorpusError, match="depth"):
        continuations(corpus, "a", depth=0)
    with pytest.raises(CorpusError, match="at least one character"):
        continuations(corpus, "")
    assert continuations(corpus, "zzz").children == ()
