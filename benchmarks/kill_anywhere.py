"""Kill a command at random moments, run it again, and compare with a run that nobody killed.

    python benchmarks/kill_anywhere.py --times 20 -- whence corpus build texts -o {out}
    python benchmarks/kill_anywhere.py --copy runs/mine -- \
        whence explain {copy} "Ada lives in" --target " London" -o {out}/report.html

`{out}` stands for the place of the result, `{copy}` for a fresh copy of the folder given with
`--copy`; at least one of them must be in the command. Both have the same path in every trial,
because records may name them.

Each trial starts anew: the command and all its workers get SIGKILL at a moment drawn uniformly
from the time that the unbroken run took; whatever then lies there under a sealed name must be
whole; the same command must end well; and the files must be those of the unbroken run, byte by
byte (JSON without its "timings"). Prints one JSON object; the exit code is 1 when a trial failed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from whence.core.errors import DamagedError
from whence.core.progress import progress
from whence.core.records import MANIFEST, check_digests, digest, digest_file

IGNORED = ("*timings*", ".lock", "*.log")


@dataclass(frozen=True)
class Trial:
    """What one kill led to."""

    moment: float
    """Seconds after the start; None of the work may be lost or spoilt, whatever it is."""
    killed: bool
    """False when the command had ended before its moment came."""
    torn: tuple[str, ...]
    """Sealed folders that were not whole after the kill."""
    exit_code: int
    """Of the run that completes the work."""
    different: tuple[str, ...]
    """Files that are not those of the unbroken run."""

    @property
    def good(self) -> bool:
        return not self.torn and self.exit_code == 0 and not self.different


def without_timings(record: Any) -> Any:
    """A record less everything that says how long something took."""
    if isinstance(record, dict):
        return {key: without_timings(x) for key, x in record.items() if key != "timings"}
    return [without_timings(x) for x in record] if isinstance(record, list) else record


def contents(folder: Path, ignored: Sequence[str]) -> dict[str, str]:
    """Name -> digest of every file that must be equal.

    A manifest holds sizes and digests of files that may be ignored or hold timings, and says
    nothing beyond them: its own list is taken.
    """
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if not path.is_file() or any(
            fnmatch(part, p) for part in Path(name).parts for p in ignored
        ):
            continue
        if path.name == MANIFEST:
            found[name] = digest(sorted(json.loads(path.read_bytes())["files"]))
        elif path.suffix == ".json":
            found[name] = digest(without_timings(json.loads(path.read_bytes())))
        else:
            found[name] = digest_file(path)
    return found


def torn(folder: Path) -> tuple[str, ...]:
    """The sealed folders under a folder that are not whole."""
    faults = []
    for path in folder.rglob(MANIFEST):
        try:
            check_digests(path.parent)
        except DamagedError as error:
            faults.append(str(error))
    return tuple(faults)


class Stage:
    """The one place where every trial plays."""

    def __init__(self, command: Sequence[str], folder: Path, copy: Path | None) -> None:
        self.folder, self.copy = folder, copy
        places = {"out": str(folder / "out"), "copy": str(folder / "copy")}
        self.command = [part.replace("{out}", places["out"]).replace("{copy}", places["copy"])
                        for part in command]  # fmt: skip

    def set(self) -> None:
        """Throw away what is there and bring a fresh copy."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        if self.copy:
            shutil.copytree(self.copy, self.folder / "copy")

    def start(self) -> subprocess.Popen[bytes]:
        """Start the command as a group of its own, so that its workers die with it."""
        return subprocess.Popen(
            self.command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
        )

    def play(self) -> tuple[int, str]:
        """Run the command to its end; exit code and what it said."""
        process = self.start()
        _, said = process.communicate()
        return process.returncode, said.decode(errors="replace")[-2000:]


def kill(process: subprocess.Popen[bytes], moment: float) -> bool:
    """Kill a command and its workers after some seconds; False when it had ended before."""
    try:
        process.communicate(timeout=moment)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return True
    return False


def trials(stage: Stage, times: int, seed: int, ignored: Sequence[str]) -> list[Trial]:
    """Run once unbroken, then kill at `times` moments."""
    stage.set()
    start = time.monotonic()
    code, said = stage.play()
    whole = time.monotonic() - start
    if code:
        sys.exit(f"the unbroken command ended with code {code}:\n{said}")
    expected = contents(stage.folder, ignored)
    if not expected:
        sys.exit("the unbroken command left no file to compare")
    done = []
    draw = random.Random(seed)
    for _ in progress(range(times), "kills"):
        stage.set()
        moment = draw.uniform(0, whole)
        killed = kill(stage.start(), moment)
        broken = torn(stage.folder)
        code, said = stage.play()
        if code:
            print(said, file=sys.stderr)
        found = contents(stage.folder, ignored)
        names = sorted(name for name in expected | found if expected.get(name) != found.get(name))
        done.append(Trial(round(moment, 3), killed, broken, code, tuple(names)))
    return done


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--copy", type=Path, help="a folder to copy anew for every trial")
    parser.add_argument("--ignore", action="append", default=list(IGNORED), metavar="PATTERN")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not any("{out}" in part or "{copy}" in part for part in command):
        parser.error("the command must contain {out} or {copy}")
    with tempfile.TemporaryDirectory(prefix="kill-anywhere-") as folder:
        stage = Stage(command, Path(folder) / "stage", options.copy)
        done = trials(stage, options.times, options.seed, options.ignore)
    good = sum(trial.good for trial in done)
    print(
        json.dumps(
            {
                "command": command,
                "trials": len(done),
                "killed": sum(trial.killed for trial in done),
                "good": good,
                "failures": [asdict(trial) for trial in done if not trial.good],
            },
            indent=1,
        )
    )
    return 0 if good == len(done) else 1


if __name__ == "__main__":
    sys.exit(main())
