"""Documents that are rows: JSONL (plain, gzip, Zstandard), Parquet, Hugging Face data sets.

A row is a mapping. One field is the text, one may be the id; the other scalar fields become
metadata; nested ones are kept as JSON text and raw bytes are left out. What is wrong with a row
is said with its place.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from whence.core.errors import MissingExtraError, SourceError
from whence.corpus.documents import OnFault, RawDocument, Scalar, complain
from whence.corpus.settings import BuildSettings

ROW_SUFFIXES = (".jsonl", ".jsonl.gz", ".jsonl.zst", ".parquet")
_BATCH = 1024
_READ = 1 << 17


def row_documents(
    path: Path, name: str, settings: BuildSettings, on_fault: OnFault = complain
) -> Iterator[RawDocument]:
    """Stream the documents of a JSONL or Parquet file.

    Args:
        path: the file.
        name: what ids without an id field begin with.
        settings: which field is what.
        on_fault: called with a row, or the rest of a file, that cannot be read.

    Raises:
        SourceError: the file, or a row of it, cannot be read; the message names the row.
    """
    if path.name.lower().endswith(".parquet"):
        rows: Iterator[tuple[int, Any]] = enumerate(_parquet_rows(path, settings, on_fault), 1)
        yield from _documents(rows, f"{path}, row", name, settings, on_fault)
    else:
        rows = json_rows(path, on_fault)
        yield from _documents(rows, f"{path}, line", name, settings, on_fault)


def dataset_rows(
    given: str, name: str, settings: BuildSettings, on_fault: OnFault = complain
) -> Iterator[RawDocument]:
    """Stream the documents of a Hugging Face data set, by name or from `save_to_disk`."""
    opened = open_dataset(given, settings)
    rows = enumerate(opened.rows, start=1)
    yield from _documents(rows, f"{given}, row", name, settings, on_fault)


def _documents(
    rows: Iterable[tuple[int, Any]],
    place: str,
    name: str,
    settings: BuildSettings,
    on_fault: OnFault,
) -> Iterator[RawDocument]:
    for number, row in rows:
        try:
            found = _document(row, f"{place} {number}", f"{name}:{number}", settings)
        except SourceError as fault:
            on_fault(fault)
        else:
            yield found


@dataclass(frozen=True, slots=True)
class OpenedDataset:
    """A Hugging Face data set of one split.

    Attributes:
        rows: the data set itself; iterates mappings.
        fingerprint: the library's own name for its content.
    """

    rows: Any
    fingerprint: str


def open_dataset(given: str, settings: BuildSettings) -> OpenedDataset:
    """Open `hf:NAME`, `hf:NAME:SPLIT`, `hf:NAME:CONFIG:SPLIT` or a folder of `save_to_disk`.

    Raises:
        MissingExtraError: the package `datasets` is not installed.
        SourceError: there is no such data set or split.
    """
    try:
        import datasets  # noqa: PLC0415
    except ImportError:
        raise MissingExtraError(
            f"the data set {given}", package="datasets", extra="datasets"
        ) from None
    split = settings.split
    try:
        if given.startswith("hf:"):
            name, *rest = given.removeprefix("hf:").split(":")
            split = rest[-1] if rest else split
            opened = datasets.load_dataset(name, *rest[:-1])
        else:
            opened = datasets.load_from_disk(given)
    except Exception as error:
        # The library raises its own errors, those of its downloads and plain ones of Python.
        raise SourceError(
            given,
            expected="a Hugging Face data set",
            got=f"{type(error).__name__}: {str(error).strip().splitlines()[0][:200]}",
            fix="Check the name or the folder; names need network access once.",
        ) from error
    if isinstance(opened, datasets.DatasetDict):
        opened = opened[_choose_split(given, split, list(opened))]
    return OpenedDataset(opened, str(opened._fingerprint))


def _choose_split(given: str, wanted: str | None, there: list[str]) -> str:
    choice = wanted or ("train" if "train" in there else there[0] if len(there) == 1 else None)
    if choice not in there:
        raise SourceError(
            given,
            expected=f"a split out of {', '.join(there)}",
            got=repr(wanted) if wanted else "none named",
            fix="Name one with --split.",
        )
    return str(choice)


def _document(
    row: Mapping[str, Any], place: str, default_id: str, settings: BuildSettings
) -> RawDocument:
    text = row.get(settings.text_field)
    if not isinstance(text, str):
        fields = ", ".join(f"{k} ({type(v).__name__})" for k, v in list(row.items())[:12])
        raise SourceError(
            place,
            expected=f"text in the field {settings.text_field!r}",
            got=f"the fields {fields}" if fields else "no field at all",
            fix="Name the field that holds the text with --text-field, or mend the row.",
        )
    key = settings.id_field or "id"
    name = row.get(key)
    if name is None and settings.id_field is None:
        name = default_id
    if isinstance(name, bool) or not isinstance(name, str | int) or name == "":
        raise SourceError(
            place,
            expected=f"an id (text or a whole number) in the field {key!r}",
            got="nothing" if name is None else repr(name)[:80],
            fix="Name another field with --id-field, or mend the row.",
        )
    metadata = {
        field: _scalar(value)
        for field, value in row.items()
        if field not in (settings.text_field, key) and not isinstance(value, bytes)
    }
    return RawDocument(id=str(name), text=text, metadata=metadata, place=place)


def _scalar(value: Any) -> Scalar:
    if isinstance(value, str | int | float | None):
        return value
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def json_rows(path: Path, on_fault: OnFault = complain) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Stream the objects of a JSONL file with their line numbers; empty lines are passed over.

    Raises:
        SourceError: the file, or a line of it, cannot be read; the message names the line.
    """
    for number, line in enumerate(_lines(path, on_fault), start=1):
        if not line.strip():
            continue
        try:
            row = _json_row(line, f"{path}, line {number}", first=number == 1)
        except SourceError as fault:
            on_fault(fault)
        else:
            yield number, row


