"""`whence check`: whether the bytes on disk are the ones that were written."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from whence.core.errors import DamagedError
from whence.core.records import MANIFEST, canonical, check_digests


def check(
    folder: Annotated[Path, typer.Argument(help="A corpus, a run, scores: any sealed folder.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print a record.")] = False,
) -> None:
    """Read every byte of a corpus, run or score folder and compare it with its manifest."""
    sealed = sorted(path.parent for path in folder.rglob(MANIFEST))
    if not sealed:
        raise DamagedError(
            str(folder),
            expected=f"a folder with a {MANIFEST} in it",
            got="none" if folder.is_dir() else "no such folder",
            fix="Name a corpus, a run, a checkpoint or a folder of scores.",
        )
    found = {str(path): _checked(path) for path in sealed}
    if as_json:
        typer.echo(canonical({"folders": found, "files": sum(found.values())}).decode())
    else:
        typer.echo(f"{sum(found.values())} files in {len(found)} sealed folders are whole")


def _checked(folder: Path) -> int:
    """How many files were read; a corpus is also asked whether its files fit together."""
    if (folder / "corpus.json").is_file():
        from whence.corpus import check as check_corpus

        return check_corpus(folder)
    return check_digests(folder)
