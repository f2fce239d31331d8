"""Records on disk: canonical JSON, digests, and writes that are whole or not there.

Two records that say the same have the same bytes (`canonical`), so that equal plans
can be seen to give equal results by comparing files. A file or folder appears under
its own name only when it is complete (`writing`, `building`): a process killed at any
moment leaves at most a `.partial` beside it.

A finished folder is *sealed*: `manifest.json` in it lists every file with its size and
SHA-256. Opening a folder compares sizes, which costs nothing; `check_digests` reads
every byte.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import math
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from whence.core.errors import BusyError, DamagedError, StorageError

MANIFEST = "manifest.json"
_UNSEALED = (MANIFEST, ".lock")  # the lock file holds the last writer, not a result
_CHUNK = 1 << 22


def canonical(record: Any) -> bytes:
    """The one JSON text of a record: sorted keys, no spare blanks, finite numbers only."""
    return json.dumps(
        record, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False
    ).encode()


def digest(record: Any) -> str:
    """SHA-256 of a record's canonical JSON, or of bytes as they are."""
    data = record if isinstance(record, bytes) else canonical(record)
    return "sha256:" + hashlib.sha256(data).hexdigest()


def digest_file(path: Path) -> str:
    """SHA-256 of a file's bytes, read in pieces."""
    state = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            state.update(chunk)
    return "sha256:" + state.hexdigest()


def finite(value: float) -> float | None:
    """A number as JSON can hold it: None in place of NaN and the infinities."""
    return float(value) if math.isfinite(value) else None


_WRITE_FAULTS = {
    errno.ENOSPC: "a full disk",
    errno.EDQUOT: "a used-up quota",
    errno.EFBIG: "a file larger than this file system allows",
    errno.EROFS: "a read-only file system",
    errno.ENAMETOOLONG: "a name that is too long for this file system",
    errno.EISDIR: "a folder where a file must be",
}
# These may as well come from a file that is only read, so they count for the place alone.
_PLACE_FAULTS = {
    errno.EACCES: "no permission to write",
    errno.EPERM: "no permission to write",
    errno.ENOTDIR: "a file where a folder must be",
    errno.EEXIST: "a file where a folder must be",
}


@contextmanager
def full_disk_is_an_error(place: Path) -> Iterator[None]:
    """Turn the system's complaints about a place into a `StorageError` that names it."""
    try:
        yield
    except OSError as error:
        got = _WRITE_FAULTS.get(error.errno or 0)
        if got is None and _concerns(error, place):
            got = _PLACE_FAULTS.get(error.errno or 0)
        if got is None and error.errno == errno.ENOENT and _leads_to(error, place):
            got = "a place where nothing can be made"
        if got is None:
            raise
        raise StorageError(
            str(place),
            expected="room to write",
            got=got,
            fix="Free some space or choose another place, then run the same command again.",
        ) from error


def _concerns(error: OSError, place: Path) -> bool:
    """Whether a system error is about a place, what lies beside it, or the way to it."""
    if not isinstance(error.filename, str | bytes | os.PathLike):
        return False
    named, folder = Path(os.fsdecode(error.filename)).absolute(), Path(place).absolute().parent
    return named == folder or named in folder.parents or named.parent == folder


