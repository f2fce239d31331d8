"""Real text that is on every machine: the modules of Python's own standard library.

One document is one function, method or class with a docstring, as it stands in the source.
A class is given without the bodies of those of its methods that are documents themselves, so
that little text comes twice. Nothing is imported: files are read and parsed, so nothing runs.

The result depends only on the Python version and on what its packagers left out.
"""

from __future__ import annotations

import ast
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path

from whence.core.errors import SourceError
from whence.corpus import RawDocument

_LEFT_OUT = frozenset(
    {"test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__", "lib2to3"}
)
_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def python_library(
    *,
    root: Path | str | None = None,
    min_characters: int = 120,
    max_characters: int = 1600,
    limit: int | None = None,
) -> Iterator[RawDocument]:
    """Read the standard library of the running Python, one document a definition.

    Args:
        root: folder of modules to read in its place.
        min_characters: shorter definitions are left out.
        max_characters: longer ones are cut at the last line that ends before it.
        limit: stop after so many documents.

    Yields:
        Documents in the order of module and line; `id` is the dotted name, such as
        "json.decoder.JSONDecoder.decode", followed by the line when a name is defined twice.
        Metadata: module, kind ("function", "method" or "class"), name, line.

    Raises:
        SourceError: the folder is missing or holds no Python module.
    """
    folder = Path(sysconfig.get_path("stdlib") if root is None else root)
    files = [p for p in sorted(folder.rglob("*.py")) if _kept(p.relative_to(folder))]
    if not files:
        raise SourceError(
            str(folder),
            expected="a folder of Python modules",
            got="none in it" if folder.is_dir() else "no such folder",
            fix="Give the folder of the standard library, or leave `root` out.",
        )
    seen: set[str] = set()
    for file in files:
        for document in _definitions(file, _module(file.relative_to(folder))):
            if len(document.text) < min_characters:
                continue
            if limit is not None and len(seen) >= limit:
                return
            name = document.id
            if name in seen:
                name = f"{name}:{document.metadata['line']}"
            seen.add(name)
            text = _cut(document.text, max_characters)
            yield RawDocument(name, text, document.metadata, document.place)


def _kept(path: Path) -> bool:
    return not _LEFT_OUT.intersection(path.parts) and not path.parts[0].startswith("config-")


def _module(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def _definitions(file: Path, module: str) -> Iterator[RawDocument]:
    try:
        source = file.read_text(encoding="utf-8")
        with warnings.catch_warnings():
            # Invalid escapes in the library's strings are its own affair.
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except (UnicodeDecodeError, SyntaxError):
        # Templates and deliberately broken samples that some packagers ship as .py.
        return
    lines = source.splitlines()
    for node, names in _walk(tree, ()):
        if not ast.get_docstring(node):
            continue
        kind = "class" if isinstance(node, ast.ClassDef) else "function"
        if kind == "function" and len(names) > 1:
            kind = "method"
        name = ".".join(names)
        yield RawDocument(
            f"{module}.{name}",
            _segment(node, lines),
            {"module": module, "kind": kind, "name": name, "line": node.lineno},
            f"{module}, line {node.lineno}",
        )


def _walk(node: ast.AST, names: tuple[str, ...]) -> Iterator[tuple[_Definition, tuple[str, ...]]]:
    """Definitions at the top of modules and of classes; those inside functions stay there."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, _Definition):
            yield child, (*names, child.name)
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.expr):
            inner = (*names, child.name) if isinstance(child, ast.ClassDef) else names
            yield from _walk(child, inner)


def _segment(node: _Definition, lines: list[str]) -> str:
    """The lines of a definition with its decorators, without common indentation."""
    gone: set[int] = set()
    if isinstance(node, ast.ClassDef):
        for child in node.body:
            if isinstance(child, _Definition) and ast.get_docstring(child):
                gone.update(range(_first_line(child), (child.end_lineno or child.lineno) + 1))
    numbers = range(_first_line(node), (node.end_lineno or node.lineno) + 1)
    kept = [lines[n - 1] for n in numbers if n not in gone]
    indent = " " * node.col_offset
    return "\n".join(line.removeprefix(indent).rstrip() for line in kept).strip() + "\n"


def _first_line(node: _Definition) -> int:
    return min([node.lineno, *(d.lineno for d in node.decorator_list)])


def _cut(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    end = text.rfind("\n", 0, limit)
    return text[: end + 1] if end > 0 else text[:limit]
