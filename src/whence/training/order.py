"""The order: which piece of which document stands where in which step.

It is drawn before training and written as plain arrays, so that the run's record says
beforehand what every step will see, and a replay reads the same arrays. Each epoch
shuffles all pieces with its own seed and packs them into rows by first fit among a few
open rows; rows keep the order in which they were opened, so the shuffle survives packing.

Steps count from 1: step k is the k-th update, and the checkpoint of step k is the state
after it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int

from whence.core.arrays import save_array
from whence.core.errors import RunError
from whence.core.records import building, check_digests
from whence.core.seeds import generator
from whence.training.pieces import Pieces

FIELDS = ("step", "row", "column", "document", "start", "stop")
OPEN_ROWS = 32


@dataclass(frozen=True, eq=False, slots=True)
class Order:
    """One entry a piece, sorted by step, row and column.

    Attributes:
        step: the update that sees it, from 1.
        row: its row in the batch.
        column: where in the row it begins.
        document: index of its document.
        start: first framed position (see `whence.training.pieces`).
        stop: one past the last.
    """

    step: Int[np.ndarray, " piece"]
    row: Int[np.ndarray, " piece"]
    column: Int[np.ndarray, " piece"]
    document: Int[np.ndarray, " piece"]
    start: Int[np.ndarray, " piece"]
    stop: Int[np.ndarray, " piece"]

    def __len__(self) -> int:
        return len(self.step)

    @property
    def steps(self) -> int:
        """The number of the last step."""
        return int(self.step[-1]) if len(self) else 0

    def of_step(self, step: int) -> Order:
        """The entries of one step."""
        first, last = np.searchsorted(self.step, [step, step + 1])
        return Order(*(getattr(self, name)[first:last] for name in FIELDS))

    @property
    def pieces(self) -> Pieces:
        """The pieces without their places."""
        return Pieces(
            *(np.asarray(a, dtype=np.int64) for a in (self.document, self.start, self.stop))
        )

    def first_steps(self, n_documents: int) -> Int[np.ndarray, " document"]:
        """The step in which each document is first seen; steps + 1 for one never seen."""
        first = np.full(n_documents, self.steps + 1, dtype=np.int64)
        np.minimum.at(first, np.asarray(self.document), np.asarray(self.step))
        return first

    def save(self, folder: Path) -> None:
        """Write a sealed folder of one array a field."""
        with building(folder) as temporary:
            for name in FIELDS:
                save_array(temporary / f"{name}.npy", np.asarray(getattr(self, name)))

    @classmethod
    def load(cls, folder: Path) -> Order:
        """Open the arrays memory-mapped.

        Raises:
            DamagedError: a file is missing, truncated or altered.
        """
        # What an altered order leads to looks like any other result, so every byte is read.
        check_digests(folder)
        return cls(
            # A plain view: indexing the memmap class itself is several times slower.
            *(
                np.asarray(np.load(folder / f"{n}.npy", mmap_mode="r", allow_pickle=False))
                for n in FIELDS
            )
        )


def draw_order(
    wanted: Pieces,
    context: int,
    rows: int,
    *,
    seed: int,
    steps: int | None,
    epochs: float,
    packed: bool,
) -> Order:
    """Shuffle and pack pieces, epoch after epoch.

    Args:
        wanted: all pieces of the corpus.
        context: tokens a row.
        rows: rows a step.
        seed: of the run; every epoch derives its own.
        steps: how many steps; None means as many as the epochs fill.
        epochs: passes over all pieces, used when `steps` is None; a fraction takes the first
            rows of the last pass.
        packed: several pieces a row, or one.

    Raises:
        RunError: there is nothing to predict.
    """
    if not len(wanted):
        raise RunError(
            "corpus",
            expected="at least one document of two tokens",
            got="none",
            fix="Build the corpus from longer texts.",
        )
    parts: list[tuple[Int[np.ndarray, " n"], ...]] = []
    done, epoch = 0, 0
    while (done < steps * rows) if steps is not None else (epoch < epochs):
        shuffled = generator(seed, "order", epoch).permutation(len(wanted))
        lengths = wanted.lengths[shuffled]
        row, column = pack(lengths, context) if packed else _one_a_row(len(wanted))
        n_rows = int(row.max()) + 1
        if steps is None and epochs - epoch < 1:
            n_rows = max(1, round(n_rows * (epochs - epoch)))
        elif steps is not None:
            n_rows = min(n_rows, steps * rows - done)
        chosen = np.flatnonzero(row < n_rows)
        chosen = chosen[np.lexsort((column[chosen], row[chosen]))]
        parts.append((row[chosen] + done, column[chosen], shuffled[chosen]))
        done, epoch = done + n_rows, epoch + 1
    row, column, piece = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    taken = wanted.take(piece)
    arrays = (row // rows + 1, row % rows, column, taken.document, taken.start, taken.stop)
    return Order(*(a.astype(np.int32 if a.max() < 2**31 else np.int64) for a in arrays))


def pack(
    lengths: Int[np.ndarray, " piece"], context: int
) -> tuple[Int[np.ndarray, " piece"], Int[np.ndarray, " piece"]]:
    """First fit: put each piece into the oldest open row that has room.

    At most `OPEN_ROWS` rows are open at a time, so a piece never moves far from its place in
    the shuffle, and the work grows linearly.

    Returns:
        The row and the column of each piece; rows count from 0 as they were opened.
    """
    row = np.empty(len(lengths), dtype=np.int64)
    column = np.empty(len(lengths), dtype=np.int64)
    open_rows: list[int] = []
    room: list[int] = []
    opened = 0
    for i, length in enumerate(lengths.tolist()):
        slot = next((k for k, left in enumerate(room) if length <= left), -1)
        if slot < 0:
            if len(room) == OPEN_ROWS:
                del open_rows[0], room[0]
            open_rows.append(opened)
            room.append(context)
            opened += 1
            slot = len(room) - 1
        row[i], column[i] = open_rows[slot], context - room[slot]
        room[slot] -= length
        if room[slot] < 2:  # no piece is shorter than 2
            del open_rows[slot], room[slot]
    return row, column


def _one_a_row(n: int) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    return np.arange(n), np.zeros(n, dtype=np.int64)