def _json_row(line: bytes, place: str, *, first: bool) -> Mapping[str, Any]:
    try:
        row = json.loads(line.decode("utf-8-sig" if first else "utf-8"))
    except UnicodeDecodeError as error:
        raise SourceError(
            f"{place}, byte {error.start} of the line",
            expected="UTF-8 text",
            got=f"the byte 0x{line[error.start]:02x} ({error.reason})",
            fix="Convert the file to UTF-8.",
        ) from None
    except (ValueError, RecursionError) as error:
        raise SourceError(
            place,
            expected="a JSON object",
            got=f"{line[:60].decode(errors='replace').strip()!r} ({error})",
            fix="Write one object a line.",
        ) from None
    if not isinstance(row, dict):
        raise SourceError(
            place,
            expected="a JSON object",
            got=f"a {type(row).__name__}",
            fix='Write one object a line, such as {"text": "..."}.',
        )
    return row


def _lines(path: Path, on_fault: OnFault) -> Iterator[bytes]:
    name = path.name.lower()
    try:
        with path.open("rb") as raw:
            if name.endswith(".gz"):
                with gzip.open(raw) as file:
                    yield from file
            elif name.endswith(".zst"):
                yield from _zstandard_lines(raw)
            else:
                yield from raw
    except (OSError, EOFError, zstandard.ZstdError, zlib.error) as error:
        on_fault(
            SourceError(
                str(path),
                expected="a readable, complete file",
                got=str(error),
                fix="Check the file: it may be truncated, or not of the kind that its name says.",
            )
        )


def _zstandard_lines(raw: BinaryIO) -> Iterator[bytes]:
    # The library's own stream reader ends a truncated frame without a word; a decompressor
    # knows whether its frame came to an end.
    rest, frame, begun = b"", zstandard.ZstdDecompressor().decompressobj(), False
    while packed := raw.read(_READ):
        while packed:
            rest += frame.decompress(packed)
            packed, begun = frame.unused_data, not frame.eof
            if frame.eof:
                frame = zstandard.ZstdDecompressor().decompressobj()
        *lines, rest = rest.split(b"\n")
        yield from (line + b"\n" for line in lines)
    if begun:
        raise EOFError("the file ends inside a Zstandard frame")
    if rest:
        yield rest


def _parquet_rows(
    path: Path, settings: BuildSettings, on_fault: OnFault
) -> Iterator[Mapping[str, Any]]:
    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            if settings.text_field not in names:
                raise SourceError(
                    str(path),
                    expected=f"a column {settings.text_field!r} that holds the text",
                    got=f"the columns {', '.join(names)}",
                    fix="Name the column with --text-field.",
                )
            for batch in file.iter_batches(batch_size=_BATCH):
                yield from batch.to_pylist()
    except (pa.ArrowException, OSError) as error:
        on_fault(
            SourceError(
                str(path),
                expected="a readable Parquet file",
                got=str(error).strip().splitlines()[0],
                fix="Check the file: it may be truncated.",
            )
        )
