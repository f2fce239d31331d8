"""Make the virtual environment, or see that it is already right.

Called by `scripts/setup` with the names of the extras to install. Needs nothing but the
standard library and pip. The versions are those of `constraints.txt`, so that every machine
gets the same; torch goes first, so that nothing else picks another one.

A stamp in the environment says what it was made from: when that has not changed, nothing is
done. An environment that an earlier set-up began and did not end is made anew, because
nobody can say which of its packages are whole.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONSTRAINTS = "constraints.txt"
LOCK, STAMP, UNFINISHED = ".whence-lock", ".whence-setup", ".whence-unfinished"
Command = list[str | Path]


def place() -> Path:
    """Where the environment goes."""
    return Path(os.environ.get("WHENCE_VENV") or ROOT / ".venv").absolute()


def identity() -> str:
    """The digest of all that decides what is in the environment, but for the extras."""
    state = hashlib.sha256(f"{ROOT}\n{sys.version}\n{sys.base_prefix}".encode())
    files = ("pyproject.toml", CONSTRAINTS, "scripts/environment.py", "hatch_build.py")
    kernel = sorted(ROOT.glob("src/whence/corpus/index/kernel/*"))
    for path in [*(ROOT / name for name in files), *kernel]:
        state.update(path.read_bytes())
    return state.hexdigest()


def hold(path: Path) -> int:
    """Be the only set-up of this environment.

    The handle goes down to pip as well: when this process is killed, its pip may work on,
    and the next set-up must wait for it.
    """
    lock = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("setup: waiting for another set-up of this environment", flush=True)
        fcntl.flock(lock, fcntl.LOCK_EX)
    os.set_inheritable(lock, True)
    return lock


def step(what: str, command: Command) -> None:
    """Run one step in the root of the project; when it fails, say which one and stop."""
    print(f"setup: {what}", flush=True)
    code = subprocess.run(command, cwd=ROOT, check=False, close_fds=False).returncode
    if code:
        sys.exit(
            f"setup: failed while {what} (exit code {code}). The reason is above.\n"
            "Mend it (often: no network, or a full disk) and run the same command again."
        )


def create(venv: Path) -> Command:
    """Make an empty environment where there is none; return the command that is its pip."""
    python = venv / "bin" / "python"
    pip: Command = [python, "-m", "pip"]
    make: Command = [sys.executable, "-m", "venv", venv]
    if not importlib.util.find_spec("ensurepip"):
        # Some systems ship Python without the piece that puts pip into environments.
        if not importlib.util.find_spec("pip"):
            sys.exit(
                f"setup: expected a Python with pip, got {sys.executable} without it.\n"
                "Install pip for it (the package is often named python3-pip or python3-venv)."
            )
        pip = [sys.executable, "-m", "pip", "--python", python]
        make.append("--without-pip")
    if not python.exists():
        (venv / UNFINISHED).touch()
        step(f"making {venv}", make)
    return pip


def install(pip: Command, extras: list[str]) -> None:
    """Put torch in, then the build backend, then the package with its extras."""
    command: Command = [
        *(*pip, "install", "-qq", "--disable-pip-version-check", "--constraint", CONSTRAINTS)
    ]
    step("installing torch (the largest part; minutes on a slow line)", [*command, "torch"])
    # Where the system has no C compiler, a package brings one.
    has_compiler = any(map(shutil.which, (os.environ.get("CC") or "cc", "cc", "gcc", "clang")))
    backend = ["hatchling", "editables", *([] if has_compiler else ["ziglang"])]
    step("installing the build backend", [*command, *backend])
    target = f".[{','.join(extras)}]" if extras else "."
    step(
        f"installing whence {target[1:]} at the versions of {CONSTRAINTS}".replace("  ", " "),
        [*command, "--no-build-isolation", "--editable", target],
    )


def main(wanted: list[str]) -> None:
    """Leave a finished environment behind."""
    venv = place()
    venv.mkdir(parents=True, exist_ok=True)
    hold(venv / LOCK)
    stamp, unfinished = venv / STAMP, venv / UNFINISHED
    made = json.loads(stamp.read_text()) if stamp.is_file() else {}
    same = made.get("identity") == identity()
    if same and set(wanted) <= set(made["extras"]):
        return
    stamp.unlink(missing_ok=True)
    if unfinished.exists():
        print(f"setup: clearing {venv}, which an earlier set-up left half-made", flush=True)
        for entry in venv.iterdir():
            if entry.name in (LOCK, UNFINISHED):
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
    extras = sorted({*wanted, *made.get("extras", [])})
    install(create(venv), extras)
    unfinished.unlink(missing_ok=True)
    part = stamp.with_suffix(".partial")
    part.write_text(json.dumps({"identity": identity(), "extras": extras}))
    part.replace(stamp)
    print(f"setup: done, {venv / 'bin' / 'whence'} is ready", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
