"""What commands print and save: one JSON record, a table, a page."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import typer

from whence.core.errors import CorpusError
from whence.core.records import canonical, full_disk_is_an_error, write_bytes, write_json

_WIDEST = 1000


def print_json(record: Any) -> None:
    """Print one canonical JSON record."""
    sys.stdout.buffer.write(canonical(record) + b"\n")
    sys.stdout.flush()


def numbered(number: int, one: str, more: str | None = None) -> str:
    """So many of something: "1 document", "2,000 documents"."""
    return f"{number:,} {one if number == 1 else more or one + 's'}"


def say(record: dict[str, Any], as_json: bool) -> None:
    """Print a record, for people or as JSON."""
    if as_json:
        print_json(record)
        return
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    columns = (Column(no_wrap=True), Column(overflow="fold"))
    table = Table(*columns, show_header=False, box=None, pad_edge=False)
    for name, value in record.items():
        table.add_row(Text(name.replace("_", " "), "bold"), Text(_plain(value)))
    Console().print(table)


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k}={v}" for k, v in value.items())
    if isinstance(value, list):
        return " ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) else str(value)


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows in columns; nothing at all when there are none."""
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    if not rows:
        return
    columns = [Column(name, overflow="fold") for name in head]
    table = Table(*columns, box=None, pad_edge=False, show_header=any(head))
    for row in rows:
        table.add_row(*(Text(cell.replace("\n", "⏎")) for cell in row))
    Console().print(table)


def console_for(*tables: Any) -> Any:
    """A console so wide that no number of these tables is cut short: it would be another one."""
    from rich.console import Console

    console = Console()
    wide = console.options.update(width=_WIDEST)
    console.width = max(console.width, *(console.measure(t, options=wide).maximum for t in tables))
    return console


def check_output(output: Path | None) -> None:
    """Complain about a name or a place before the work, not after it.

    Raises:
        CorpusError: the name ends in neither .html nor .json.
        StorageError: the place cannot be written.
    """
    if output is None:
        return
    if output.suffix not in (".html", ".htm", ".json"):
        raise CorpusError(
            f"--output {output}",
            expected="a name that ends in .html or .json",
            got=output.suffix or "no ending",
            fix="Name a page.html or a record.json.",
        )
    with full_disk_is_an_error(output):
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=output.parent):
            pass


def save(record: Any, output: Path, page: Callable[[Any], str]) -> None:
    """Write a record, or the page of it, by the ending of the name."""
    if output.suffix == ".json":
        write_json(output, record)
    else:
        write_bytes(output, page(record).encode())
    typer.echo(f"written: {output}", err=True)
