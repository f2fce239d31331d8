"""An index that infini-gram made, opened for reading.

    tokenized.N   the documents' tokens, a separator (all bits set) before each
    table.N       the places of all suffixes, in bytes, in as few bytes each as hold them
    offset.N      where each document begins, at its separator, in bytes (u64)

for each shard N from 0 on. Its suffixes are in the order of their bytes, not of their tokens' ids,
and run on into the next document; the kernel knows both (`foreign`), so every question is answered
from these files as they are. They have no keys beside them, so a search takes some ten steps more.

The layout is that of its indexing program, version 4 ("v4"; in version 5 documents are turned
around, which the files do not tell): Liu et al., "Infini-gram", COLM 2024, section 3 and its
documentation.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64

from whence.core.errors import CorpusError
from whence.corpus.index._kernel import DamageError
from whence.corpus.index.shard import Packing, Shard, Source, damaged, default_threads, view
from whence.corpus.index.sharded import ShardedIndex

_BLOCK = 128


def open_infinigram(folder: Path | str, token_bytes: int = 2) -> ShardedIndex:
    """Open an index of infini-gram; it has no texts, so answers are in documents and tokens.

    Args:
        folder: where `tokenized.0`, `table.0` and `offset.0` are, and so on.
        token_bytes: 1, 2 or 4: its `token_dtype` u8, u16 or u32.

    Raises:
        CorpusError: there is no such index.
        DamagedError: its files do not fit one another.
    """
    folder = Path(folder).absolute()
    if not (folder / "tokenized.0").is_file() or token_bytes not in (1, 2, 4):
        raise CorpusError(
            str(folder),
            expected="an index of infini-gram, with tokens of 1, 2 or 4 bytes",
            got="no tokenized.0" if token_bytes in (1, 2, 4) else f"{token_bytes} bytes",
            fix="Name a folder with tokenized.0, table.0 and offset.0, and its width.",
        )
    shards: list[Shard] = []
    while (folder / f"tokenized.{len(shards)}").is_file():
        first = shards[-1].first + shards[-1].documents if shards else 0
        shards.append(_open_shard(folder, len(shards), first, token_bytes))
    return ShardedIndex(tuple(shards), default_threads(), (open_infinigram, (folder, token_bytes)))


def infinigram_tokens(index: ShardedIndex, which: int) -> Int64[np.ndarray, " token"]:
    """The tokens of a document of such an index.

    Raises:
        CorpusError: there is no such document.
    """
    for shard in index.shards:
        if 0 <= which - shard.first < shard.documents:
            bounds = shard.source.bounds[which - shard.first :]
            return np.asarray(shard.source.tokens[bounds[0] + 1 : bounds[1]], np.int64)
    raise CorpusError(
        index.shards[0].source.place,
        expected=f"a document from 0 to {index.documents - 1}",
        got=str(which),
        fix="Give a position in that range.",
    )


def _open_shard(folder: Path, number: int, first: int, width: int) -> Shard:
    tokens = _map(folder / f"tokenized.{number}", np.dtype(f"<u{width}"))
    table = _map(folder / f"table.{number}", np.dtype(np.uint8))
    offsets = _map(folder / f"offset.{number}", np.dtype("<u8"))
    bounds = np.append(offsets // width, len(tokens)).astype(np.int64)
    size, rest = divmod(len(table), len(tokens))
    separator = (1 << 8 * width) - 1
    begins = bounds[:-1]
    sound = rest == 0 and 1 <= size <= 7 and bounds[0] == 0 and (np.diff(bounds) > 0).all()
    if not sound or (tokens[begins[: 1 << 10]] != separator).any():
        raise _misfit(folder, number, "sizes or separators that do not")
    source = Source(tokens, bounds, separator, str(folder), foreign=True)
    packing = Packing(8 * size, len(tokens), 8 * width, 8 // width)
    places = np.arange(len(tokens) // _BLOCK + 2) * _BLOCK
    blocks = (np.searchsorted(bounds, places, side="right") - 1).astype(np.uint32)
    try:
        suffixes = view(source, packing, blocks, table, np.zeros(0, np.uint64))
    except (DamageError, ValueError) as error:
        raise _misfit(folder, number, str(error)) from None
    return Shard(source, first, packing, blocks, suffixes, len(begins))


def _misfit(folder: Path, number: int, got: str) -> Exception:
    """The fault of a shard whose files do not belong together."""
    return damaged(
        folder / f"tokenized.{number}", "tokens, table and offsets that fit one another", got
    )


def _map(path: Path, kind: np.dtype[Any]) -> Any:
    try:
        return np.asarray(np.memmap(path, kind, mode="r"))
    except (OSError, ValueError) as error:
        raise damaged(path, f"a file of whole {kind}", str(error)) from None
