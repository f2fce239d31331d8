"""The source as the tests of the house read it: parsed, never imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "src" / "whence"


@dataclass(frozen=True)
class Module:
    """One file of the package."""

    path: Path
    tree: ast.Module

    @property
    def name(self) -> str:
        parts = self.path.relative_to(PACKAGE.parent).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def room(self) -> str:
        """The first name under `whence`; empty for the root package itself."""
        return self.name.removeprefix("whence").strip(".").split(".")[0]

    def imports(self) -> Iterator[tuple[int, str]]:
        """Line and full name of everything imported, inside functions and by name too."""
        package = self.name if self.path.name == "__init__.py" else self.name.rpartition(".")[0]
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = node.module or ""
                if node.level:
                    up = package.split(".")[: len(package.split(".")) - node.level + 1]
                    base = ".".join([*up, base]).strip(".")
                yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)
            elif isinstance(node, ast.Call) and _called(node) in ("import_module", "__import__"):
                first = node.args[0] if node.args else None
                # A name that is computed cannot be checked, so it does not pass.
                constant = isinstance(first, ast.Constant)
                yield node.lineno, str(first.value) if constant else "whence.<computed>"


def _called(node: ast.Call) -> str:
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def parse(text: str, path: str) -> Module:
    """A module of the package that exists only in a test."""
    return Module(PACKAGE / path, ast.parse(text))


def modules() -> list[Module]:
    """Every module of the package."""
    return [Module(path, ast.parse(path.read_bytes())) for path in sorted(PACKAGE.rglob("*.py"))]


def rooms() -> list[str]:
    """Every room that has something in it."""
    return sorted({module.room for module in modules()} - {"", "__main__"})
