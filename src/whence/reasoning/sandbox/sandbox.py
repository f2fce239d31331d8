"""The sandbox as its user sees it: programs in, outcomes out, in order."""

from __future__ import annotations

import contextlib
import json
import math
import os
import select
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Any

from whence.core.errors import SandboxError
from whence.reasoning.sandbox.kernel import check_kernel
from whence.reasoning.sandbox.outcome import Limits, Outcome, Program
from whence.reasoning.sandbox.reading import Raw, read_outcome
from whence.reasoning.sandbox.server import STOP

PRELOAD = """
import random, math, cmath, decimal, fractions, statistics, itertools, functools, collections
import datetime, calendar, re, string, json, heapq, bisect, operator, ctypes
import numpy, numpy.linalg, numpy.random
import sympy
_x, _y = sympy.symbols("x y", positive=True)
sympy.solve([_x + _y - 3, _x - _y - 1], [_x, _y], dict=True)
sympy.solve(_x**2 - 2, _x)
sympy.simplify(sympy.sqrt(8) * _x / 2 + 0.5)
"""
"""What a server loads: the library, and what sympy would load when first asked to solve."""

PACKAGES = ("numpy", "sympy", "mpmath", "scipy")
"""Packages that programs may import, if installed, beside the standard library."""

_ENVIRONMENT = {
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "TZ": "UTC",
    "LC_ALL": "C.UTF-8",
}
_START = (
    "import json, socket, sys\n"
    "library = json.loads(sys.argv[1])\n"
    "sys.path[:] = library['own']\n"
    "from whence.reasoning.sandbox.server import serve\n"
    "serve(socket.socket(fileno=int(sys.argv[2])), library)\n"
)
_STARTING = 120.0  # seconds that loading the library may take
_PIECE = 1 << 16


