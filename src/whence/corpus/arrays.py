"""Arrays in `.npy` files that are written front to back, and opened memory-mapped.

`numpy.save` needs the whole array in memory, and when the disk is full it raises an error
that does not say so.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from jaxtyping import Shaped

from whence.core.errors import DamagedError


class ArrayFile:
    """A file of numbers in one dimension, hashed while it is written."""

    def __init__(self, path: Path, kind: Any, length: int) -> None:
        """Begin a file.

        Args:
            path: where.
            kind: the type of the numbers, or None for bare bytes without a header.
            length: how many there will be.
        """
        self._file: BinaryIO = path.open("wb")
        self._state = hashlib.sha256()
        if kind is not None:
            descr = np.lib.format.dtype_to_descr(np.dtype(kind))
            header = {"descr": descr, "fortran_order": False, "shape": (length,)}
            np.lib.format.write_array_header_1_0(self._file, header)

    def write(self, values: Shaped[np.ndarray, " n"]) -> None:
        """Append some numbers."""
        data = np.ascontiguousarray(values).view(np.uint8).data
        self._state.update(data)
        self._file.write(data)

    def close(self) -> str:
        """End the file; returns the digest of the numbers, without the header."""
        self._file.close()
        return "sha256:" + self._state.hexdigest()


def save_array(path: Path, values: Shaped[np.ndarray, " n"]) -> None:
    """Write a whole array."""
    file = ArrayFile(path, values.dtype, len(values))
    try:
        file.write(values)
    finally:
        file.close()


def open_array(path: Path) -> Any:
    """Map an array into memory.

    Raises:
        DamagedError: the file is missing or no such array.
    """
    try:
        # A plain view: indexing the memmap class itself is several times slower.
        return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except (OSError, ValueError, EOFError) as error:
        raise DamagedError(
            str(path),
            expected="a NumPy array",
            got=str(error),
            fix="Make the folder again from its source.",
        ) from None
