"""Where documents come from: folders, files and data sets, read as a stream.

    folder               every file with one of the suffixes, in the order of its path; one
                         document each, its id the path relative to the folder
    .jsonl (.gz, .zst)   one document a line
    .parquet             one document a row
    any other file       one document, its id the file's name
    hf:NAME[:SPLIT]      a data set of Hugging Face by name
    folder of `save_to_disk`   a data set of Hugging Face on disk

A source knows its identity (a digest of its content), so that an interrupted build is only
ever continued with the same data. Row formats are read in `rows`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from whence.core.errors import SourceError
from whence.core.records import MANIFEST, digest, digest_file
from whence.corpus.documents import OnFault, RawDocument, complain
from whence.corpus.rows import ROW_SUFFIXES, dataset_rows, row_documents
from whence.corpus.settings import SKIP, BuildSettings

HUB = "hf:"


@dataclass(frozen=True, slots=True)
class Source:
    """One thing that the user named as a source.

    Attributes:
        given: as the user wrote it.
        kind: "folder", "file" or "dataset".
        files: files below it, in reading order; none for a data set by name.
    """

    given: str
    kind: str
    files: tuple[Path, ...]

    @property
    def name(self) -> str:
        """What ids and records call it."""
        return self.given.removeprefix(HUB) if self.is_hub else Path(self.given).resolve().name

    @property
    def is_hub(self) -> bool:
        """Whether it is named rather than on disk."""
        return self.given.startswith(HUB)


def find_sources(sources: Sequence[str | Path], settings: BuildSettings) -> list[Source]:
    """Look at what the user named, without reading it.

    Raises:
        SourceError: nothing was named; a source is missing or holds nothing to read.
    """
    if isinstance(sources, str | Path):
        sources = [sources]
    if not sources:
        raise SourceError(
            "sources",
            expected="at least one folder, file or data set",
            got="none",
            fix="Name what the corpus should be made of.",
        )
    return [_find(str(source), settings) for source in sources]


def read_documents(
    source: Source, settings: BuildSettings, on_fault: OnFault = complain
) -> Iterator[RawDocument]:
    """Stream the documents of one source.

    Args:
        source: what was named.
        settings: how documents are found in it.
        on_fault: called with a document that cannot be read; by default it raises.

    Raises:
        SourceError: a file cannot be read as what it should be; the message names the place.
    """
    if source.kind == "dataset":
        yield from dataset_rows(source.given, source.name, settings, on_fault)
        return
    root = Path(source.given)
    for path in source.files:
        name = path.relative_to(root).as_posix() if source.kind == "folder" else path.name
        if path.name.lower().endswith(ROW_SUFFIXES):
            yield from row_documents(path, name, settings, on_fault)
            continue
        try:
            document = RawDocument(id=name, text=read_text(path), place=str(path))
        except SourceError as fault:
            on_fault(fault)
        else:
            yield document


def identity(source: Source, settings: BuildSettings) -> str:
    """A digest that changes when anything that could be read from the source changes."""
    if source.is_hub:
        from whence.corpus.rows import open_dataset  # noqa: PLC0415

        return digest(["dataset", source.given, open_dataset(source.given, settings).fingerprint])
    root = Path(source.given)
    listing = [
        [str(path.relative_to(root)) if path != root else path.name, _digest(path, settings)]
        for path in source.files
    ]
    return digest([source.kind, source.name, listing])


def read_text(path: Path) -> str:
    """A whole file as text; a byte-order mark is dropped, line ends are kept.

    Raises:
        SourceError: it cannot be read, or is not UTF-8; the message names the byte.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SourceError(
            f"{path}, byte {error.start}",
            expected="UTF-8 text",
            got=f"the byte 0x{data[error.start]:02x} ({error.reason})",
            fix="Convert the file, for instance with: iconv -f latin1 -t utf-8, or leave it out.",
        ) from None


def _digest(path: Path, settings: BuildSettings) -> str:
    try:
        return digest_file(path)
    except OSError as error:
        if settings.unreadable == SKIP:
            return f"unreadable: {error.strerror}"
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError) -> SourceError:
    return SourceError(
        str(path),
        expected="a readable file",
        got=error.strerror or str(error),
        fix="Check its permissions, or leave it out.",
    )


def _find(given: str, settings: BuildSettings) -> Source:
    if given.startswith(HUB):
        return Source(given, "dataset", ())
    path = Path(given)
    if given and path.is_dir():
        if any((path / name).is_file() for name in ("dataset_dict.json", "dataset_info.json")):
            return Source(
                given, "dataset", tuple(sorted(p for p in path.rglob("*") if p.is_file()))
            )
        return Source(given, "folder", tuple(_walk(path, settings)))
    if not path.is_file():
        raise SourceError(
            given or "source",
            expected="a folder, a file, or hf:NAME",
            got="no such file or folder" if given else "an empty name",
            fix="Check the path.",
        )
    return Source(given, "file", (path,))


def _is_corpus(folder: Path) -> bool:
    # A corpus made inside the folder of its own documents is no document.
    return (folder / "corpus.json").is_file() and (folder / MANIFEST).is_file()


def _walk(root: Path, settings: BuildSettings) -> list[Path]:
    found, others = [], set()
    for folder, below, names in os.walk(root):
        below[:] = sorted(
            name for name in below if not (name.startswith(".") or _is_corpus(Path(folder) / name))
        )
        for name in sorted(name for name in names if not name.startswith(".")):
            if name.lower().endswith(settings.suffixes):
                found.append(Path(folder) / name)
            else:
                others.add(Path(name).suffix.lower() or name)
    if not found:
        wanted = " ".join(settings.suffixes[:6]) + (" ..." if len(settings.suffixes) > 6 else "")
        there = ", ".join(sorted(others)[:8])
        rows = [suffix for suffix in ROW_SUFFIXES if suffix in others]
        raise SourceError(
            str(root),
            expected=f"files ending in {wanted}",
            got=f"only files of other kinds ({there})" if others else "an empty folder",
            fix=f"To read the rows of its files, add: --suffix {rows[0]}"
            if rows
            else "Name the right folder, or the endings to take with --suffix.",
        )
    return found
