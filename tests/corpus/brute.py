"""What an index must answer, by looking at every place; slow and plain."""

from __future__ import annotations

from itertools import pairwise
from math import nan

import numpy as np

from whence.corpus.index.shard import Source, build_shard, open_shard
from whence.corpus.index.sharded import ShardedIndex


class NoBar:
    """A progress bar that nobody watches."""

    def update(self, n=1):
        pass

    def set_postfix_str(self, s="", refresh=True):
        pass


def source_of(documents, vocabulary, kind=np.uint16):
    bounds = np.cumsum([0, *map(len, documents)])
    return Source(np.array([t for d in documents for t in d], kind), bounds, vocabulary, "here")


def index_of(folder, documents, vocabulary, *, kind=np.uint16, cuts=(), threads=1, room=1 << 20):
    """An index over documents given as lists of tokens, in one shard or several."""
    source, shards = source_of(documents, vocabulary, kind), []
    edges = [0, *cuts, len(documents)]
    for first, last in pairwise(edges):
        part = source.part(first, last)
        path = folder / f"{first}-{last}"
        build_shard(part, path, {}, threads=threads, room=room, shown=NoBar())
        shards.append(open_shard(part, path, first, {}))
    return ShardedIndex(tuple(shards), threads, (index_of, (folder, documents, vocabulary)))


class Brute:
    """The same questions, asked of lists."""

    def __init__(self, documents):
        self.documents = [list(d) for d in documents]

    def places(self, query):
        return [
            (d, o)
            for d, tokens in enumerate(self.documents)
            for o in range(len(tokens) - len(query) + 1)
            if tokens[o : o + len(query)] == list(query)
        ]

    def count(self, query):
        return len(self.places(query))

    def after(self, query):
        ends = [(self.documents[d], o + len(query)) for d, o in self.places(query)]
        return [tokens[end] for tokens, end in ends if end < len(tokens)]

    def next(self, query):
        after = self.after(query)
        return sorted(((after.count(t), t) for t in set(after)), key=lambda p: (-p[0], p[1]))

    def longest(self, query, start):
        lengths = range(len(query) - start, 0, -1)
        return next((n for n in lengths if self.count(query[start : start + n])), 0)

    def maximal(self, query, shortest):
        spans = [(a, b) for a in range(len(query)) for b in range(a + 1, len(query) + 1)]
        there = [(a, b) for a, b in spans if self.count(query[a:b])]
        return [
            (a, b, self.count(query[a:b]))
            for a, b in there
            if b - a >= shortest
            and not any((c, d) != (a, b) and c <= a and b <= d for c, d in there)
        ]

    def by_document(self, query):
        alone = [Brute([d]) for d in self.documents]
        return [max(one.longest(query, s) for s in range(len(query))) for one in alone]

    def probability(self, query, i, length):
        after = self.after(query[i - length : i])
        count = after.count(query[i])
        return (count / len(after) if after else nan), length, len(after), count

    def infinity(self, query, i):
        length = next(n for n in range(i, -1, -1) if self.after(query[i - n : i]) or n == 0)
        return self.probability(query, i, length)

    def repeats(self, shortest):
        """All repeats that cannot be made longer on either side without losing an occurrence."""
        found = set()
        for tokens in self.documents:
            for a in range(len(tokens)):
                for b in range(a + shortest, len(tokens) + 1):
                    places = self.places(tokens[a:b])
                    before = [self.documents[d][o - 1] if o else None for d, o in places]
                    ends = [(self.documents[d], o + b - a) for d, o in places]
                    after = [t[e] if e < len(t) else None for t, e in ends]
                    free = [None in side or len(set(side)) > 1 for side in (before, after)]
                    if len(places) > 1 and all(free):
                        found.add((b - a, len(places), tuple(tokens[a:b])))
        return found
