"""A shard: the sorted suffixes of some documents in a row, on disk and opened.

The tokens themselves stay in the corpus; beside them a shard keeps

    suffixes.npy   the place of every suffix, in their order, packed in as few bits as hold a place
    keys.npy       the first tokens of every 256th suffix, in one 64-bit number each
    blocks.npy     for every 128 places, the document that the first lies in
    shard.json     which documents, what they are made of, how places and keys are packed

which is `log2(tokens) / 8` bytes a token and a sixteenth of one: with the corpus's own two,
5.44 for 76 million 16-bit tokens. The order of suffixes is that of Manber and Myers, "Suffix
arrays", 1993; how they are sorted and searched is told in the sources of the kernel, `kernel/`.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Int64, UInt, UInt8, UInt32, UInt64

from whence.core.errors import CorpusError, DamagedError
from whence.core.progress import Bar
from whence.core.records import building, check_sizes, read_json, write_json
from whence.corpus.arrays import ArrayFile, open_array, save_array
from whence.corpus.index._kernel import DamageError, QueryError, Sorter, Suffixes
from whence.corpus.index.interface import Tokens

VERSION = 2
RECORD = "shard.json"
_ITEM = 16
_LEAST_ROOM = 1 << 16
_MOST_KEY_TOKENS = 16


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """Documents' tokens, end to end, as they lie in memory-mapped files.

    Attributes:
        tokens: of all documents of the corpus.
        bounds: where each document begins, and the end.
        vocabulary: ids are below this.
        place: for messages.
        foreign: infini-gram laid it out: each document begins with a separator, which is no
            token of it, and suffixes are in the order of their bytes (`infinigram`).
    """

    tokens: UInt[np.ndarray, " token"]
    bounds: Int64[np.ndarray, " bound"]
    vocabulary: int
    place: str
    foreign: bool = False

    def part(self, first: int, last: int) -> Source:
        """Documents [first, last) alone."""
        bounds = self.bounds[first : last + 1]
        tokens = self.tokens[int(bounds[0]) : int(bounds[-1])]
        return replace(self, tokens=tokens, bounds=bounds)


@dataclass(frozen=True, slots=True)
class Packing:
    """How the numbers of a shard are packed.

    Attributes:
        bits: of a place.
        count: suffixes.
        token_bits: of a token in a key.
        key_tokens: tokens in a key.
    """

    bits: int
    count: int
    token_bits: int
    key_tokens: int


def memory_needed(tokens: int, width: int) -> int:
    """Bytes that sorting needs beside the suffixes that it sorts at a time.

    The tokens themselves, a bit for each, and the ranks of one place in eight or so.
    """
    return tokens * width + tokens * 2 + (1 << 24)


def room_within(memory: int, tokens: int, width: int) -> int | None:
    """How many suffixes can be sorted at a time within a memory limit; None where too few."""
    room = (memory - memory_needed(tokens, width)) // _ITEM
    return room if room >= min(tokens, _LEAST_ROOM) else None


def build_shard(
    source: Source, folder: Path, identity: dict[str, Any], *, threads: int, room: int, shown: Bar
) -> None:
    """Sort the suffixes of some documents and write the sealed folder of their shard.

    Args:
        source: the documents.
        folder: a new folder.
        identity: what the shard is bound to; kept in its record.
        threads: that sort side by side; the bytes do not depend on it.
        room: suffixes that are sorted at a time; neither on this.
        shown: advanced by the number of suffixes.
    """
    count, width = len(source.tokens), source.tokens.dtype.itemsize
    sorter = Sorter(source.tokens, width, source.bounds, threads, room)
    token_bits = max(1, (source.vocabulary - 1).bit_length())
    packing = Packing(sorter.bits, count, token_bits, min(64 // token_bits, _MOST_KEY_TOKENS))
    sorter.prepare()
    with building(folder) as temporary:
        file = ArrayFile(temporary / "suffixes.npy", np.uint8, -(-count * packing.bits // 8))
        try:
            while (packed := sorter.next()) is not None:
                file.write(np.frombuffer(packed, np.uint8))
                shown.update(len(packed) * 8 / packing.bits)
        finally:
            file.close()
        keys = sorter.keys(packing.token_bits, packing.key_tokens)
        save_array(temporary / "keys.npy", np.frombuffer(keys, np.uint64))
        save_array(temporary / "blocks.npy", np.frombuffer(sorter.blocks(), np.uint32))
        record = {"whence": "index shard", **identity, **asdict(packing)}
        write_json(temporary / RECORD, record)


@dataclass(frozen=True, slots=True, eq=False)
class Shard:
    """The opened suffixes of some documents in a row.

    Attributes:
        source: their tokens.
        first: position of the first document in the corpus.
        packing: how places and keys are packed.
        blocks: the document of each block's first place.
        suffixes: the kernel's view of all of it.
        separators: suffixes that begin where no token is.
    """

    source: Source
    first: int
    packing: Packing
    blocks: UInt32[np.ndarray, " block"]
    suffixes: Suffixes
    separators: int = 0

    @property
    def documents(self) -> int:
        """How many documents."""
        return len(self.source.bounds) - 1

    def restricted(self, documents: Bool[np.ndarray, " document"]) -> Shard:
        """The same, with the suffixes of some of its documents only, in memory."""
        packed, count = self.suffixes.filtered(np.ascontiguousarray(documents).view(np.uint8))
        packing = replace(self.packing, count=count)
        bare = view(self.source, packing, self.blocks, packed, np.zeros(0, np.uint64))
        keys = np.frombuffer(bare.sample(), np.uint64)
        suffixes = view(self.source, packing, self.blocks, packed, keys)
        separators = int(documents.sum()) if self.source.foreign else 0
        return replace(self, packing=packing, suffixes=suffixes, separators=separators)

    def following(self, tokens: Tokens) -> Int64[np.ndarray, "following 2"]:
        """What follows a sequence, and how often; the most frequent first, then by id."""
        if len(tokens):
            *_, low, high = self.suffixes.range(tokens)
        else:
            low, high = 0, self.packing.count
        found = self.suffixes.following(low, high, len(tokens))
        pairs = np.frombuffer(found, np.int64).reshape(-1, 2)
        return pairs[pairs[:, 0] < self.source.vocabulary] if self.source.foreign else pairs

    def addresses(
        self, places: Int64[np.ndarray, " place"]
    ) -> tuple[Int64[np.ndarray, " place"], Int64[np.ndarray, " place"]]:
        """The document of each place, in the corpus, and the offset in it."""
        bounds = self.source.bounds
        at = places + bounds[0]
        documents = np.searchsorted(bounds, at, side="right") - 1
        return documents + self.first, at - bounds[documents] - self.source.foreign


def open_shard(source: Source, folder: Path, first: int, identity: dict[str, Any]) -> Shard:
    """Open a shard.

    Args:
        source: the documents that it is about.
        folder: where it is.
        first: position of the first of them in the corpus.
        identity: what it must be bound to.

    Raises:
        DamagedError: a file is missing or truncated, or the shard is about something else.
    """
    check_sizes(folder)
    record = read_json(folder / RECORD)
    wanted = {"whence": "index shard", **identity}
    if any(record.get(name) != value for name, value in wanted.items()):
        raise damaged(folder, "a shard of this corpus and version", "another")
    packing = Packing(*(int(record[n]) for n in ("bits", "count", "token_bits", "key_tokens")))
    packed, keys, blocks = (
        open_array(folder / f"{name}.npy") for name in ("suffixes", "keys", "blocks")
    )
    try:
        suffixes = view(source, packing, blocks, packed, keys)
    except (DamageError, ValueError) as error:
        raise damaged(folder, "files that fit one another", str(error)) from None
    return Shard(source, first, packing, blocks, suffixes)


def view(
    source: Source,
    packing: Packing,
    blocks: UInt32[np.ndarray, " block"],
    packed: UInt8[np.ndarray, " byte"] | bytearray,
    keys: UInt64[np.ndarray, " key"],
) -> Suffixes:
    """The kernel's view of the arrays of a shard."""
    return Suffixes(
        source.tokens,
        source.bounds,
        blocks,
        packed,
        keys,
        width=source.tokens.dtype.itemsize,
        bits=packing.bits,
        count=packing.count,
        vocabulary=source.vocabulary,
        token_bits=packing.token_bits,
        key_tokens=packing.key_tokens,
        foreign=source.foreign,
    )


def damaged(place: Path | str, expected: str, got: str) -> DamagedError:
    """The fault of an index that cannot be used."""
    return DamagedError(
        str(place),
        expected=expected,
        got=got,
        fix="Make what is damaged again with: whence corpus index build CORPUS --repair",
    )


def fault(error: QueryError | DamageError, source: Source) -> CorpusError | DamagedError:
    """What the user is told when the kernel refuses."""
    if isinstance(error, DamageError):
        return damaged(source.place, "an index whose parts fit one another", str(error))
    if error.args:
        return CorpusError(
            "query",
            expected=f"token ids from 0 to {source.vocabulary - 1}",
            got=str(error.args[0]),
            fix=f"Encode the text with the tokenizer of {source.place}.",
        )
    return CorpusError(
        "query",
        expected="at least one token",
        got="none",
        fix="Give a text or token ids to look for.",
    )


def default_threads() -> int:
    """As many as this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
