"""Looking documents up by their words: the baselines that every clever method must beat.

bm25          weighted word overlap of a query with each document
exact_spans   the longest run of tokens that each document shares with a text
shared_spans  where those runs are in one document, for marking them
ranked        documents by weighted word overlap, in one pass and little memory
spellings     the token sequences under which a text can occur inside documents
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float64, Int64

from whence.core.errors import CorpusError
from whence.core.progress import progress
from whence.corpus.store import Corpus

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_WORD = re.compile(r"\w+")


def words(text: str) -> list[str]:
    """The words of a text in lower case: runs of letters, digits and underscores."""
    return _WORD.findall(text.lower())


def bm25(
    corpus: Corpus, queries: Sequence[str], *, k1: float = 1.5, b: float = 0.75
) -> Float64[np.ndarray, "query document"]:
    """How well each document answers each query, by weighted word overlap.

    For each word of the query, as often as it is there: idf(word) tf / (tf + k1 (1 - b + b
    length / mean length)), with idf = ln(1 + (N - df + 0.5) / (df + 0.5)). Not negative; no
    unit. Holds the words of the whole corpus in memory.

    Args:
        corpus: the documents.
        queries: any texts; words that no document has count nothing.
        k1: how soon a repeated word stops to matter.
        b: how much long documents are held back, from 0 to 1.

    References:
        Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009,
        in the variant of Lucene as described by Kamphuis et al., ECIR 2020.
    """
    retriever, vocabulary = _retriever(corpus, k1, b)
    scores = np.zeros((len(queries), corpus.n_documents))
    for row, query in zip(scores, queries, strict=True):
        known = [vocabulary[word] for word in words(query) if word in vocabulary]
        if known:
            row[:] = retriever.get_scores_from_ids(known)
    return scores


def ranked(
    corpus: Corpus,
    query: str,
    among: Sequence[int] | Int64[np.ndarray, " document"] | None = None,
    *,
    k1: float = 1.5,
    b: float = 0.75,
) -> list[tuple[int, float]]:
    """Documents by how well they answer one query, the best first.

    The scores are those of `bm25`, which holds the words of the corpus in memory to answer many
    queries; this reads the texts once and holds nothing but the counts of the query's words.

    Args:
        corpus: the documents.
        query: any text.
        among: positions of the documents that are ranked; by default all. How rare a word is,
            and how long a document usually is, is then counted in these alone.
        k1: as for `bm25`.
        b: as for `bm25`.

    Returns:
        Positions and scores of the documents that have a word of the query; of equal ones the
        first comes first.

    Raises:
        CorpusError: the query has no words.
    """
    wanted = Counter(words(query))
    if not wanted:
        raise CorpusError(
            "query", expected="at least one word", got=repr(query), fix="Give words to rank by."
        )
    which = range(corpus.n_documents) if among is None else sorted(map(int, among))
    column = {word: i for i, word in enumerate(wanted)}
    held, lengths = np.zeros((len(which), len(wanted)), np.int64), np.zeros(len(which))
    for row, document in enumerate(progress(which, "documents", len(which))):
        there = words(corpus.text(document))
        lengths[row] = len(there)
        for word in there:
            if word in column:
                held[row, column[word]] += 1
    df = (held > 0).sum(axis=0)
    idf = np.log1p((len(which) - df + 0.5) / (df + 0.5))
    norm = k1 * (1 - b + b * lengths / max(lengths.mean(), 1.0))[:, None] if len(which) else 0.0
    scores = (np.array(list(wanted.values())) * idf * held / (held + norm)).sum(axis=1)
    order = np.argsort(-scores, kind="stable")
    return [(int(which[i]), float(scores[i])) for i in order if held[i].any()]


@lru_cache(maxsize=2)
def _retriever(corpus: Corpus, k1: float, b: float) -> tuple[Any, dict[str, int]]:
    import bm25s  # noqa: PLC0415

    # Ids in order of appearance: the library would number words in the order of a set, which
    # differs from process to process.
    vocabulary: dict[str, int] = {}
    documents = [
        [vocabulary.setdefault(word, len(vocabulary)) for word in words(corpus.text(i))]
        for i in range(corpus.n_documents)
    ]
    retriever = bm25s.BM25(k1=k1, b=b, method="lucene")
    retriever.index((documents, dict(vocabulary) or {"": 0}), show_progress=False)
    return retriever, vocabulary


def spellings(corpus: Corpus, text: str) -> list[tuple[int, ...]]:
    """The token sequences under which a text is looked for inside documents.

    Tokens depend on what comes before a text: most tokenizers join a word with the blank
    before it. Tried are the text at the beginning of a document, after a blank (joined with
    it, if the tokenizer does so) and after a new line. A sequence that ends in another one is
    left out, so that no occurrence counts twice.

    Raises:
        CorpusError: the text is empty.
    """
    return spellings_by(corpus.fast_tokenizer, text)


def spellings_by(tokenizer: Tokenizer, text: str) -> list[tuple[int, ...]]:
    """The same by a tokenizer alone; see `spellings`."""
    _check_query(text)
    found = {tuple(tokenizer.encode(text, add_special_tokens=False).ids)}
    for before in (" ", "\n"):
        encoding = tokenizer.encode(before + text, add_special_tokens=False)
        starts = [start for start, _ in encoding.offsets]
        ends = [end for _, end in encoding.offsets]
        first = next((i for i, end in enumerate(ends) if end > len(before)), len(ends))
        if first < len(ends) and (before == " " or starts[first] >= len(before)):
            found.add(tuple(encoding.ids[first:]))
    found.discard(())
    return sorted(s for s in found if not any(s != t and s[len(s) - len(t) :] == t for t in found))


def exact_spans(corpus: Corpus, text: str) -> Float64[np.ndarray, " document"]:
    """Length in tokens of the longest run that each document shares with a text.

    The text is taken as it reads at the beginning of a document and after a blank; the longer
    run counts.

    Raises:
        CorpusError: the text is empty.
    """
    index = corpus.index()
    found = [index.longest_by_document(tokens) for tokens in _readings(corpus, text)]
    longest: Float64[np.ndarray, " document"] = np.max(found, axis=0).astype(np.float64)
    return longest


def shared_spans(
    corpus: Corpus, which: int | str, text: str, *, fewest: int = 2
) -> list[tuple[int, int]]:
    """The characters of a document that it shares with a text, as runs of tokens.

    Args:
        corpus: where the document is.
        which: its position or id.
        text: what it is compared with.
        fewest: runs of fewer tokens are not shown.

    Returns:
        Spans [start, end) of characters, in order, none touching another.
    """
    document = corpus.document(which)
    marked = np.zeros(len(document.tokens), bool)
    for tokens in _readings(corpus, text):
        for start, stop in _common_runs(document.tokens.astype(np.int64), tokens, fewest):
            marked[start:stop] = True
    edges = np.flatnonzero(np.diff(np.concatenate([[0], marked.astype(np.int8), [0]])))
    return [
        corpus.char_span(document.index, int(start), int(stop))
        for start, stop in zip(edges[::2], edges[1::2], strict=True)
    ]


def _check_query(text: str) -> None:
    if not text:
        raise CorpusError(
            "query",
            expected="at least one character",
            got="none",
            fix="Give a text to look for.",
        )
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise CorpusError(
            "query",
            expected="text in UTF-8",
            got=ascii(text)[:200],
            fix="Give the text in UTF-8.",
        )


def _readings(corpus: Corpus, text: str) -> list[Int64[np.ndarray, " token"]]:
    _check_query(text)
    readings = {tuple(corpus.encode(t).tolist()): None for t in (text, " " + text)}
    return [np.array(reading, np.int64) for reading in readings if reading]


def _common_runs(
    document: Int64[np.ndarray, " token"], query: Int64[np.ndarray, " word"], fewest: int
) -> Iterator[tuple[int, int]]:
    """Runs of a document that are also in the query, each as long as it can be."""
    length = np.zeros(len(document) + 1, np.int64)
    for token in query:
        longer = np.zeros_like(length)
        longer[1:] = np.where(document == token, length[:-1] + 1, 0)
        ended = np.flatnonzero(longer >= fewest)
        yield from zip((ended - longer[ended]).tolist(), ended.tolist(), strict=True)
        length = longer
