"""One writer a folder, held by the system and so freed when a process dies."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from whence.core.errors import BusyError
from whence.core.records import full_disk_is_an_error

LOCK = ".lock"


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Be the only process that writes a folder; the file `.lock` stays behind.

    A folder that was made for it and is still empty when the work fails goes again.

    Raises:
        BusyError: another process holds it; the message names its process id.
        StorageError: the folder cannot be made or written.
    """
    folder = Path(folder)
    with ExitStack() as stack:
        with full_disk_is_an_error(folder / LOCK):
            made = not folder.exists()
            folder.mkdir(parents=True, exist_ok=True)
            file = stack.enter_context((folder / LOCK).open("a+"))
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever held it until now may have taken the folder away.
            ours = _is_at(file.fileno(), folder / LOCK)
        except BlockingIOError:
            ours = False
        if not ours:
            file.seek(0)
            raise BusyError(
                str(folder),
                expected="a folder that no other process writes",
                got=f"one that process {file.read().strip() or 'unknown'} is writing",
                fix="Wait for it to end, or choose another folder.",
            )
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        try:
            yield
        except BaseException:
            if made and folder.is_dir() and [entry.name for entry in folder.iterdir()] == [LOCK]:
                (folder / LOCK).unlink()
                folder.rmdir()
            raise


def _is_at(handle: int, path: Path) -> bool:
    """Whether an open file is still the one of that name."""
    return path.exists() and os.path.samestat(os.fstat(handle), path.stat())
