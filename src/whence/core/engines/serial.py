"""The engine of one worker, which is this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from whence.core.engines.team import Opened, Reply, Team


class _Here:
    """Answers when it is waited for; what is raised keeps its trace."""

    def __init__(self, opened: Any) -> None:
        self._opened, self._asked = opened, list[Callable[[], Any]]()

    def send(self, ask: Callable[..., Any], question: Any) -> None:
        self._asked.append(lambda: ask(self._opened, question))

    def receive(self) -> Reply:
        return Reply(self._asked.pop()())


@contextmanager
def team(
    opening: Callable[..., Opened], arguments: Sequence[Sequence[Any]], threads: int
) -> Iterator[Team[Opened]]:
    """See `Engine.team`; `threads` is up to the caller, whose process this is."""
    del threads
    yield Team([_Here(opening(*each)) for each in arguments], lambda workers: workers[:1])
