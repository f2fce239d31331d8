"""What can come next, and next, as a tree of counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from whence.core.errors import CorpusError
from whence.corpus.index import Index
from whence.corpus.lookup import spellings
from whence.corpus.store import Corpus


@dataclass(frozen=True, slots=True)
class Branch:
    """A token that follows, and what follows it.

    Attributes:
        token: its id; None for the root.
        text: its letters; the whole context for the root.
        count: how often the text up to here occurs.
        probability: of this token after what is before it, among the places that go on or end.
        ends: how many of the occurrences end their document.
        kinds: how many different tokens follow.
        children: the most frequent of these.
    """

    token: int | None
    text: str
    count: int
    probability: float
    ends: int
    kinds: int
    children: tuple[Branch, ...]

    def to_json(self) -> dict[str, Any]:
        """The record, children inside."""
        return {
            "token": self.token,
            "text": self.text,
            "count": self.count,
            "probability": self.probability,
            "ends": self.ends,
            "kinds": self.kinds,
            "children": [child.to_json() for child in self.children],
        }


def continuations(
    corpus: Corpus, text: str, *, depth: int = 3, breadth: int = 5, index: Index | None = None
) -> Branch:
    """The most frequent continuations of a text, as a tree.

    Args:
        corpus: the documents.
        text: looked for as `spellings` does; counts of its spellings are added.
        depth: tokens from the root to a leaf.
        breadth: children of each branch.
        index: of a slice of the corpus; all of it by default.

    Raises:
        CorpusError: the text is empty, or a number cannot be.
    """
    for name, value in (("depth", depth), ("breadth", breadth)):
        if value < 1:
            raise CorpusError(
                name, expected="at least 1", got=str(value), fix="Leave it out for the default."
            )
    found = corpus.index() if index is None else index
    return _branch(corpus, found, spellings(corpus, text), None, text, 1.0, depth, breadth)


def _branch(
    corpus: Corpus,
    index: Index,
    queries: Sequence[tuple[int, ...]],
    token: int | None,
    text: str,
    probability: float,
    depth: int,
    breadth: int,
) -> Branch:
    count = int(index.count_many(queries).sum())
    after: dict[int, int] = {}
    for query in queries:
        following = index.next(query)
        for t, n in zip(following.tokens.tolist(), following.counts.tolist(), strict=True):
            after[t] = after.get(t, 0) + n
    ranked = sorted(after.items(), key=lambda pair: (-pair[1], pair[0]))
    children = tuple(
        _branch(
            corpus,
            index,
            [(*query, t) for query in queries],
            t,
            corpus.decode([t]),
            n / count,
            depth - 1,
            breadth,
        )
        for t, n in (ranked[:breadth] if depth else [])
    )
    ends = count - sum(after.values())
    return Branch(token, text, count, probability, ends, len(ranked), children)
