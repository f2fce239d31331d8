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
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from whence.corpus.index import Index
from whence.corpus.spans import spans_of, token_span
from whence.corpus.store import Corpus
from whence.corpus.tasks.counting import PairCounts
from whence.corpus.tasks.grams import Found


class InfinityGram(NamedTuple):
    """One token's probability by the longest context that the corpus has.

    Attributes:
        probability: share of places in which the token follows that context.
        context: the context's length in tokens.
        followed: how often the context is followed by anything.
    """

    probability: float
    context: int
    followed: int


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


def infinity_grams(index: Index, tokens: Sequence[int], start: int, end: int) -> list[InfinityGram]:
    """The infinity-gram probability of each token in [start, end) after all those before it."""
    return [_infinity_gram(index, list(tokens[:i]), int(tokens[i])) for i in range(start, end)]


def infinity_log_probability(corpus: Corpus, text: str, start: int, end: int) -> float:
    """Log-probability of the characters [start, end) of a text, nats.

    Tokens of probability 0 count as 1 unless all are 0, which gives minus infinity.
    """
    encoding = corpus.fast_tokenizer.encode(text, add_special_tokens=False)
    first, last = token_span(spans_of(encoding, text), start, end)
    found = [g.probability for g in infinity_grams(corpus.index(), encoding.ids, first, last)]
    positive = [p for p in found if p > 0]
    return float(np.log(positive).sum()) if positive else float("-inf")


def _infinity_gram(index: Index, before: list[int], token: int) -> InfinityGram:
    length = _longest_suffix(index, before)
    while True:
        context = before[len(before) - length :]
        following = index.next(context)
        followed = int(following.counts.sum())
        if followed or length == 0:
            break
        length -= 1  # it occurs only at ends of documents
    same = following.counts[following.tokens == token]
    return InfinityGram(float(same.sum()) / followed if followed else 0.0, length, followed)


def _longest_suffix(index: Index, before: list[int]) -> int:
    """Length of the longest suffix that occurs; each shorter one occurs too."""
    low, high = 0, 1
    while high <= len(before) and index.count(before[-high:]):
        low, high = high, 2 * high
    high = min(high, len(before) + 1)
    while high - low > 1:
        middle = (low + high) // 2
        if index.count(before[-middle:]):
            low = middle
        else:
            high = middle
    return low
