"""Documents that belong together: near copies, equal metadata, a word in common.

Such groups are taken away as one cause, since single documents are often redundant.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from zlib import crc32

from whence.core.errors import CorpusError
from whence.corpus.lookup import words
from whence.corpus.store import Corpus

_SHINGLE = 5
_PERMUTATIONS = 128
_SEED = 1


def near_duplicates(corpus: Corpus, threshold: float = 0.8) -> list[list[int]]:
    """Groups of documents that say nearly the same.

    Two documents are near copies when at least `threshold` of all the runs of five words that
    are in either are in both (Jaccard similarity), or when their texts are equal. Candidates
    are found by MinHash, which may miss a pair that is only just above the threshold; no pair
    below it is ever joined. A group holds whatever is connected by such pairs.

    Args:
        corpus: the documents.
        threshold: in (0, 1].

    Returns:
        Groups of at least two positions, each in order, ordered by their first.

    References:
        Broder, "On the resemblance and containment of documents", 1997.
    """
    if not 0 < threshold <= 1:
        raise CorpusError(
            "threshold",
            expected="a share above 0 and at most 1",
            got=str(threshold),
            fix="Give a number such as 0.8.",
        )
    parents = list(range(corpus.n_documents))
    for i, j in _pairs(corpus, threshold):
        parents[_root(parents, max(i, j))] = _root(parents, min(i, j))
    groups: dict[int, list[int]] = {}
    for i in range(corpus.n_documents):
        groups.setdefault(_root(parents, i), []).append(i)
    return sorted(sorted(group) for group in groups.values() if len(group) > 1)


def group_by(corpus: Corpus, field: str) -> dict[str, list[int]]:
    """Positions of the documents with each value of a metadata field; "" where it is absent.

    Raises:
        CorpusError: there is no such field.
    """
    if field not in corpus.metadata.column_names:
        raise CorpusError(
            str(corpus.path),
            expected=f"a metadata field out of {', '.join(corpus.metadata.column_names)}",
            got=repr(field),
            fix="Name one of these.",
        )
    groups: dict[str, list[int]] = {}
    for i, value in enumerate(corpus.metadata.column(field).to_pylist()):
        groups.setdefault("" if value is None else str(value), []).append(i)
    return groups


def with_word(corpus: Corpus, word: str) -> list[int]:
    """Positions of the documents that hold a word or a phrase, whatever its case.

    Words are compared whole: "art" is not in "start".

    Raises:
        CorpusError: there is no letter or digit in it.
    """
    wanted = words(word)
    if not wanted:
        raise CorpusError(
            "word", expected="a word", got=repr(word), fix="Give at least one letter or digit."
        )
    phrase = f" {' '.join(wanted)} "
    return [
        i for i in range(corpus.n_documents) if phrase in f" {' '.join(words(corpus.text(i)))} "
    ]


def _pairs(corpus: Corpus, threshold: float) -> Iterator[tuple[int, int]]:
    from datasketch import MinHash, MinHashLSH  # noqa: PLC0415

    # Candidates are compared exactly afterwards, so a false one costs little and a missed one
    # is lost.
    near = MinHashLSH(threshold=threshold, num_perm=_PERMUTATIONS, weights=(0.02, 0.98))
    first: dict[bytes, int] = {}
    for i in range(corpus.n_documents):
        text = corpus.text(i)
        same = first.setdefault(hashlib.sha256(text.encode()).digest(), i)
        if same != i:
            yield same, i
            continue
        mine = _shingles(text)
        # The library's own hash, SHA-1, takes most of the time and is for nothing here.
        sketch = MinHash(num_perm=_PERMUTATIONS, seed=_SEED, hashfunc=crc32)
        sketch.update_batch(mine)
        for j in sorted(near.query(sketch)):
            other = _shingles(corpus.text(j))
            if len(mine & other) >= threshold * len(mine | other):
                yield j, i
        near.insert(i, sketch)


def _shingles(text: str) -> set[bytes]:
    found = words(text) or [text]
    count = max(1, len(found) - _SHINGLE + 1)
    return {" ".join(found[k : k + _SHINGLE]).encode() for k in range(count)}


def _root(parents: list[int], i: int) -> int:
    while parents[i] != i:
        parents[i] = parents[parents[i]]
        i = parents[i]
    return i