def _leads_to(error: OSError, place: Path) -> bool:
    """Whether a system error is about a place or a folder above it."""
    if not isinstance(error.filename, str | bytes | os.PathLike):
        return False
    named, place = Path(os.fsdecode(error.filename)).absolute(), Path(place).absolute()
    return named == place or named in place.parents


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Give a temporary name to write to; on success it becomes `path`, else it goes.

    Raises:
        StorageError: the disk is full or the place cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with full_disk_is_an_error(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
            _sync_folder(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def building(folder: Path) -> Iterator[Path]:
    """Give an empty folder to fill; on success it is sealed and becomes `folder`.

    The folder may not exist yet. What an earlier, killed attempt left is thrown away.

    Raises:
        BusyError: another process is building the same folder.
        StorageError: the disk is full, the place cannot be written or is taken.
    """
    folder = Path(folder)
    temporary = folder.with_name(f".{folder.name}.partial")
    with full_disk_is_an_error(folder):
        temporary.mkdir(parents=True, exist_ok=True)
        with _only_builder(temporary, folder):
            try:
                _must_be_free(folder)
                _empty(temporary)
                yield temporary
                seal(temporary)
                temporary.replace(folder)
                _sync_folder(folder.parent)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def _only_builder(temporary: Path, folder: Path) -> Iterator[None]:
    # The lock is on the folder itself, not on a file in it: it leaves nothing behind.
    handle = os.open(temporary, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Whoever held it until now has finished or thrown away what the handle points to.
        stale = not temporary.exists() or not os.path.samestat(os.fstat(handle), temporary.stat())
    except BlockingIOError:
        stale = True
    try:
        if stale:
            raise BusyError(
                str(folder),
                expected="a folder that no other process builds",
                got="one that another process is building",
                fix="Wait for it to end, or choose another folder.",
            )
        yield
    finally:
        os.close(handle)


def _must_be_free(folder: Path) -> None:
    if folder.exists():
        raise StorageError(
            str(folder),
            expected="a name that is free",
            got="an existing file or folder",
            fix="Choose another name or remove it.",
        )


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def write_bytes(path: Path, data: bytes) -> None:
    """Write a whole file or none."""
    with writing(path) as temporary:
        temporary.write_bytes(data)


def write_json(path: Path, record: Any) -> None:
    """Write a record for people and machines: sorted, indented, ending in a newline."""
    text = json.dumps(record, sort_keys=True, ensure_ascii=False, indent=1, allow_nan=False)
    write_bytes(path, text.encode() + b"\n")


def read_json(path: Path) -> Any:
    """Read a record.

    Raises:
        DamagedError: the file is missing or is not JSON.
    """
    try:
        return json.loads(Path(path).read_bytes())
    except FileNotFoundError:
        got = "no such file"
    except (ValueError, IsADirectoryError, NotADirectoryError) as error:
        got = str(error)
    raise DamagedError(
        str(path), expected="a JSON record", got=got, fix="Make it again from its source."
    )


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file() and p.name not in _UNSEALED)


def seal(folder: Path) -> None:
    """Write `manifest.json`: each file under the folder with its size and digest."""
    files = {
        str(path.relative_to(folder)): {"bytes": path.stat().st_size, "digest": digest_file(path)}
        for path in _files(folder)
    }
    write_json(folder / MANIFEST, {"version": 1, "files": files})


def manifest(folder: Path) -> dict[str, dict[str, Any]]:
    """The sealed files of a folder: name -> {"bytes", "digest"}.

    Raises:
        DamagedError: the folder was never sealed, or its manifest was altered.
    """
    path = Path(folder) / MANIFEST
    record = read_json(path)
    files: dict[str, dict[str, Any]] | None = (
        record.get("files") if isinstance(record, dict) else None
    )
    if not isinstance(files, dict) or not all(
        isinstance(entry, dict) and {"bytes", "digest"} <= entry.keys() for entry in files.values()
    ):
        raise DamagedError(
            str(path),
            expected="a list of files with their sizes and digests",
            got="another record",
            fix="The file was altered: make the folder again from its source.",
        )
    return files


def check_sizes(folder: Path) -> None:
    """Compare the sizes of a sealed folder's files with its manifest; costs one `stat` each.

    Raises:
        DamagedError: a file is missing or has another size.
    """
    folder = Path(folder)
    for name, entry in manifest(folder).items():
        path = folder / name
        size = path.stat().st_size if path.is_file() else None
        if size != entry["bytes"]:
            raise DamagedError(
                str(path),
                expected=f"{entry['bytes']} bytes",
                got="no such file" if size is None else f"{size} bytes",
                fix="The file is truncated or altered: make the folder again from its source.",
            )


def check_digests(folder: Path) -> int:
    """Read every byte of a sealed folder and compare it with its manifest.

    Returns:
        The number of files checked.

    Raises:
        DamagedError: a file is missing or differs.
    """
    folder = Path(folder)
    check_sizes(folder)
    entries = manifest(folder)
    for name, entry in entries.items():
        found = digest_file(folder / name)
        if found != entry["digest"]:
            raise DamagedError(
                str(folder / name),
                expected=f"the bytes that were written ({entry['digest'][:19]})",
                got=f"others ({found[:19]})",
                fix="The file was altered: make the folder again from its source.",
            )
    return len(entries)
