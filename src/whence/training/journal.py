"""The journal: one canonical JSON line a step, in a file that only grows.

    {"gradient_norm":1.53,"learning_rate":0.003,"loss":6.93,"step":1,"tokens":2031}

`loss` is what was minimised, nats a predicted token; `gradient_norm` is before clipping;
`tokens` were predicted. Wall times go to `timings.jsonl`, which equality ignores. A line
reaches the system before the checkpoint of its step does; after a kill the journal is cut
back to the checkpoint from which training goes on, and the cut lines are written again
with the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from whence.core.errors import DamagedError
from whence.core.records import canonical, full_disk_is_an_error

JOURNAL = "journal.jsonl"
TIMINGS = "timings.jsonl"


class Journal:
    """A file of lines, opened at its end; made by `appending`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("ab", buffering=0)

    def write(self, record: Mapping[str, Any]) -> None:
        """Add one line.

        Raises:
            StorageError: the disk is full.
        """
        with full_disk_is_an_error(self._path):
            data = canonical(dict(record)) + b"\n"
            # An unbuffered write may be short when the disk fills up; the rest then raises.
            while data:
                data = data[self._file.write(data) :]

    def close(self) -> None:
        """Close the file."""
        self._file.close()


@contextmanager
def appending(path: Path) -> Iterator[Journal]:
    """Open a journal at its end; each line reaches the system at once."""
    with full_disk_is_an_error(path):
        lines = Journal(path)
    try:
        yield lines
    finally:
        lines.close()


def read_journal(path: Path) -> list[dict[str, Any]]:
    """All whole lines of a journal; a torn last line is left out.

    Raises:
        DamagedError: a line before the last is not a record.
    """
    data = path.read_bytes() if path.exists() else b""
    records = []
    for number, line in enumerate(data.split(b"\n")[:-1], start=1):
        try:
            records.append(json.loads(line))
        except ValueError as error:
            raise DamagedError(
                f"{path}, line {number}",
                expected="a JSON object",
                got=str(error),
                fix="The journal was altered: train the run again in another folder.",
            ) from None
    return records


def cut_journal(path: Path, step: int) -> None:
    """Keep the lines of the steps up to and including `step`.

    Raises:
        DamagedError: there are fewer.
    """
    data = path.read_bytes() if path.exists() else b""
    lines = data.split(b"\n")[:-1]
    if len(lines) < step or (step and json.loads(lines[step - 1])["step"] != step):
        raise DamagedError(
            str(path),
            expected=f"a line for each of {step} steps",
            got=f"{len(lines)} lines",
            fix="The journal was altered: train the run again in another folder.",
        )
    keep = sum(len(line) + 1 for line in lines[:step])
    if keep != len(data):
        with path.open("r+b") as file:
            file.truncate(keep)
