"""Documents that could not be read, written down while a build goes on without them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TextIO

from whence.core.errors import SourceError

FILE = "unreadable.jsonl"


class Unreadable:
    """A list on disk of what was left out: one line a fault, with its place and its reason."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self._file: TextIO = path.open("w", encoding="utf-8")

    def __call__(self, fault: SourceError) -> None:
        """Write down a document, or the rest of a file, that cannot be read."""
        record = {"place": fault.place, "expected": fault.expected, "got": fault.got}
        self._file.write(json.dumps(record, ensure_ascii=True) + "\n")
        self.count += 1

    def close(self) -> None:
        """End the list."""
        self._file.close()


def read_unreadable(folder: Path, limit: int | None = None) -> list[dict[str, str]]:
    """What a corpus was built without: `place`, `expected` and `got` of the first `limit`."""
    path = folder / FILE
    if not path.is_file():
        return []
    found: list[dict[str, str]] = []
    with path.open(encoding="utf-8") as file:
        for line in file:
            if limit is not None and len(found) >= limit:
                break
            found.append(json.loads(line))
    return found
