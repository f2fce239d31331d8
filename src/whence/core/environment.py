"""What a result was made with: versions, and the digest of the code itself."""

from __future__ import annotations

import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from whence.core.records import digest, digest_file

_PACKAGES = ("whence", "torch", "transformers", "tokenizers", "numpy", "safetensors")


@cache
def versions() -> dict[str, str]:
    """The versions that can change a number; packages that are not installed are left out."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@cache
def code_digest() -> str:
    """SHA-256 over every source file of the package."""
    root = Path(__file__).parents[1]
    return digest({str(p.relative_to(root)): digest_file(p) for p in sorted(root.rglob("*.py"))})
