"""How much a document has to do with a text: BM25 over tokens.

A span can stand in a document that is about something else entirely. So documents are ordered
by BM25 with the prompt and the traced text together as the query, as OLMoTrace does. Two things
differ. Our terms are the corpus's own tokens and not words: token counts need no second index,
and a document is scored by one pass over its tokens. And our inverse document frequencies are
those of the whole corpus, where OLMoTrace has only the retrieved documents to count in.

A BM25 sum grows with the query, so it says nothing alone. OLMoTrace divides it by 0.18 for each
character of the text, which is about the largest score that its authors saw. We divide by the
score that the query itself would get as a document of average length, which needs no constant:

    relevance = BM25(query, document) / BM25(query, query)

1 is a document that holds all of the query as often as the query does; it may be a little more
where a document is shorter or repeats. The bounds are our own, since the scale is: on 6,888
passages of speeches and of the Brown corpus, a passage that supplied a quarter of a text of 150
tokens had 0.29 to 0.49 (5th to 95th percentile), one that supplied half of it 0.53 to 0.72, and
one drawn at random less than 0.27 in 99 of 100 cases. So 0.5 and above is *high*, as much as half
of the text; 0.3 and above *medium*, more than chance gives; below is *low*.

References: Liu et al., "OLMoTrace", 2025, section 3, step 5; Robertson and Zaragoza, "The
Probabilistic Relevance Framework: BM25 and Beyond", 2009, in Lucene's variant.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float64, Int64, Integer

from whence.corpus.store import Corpus
from whence.corpus.trace.settings import HIGH, MEDIUM

_K1, _B = 1.5, 0.75
_TOKENS = 1 << 22


@dataclass(frozen=True, slots=True, eq=False)
class TokenCounts:
    """How common each token of a corpus is.

    Attributes:
        occurrences: of each token id.
        documents: in how many documents each token id stands.
    """

    occurrences: Int64[np.ndarray, " id"]
    documents: Int64[np.ndarray, " id"]


@lru_cache(maxsize=4)
def token_counts(corpus: Corpus) -> TokenCounts:
    """Count every token once; kept for the last few corpora of a process."""
    size = corpus.vocabulary_size
    occurrences, documents = np.zeros(size, np.int64), np.zeros(size, np.int64)
    offsets = corpus.offsets
    first = 0
    while first < corpus.n_documents:
        # As many whole documents as fit, and at least one.
        last = int(np.searchsorted(offsets, offsets[first] + _TOKENS, side="right")) - 1
        last = max(last, first + 1)
        tokens = corpus.tokens[offsets[first] : offsets[last]]
        occurrences += np.bincount(tokens, minlength=size)
        owner = np.repeat(np.arange(last - first), np.diff(offsets[first : last + 1]))
        # Equal tokens together, in the order of their documents: each document counts once.
        order = np.argsort(tokens, kind="stable")
        tokens, owner = tokens[order], owner[order]
        again = (tokens[1:] == tokens[:-1]) & (owner[1:] == owner[:-1])
        documents += np.bincount(tokens[np.append(True, ~again)], minlength=size)
        first = last
    return TokenCounts(occurrences, documents)


def relevance(
    corpus: Corpus, query: Integer[np.ndarray, " token"], documents: Sequence[int]
) -> Float64[np.ndarray, " document"]:
    """BM25 of documents for a query, as a share of what the query would get itself.

    Args:
        corpus: where the documents are.
        query: tokens of prompt and text.
        documents: positions in the corpus.

    Returns:
        0 where nothing is shared; about 1 where all is.
    """
    counts = token_counts(corpus)
    terms, wanted = np.unique(np.asarray(query, np.int64), return_counts=True)
    df = counts.documents[terms]
    idf = np.log1p((corpus.n_documents - df + 0.5) / (df + 0.5))
    column = np.full(corpus.vocabulary_size, -1, np.int64)
    column[terms] = np.arange(len(terms))
    held = np.zeros((len(documents), len(terms)))
    length = np.zeros(len(documents))
    for row, which in enumerate(documents):
        tokens = corpus.tokens[corpus.offsets[which] : corpus.offsets[which + 1]]
        found = column[tokens]
        held[row] = np.bincount(found[found >= 0], minlength=len(terms))
        length[row] = len(tokens)
    length /= corpus.n_tokens / corpus.n_documents
    scores = (wanted * idf * held / (held + _K1 * (1 - _B + _B * length[:, None]))).sum(axis=1)
    own = float((wanted * idf * wanted / (wanted + _K1)).sum())
    return np.asarray(scores / own, np.float64)


def level(value: float) -> str:
    """A relevance in one word."""
    return "high" if value >= HIGH else "medium" if value >= MEDIUM else "low"


def log_unigram_probability(
    corpus: Corpus, tokens: Integer[np.ndarray, " token"] | Sequence[int]
) -> float:
    """Log-probability of tokens if each were drawn by its frequency alone, in nats.

    The lower, the longer and the rarer. A token that the corpus does not have counts as one
    that it has once.
    """
    counts = token_counts(corpus).occurrences[np.asarray(tokens, np.int64)]
    return float(np.log(np.maximum(counts, 1) / corpus.n_tokens).sum())
