"""Replays in worker processes, which live as long as there are replays to make.

A worker is `python -m whence.training.workers RUN`: it opens the run once, then reads one
request a line and answers each with one line, both JSON. It is a program of its own
because a forked process may not use threads safely, and a spawned one would run the user's
main script again. When the parent goes, however it goes, the worker's input ends and the
worker with it; what it had made so far stays for the next attempt.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from typing import IO, Any

import numpy as np

from whence.core import errors
from whence.core.arrays import save_array
from whence.core.errors import UserError
from whence.core.progress import bar
from whence.training.replays import Wanted, make_replay
from whence.training.run import Run, open_run


def make_in_workers(run: Run, wanted: Sequence[Wanted], workers: int) -> None:
    """Make replays, each in whichever worker is free.

    Raises:
        UserError: whatever a worker refused, as if it had been refused here.
        RuntimeError: a worker died.
    """
    corpus = run.corpus()
    with TemporaryDirectory(prefix="whence-") as folder, bar("replays", len(wanted)) as shown:
        free: SimpleQueue[_Worker] = SimpleQueue()
        team = [_Worker(run.path, corpus.path, run.recipe.threads) for _ in range(workers)]
        for worker in team:
            free.put(worker)

        def make(numbered: tuple[int, Wanted]) -> None:
            number, one = numbered
            path = Path(folder) / f"{number}.npy"
            save_array(path, one.weights)
            worker = free.get()
            worker.ask(_request(one, path))
            free.put(worker)
            shown.update()

        try:
            with ThreadPoolExecutor(workers) as pool:
                futures = [pool.submit(make, item) for item in enumerate(wanted)]
                try:
                    for future in futures:
                        future.result()
                except BaseException:
                    pool.shutdown(wait=False, cancel_futures=True)
                    for worker in team:
                        worker.stop()
                    raise
        finally:
            for worker in team:
                worker.stop()


def _request(wanted: Wanted, path: Path) -> dict[str, Any]:
    return {
        "weights": str(path),
        "start": wanted.start,
        "late": wanted.late,
        "seed": wanted.seed,
        "keep_checkpoints": wanted.keep_checkpoints,
    }


class _Worker:
    """The parent's end of one worker."""

    def __init__(self, run: Path, corpus: Path, threads: int) -> None:
        settings = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
        command = [sys.executable, "-m", "whence.training.workers", str(run), str(corpus)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **settings, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
            start_new_session=True,  # Ctrl-C reaches the parent alone, which then ends us
        )

    def ask(self, request: dict[str, Any]) -> None:
        asked, answered = self._process.stdin, self._process.stdout
        assert asked is not None
        assert answered is not None
        try:
            asked.write(json.dumps(request).encode() + b"\n")
            asked.flush()
            line = answered.readline()
        except (BrokenPipeError, ValueError):
            line = b""
        if not line:
            raise RuntimeError(f"a replay worker ended with code {self._process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            kind = getattr(errors, answer["error"])
            raise _revive(kind, answer)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None and not pipe.closed:
                pipe.close()


def _revive(kind: type[UserError], answer: dict[str, Any]) -> UserError:
    fields = {name: answer[name] for name in ("expected", "got", "fix")}
    return kind(answer["place"], **fields)


def _serve(run_path: str, corpus_path: str, requests: IO[bytes], answers: IO[bytes]) -> None:
    queue: SimpleQueue[bytes] = SimpleQueue()

    def listen() -> None:
        for line in requests:
            queue.put(line)
        os._exit(0)  # the parent is gone; nothing on disk is half-written

    threading.Thread(target=listen, daemon=True).start()
    run: Run | None = None
    while True:
        request = json.loads(queue.get())
        try:
            if run is None:
                run = open_run(run_path)
                run.corpus(corpus_path)
            weights = np.load(request.pop("weights"), allow_pickle=False)
            answer: dict[str, Any] = {"made": str(make_replay(run, Wanted(weights, **request)))}
        except UserError as error:
            answer = {"error": type(error).__name__, "place": error.place}
            answer |= {"expected": error.expected, "got": error.got, "fix": error.fix}
        answers.write(json.dumps(answer).encode() + b"\n")
        answers.flush()


if __name__ == "__main__":
    own_output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a stray print of a library must not end up among the answers
    _serve(sys.argv[1], sys.argv[2], sys.stdin.buffer, own_output)
