import numpy as np
import pytest
from scipy.spatial.distance import cdist

from whence.core.errors import CorpusError
from whence.corpus import cosine, nearest


@pytest.fixture
def vectors():
    rng = np.random.default_rng(0)
    return rng.normal(size=(50, 8)).astype(np.float32) + 3, rng.normal(size=(4, 8)) + 3


def test_cosine_is_scipy_s(vectors):
    documents, queries = vectors
    plain = 1 - cdist(queries, documents, "cosine")
    np.testing.assert_allclose(cosine(documents, queries, centred=False), plain, atol=1e-6)
    mean = documents.mean(0)
    centred = 1 - cdist(queries - mean, documents - mean, "cosine")
    np.testing.assert_allclose(cosine(documents, queries), centred, atol=1e-6)


def test_blocks_do_not_matter(vectors, monkeypatch):
    whole = cosine(*vectors)
    monkeypatch.setattr("whence.corpus.neighbors._BLOCK", 7)
    np.testing.assert_allclose(cosine(*vectors), whole, atol=1e-12)


def test_the_nearest_come_first(vectors):
    documents, queries = vectors
    found = nearest(documents, queries, 5)
    similarity = cosine(documents, queries)
    for row, documents_, values in zip(similarity, *found, strict=True):
        assert values.tolist() == sorted(row, reverse=True)[:5]
        assert row[documents_].tolist() == values.tolist()
    assert nearest(documents, queries, 99).documents.shape == (4, 50)


def test_zeros_are_like_nothing():
    documents = np.array([[0.0, 0.0], [1.0, 0.0]])
    assert cosine(documents, np.array([[1.0, 0.0]]), centred=False).tolist() == [[0.0, 1.0]]


def test_mistakes(vectors):
    documents, queries = vectors
    with pytest.raises(CorpusError, match="of 8 numbers"):
        cosine(documents, queries[:, :3])
    with pytest.raises(CorpusError, match="finite"):
        cosine(documents, np.full((1, 8), np.nan))
    with pytest.raises(CorpusError, match="at least 1"):
        nearest(documents, queries, 0)
