"""Score folders that bergson wrote, read as `Scores`.

    info.json       num_items, num_rows, num_scores; the type of a row: for every query i a field
                    "score_i" and a field "written_i", with their places in the row
    scores.bin      the rows, one a document, or one a token of a document
    offsets.npy     where tokens are scored: document d has rows offsets[d] to offsets[d + 1]
    candidates.npy  where only some documents were scored: their places
    config.yaml     how it was run; "higher_is_better" says which sign a supporter has

Read from bergson 2.5.1. Its scores order documents and have no unit. Where a higher score means
a supporter the sign is ours; the derivatives of a loss that its unrolled methods write are of the
other sign and are turned round. A document's score is the sum over its tokens.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from whence.core.behavior import Behavior
from whence.core.cause import Cause
from whence.core.errors import DamagedError, MethodError
from whence.core.scores import Coverage, Scores

_SIGN = re.compile(r"^\s*higher_is_better:\s*(true|false)\s*$", re.MULTILINE | re.IGNORECASE)
_BFLOAT16 = "bfloat16"


def read_bergson(
    folder: Path | str,
    behaviors: Sequence[Behavior],
    causes: Sequence[Cause],
    *,
    higher_is_better: bool | None = None,
    method: str | None = None,
) -> Scores:
    """Read a score folder of bergson.

    Args:
        folder: with `info.json` and `scores.bin`.
        behaviors: what its queries were, in their order.
        causes: the documents that it scored, in the order of its data set.
        higher_is_better: whether a high score means a supporter; None reads it from the
            `config.yaml` in the folder or in the one above.
        method: a name; None takes the folder's.

    Returns:
        Ranks; NaN for documents that were no candidates.

    Raises:
        DamagedError: a file is missing or is not what bergson writes, or not all was scored.
        MethodError: documents or behaviors do not fit, or the sign is not known.
    """
    folder = Path(folder)
    info = _info(folder)
    table = _table(folder, info)
    if len(behaviors) != info["num_scores"] or len(causes) != info["num_items"]:
        scored = folder / "candidates.npy"
        if len(behaviors) != info["num_scores"] or not scored.is_file():
            raise MethodError(
                str(folder),
                expected=f"{info['num_scores']} queries and {info['num_items']} documents",
                got=f"{len(behaviors)} behaviors and {len(causes)} causes",
                fix="Name those that it was run with, in the same order.",
            )
    values = np.full((len(behaviors), len(causes)), np.nan)
    where = _where(folder, info, len(causes))
    for number in range(len(behaviors)):
        values[number, where] = _summed(folder, info, table, number)
    sign = _higher_is_better(folder) if higher_is_better is None else higher_is_better
    return Scores(
        values=values if sign else -values,
        behaviors=tuple(behaviors),
        causes=tuple(causes),
        method=method or f"bergson {folder.name}",
        estimand="additive",
        unit="rank",
        settings={"folder": folder.name, "higher_is_better": sign},
        coverage=Coverage(f"{len(where)} of {len(causes)} documents", len(where) / len(causes)),
    )


def _info(folder: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((folder / "info.json").read_bytes())
        counts = [found[name] for name in ("num_items", "num_rows", "num_scores")]
        if not all(type(count) is int and count > 0 for count in counts):
            raise ValueError(f"counts {counts}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedError(
            str(folder / "info.json"),
            expected="the description of a score folder of bergson 2.5",
            got=f"{type(error).__name__}: {error}",
            fix="Name the folder that holds info.json and scores.bin.",
        ) from None
    return found


def _table(folder: Path, info: dict[str, Any]) -> np.ndarray:
    """The rows as a structured array, memory-mapped; bfloat16 as its 16 bits."""
    kind = info["dtype"]
    try:
        formats = ["<u2" if f == _BFLOAT16 else f for f in kind["formats"]]
        told: Any = {**kind, "formats": formats}
        row = np.dtype(told)
        if row.hasobject:
            raise ValueError("objects among the numbers")
        return np.memmap(folder / "scores.bin", dtype=row, mode="r", shape=(info["num_rows"],))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedError(
            str(folder / "scores.bin"),
            expected=f"{info['num_rows']} rows as info.json describes them",
            got=f"{type(error).__name__}: {error}",
            fix="Score again with bergson.",
        ) from None


def _where(folder: Path, info: dict[str, Any], causes: int) -> np.ndarray:
    """The cause of every document that was scored."""
    path = folder / "candidates.npy"
    found = np.load(path, allow_pickle=False) if path.is_file() else np.arange(info["num_items"])
    if found.shape != (info["num_items"],) or not (0 <= found.min() <= found.max() < causes):
        raise MethodError(
            str(path),
            expected=f"the places of {info['num_items']} documents among {causes}",
            got=f"{found.shape}, {found.min()} to {found.max()}",
            fix="Name the documents that bergson was run with, in the same order.",
        )
    return np.asarray(found)


def _summed(
    folder: Path, info: dict[str, Any], table: np.ndarray, number: int
) -> Float[np.ndarray, " document"]:
    """One query's score of every document."""
    if not table[f"written_{number}"].all():
        raise DamagedError(
            str(folder),
            expected="a score in every row",
            got=f"{int((~table[f'written_{number}']).sum())} rows that bergson did not reach",
            fix="Let bergson go on with it.",
        )
    column = table[f"score_{number}"]
    if info["dtype"]["formats"][info["dtype"]["names"].index(f"score_{number}")] == _BFLOAT16:
        column = (column.astype(np.uint32) << 16).view(np.float32)
    column = column.astype(np.float64)
    if not info.get("attribute_tokens"):
        return column
    ends = np.load(folder / "offsets.npy", allow_pickle=False)
    sums = np.concatenate([[0.0], np.cumsum(column)])
    return np.asarray(sums[ends[1:]] - sums[ends[:-1]])


def _higher_is_better(folder: Path) -> bool:
    found = set()
    for place in (folder, folder.parent):
        path = place / "config.yaml"
        if path.is_file():
            found = {word.lower() for word in _SIGN.findall(path.read_text(encoding="utf-8"))}
            break
    if len(found) != 1:
        raise MethodError(
            str(folder),
            expected="one higher_is_better in the config.yaml of the run",
            got=" and ".join(sorted(found)) or "none",
            fix="Say --higher-is-better for influence functions, --lower-is-better for "
            "derivatives of a loss.",
        )
    return found == {"true"}
