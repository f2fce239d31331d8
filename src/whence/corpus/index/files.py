"""An index on disk: a folder of shards, each about some documents in a row.

    CORPUS/index/index.json    what corpus it belongs to, and the documents of each shard
    CORPUS/index/00000/        a sealed shard (`shard`)
    CORPUS/index/00001/        ...
    CORPUS/index-text/         the same over the bytes of the text, whatever the tokenizer

While it is made the folder is hidden beside its place, and each shard appears in it when it is
whole: killed at any moment, the same call goes on after the last one. Shards are cut by documents
and a number of tokens, so they and their bytes depend on neither memory nor threads.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Int64

from whence.core.engines import Engine, open_engine
from whence.core.errors import (
    BusyError,
    CorpusError,
    DamagedError,
    PlanError,
    TokenizerError,
)
from whence.core.locks import hold
from whence.core.progress import bar, progress
from whence.core.records import check_digests, full_disk_is_an_error, read_json, write_json
from whence.corpus.index.shard import (
    VERSION,
    Shard,
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

FOLDERS = {"tokens": "index", "text": "index-text"}
RECORD = "index.json"
_SHARE = 4


@dataclass(frozen=True, slots=True)
class IndexSettings:
    """How an index is made.

    Attributes:
        over: `tokens`, or `text` for the bytes of the documents' text.
        shard_tokens: a shard holds whole documents of at most this many tokens (or one document).
        memory: bytes that making it may take; by default 8 a token of a shard. Only the time
            depends on it.
        threads: that work side by side; by default all.
    """

    over: str = "tokens"
    shard_tokens: int = 1 << 30
    memory: int | None = None
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.over not in FOLDERS:
            raise PlanError(
                "over", expected=" or ".join(FOLDERS), got=repr(self.over), fix="Name one."
            )
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
    settings = settings or IndexSettings()
    folder = corpus.path / FOLDERS[settings.over]
    while not folder.exists():
        try:
            with full_disk_is_an_error(folder), hold(corpus.path):
                if not folder.exists():
                    _build(corpus, settings)
        except BusyError:
            # Another process is making this very index; its lock is freed even if it dies.
            time.sleep(0.1)
    return _open(corpus, settings.over)


def build_index(
    corpus: Corpus, settings: IndexSettings | None = None, engine: Engine | None = None
) -> ShardedIndex:
    """Make an index of a corpus anew; one that is there serves until the new one is whole.

    Args:
        corpus: the documents; on a cluster, where every machine finds and can write them.
        settings: how it is made; memory and threads are each worker's (one thread by default).
        engine: makes shards side by side; by default they are made one after another, here.

    Raises: as `open_index`, and
        WorkerError: a worker died. The shards that are whole are kept.
        BusyError: another process is making it.
    """
    settings = settings or IndexSettings()
    folder = corpus.path / FOLDERS[settings.over]
    with full_disk_is_an_error(folder), hold(corpus.path):
        _build(corpus, settings, engine)
    return _open(corpus, settings.over)


def open_indexes(corpora: Sequence[Corpus], settings: IndexSettings | None = None) -> ShardedIndex:
    """Open the indexes of several corpora as one, or make those that there are not.

    New documents become a corpus of their own, with the tokenizer of the first; nothing that is
    indexed is indexed again. Documents are numbered through, in the order of the corpora.

    Raises: as `open_index`, and
        TokenizerError: the corpora have different tokenizers.
        CorpusError: there are none.
    """
    settings = settings or IndexSettings()
    if not corpora:
        raise CorpusError("corpora", expected="one or more", got="none", fix="Name a corpus.")
    shards: list[Shard] = []
    for corpus in corpora:
        of = [each.record["digests"]["tokenizer"] for each in (corpus, corpora[0])]
        if of[0] != of[1] and settings.over == "tokens":
            raise TokenizerError(
                str(corpus.path),
                expected=f"the tokenizer of {corpora[0].path} ({of[1][:19]})",
                got=f"another ({of[0][:19]})",
                fix="Build it with: whence corpus build --tokenizer "
                f"{corpora[0].tokenizer_path}, or search the text.",
            )
        before = shards[-1].first + shards[-1].documents if shards else 0
        opened = open_index(corpus, settings).shards
        shards += [replace(shard, first=before + shard.first) for shard in opened]
    return ShardedIndex(tuple(shards), default_threads(), (open_indexes, (corpora, settings)))


def check_index(corpus: Corpus) -> int:
    """Read every byte of a corpus's indexes.

    Returns:
        How many files were read; 0 where there is no index.

    Raises:
        DamagedError: a file is truncated, altered or missing.
    """
    files = 0
    for over in _there(corpus):
        folder = corpus.path / FOLDERS[over]
        files += 1 + sum(check_digests(folder / name) for name, *_ in _shards(corpus, over))
        _open(corpus, over)
    return files


def repair_index(corpus: Corpus, settings: IndexSettings | None = None) -> list[str]:
    """Make the damaged shards of an index again, and no others.

    Returns:
        The names of the shards that were made again.
    """
    settings = settings or IndexSettings()
    folder = corpus.path / FOLDERS[settings.over]
    broken = []
    with full_disk_is_an_error(folder), hold(corpus.path):
        for name, first, last in _shards(corpus, settings.over):
            if not _is_whole(folder / name):
                broken.append(name)
                shutil.rmtree(folder / name, ignore_errors=True)
                _build_one(corpus, folder / name, first, last, settings)
    return broken


def describe_index(corpus: Corpus) -> dict[str, dict[str, Any]]:
    """What the indexes of a corpus are made of: shards, suffixes, bytes on disk."""
    found = {}
    for over in _there(corpus):
        folder, opened = corpus.path / FOLDERS[over], _open(corpus, over)
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        width = opened.shards[0].source.tokens.dtype.itemsize
        found[over] = {
            "shards": len(opened.shards),
            "documents": opened.documents,
            "suffixes": opened.tokens,
            "bytes": size,
            "bytes_a_token": round(size / opened.tokens + width, 3),
        }
    return found


def _there(corpus: Corpus) -> list[str]:
    return [over for over, name in FOLDERS.items() if (corpus.path / name).is_dir()]


def _is_whole(shard: Path) -> bool:
    try:
        check_digests(shard)
    except DamagedError:
        return False
    return True


def _source(corpus: Corpus, over: str) -> Source:
    if over == "text":
        return Source(corpus.text_bytes, corpus.text_offsets, 256, str(corpus.path))
    return Source(corpus.tokens, corpus.offsets, corpus.vocabulary_size, str(corpus.path))


def _identity(corpus: Corpus, over: str) -> dict[str, Any]:
    """What an index is bound to; a shard also to its documents."""
    of = corpus.record["digests"]["text"] if over == "text" else corpus.digest
    return {"version": VERSION, "over": over, "corpus": of}


def cut(bounds: Int64[np.ndarray, " bound"], most: int) -> list[tuple[int, int]]:
    """Ranges of documents of at most so many tokens each, or of a single document."""
    ranges, first = [], 0
    while first < len(bounds) - 1:
        last = int(np.searchsorted(bounds, bounds[first] + most, side="right")) - 1
        last = max(last, first + 1)
        ranges.append((first, last))
        first = last
    return ranges


def _build(corpus: Corpus, settings: IndexSettings, engine: Engine | None = None) -> None:
    folder = corpus.path / FOLDERS[settings.over]
    hidden = folder.with_name(f".{folder.name}.build")
    source = _source(corpus, settings.over)
    ranges = [list(each) for each in cut(source.bounds, settings.shard_tokens)]
    plan = {"whence": "index", **_identity(corpus, settings.over), "shards": ranges}
    if hidden.exists() and not ((hidden / RECORD).exists() and read_json(hidden / RECORD) == plan):
        shutil.rmtree(hidden)
    hidden.mkdir(exist_ok=True)
    write_json(hidden / RECORD, plan)
    engine = engine or open_engine()
    if engine.name != "serial":
        settings = replace(settings, threads=settings.threads or 1)
    wanted = [
        (hidden / _name(number), first, last)
        for number, (first, last) in enumerate(ranges)
        if not (hidden / _name(number)).exists()
    ]
    workers = [(corpus, settings)] * min(engine.workers, len(wanted))
    with engine.team(_maker, workers, threads=settings.threads or 1) as team:
        for _ in progress(team.map(_make, wanted), "shards", len(wanted)):
            pass
    if folder.exists():  # it served until here, and would if this had failed
        shutil.rmtree(folder)
    hidden.replace(folder)


def _maker(corpus: Corpus, settings: IndexSettings) -> tuple[Corpus, IndexSettings]:
    return corpus, settings


def _make(of: tuple[Corpus, IndexSettings], shard: tuple[Path, int, int]) -> None:
    corpus, settings = of
    _build_one(corpus, *shard, settings)


def _build_one(
    corpus: Corpus, folder: Path, first: int, last: int, settings: IndexSettings
) -> None:
    part = _source(corpus, settings.over).part(first, last)
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
    with bar(f"indexing {folder.name}", tokens, "token") as shown:
        build_shard(
            part,
            folder,
            {**_identity(corpus, settings.over), "first": first, "last": last},
            threads=settings.threads or default_threads(),
            room=room,
            shown=shown,
        )


def _record(corpus: Corpus, over: str) -> dict[str, Any]:
    folder = corpus.path / FOLDERS[over]
    if not (folder / RECORD).exists():
        raise damaged(folder, f"{RECORD}, version {VERSION}", "none: another version made it")
    record: dict[str, Any] = read_json(folder / RECORD)
    wanted = _identity(corpus, over)
    if any(record.get(name) != value for name, value in wanted.items()):
        raise DamagedError(
            str(folder),
            expected=f"an index of this corpus ({wanted['corpus'][:19]}), version {VERSION}",
            got=f"one of {str(record.get('corpus'))[:19]}, version {record.get('version')}",
            fix="Remove the folder; it is made again when needed.",
        )
    return record


def _name(number: int) -> str:
    return f"{number:05d}"


def _shards(corpus: Corpus, over: str) -> list[tuple[str, int, int]]:
    """Name and documents of each shard."""
    ranges = _record(corpus, over)["shards"]
    return [(_name(number), first, last) for number, (first, last) in enumerate(ranges)]


def _open(corpus: Corpus, over: str) -> ShardedIndex:
    shards = tuple(_open_one(corpus, over, *each) for each in _shards(corpus, over))
    return ShardedIndex(shards, default_threads(), (_open, (corpus, over)))


def _open_one(corpus: Corpus, over: str, name: str, first: int, last: int) -> Shard:
    folder, part = corpus.path / FOLDERS[over] / name, _source(corpus, over).part(first, last)
    identity = {**_identity(corpus, over), "first": first, "last": last}
    try:
        return open_shard(part, folder, first, identity)
    except DamagedError as error:
        # Whatever is wrong with a shard, it can be made again from the corpus.
        raise damaged(error.place, error.expected, error.got) from None
