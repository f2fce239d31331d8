"""Look-ups: baselines that ask the text, or no more of the model than its states.

They only rank (unit "rank"): a BM25 score is no prediction of nats. They stand beside
every clever method, because a clever method that loses to them is not clever.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from whence.core import Behavior, Cause, Cost, Coverage, Scores
from whence.core.seeds import generator
from whence.corpus import Corpus, cosine
from whence.corpus import bm25 as corpus_bm25
from whence.corpus import exact_spans as corpus_exact_spans
from whence.models import BATCH_SIZE, Model, sentence_embeddings, text_embeddings


def bm25(corpus: Corpus, behaviors: Sequence[Behavior], causes: tuple[Cause, ...]) -> Scores:
    """BM25 relevance of each document to prompt and target together.

    Args:
        corpus: the documents.
        behaviors: each becomes the query `prompt + target`.
        causes: documents or groups of them; a group gets its best document's score.

    References:
        Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009.
    """
    return _lookup(
        "bm25",
        corpus,
        behaviors,
        causes,
        lambda texts: corpus_bm25(corpus, texts),
    )


def exact_spans(corpus: Corpus, behaviors: Sequence[Behavior], causes: tuple[Cause, ...]) -> Scores:
    """Length in tokens of the longest stretch that a document shares with prompt and target.

    Args:
        corpus: the documents.
        behaviors: each becomes the text `prompt + target`.
        causes: documents or groups of them; a group gets its best document's score.
    """
    return _lookup(
        "exact-spans",
        corpus,
        behaviors,
        causes,
        lambda texts: np.stack([corpus_exact_spans(corpus, text) for text in texts]),
    )


def embedding(
    model: Model,
    corpus: Corpus,
    behaviors: Sequence[Behavior],
    causes: tuple[Cause, ...],
    *,
    batch_size: int = BATCH_SIZE,
) -> Scores:
    """Cosine similarity of each document's states to those of prompt and target.

    A text's vector is the mean of the model's last hidden states over its tokens, less the mean
    vector of all documents. One forward pass over the corpus.

    Args:
        model: whose states are taken.
        corpus: the documents.
        behaviors: each becomes the text `prompt + target`.
        causes: documents or groups of them; a group gets its best document's score.
        batch_size: texts in one forward pass.
    """
    passes = corpus.n_documents + len(behaviors)

    def search(texts: list[str]) -> Float[np.ndarray, "query document"]:
        documents = [corpus.text(i) for i in range(corpus.n_documents)]
        vectors = text_embeddings(model, documents, batch_size=batch_size)
        return cosine(vectors, text_embeddings(model, texts, batch_size=batch_size))

    found = _lookup("embedding", corpus, behaviors, causes, search)
    settings = {**found.settings, "state": "last", "pooling": "mean", "batch_size": batch_size}
    cost = replace(found.cost, forwards=passes)
    return replace(found, settings={**settings, "model": model.digest}, cost=cost)


def sentences(
    encoder: str,
    corpus: Corpus,
    behaviors: Sequence[Behavior],
    causes: tuple[Cause, ...],
    *,
    batch_size: int = 32,
) -> Scores:
    """Cosine similarity of documents to prompt and target under a sentence encoder.

    Args:
        encoder: a folder or name of one (`whence.models.sentence_embeddings`).
        corpus: the documents.
        behaviors: each becomes the text `prompt + target`.
        causes: documents or groups of them; a group gets its best document's score.
        batch_size: texts in one forward pass.

    Raises:
        ModelError: there is no such encoder.
    """

    def search(texts: list[str]) -> Float[np.ndarray, "query document"]:
        documents = [corpus.text(i) for i in range(corpus.n_documents)]
        vectors = sentence_embeddings(encoder, [*documents, *texts], batch_size=batch_size)
        return cosine(vectors[: len(documents)], vectors[len(documents) :])

    found = _lookup("sentences", corpus, behaviors, causes, search)
    cost = replace(found.cost, forwards=corpus.n_documents + len(behaviors))
    settings = {**found.settings, "encoder": encoder, "batch_size": batch_size}
    return replace(found, settings=settings, cost=cost)


def random_order(behaviors: Sequence[Behavior], causes: tuple[Cause, ...], seed: int = 0) -> Scores:
    """Scores drawn at random: what every other method must beat."""
    rng = generator(seed, "random-order")
    return Scores(
        values=rng.random((len(behaviors), len(causes))),
        behaviors=tuple(behaviors),
        causes=causes,
        method="random",
        estimand="additive",
        unit="rank",
        settings={"seed": seed},
    )


def _lookup(
    method: str,
    corpus: Corpus,
    behaviors: Sequence[Behavior],
    causes: tuple[Cause, ...],
    search: Callable[[list[str]], Float[np.ndarray, "query document"]],
) -> Scores:
    start = time.perf_counter()
    by_document = search([b.prompt + (b.target or "") for b in behaviors])
    return Scores(
        values=best_member(corpus, by_document, causes),
        behaviors=tuple(behaviors),
        causes=causes,
        method=method,
        estimand="additive",
        unit="rank",
        settings={"corpus": corpus.digest, "query": "prompt + target"},
        cost=Cost(seconds=time.perf_counter() - start),
        coverage=Coverage(f"all {corpus.n_documents} documents", 1.0),
    )


def best_member(
    corpus: Corpus, by_document: Float[np.ndarray, "query document"], causes: tuple[Cause, ...]
) -> Float[np.ndarray, "query cause"]:
    """The largest score among each cause's documents."""
    columns = [[corpus.position(member) for member in cause.members] for cause in causes]
    if all(len(c) == 1 for c in columns):
        return by_document[:, [c[0] for c in columns]].astype(float)
    return np.stack([by_document[:, c].max(axis=1) for c in columns], axis=1).astype(float)
