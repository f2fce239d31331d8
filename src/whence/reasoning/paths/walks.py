"""Random walks on a graph as documents, one token for each entity and relation.

A walk starts at a random entity, takes one of the edges that leave it, each as likely as
another, and goes on from there until a dead end or until it is long enough. It is written as
triples, `head relation tail .`, so that the tail of one is the head of the next.

    whence corpus build WALKS/walks.jsonl --tokenizer WALKS/tokenizer -o corpora/walks

Source: Wang et al. (2024), section 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from whence.core.errors import GraphError
from whence.core.records import building, canonical, write_bytes, write_json
from whence.core.seeds import generator
from whence.corpus import RawDocument
from whence.reasoning.paths.graph import Graph

_STOP, _END, _UNKNOWN = ".", "<|endoftext|>", "<|unknown|>"


@dataclass(frozen=True)
class WalkSettings:
    """How many walks, and how long.

    Attributes:
        walks: number of documents.
        longest: most triples in a walk.
        seed: equal seeds give equal walks.

    Raises:
        GraphError: a number that leaves nothing.
    """

    walks: int = 10_000
    longest: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        if self.walks < 1 or self.longest < 1:
            raise GraphError(
                "walks", expected="numbers above 0", got=repr(self), fix="Choose larger ones."
            )


def random_walks(graph: Graph, settings: WalkSettings) -> Iterator[RawDocument]:
    """Uniform random walks; those that start at a dead end are drawn again.

    Raises:
        GraphError: a graph without edges, or names that hold blanks.
    """
    _check_names(graph)
    order = np.argsort(graph.edges[:, 0], kind="stable")
    edges = graph.edges[order]
    firsts = np.searchsorted(edges[:, 0], np.arange(len(graph.entities) + 1))
    starts = np.flatnonzero(np.diff(firsts))
    draw = generator(settings.seed, "walks")
    for number in range(settings.walks):
        entity = int(draw.choice(starts))
        words: list[str] = []
        triples = 0
        while triples < settings.longest and firsts[entity] < firsts[entity + 1]:
            head, relation, tail = edges[draw.integers(firsts[entity], firsts[entity + 1])]
            words += [graph.entities[head], graph.relations[relation], graph.entities[tail], _STOP]
            entity, triples = int(tail), triples + 1
        yield RawDocument(f"walk-{number}", " ".join(words), {"triples": triples})


def _check_names(graph: Graph) -> None:
    if not len(graph.edges):
        raise GraphError("graph", expected="edges", got="none", fix="Add triples.")
    for name in (*graph.entities, *graph.relations):
        if not name or name.split() != [name] or name in (_STOP, _END, _UNKNOWN):
            raise GraphError(
                "graph",
                expected="names that can be one token each",
                got=repr(name),
                fix="Write names without blanks, such as new_york.",
            )


def write_walks(graph: Graph, folder: Path, settings: WalkSettings) -> None:
    """Write `walks.jsonl` and a `tokenizer` folder that `whence corpus build` takes.

    Raises:
        GraphError: as `random_walks`.
        StorageError: the folder exists, or cannot be written.
    """
    lines = [
        canonical({"id": walk.id, "text": walk.text, **walk.metadata}) + b"\n"
        for walk in random_walks(graph, settings)
    ]
    with building(folder) as place:
        write_bytes(place / "walks.jsonl", b"".join(lines))
        _write_tokenizer(graph, place / "tokenizer")


def _write_tokenizer(graph: Graph, folder: Path) -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers  # noqa: PLC0415

    names = dict.fromkeys((_END, _UNKNOWN, _STOP, *graph.relations, *graph.entities))
    vocabulary = {name: number for number, name in enumerate(names)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=_UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens([_END, _UNKNOWN])
    folder.mkdir()
    write_bytes(folder / "tokenizer.json", tokenizer.to_str().encode())
    described = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": _END,
        "unk_token": _UNKNOWN,
    }
    write_json(folder / "tokenizer_config.json", described)
