"""Nearest documents by embeddings that somebody else made.

`corpus` knows no model: vectors come in as arrays, from any sentence encoder or from a model's
own states. Search is exact, one matrix product for a block of documents, so a million documents
of a few hundred numbers take about a second for a handful of queries.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float64, Int64

from whence.core.errors import CorpusError

_BLOCK = 1 << 16


class Neighbors(NamedTuple):
    """The documents nearest to each query, nearest first.

    Attributes:
        documents: positions.
        similarity: cosine, from -1 to 1.
    """

    documents: Int64[np.ndarray, "query neighbor"]
    similarity: Float64[np.ndarray, "query neighbor"]


def cosine(
    documents: Float[np.ndarray, "document width"],
    queries: Float[np.ndarray, "query query_width"],
    *,
    centred: bool = True,
) -> Float64[np.ndarray, "query document"]:
    """Cosine similarity of every query to every document.

    Args:
        documents: one vector each; may be memory-mapped.
        queries: likewise.
        centred: take the documents' mean from all vectors first. States of language models share
            a large common part, beside which everything looks alike.

    Raises:
        CorpusError: widths differ, or a number is not finite.
    """
    if documents.shape[1] != queries.shape[1]:
        raise CorpusError(
            "embeddings",
            expected=f"queries of {documents.shape[1]} numbers, as the documents have",
            got=str(queries.shape[1]),
            fix="Embed both with the same model.",
        )
    if not (np.isfinite(documents).all() and np.isfinite(queries).all()):
        raise CorpusError(
            "embeddings", expected="finite numbers", got="NaN or infinity", fix="Embed again."
        )
    mean = documents.mean(axis=0, dtype=np.float64) if centred else 0.0
    wanted = _unit(queries - mean)
    found = np.empty((len(queries), len(documents)))
    for start in range(0, len(documents), _BLOCK):
        block = _unit(documents[start : start + _BLOCK] - mean)
        found[:, start : start + _BLOCK] = wanted @ block.T
    return found


def nearest(
    documents: Float[np.ndarray, "document width"],
    queries: Float[np.ndarray, "query query_width"],
    count: int = 10,
    *,
    centred: bool = True,
) -> Neighbors:
    """The documents nearest to each query by cosine; equally near ones in their order.

    Args:
        documents: one vector each.
        queries: likewise.
        count: neighbors of each query; fewer where there are fewer documents.
        centred: see `cosine`.

    Raises:
        CorpusError: the vectors do not fit together, or the count is below 1.
    """
    if count < 1:
        raise CorpusError("count", expected="at least 1", got=str(count), fix="Try 10.")
    similarity = cosine(documents, queries, centred=centred)
    order = np.argsort(-similarity, axis=1, kind="stable")[:, :count]
    return Neighbors(order, np.take_along_axis(similarity, order, axis=1))


def _unit(vectors: Float[np.ndarray, "vector width"]) -> Float64[np.ndarray, "vector width"]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    # A vector of zeros is like nothing at all.
    return np.asarray(vectors / np.where(lengths == 0, 1.0, lengths), np.float64)
