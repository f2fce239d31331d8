"""Compiles the index's kernel while the package is built.

With the system's C compiler where there is one (`CC`, cc, gcc or clang), else with the one inside
the `ziglang` package, which pip then fetches for the time of the build: an ordinary `pip install`
works on a machine without a compiler. The result needs CPython's stable interface only, so one
file serves every Python from 3.11 on; no option names the processor, so it runs on any.
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FOLDER = Path("src", "whence", "corpus", "index")
MODULE = "_kernel.abi3.so"
ZIG = "ziglang>=0.13"
OPTIONS = ["-O3", "-std=c11", "-D_GNU_SOURCE", "-fPIC", "-pthread", "-fno-sanitize=all"]


def system_compiler() -> list[str] | None:
    """The command of the system's C compiler, if there is one."""
    for name in (os.environ.get("CC", ""), "cc", "gcc", "clang"):
        words = shlex.split(name)
        if words and shutil.which(words[0]):
            return words
    return None


def compiler() -> list[str]:
    """The command of a C compiler."""
    found = system_compiler()
    if found:
        return found
    if find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang", "cc"]
    raise SystemExit(
        "building whence: expected a C compiler (cc, gcc or clang on the PATH, or the package "
        "ziglang), got none. Install one, or run: pip install ziglang"
    )


def compile_kernel(root: Path) -> Path:
    """Compile the kernel in the source tree, unless it is newer than its sources."""
    sources = sorted((root / FOLDER / "kernel").glob("*.[ch]"))
    module = root / FOLDER / MODULE
    newest = max(path.stat().st_mtime for path in [*sources, Path(__file__)])
    if module.exists() and module.stat().st_mtime > newest:
        return module
    shared = (
        ["-bundle", "-undefined", "dynamic_lookup"] if sys.platform == "darwin" else ["-shared"]
    )
    include = sysconfig.get_path("include")
    if not Path(include, "Python.h").exists():
        raise SystemExit(
            f"building whence: expected Python's headers, found no Python.h in {include}. "
            "Install them (on Debian and Ubuntu: apt install python3-dev), or use a Python from "
            "python.org, conda or uv, which brings them."
        )
    with tempfile.TemporaryDirectory(dir=root / FOLDER) as folder:
        made = Path(folder, MODULE)
        command = [
            *(
                *compiler(),
                *OPTIONS,
                *shared,
                f"-I{include}",
                "-o",
                str(made),
            ),
            *(str(path) for path in sources if path.suffix == ".c"),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"building whence: {shlex.join(command)}\n{done.stderr}")
        made.replace(module)
    return module


def tag() -> str:
    """What the wheel runs on: any CPython from 3.11 on, on this system."""
    system = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    if sys.platform == "darwin":
        release = "11_0" if platform.machine() == "arm64" else "10_13"
        system = f"macosx_{release}_{platform.machine()}"
    return f"cp311-abi3-{system}"


class KernelHook(BuildHookInterface[Any]):
    """Puts the compiled kernel into the wheel."""

    def dependencies(self) -> list[str]:
        """A compiler, where the system has none."""
        return [] if system_compiler() else [ZIG]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile before the files of the wheel are collected."""
        del version
        compile_kernel(Path(self.root))
        build_data["artifacts"].append(f"/{FOLDER.as_posix()}/{MODULE}")
        build_data["pure_python"] = False
        build_data["tag"] = tag()
