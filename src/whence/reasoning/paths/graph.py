"""A graph of triples: entities and relations by number, edges as arrays."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Int
from scipy import sparse

from whence.core.errors import GraphError

Triple = tuple[int, int, int]
"""Head, relation and tail, by number."""

INVERSE = "_"
"""What the name of an inverse relation begins with."""


@dataclass(frozen=True)
class Graph:
    """Entities, relations, and the edges between them.

    Attributes:
        entities: names, in the order of their numbers.
        relations: names, in the order of their numbers.
        edges: head, relation and tail of each edge; an edge may stand there twice.
        splits: triples that are no edges, such as those of a test, by their name.
    """

    entities: tuple[str, ...]
    relations: tuple[str, ...]
    edges: Int[np.ndarray, "edge 3"]
    splits: dict[str, tuple[Triple, ...]] = field(default_factory=dict)

    @cached_property
    def entity_numbers(self) -> dict[str, int]:
        """From the name of an entity to its number."""
        return {name: number for number, name in enumerate(self.entities)}

    @cached_property
    def relation_numbers(self) -> dict[str, int]:
        """From the name of a relation to its number."""
        return {name: number for number, name in enumerate(self.relations)}

    @cached_property
    def steps(self) -> tuple[sparse.csr_array, ...]:
        """For each relation, where a uniform random walk goes by it.

        Returns:
            One entity x entity matrix a relation: edges from a to b over all edges out of a,
            so that the rows of all together add up to 1, or 0 at a dead end.
        """
        size = len(self.entities)
        degrees = np.bincount(self.edges[:, 0], minlength=size)
        matrices = []
        for relation in range(len(self.relations)):
            heads, _, tails = self.edges[self.edges[:, 1] == relation].T
            shares = 1.0 / degrees[heads]
            matrices.append(sparse.csr_array((shares, (heads, tails)), shape=(size, size)))
        return tuple(matrices)

    @cached_property
    def tails(self) -> dict[tuple[int, int], frozenset[int]]:
        """From head and relation to the tails of the graph's edges."""
        return tails_of(map(_triple, self.edges.tolist()))

    def entity(self, name: str) -> int:
        """The number of an entity.

        Raises:
            GraphError: no such entity.
        """
        if name not in self.entity_numbers:
            raise GraphError(
                "entity", expected="one of the graph", got=repr(name), fix="Check the name."
            )
        return self.entity_numbers[name]


def _triple(row: Sequence[int]) -> Triple:
    head, relation, tail = row
    return head, relation, tail


def tails_of(triples: Iterable[Triple]) -> dict[tuple[int, int], frozenset[int]]:
    """From head and relation to all tails."""
    found: dict[tuple[int, int], set[int]] = {}
    for head, relation, tail in triples:
        found.setdefault((head, relation), set()).add(tail)
    return {key: frozenset(tails) for key, tails in found.items()}


def graph_of(
    triples: Sequence[tuple[str, str, str]],
    splits: dict[str, Sequence[tuple[str, str, str]]] | None = None,
    *,
    entities: Sequence[str] | None = None,
    relations: Sequence[str] | None = None,
) -> Graph:
    """The graph of named triples.

    Args:
        triples: the edges.
        splits: triples that are no edges, by name.
        entities: all names in their order; None takes them in the order of appearance.
        relations: likewise.

    Raises:
        GraphError: a name that is not among those given.
    """
    splits = splits or {}
    every = [*triples, *(triple for split in splits.values() for triple in split)]
    if entities is None:
        entities = list(dict.fromkeys(name for triple in every for name in (triple[0], triple[2])))
    if relations is None:
        relations = list(dict.fromkeys(triple[1] for triple in every))
    things = {name: number for number, name in enumerate(entities)}
    kinds = {name: number for number, name in enumerate(relations)}

    def number(triple: tuple[str, str, str]) -> Triple:
        head, relation, tail = triple
        for name, known in ((head, things), (relation, kinds), (tail, things)):
            if name not in known:
                raise GraphError(
                    " ".join(triple), expected="names of the vocabulary", got=name, fix="Add it."
                )
        return things[head], kinds[relation], things[tail]

    edges = np.array([number(triple) for triple in triples], dtype=np.int64).reshape(-1, 3)
    numbered = {name: tuple(map(number, split)) for name, split in splits.items()}
    return Graph(tuple(entities), tuple(relations), edges, numbered)


def with_inverses(graph: Graph) -> Graph:
    """The graph with every edge backwards too, by a relation whose name begins with `_`."""
    count = len(graph.relations)
    backwards = graph.edges[:, [2, 1, 0]] + np.array([0, count, 0])
    names = tuple(f"{INVERSE}{name}" for name in graph.relations)
    return replace(
        graph,
        relations=graph.relations + names,
        edges=np.concatenate([graph.edges, backwards]),
    )


def read_graph(folder: Path) -> Graph:
    """Read a folder of triple files: `graph.txt` (or `train.txt`), `dev.txt`, `test.txt`.

    A line is head, relation and tail between tabs. Where `vocab/entity_vocab.json` and
    `vocab/relation_vocab.json` are, they give the numbers (released rules speak of these).

    Raises:
        GraphError: a file that is missing or cannot be read, with the line.
    """
    folder = Path(folder)
    source = next((folder / n for n in ("graph.txt", "train.txt") if (folder / n).is_file()), None)
    if source is None:
        raise GraphError(
            str(folder),
            expected="a folder with graph.txt or train.txt",
            got="neither" if folder.is_dir() else "no such folder",
            fix="Name a folder of triple files: head, relation and tail between tabs.",
        )
    splits = {
        name: read_triples(folder / f"{name}.txt")
        for name in ("dev", "test")
        if (folder / f"{name}.txt").is_file()
    }
    return graph_of(
        read_triples(source),
        dict(splits),
        entities=_vocabulary(folder / "vocab" / "entity_vocab.json"),
        relations=_vocabulary(folder / "vocab" / "relation_vocab.json"),
    )


def read_triples(path: Path) -> list[tuple[str, str, str]]:
    """Named triples of a file, one a line between tabs; empty lines are left out.

    Raises:
        GraphError: a line of another number of fields.
    """
    triples = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        fields = [part.strip() for part in line.split("\t")]
        if not any(fields):
            continue
        if len(fields) != 3 or not all(fields):
            raise GraphError(
                f"{path}, line {number}",
                expected="head, relation and tail between tabs",
                got=repr(line[:80]),
                fix="Mend the line.",
            )
        triples.append((fields[0], fields[1], fields[2]))
    return triples


def _vocabulary(path: Path) -> list[str] | None:
    """Names in the order of their numbers, or None where there is no such file."""
    if not path.is_file():
        return None
    numbers = json.loads(path.read_text(encoding="utf-8"))
    ordered = sorted(numbers, key=numbers.__getitem__)
    if [numbers[name] for name in ordered] != list(range(len(ordered))):
        raise GraphError(
            str(path),
            expected="the numbers from 0 on, each once",
            got="others",
            fix="Number the names anew.",
        )
    return ordered
