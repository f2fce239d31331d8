"""From the parts of a build to the files of a corpus, one part in memory at a time.

corpus.json         what it is made of, counts, digests
tokens.npy          every document's tokens, end to end (u16, or u32 for large vocabularies)
offsets.npy         where each document's tokens begin, and the end (int64)
text.bin            every document's text, end to end (UTF-8)
text_offsets.npy    where each document's text begins, and the end (int64 bytes)
documents.arrow     ids and metadata, one row a document
tokenizer/          opened by `AutoTokenizer.from_pretrained`
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from whence.core.progress import progress
from whence.core.records import digest, write_json
from whence.corpus import store
from whence.corpus.arrays import ArrayFile
from whence.corpus.parts import Note, Parts
from whence.corpus.tokenizer import SavedTokenizer

_ROWS = 4096
_TYPES = {
    frozenset(): pa.string(),
    frozenset({"bool"}): pa.bool_(),
    frozenset({"int"}): pa.int64(),
    frozenset({"float"}): pa.float64(),
    frozenset({"int", "float"}): pa.float64(),
}


def assemble(
    parts: Parts,
    saved: SavedTokenizer,
    folder: Path,
    plan: Mapping[str, Any],
    *,
    unreadable: int = 0,
) -> None:
    """Write the files of a corpus into an empty folder.

    Args:
        parts: of the finished build.
        saved: its tokenizer.
        folder: where.
        plan: what the corpus was made of; kept in its record.
        unreadable: how many documents were left out because they cannot be read.
    """
    note = parts.note
    shutil.copytree(saved.path, folder / "tokenizer", ignore=shutil.ignore_patterns("manifest*"))
    digests = _write_arrays(parts, folder, store.token_type(saved.vocabulary_size))
    digests["ids"] = _write_documents(parts, folder / store.DOCUMENTS)
    digests["tokenizer"] = saved.digest
    write_json(
        folder / store.RECORD,
        {
            "whence": "corpus",
            "version": store.VERSION,
            "digest": digest({k: digests[k] for k in ("tokens", "offsets", "ids", "tokenizer")}),
            "digests": digests,
            "documents": note.documents,
            "tokens": note.tokens,
            "text_bytes": note.bytes,
            "vocabulary_size": saved.vocabulary_size,
            "start_tokens": list(saved.start_tokens),
            "end_tokens": list(saved.end_tokens),
            "sources": {
                "documents": note.consumed,
                "empty": note.empty,
                "cut": note.cut,
                "unreadable": unreadable,
            },
            "plan": dict(plan),
        },
    )


def _write_arrays(parts: Parts, folder: Path, token_type: np.dtype[Any]) -> dict[str, str]:
    note = parts.note
    columns = {
        "tokens": ArrayFile(folder / store.TOKENS, token_type, note.tokens),
        "offsets": ArrayFile(folder / store.OFFSETS, np.dtype(np.int64), note.documents + 1),
        "text_offsets": ArrayFile(
            folder / store.TEXT_OFFSETS, np.dtype(np.int64), note.documents + 1
        ),
        "text": ArrayFile(folder / store.TEXT, None, note.bytes),
    }
    ends = {"offsets": 0, "text_offsets": 0}
    try:
        for name in ends:
            columns[name].write(np.zeros(1, np.int64))
        for part in progress(parts, "assembling", parts.count):
            # A chunk read back from a file starts at 0, so the buffers are the values.
            columns["tokens"].write(part.tokens.values.to_numpy())
            text_offsets = np.frombuffer(part.text.buffers()[1], np.int64)[: len(part.text) + 1]
            columns["text"].write(np.frombuffer(part.text.buffers()[2] or b"", np.uint8))
            for name, local in (
                ("offsets", part.tokens.offsets.to_numpy()),
                ("text_offsets", text_offsets),
            ):
                columns[name].write(local[1:] + ends[name])
                ends[name] += int(local[-1])
    finally:
        digests = {name: column.close() for name, column in columns.items()}
    return digests


def _write_documents(parts: Parts, path: Path) -> str:
    """Write ids and metadata; returns the digest of the ids."""
    names = _column_names(parts.note)
    schema = pa.schema(
        [pa.field("id", pa.string())]
        + [pa.field(names[f], _column_type(kinds)) for f, kinds in parts.note.fields.items()]
    )
    state = hashlib.sha256()
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, schema) as writer:
        for rows in _in_groups(_rows(parts), _ROWS):
            ids = [name for name, _ in rows]
            for name in ids:
                data = name.encode()
                state.update(len(data).to_bytes(8, "little") + data)
            columns = [pa.array(ids, pa.string())]
            for field, kind in zip(names, schema.types[1:], strict=True):
                columns.append(pa.array([_cast(row.get(field), kind) for _, row in rows], kind))
            writer.write_batch(pa.record_batch(columns, schema=schema))
    return "sha256:" + state.hexdigest()


def _rows(parts: Parts) -> Iterator[tuple[str, dict[str, Any]]]:
    for part in parts:
        for name, text in zip(part.ids.to_pylist(), part.metadata.to_pylist(), strict=True):
            yield name, json.loads(text)


def _in_groups(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    group: list[Any] = []
    for item in items:
        group.append(item)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group


def _column_names(note: Note) -> dict[str, str]:
    # "id" is taken: a field of that name which is not the id gets underscores.
    names = {f: f for f in note.fields}
    while names.get("id") in ("id", *(names.keys() - {"id"})):
        names["id"] += "_"
    return names


def _column_type(kinds: frozenset[str]) -> pa.DataType:
    return _TYPES.get(kinds, pa.string())


def _cast(value: Any, kind: pa.DataType) -> Any:
    if value is None or not pa.types.is_string(kind) or isinstance(value, str):
        return value
    return json.dumps(value)
