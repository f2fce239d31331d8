"""The engine of processes on this machine.

A worker is a program of its own (`answering`) with one end of a pipe, because a forked process
may not use threads safely, and a spawned one would run the user's main script again. When the
parent goes, however it goes, the pipe ends and the worker with it; whatever it was writing is
written whole or not at all (`core.records`).
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import Any

from whence.core.engines.team import Opened, Reply, Team, died


class _Process:
    """The parent's end of a worker process."""

    def __init__(self, number: int, threads: int) -> None:
        self.number = number
        self.pipe, theirs = Pipe()
        settings = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
        command = [sys.executable, "-m", "whence.core.engines.answering", str(theirs.fileno())]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr if _is_a_file(sys.stderr) else subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            env={
                **os.environ,
                **settings,
                "TQDM_DISABLE": "1",
                "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
            },
            start_new_session=True,  # Ctrl-C reaches the parent alone, which then ends us
        )
        theirs.close()

    def send(self, ask: Callable[..., Any], question: Any) -> None:
        try:
            self.pipe.send((ask, question))
        except BrokenPipeError:
            raise self._died() from None

    def receive(self) -> Reply:
        try:
            reply: Reply = self.pipe.recv()
        except (EOFError, ConnectionResetError):
            raise self._died() from None
        return reply

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        self.pipe.close()

    def _died(self) -> Exception:
        code = self._process.wait()
        how = f"signal {-code}" if code < 0 else f"code {code}"
        return died(f"worker {self.number}", f"the end of its process, by {how}")


@contextmanager
def team(
    opening: Callable[..., Opened], arguments: Sequence[Sequence[Any]], threads: int
) -> Iterator[Team[Opened]]:
    """See `Engine.team`."""
    started: list[_Process] = []
    try:
        started += [_Process(number, threads) for number in range(len(arguments))]
        for process, each in zip(started, arguments, strict=True):
            process.send(opening, tuple(each))
        replies = [process.receive() for process in started]
        for reply in replies:
            reply.unwrap()
        yield Team(started, _any_of)
    finally:
        for process in started:
            process.stop()


def _any_of(processes: Sequence[_Process]) -> list[_Process]:
    by_pipe = {process.pipe: process for process in processes}
    return [by_pipe[pipe] for pipe in wait(list(by_pipe)) if isinstance(pipe, Connection)]


def _is_a_file(stream: Any) -> bool:
    """Whether a process can inherit it; the stand-ins of tests and notebooks cannot."""
    try:
        return isinstance(stream.fileno(), int)
    except (AttributeError, OSError, ValueError):
        return False