class Sandbox:
    """Runs untrusted programs; use it as a context manager.

    Args:
        workers: programs at a time, each in a server of its own.
        limits: what each program may use.
        packages: packages that programs may import beside the standard library.
        preload: trusted code that each server runs once before it forks.

    Raises:
        SandboxError: this machine cannot hold programs, or a server did not start.
    """

    def __init__(
        self,
        workers: int = 1,
        limits: Limits | None = None,
        packages: Sequence[str] = PACKAGES,
        preload: str = PRELOAD,
    ) -> None:
        check_kernel()
        if workers < 1:
            raise SandboxError(
                "workers", expected="1 or more", got=str(workers), fix="Give at least one."
            )
        self.limits = limits or Limits()
        self._idle: SimpleQueue[_Worker] = SimpleQueue()
        self._workers: list[_Worker] = []
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="sandbox")
        try:
            for _ in range(workers):
                self._workers.append(_Worker(tuple(packages), preload))
            for worker in self._workers:  # started side by side, then waited for
                worker.wait_until_ready()
                self._idle.put(worker)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the servers; what still runs is killed."""
        for worker in self._workers:
            worker.close()
        self._threads.shutdown()

    def run(self, program: Program | str, limits: Limits | None = None) -> Outcome:
        """Run one program and wait for it."""
        worker = self._idle.get()
        try:
            return worker.run(_program(program), limits or self.limits)
        finally:
            self._idle.put(worker)

    def run_many(
        self, programs: Iterable[Program | str], limits: Limits | None = None
    ) -> Iterator[Outcome]:
        """Run programs, as many at a time as there are workers; outcomes come in their order."""
        ahead: list[Future[Outcome]] = []
        for program in programs:
            ahead.append(self._threads.submit(self.run, program, limits))
            if len(ahead) > 4 * len(self._workers):
                yield ahead.pop(0).result()
        while ahead:
            yield ahead.pop(0).result()


def _program(program: Program | str) -> Program:
    return program if isinstance(program, Program) else Program(program)


class _Worker:
    """One fork server and its scratch folder."""

    def __init__(self, packages: tuple[str, ...], preload: str) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="whence-sandbox-")).resolve()
        scratch = self._folder / "scratch"
        scratch.mkdir()
        library = _library(packages) | {"scratch": str(scratch), "preload": preload}
        self._said = (self._folder / "said").open("w+b")
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            arguments = [json.dumps(library), str(theirs.fileno())]
            self._process = subprocess.Popen(
                [sys.executable, "-s", "-S", "-P", "-c", _START, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=self._said,
                stderr=self._said,
                env=_ENVIRONMENT | {"TMPDIR": str(scratch), "HOME": str(scratch)},
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )

    def wait_until_ready(self) -> None:
        self._control.settimeout(_STARTING)
        try:
            started = self._control.recv(_PIECE)
        except TimeoutError:
            started = b""
        self._control.settimeout(None)
        if not started:
            raise self._gone()

    def _gone(self) -> SandboxError:
        self._said.seek(0)
        said = self._said.read().decode(errors="replace").strip().splitlines()
        return SandboxError(
            "sandbox",
            expected="a server that forks programs",
            got=said[-1] if said else "one that ended without a word",
            fix="Whence does not run programs without it; the message is the server's own.",
        )

    def close(self) -> None:
        self._control.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        self._process.kill()
        self._process.wait()
        self._said.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def run(self, program: Program, limits: Limits) -> Outcome:
        order = {
            "cpu": math.ceil(limits.cpu),
            "wall": limits.wall,
            "memory": limits.memory,
            "scratch": limits.scratch,
            "files": limits.files,
        }
        output, output_in = os.pipe()
        result, result_in = os.pipe()
        text = os.memfd_create("program")
        try:
            record = {
                "source": program.source,
                "prelude": program.prelude,
                "names": list(program.names),
            }
            _write_all(text, json.dumps(record).encode())
            handles = [text, output_in, result_in]
            socket.send_fds(self._control, [json.dumps(order).encode()], handles)
        except OSError as error:
            os.close(output)
            os.close(result)
            raise self._gone() from error
        finally:
            for handle in (text, output_in, result_in):
                os.close(handle)
        with os.fdopen(output, "rb", 0) as first, os.fdopen(result, "rb", 0) as second:
            raw = self._collect(first.fileno(), second.fileno(), limits)
        return read_outcome(raw, limits)

    def _collect(self, output: int, result: int, limits: Limits) -> Raw:
        """Read what the program writes until both pipes are closed and the report is in."""
        found: dict[int, bytearray] = {output: bytearray(), result: bytearray()}
        control = self._control.fileno()
        poll = select.poll()
        for source in (output, result, control):
            poll.register(source, select.POLLIN)
        report: dict[str, Any] | None = None
        flooded, open_sources = False, 3
        while open_sources:
            for source, _ in poll.poll():
                if source == control:
                    packet = self._control.recv(_PIECE)
                    if not packet:
                        raise self._gone()
                    report = json.loads(packet)
                else:
                    piece = os.read(source, _PIECE)
                    room = limits.output - len(found[source])
                    found[source] += piece[: max(0, room)]
                    if len(piece) > room and not flooded:
                        flooded = True
                        self._control.send(STOP)
                    if piece:
                        continue
                poll.unregister(source)
                open_sources -= 1
        assert report is not None
        return Raw(bytes(found[output]), bytes(found[result]), report, flooded)


def _write_all(handle: int, data: bytes) -> None:
    while data:
        data = data[os.write(handle, data) :]


def _library(packages: tuple[str, ...]) -> dict[str, Any]:
    """What programs may read: the standard library and some packages, each by its path."""
    standard = {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}
    standard = {str(Path(path).resolve()) for path in standard}
    own = [path for path in sys.path if path and Path(path).is_dir()]
    sites = [path for path in own if not _inside_standard(path, standard)]
    dynamic = [path for path in own if _inside_standard(path, standard)]
    read = [
        str(entry)
        for path in sorted(standard)
        for entry in Path(path).iterdir()
        if entry.name not in ("site-packages", "dist-packages")
    ]
    named = (f"{package}{ending}" for package in packages for ending in ("", ".libs", ".py"))
    wanted = tuple(named)
    holding = []
    for site in sites:
        here = [Path(site, name) for name in wanted if Path(site, name).exists()]
        read += map(str, here)
        holding += [site] if here else []
    return {"own": own, "path": [*dynamic, *holding], "read": read, "folders": sorted(standard)}


def _inside_standard(path: str, standard: set[str]) -> bool:
    resolved = Path(path).resolve()
    if resolved.name in ("site-packages", "dist-packages"):
        return False
    return any(resolved == Path(root) or Path(root) in resolved.parents for root in standard)
