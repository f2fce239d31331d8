"""What the corpus alone would say: probabilities of an output's n-gram from counts.

    task-gram      P(output n-gram | input n-gram) = C(both) / C(input n-gram)
    infinity-gram  the product, over the tokens of the n-gram, of the share of places in which
                   that token follows the longest suffix of the text before it that occurs
                   followed by anything; tokens of probability 0 are passed over unless all are 0

Counts are of documents, or of places with the other one near.

References: Wang et al., "Generalization v.s. Memorization", ICLR 2025, equations 1 and 2; Liu et
al., "Infini-gram", COLM 2024, section 2.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64, Int64

from whence.corpus.spans import spans_of, token_span
from whence.corpus.store import Corpus
from whence.corpus.tasks.counting import PairCounts
from whence.corpus.tasks.grams import Found


def task_gram_log_probabilities(
    counts: PairCounts, *, near: bool = False
) -> Float64[np.ndarray, " pair"]:
    """Log-probability of each pair's output n-gram given its input n-gram, nats.

    Minus infinity where both never occur together, nan where the input n-gram never occurs.

    Args:
        counts: of the pairs.
        near: count places with both near each other rather than documents with both.
    """
    top, bottom = (
        (counts.near, counts.first_places) if near else (counts.documents, counts.first_documents)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Float64[np.ndarray, " pair"] = np.log(top / bottom)
    return found


def coverage(
    found: Sequence[Found], counts: PairCounts, examples: int
) -> Int64[np.ndarray, " example"]:
    """How much of the corpus supports each example: documents with one of its pairs, summed."""
    total = np.zeros(examples, np.int64)
    for one in found:
        total[one.example] += counts.documents[one.pair]
    return total


def infinity_log_probabilities(
    corpus: Corpus, text: str, stretches: Sequence[tuple[int, int]]
) -> Float64[np.ndarray, " stretch"]:
    """Log-probability of some stretches of a text by the infinity-gram, nats.

    Each token stands behind all those before it in the text, the stretch's own included. Tokens
    of probability 0 count as 1 unless all are 0, which gives minus infinity.

    Args:
        corpus: what has been said before.
        text: the whole text.
        stretches: characters [start, end); every token that holds one of them counts.
    """
    encoding = corpus.fast_tokenizer.encode(text, add_special_tokens=False)
    spans = spans_of(encoding, text)
    probability = corpus.index().infinity_probabilities(encoding.ids).probability
    found = np.full(len(stretches), -np.inf)
    for k, (start, end) in enumerate(stretches):
        first, last = token_span(spans, start, end)
        positive = probability[first:last][probability[first:last] > 0]
        if len(positive):
            found[k] = np.log(positive).sum()
    return found
