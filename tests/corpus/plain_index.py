"""An index without any data structure: every answer by looking at every place."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np

from whence.corpus import Following, Match, Occurrence


class LongestMatches(NamedTuple):
    lengths: np.ndarray
    counts: np.ndarray


class Probabilities(NamedTuple):
    probability: np.ndarray
    length: np.ndarray
    context_count: np.ndarray
    count: np.ndarray


class PlainIndex:
    def __init__(self, documents, mask=None):
        self.documents = [[int(t) for t in tokens] for tokens in documents]
        self.mask = [True] * len(self.documents) if mask is None else list(mask)

    @classmethod
    def of(cls, corpus):
        return cls([corpus.document(i).tokens for i in range(corpus.n_documents)])

    def restricted(self, documents):
        return PlainIndex(self.documents, documents)

    def locate(self, tokens, limit=None):
        asked = [int(t) for t in tokens]
        n = len(asked)
        found = [
            Occurrence(d, at)
            for d, there in enumerate(self.documents)
            if self.mask[d]
            for at in range(len(there) - n + 1)
            if there[at : at + n] == asked
        ]
        return found[:limit]

    def count(self, tokens):
        return len(self.locate(tokens))

    def contains(self, tokens):
        return bool(self.locate(tokens))

    def count_many(self, queries):
        return np.array([self.count(q) for q in queries], np.int64)

    def next(self, tokens):
        n = len(tokens)
        after = Counter(
            self.documents[o.document][o.offset + n]
            for o in self.locate(tokens)
            if o.offset + n < len(self.documents[o.document])
        )
        ranked = sorted(after.items(), key=lambda pair: (-pair[1], pair[0]))
        columns = np.array(ranked, np.int64).reshape(-1, 2)
        return Following(columns[:, 0], columns[:, 1])

    def longest_matches(self, tokens):
        lengths = []
        for start in range(len(tokens)):
            end = start
            while end < len(tokens) and self.contains(tokens[start : end + 1]):
                end += 1
            lengths.append(end - start)
        counts = [self.count(tokens[i : i + n]) if n else 0 for i, n in enumerate(lengths)]
        return LongestMatches(np.array(lengths, np.int64), np.array(counts, np.int64))

    def maximal_matches(self, tokens, shortest=1):
        found, furthest = [], 0
        for start, (n, c) in enumerate(zip(*self.longest_matches(tokens), strict=True)):
            if n >= shortest and start + n > furthest:
                found.append(Match(start, int(start + n), int(c)))
                furthest = start + n
        return found

    def infinity_probabilities(self, tokens):
        rows = []
        for i, token in enumerate(tokens):
            start = 0
            while start < i and not len(self.next(tokens[start:i]).tokens):
                start += 1
            follows, counts = self.next(tokens[start:i])
            hit = int(counts[follows == int(token)].sum())
            rows.append((hit / counts.sum(), i - start, counts.sum(), hit))
        columns = list(zip(*rows, strict=True))
        return Probabilities(np.array(columns[0]), *(np.array(c, np.int64) for c in columns[1:]))

    def longest_match(self, tokens):
        every = [
            Match(i, i + n, c)
            for i, (n, c) in enumerate(zip(*self.longest_matches(tokens), strict=True))
        ]
        return max(every, key=lambda m: (m.end - m.start, -m.start), default=Match(0, 0, 0))

    def longest_by_document(self, tokens):
        found = []
        for document in self.documents:
            lengths = PlainIndex([document]).longest_matches(tokens).lengths
            found.append(lengths.max(initial=0))
        return np.array(found, np.int64)
