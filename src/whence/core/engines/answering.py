"""What a worker process runs: `python -m whence.core.engines.answering PIPE`; see `local`."""

from __future__ import annotations

import os
import sys
import threading
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

from whence.core.engines.team import Reply, reply_to


def serve(pipe: Connection) -> None:
    """Open what the first message says, answer the others, and end with the parent."""
    questions: SimpleQueue[Any] = SimpleQueue()

    def listen() -> None:
        try:
            while True:
                questions.put(pipe.recv())
        except EOFError:
            os._exit(0)  # the parent is gone

    def answer(reply: Reply) -> None:
        try:
            pipe.send(reply)
        except BrokenPipeError:
            os._exit(0)

    # A thread, so that the parent's end is seen in the middle of long work too.
    threading.Thread(target=listen, daemon=True).start()
    opening, arguments = questions.get()
    opened = reply_to(opening, *arguments)
    answer(Reply(None, opened.refusal, opened.crash))
    while True:
        ask, question = questions.get()
        answer(reply_to(ask, opened.answer, question))


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])))
