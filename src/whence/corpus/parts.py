"""What a build has done so far: numbered files in a hidden folder beside the corpus.

Each part holds the tokenised documents of a stretch of the sources, and says how many source
documents had been read when it ended. It is written whole or not at all, so a build killed at
any moment goes on after its last complete part. What is in a part depends on the order of the
documents alone, never on time or on where an earlier attempt was killed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Int64, UInt32, UInt64

from whence.core.errors import SourceError
from whence.core.records import writing
from whence.corpus.documents import Scalar

_NOTE = b"whence"


@dataclass(frozen=True, slots=True)
class Piece:
    """A document ready to be stored.

    Attributes:
        id: its id.
        place: where it came from.
        text: the text.
        tokens: its token ids.
        metadata: its other fields.
    """

    id: str
    place: str
    text: str
    tokens: UInt32[np.ndarray, " token"]
    metadata: Mapping[str, Scalar]


@dataclass(frozen=True, slots=True)
class Note:
    """What is known once a part, or all parts up to it, are written.

    Attributes:
        consumed: documents read from the sources so far.
        documents: documents stored.
        tokens: tokens stored.
        bytes: bytes of text stored.
        empty: documents left out because they hold nothing but blanks.
        cut: documents that were cut into pieces.
        fields: metadata fields in order of appearance, with the kinds of their values.
    """

    consumed: int = 0
    documents: int = 0
    tokens: int = 0
    bytes: int = 0
    empty: int = 0
    cut: int = 0
    fields: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def then(self, later: Note) -> Note:
        """The sum of this note and that of the next part."""
        fields = dict(self.fields)
        for name, kinds in later.fields.items():
            fields[name] = fields.get(name, frozenset()) | kinds
        return Note(
            later.consumed,
            self.documents + later.documents,
            self.tokens + later.tokens,
            self.bytes + later.bytes,
            self.empty + later.empty,
            self.cut + later.cut,
            fields,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """An opened part: columns of equal length, memory-mapped."""

    ids: pa.Array
    places: pa.Array
    metadata: pa.Array
    tokens: pa.Array
    text: pa.Array
    note: Note


class Parts:
    """The parts of one build, in a folder."""

    def __init__(self, folder: Path, token_type: np.dtype[Any]) -> None:
        self.folder = folder
        self._token_type = pa.from_numpy_dtype(token_type)
        self._seen: UInt64[np.ndarray, " document"] = np.empty(0, np.uint64)
        self.note = Note()
        self.count = 0
        for path in self._paths():
            part = _open(path)
            self._check_ids(part.ids.to_pylist(), part.places.to_pylist())
            self.note = self.note.then(part.note)
            self.count += 1

    def add(self, pieces: Sequence[Piece], *, consumed: int, empty: int, cut: int) -> None:
        """Write the next part.

        Raises:
            SourceError: two documents have the same id; the message names both places.
        """
        self._check_ids([p.id for p in pieces], [p.place for p in pieces])
        texts = [p.text.encode() for p in pieces]
        note = Note(
            consumed,
            len(pieces),
            sum(len(p.tokens) for p in pieces),
            sum(map(len, texts)),
            empty,
            cut,
            _field_kinds(pieces),
        )
        table = pa.table(
            {
                "id": pa.array([p.id for p in pieces], pa.string()),
                "place": pa.array([p.place for p in pieces], pa.string()),
                "metadata": pa.array([_json(p.metadata) for p in pieces], pa.string()),
                "tokens": self._token_lists(pieces),
                "text": pa.array(texts, pa.large_binary()),
            }
        ).replace_schema_metadata({_NOTE: _note_json(note)})
        with (
            writing(self._path(self.count)) as temporary,
            pa.OSFile(str(temporary), "wb") as file,
            pa.ipc.new_file(file, table.schema) as writer,
        ):
            writer.write_table(table, max_chunksize=max(1, len(pieces)))
        self.note = self.note.then(note)
        self.count += 1

    def __iter__(self) -> Iterator[Part]:
        for number in range(self.count):
            yield _open(self._path(number))

    def _token_lists(self, pieces: Sequence[Piece]) -> pa.Array:
        lengths = np.fromiter((len(p.tokens) for p in pieces), np.int64, len(pieces))
        offsets: Int64[np.ndarray, " bound"] = np.concatenate([[0], np.cumsum(lengths)])
        flat = np.empty(int(offsets[-1]), self._token_type.to_pandas_dtype())
        for piece, start, stop in zip(pieces, offsets, offsets[1:], strict=False):
            flat[start:stop] = piece.tokens
        return pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(flat))

    def _path(self, number: int) -> Path:
        return self.folder / f"part-{number:06d}.arrow"

    def _paths(self) -> Iterator[Path]:
        number = 0
        while (path := self._path(number)).is_file():
            yield path
            number += 1

    def _check_ids(self, ids: list[str], places: list[str]) -> None:
        # Eight bytes a document are kept rather than the ids; only when two of these agree
        # are the ids themselves looked at.
        fresh = np.fromiter((_fingerprint(i) for i in ids), np.uint64, len(ids))
        where = np.searchsorted(self._seen, fresh)
        known = np.zeros(len(fresh), bool)
        inside = where < len(self._seen)
        known[inside] = self._seen[where[inside]] == fresh[inside]
        if known.any() or len(np.unique(fresh)) < len(fresh):
            self._find_twice(ids, places)
        self._seen = np.union1d(self._seen, fresh)

    def _find_twice(self, ids: list[str], places: list[str]) -> None:
        first: dict[str, str] = {}
        wanted = set(ids)
        for part in self:
            for name, place in zip(part.ids.to_pylist(), part.places.to_pylist(), strict=True):
                if name in wanted:
                    first[name] = place
        for name, place in zip(ids, places, strict=True):
            if name in first:
                raise SourceError(
                    place,
                    expected="an id that no other document has",
                    got=f"{name!r}, which is also the id of {first[name]}",
                    fix="Rename one, name another field with --id-field, or build from the "
                    "folder above, so that paths differ.",
                )
            first[name] = place


def _fingerprint(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")


def _field_kinds(pieces: Sequence[Piece]) -> dict[str, frozenset[str]]:
    kinds: dict[str, set[str]] = {}
    for piece in pieces:
        for name, value in piece.metadata.items():
            kinds.setdefault(name, set()).update(_kind(value))
    return {name: frozenset(found) for name, found in kinds.items()}


def _kind(value: Scalar) -> tuple[str, ...]:
    match value:
        case None:
            return ()
        case bool():
            return ("bool",)
        case int():
            return ("int",) if -(2**63) <= value < 2**63 else ("text",)
        case float():
            return ("float",)
        case _:
            return ("text",)


def _json(record: Any) -> str:
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"))


def _note_json(note: Note) -> str:
    record = {name: getattr(note, name) for name in Note.__slots__}
    return _json({**record, "fields": [[k, sorted(v)] for k, v in note.fields.items()]})


def _open(path: Path) -> Part:
    with pa.memory_map(str(path)) as file:
        table = pa.ipc.open_file(file).read_all()
    record = json.loads(table.schema.metadata[_NOTE])
    record["fields"] = {name: frozenset(kinds) for name, kinds in record["fields"]}
    columns = {name: table.column(name) for name in ("id", "place", "metadata", "tokens", "text")}
    chunks = {n: c.chunk(0) if c.num_chunks else pa.array([], c.type) for n, c in columns.items()}
    return Part(
        ids=chunks["id"],
        places=chunks["place"],
        metadata=chunks["metadata"],
        tokens=chunks["tokens"],
        text=chunks["text"],
        note=Note(**record),
    )
