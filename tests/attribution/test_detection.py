"""Detection baselines against their definitions, and the order test against enumeration."""

import zlib

import numpy as np
import pytest
import torch
from scipy.stats import mannwhitneyu, spearmanr

from whence.attribution.memorization import auc, detect, detection_scores, order_test
from whence.core.errors import MethodError
from whence.training import document_likelihoods


@pytest.fixture(scope="module")
def read(demo_run):
    corpus = demo_run.corpus()
    documents = [5, 2, 9, 40]
    found = document_likelihoods(demo_run.model(), corpus, documents, context=64)
    return corpus, documents, found


def by_hand(run, corpus, document):
    """Log-probabilities, means and deviations of one document, straight from the module."""
    ids = [*corpus.start_tokens, *corpus.document(document).tokens.tolist(), *corpus.end_tokens]
    with torch.no_grad():
        logits = run.model().module(torch.tensor([ids])).logits[0, :-1].double()
    p = torch.softmax(logits, -1).numpy()
    said = np.log(p[np.arange(len(ids) - 1), ids[1:]])
    mean = (p * np.log(p)).sum(1)
    return said, mean, np.sqrt((p * (np.log(p) - mean[:, None]) ** 2).sum(1))


def test_likelihoods_are_the_module_s(read, demo_run):
    corpus, documents, found = read
    for number, document in enumerate(documents):
        said, mean, deviation = by_hand(demo_run, corpus, document)
        mine = found.document == number
        np.testing.assert_allclose(found.log_probability[mine], said, atol=1e-4)
        np.testing.assert_allclose(found.mean[mine], mean, atol=1e-4)
        np.testing.assert_allclose(found.deviation[mine], deviation, atol=1e-4)
        assert found.totals[number] == pytest.approx(said.sum(), abs=1e-3)


def test_scores_are_their_definitions(read, demo_run):
    corpus, documents, found = read
    texts = [corpus.text(d) for d in documents]
    scores = detection_scores(found, texts, found)
    for number, document in enumerate(documents):
        said, mean, deviation = by_hand(demo_run, corpus, document)
        k = max(1, int(0.2 * len(said)))
        expected = {
            "loss": said.mean(),
            "zlib": said.mean() / len(zlib.compress(texts[number].encode())),
            "min-k": np.sort(said)[:k].mean(),
            "min-k++": np.sort((said - mean) / deviation)[:k].mean(),
            "reference": 0.0,
        }
        assert {n: v[number] for n, v in scores.items()} == pytest.approx(expected, abs=2e-3)
    with pytest.raises(MethodError, match="same documents"):
        detection_scores(found, texts[:2])


def test_auc_is_the_mann_whitney_statistic():
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 9, 60).astype(float)
    trained = rng.random(60) < 0.4
    statistic = mannwhitneyu(scores[trained], scores[~trained]).statistic
    assert auc(scores, trained) == pytest.approx(statistic / (trained.sum() * (~trained).sum()))
    (found,) = detect({"any": scores}, trained, resamples=200)
    assert found.interval[0] < found.auc < found.interval[1]
    with pytest.raises(MethodError, match="both kinds"):
        auc(scores, np.ones(60, dtype=bool))


def test_the_order_test_tries_all_orders_of_a_few():
    test = order_test(np.array([1.0, 2.0, 3.0, 4.0]), np.array([10, 20, 30, 40]))
    assert (test.correlation, test.p_value, test.permutations) == (1.0, 1 / 24, 24)
    values, place = np.array([0.3, -1.0, 2.0, 0.9, 0.1]), np.array([3, 1, 2, 5, 4])
    assert order_test(values, place).correlation == pytest.approx(
        spearmanr(values, place).statistic
    )


def test_without_an_order_the_p_value_is_uniform():
    rng = np.random.default_rng(0)
    found = [order_test(rng.normal(size=7), np.arange(7)).p_value for _ in range(200)]
    # At most a tenth below 0.1, give or take four standard errors.
    assert np.mean(np.array(found) <= 0.1) <= 0.1 + 4 * np.sqrt(0.09 / 200)


def test_an_order_among_many_is_found():
    rng = np.random.default_rng(0)
    place = rng.permutation(300)
    test = order_test(rng.normal(size=300) + place / 100, place)
    assert test.permutations == 10_000
    assert test.p_value < 0.001
    with pytest.raises(MethodError, match="three or more"):
        order_test(np.zeros(2), np.arange(2))
