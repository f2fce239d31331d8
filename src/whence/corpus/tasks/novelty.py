"""How much of some texts the corpus has never said: the share of their n-grams that is new."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from whence.core.errors import CorpusError
from whence.corpus.store import Corpus


@dataclass(frozen=True, slots=True, eq=False)
class Novelty:
    """N-grams of texts that do not occur in a corpus; tokens are the corpus's own.

    Attributes:
        lengths: the n.
        ngrams: how many n-grams each text has.
        novel: how many of them the corpus does not have.
        longest: the longest run of tokens of each text that the corpus has.
    """

    lengths: tuple[int, ...]
    ngrams: Int64[np.ndarray, "text length"]
    novel: Int64[np.ndarray, "text length"]
    longest: Int64[np.ndarray, " text"]

    def share(self) -> dict[int, float | None]:
        """Novel share by n, over all texts; None where no text is long enough."""
        total, new = self.ngrams.sum(axis=0), self.novel.sum(axis=0)
        return {
            n: int(new[k]) / int(total[k]) if total[k] else None for k, n in enumerate(self.lengths)
        }


def novelty(corpus: Corpus, texts: Sequence[str], most: int = 10) -> Novelty:
    """Compare texts with a corpus, n-gram by n-gram.

    Args:
        corpus: what may have been said before.
        texts: what was said, such as a model's answers.
        most: the largest n.

    Raises:
        CorpusError: there is no text, or n is not positive.
    """
    if not texts or most < 1:
        raise CorpusError(
            "novelty",
            expected="at least one text and a positive n",
            got=f"{len(texts)} texts and n up to {most}",
            fix="Give what a model wrote.",
        )
    index, lengths = corpus.index(), tuple(range(1, most + 1))
    ngrams = np.zeros((len(texts), most), np.int64)
    novel = np.zeros((len(texts), most), np.int64)
    longest = np.zeros(len(texts), np.int64)
    for row, text in enumerate(texts):
        tokens = corpus.encode(text).tolist()
        if tokens:
            match = index.longest_match(tokens)
            longest[row] = match.end - match.start
        for k, n in enumerate(lengths):
            queries = [tokens[i : i + n] for i in range(len(tokens) - n + 1)]
            ngrams[row, k] = len(queries)
            if queries:
                novel[row, k] = int((index.count_many(queries) == 0).sum())
    return Novelty(lengths, ngrams, novel, longest)
