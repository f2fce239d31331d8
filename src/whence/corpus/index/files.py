"""An index on disk: a folder of shards, each about some documents in a row.

    CORPUS/index/index.json    what corpus it belongs to, and the documents of each shard
    CORPUS/index/00000/        a sealed shard (`shard`)
    CORPUS/index/00001/        ...

While it is made the folder is hidden beside its place, and each shard appears in it when it is
whole: killed at any moment, the same call goes on after the last one. Shards are cut by documents
and a number of tokens, so they and their bytes depend on neither memory nor threads.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Int64

from whence.core.errors import BusyError, DamagedError, PlanError
from whence.core.locks import hold
from whence.core.progress import bar
from whence.core.records import check_digests, full_disk_is_an_error, read_json, write_json
from whence.corpus.index.shard import (
    VERSION,
    Source,
    build_shard,
    damaged,
    default_threads,
    memory_needed,
    open_shard,
    room_within,
)
from whence.corpus.index.sharded import ShardedIndex

if TYPE_CHECKING:
    from whence.corpus.store import Corpus

FOLDER = "index"
RECORD = "index.json"
_SHARE = 4


@dataclass(frozen=True, slots=True)
class IndexSettings:
    """How an index is made.

    Attributes:
        shard_tokens: a shard holds whole documents of at most this many tokens (or one document).
        memory: bytes that making it may take; by default 8 a token of a shard. Only the time
            depends on it.
        threads: that work side by side; by default all.
    """

    shard_tokens: int = 1 << 30
    memory: int | None = None
    threads: int | None = None

    def __post_init__(self) -> None:
        for name in ("shard_tokens", "memory", "threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise PlanError(name, expected="a number above 0", got=str(value), fix="Raise it.")


def open_index(corpus: Corpus, settings: IndexSettings | None = None) -> ShardedIndex:
    """Open the index of a corpus, or make it.

    Raises:
        DamagedError: its files are damaged, or it belongs to another corpus.
        PlanError: it cannot be made in the memory that it may take.
        StorageError: the disk is full or the corpus's folder cannot be written.
    """
    folder = corpus.path / FOLDER
    while not folder.exists():
        try:
            with full_disk_is_an_error(folder), hold(corpus.path):
                if not folder.exists():
                    _build(corpus, folder, settings or IndexSettings())
        except BusyError:
            # Another process is making this very index; its lock is freed even if it dies.
            time.sleep(0.1)
    return _open(corpus, folder)


def build_index(corpus: Corpus, settings: IndexSettings | None = None) -> ShardedIndex:
    """Make the index of a corpus anew, whether or not there is one."""
    folder = corpus.path / FOLDER
    with full_disk_is_an_error(folder), hold(corpus.path):
        if folder.exists():
            shutil.rmtree(folder)
        _build(corpus, folder, settings or IndexSettings())
    return _open(corpus, folder)


def check_index(corpus: Corpus) -> int:
    """Read every byte of an index.

    Returns:
        How many files were read; 0 where there is no index.

    Raises:
        DamagedError: a file is truncated, altered or missing.
    """
    folder = corpus.path / FOLDER
    if not folder.is_dir():
        return 0
    record = _record(corpus, folder)
    _open(corpus, folder)
    return 1 + sum(check_digests(folder / name) for name, _, _ in _shards(record))


def repair_index(corpus: Corpus, settings: IndexSettings | None = None) -> list[str]:
    """Make the damaged shards of an index again, and no others.

    Returns:
        The names of the shards that were made again.
    """
    folder = corpus.path / FOLDER
    record = _record(corpus, folder)
    broken = [name for name, *_ in _shards(record) if not _is_whole(folder / name)]
    with full_disk_is_an_error(folder), hold(corpus.path):
        for name, first, last in _shards(record):
            if name in broken:
                shutil.rmtree(folder / name, ignore_errors=True)
                _build_one(corpus, folder, name, first, last, settings or IndexSettings())
    return broken


def _is_whole(shard: Path) -> bool:
    try:
        check_digests(shard)
    except DamagedError:
        return False
    return True


def _source(corpus: Corpus) -> Source:
    return Source(corpus.tokens, corpus.offsets, corpus.vocabulary_size, str(corpus.path))


def _identity(corpus: Corpus, first: int, last: int) -> dict[str, Any]:
    return {"corpus": corpus.digest, "first": first, "last": last}


def cut(bounds: Int64[np.ndarray, " bound"], most: int) -> list[tuple[int, int]]:
    """Ranges of documents of at most so many tokens each, or of a single document."""
    ranges, first = [], 0
    while first < len(bounds) - 1:
        last = int(np.searchsorted(bounds, bounds[first] + most, side="right")) - 1
        last = max(last, first + 1)
        ranges.append((first, last))
        first = last
    return ranges


def _build(corpus: Corpus, folder: Path, settings: IndexSettings) -> None:
    hidden = folder.with_name(f".{folder.name}.build")
    ranges = cut(corpus.offsets, settings.shard_tokens)
    plan = {
        "whence": "index",
        "version": VERSION,
        "corpus": corpus.digest,
        "shards": [list(each) for each in ranges],
    }
    if hidden.exists() and not (hidden / RECORD).exists():
        shutil.rmtree(hidden)
    if hidden.exists() and read_json(hidden / RECORD) != plan:
        shutil.rmtree(hidden)
    hidden.mkdir(exist_ok=True)
    write_json(hidden / RECORD, plan)
    for name, first, last in _shards(plan):
        if not (hidden / name).exists():
            _build_one(corpus, hidden, name, first, last, settings)
    hidden.replace(folder)


def _build_one(
    corpus: Corpus, folder: Path, name: str, first: int, last: int, settings: IndexSettings
) -> None:
    part = _source(corpus).part(first, last)
    tokens, width = len(part.tokens), part.tokens.dtype.itemsize
    memory = settings.memory or memory_needed(tokens, width) + max(_SHARE * tokens, 1 << 25)
    room = room_within(memory, tokens, width)
    if room is None:
        least = memory_needed(tokens, width) + (1 << 20)
        raise PlanError(
            "memory",
            expected=f"at least {least:,} bytes for a shard of {tokens:,} tokens",
            got=f"{memory:,}",
            fix="Allow more memory, or make smaller shards (--shard-tokens).",
        )
    with bar(f"indexing {name}" if name != "00000" else "indexing", tokens, "token") as shown:
        build_shard(
            part,
            folder / name,
            _identity(corpus, first, last),
            threads=settings.threads or default_threads(),
            room=room,
            shown=shown,
        )


def _record(corpus: Corpus, folder: Path) -> dict[str, Any]:
    path = folder / RECORD
    if not path.exists():
        raise damaged(folder, f"{RECORD}, version {VERSION}", "none: another version made it")
    record: dict[str, Any] = read_json(path)
    if record.get("corpus") != corpus.digest or record.get("version") != VERSION:
        raise DamagedError(
            str(folder),
            expected=f"an index of this corpus ({corpus.digest[:19]}), version {VERSION}",
            got=f"one of {str(record.get('corpus'))[:19]}, version {record.get('version')}",
            fix="Remove the folder; it is made again when needed.",
        )
    return record


def _shards(record: dict[str, Any]) -> Iterator[tuple[str, int, int]]:
    for number, (first, last) in enumerate(record["shards"]):
        yield f"{number:05d}", first, last


def _open(corpus: Corpus, folder: Path) -> ShardedIndex:
    record, source = _record(corpus, folder), _source(corpus)
    shards = tuple(
        open_shard(source.part(first, last), folder / name, first, _identity(corpus, first, last))
        for name, first, last in _shards(record)
    )
    return ShardedIndex(shards, default_threads(), (_reopen, (corpus,)))


def _reopen(corpus: Corpus) -> ShardedIndex:
    return _open(corpus, corpus.path / FOLDER)
