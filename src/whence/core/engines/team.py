"""A team of workers, whatever they run on.

What differs between engines is only how a worker is sent a question and gives its answer
(`Worker`) and how to wait for several (`Waiting`); who is asked what is decided here, once.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from whence.core.errors import UserError, WorkerError

Opened = TypeVar("Opened")
Question = TypeVar("Question")
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Reply:
    """What a worker sends home.

    Attributes:
        answer: what it was asked for, if it could be had.
        refusal: what the user can mend.
        crash: the trace of anything else that was raised.
    """

    answer: Any = None
    refusal: UserError | None = None
    crash: str | None = None

    def unwrap(self) -> Any:
        """The answer, or what was raised instead of it.

        Raises:
            UserError: as it was raised in the worker.
            RuntimeError: with the worker's trace.
        """
        if self.refusal is not None:
            raise self.refusal
        if self.crash is not None:
            raise RuntimeError(f"in a worker:\n{self.crash}")
        return self.answer


def reply_to(ask: Callable[..., Any], *arguments: Any) -> Reply:
    """Do what is asked; in a worker, where nothing that is raised may be lost."""
    try:
        return Reply(ask(*arguments))
    except UserError as error:
        return Reply(refusal=error)
    except Exception:  # sent home whole, and raised there
        return Reply(crash=traceback.format_exc())


@runtime_checkable
class Worker(Protocol):
    """One that holds something opened, and answers one question at a time."""

    def send(self, ask: Callable[..., Any], question: Any) -> None:
        """Ask; the answer has to be received before the next question."""

    def receive(self) -> Reply:
        """Wait for the answer."""


Waiting = Callable[[Sequence[Any]], Sequence[Any]]
"""Of workers that were asked, those that have an answer: at least one."""


@dataclass(frozen=True, slots=True, eq=False)
class Team(Generic[Opened]):
    """Workers that each hold something opened. After a fault it is of no more use.

    Attributes:
        workers: in the order of the arguments that they were opened with.
        waiting: waits for any of them.
    """

    workers: Sequence[Worker]
    waiting: Waiting

    def each(self, ask: Callable[[Opened, Question], Answer], question: Question) -> list[Answer]:
        """Put one question to all workers.

        Args:
            ask: a function of a module; called with what a worker opened, and the question.
            question: the same for all.

        Returns:
            Their answers, in the order of the workers.

        Raises:
            UserError: whatever a worker refused, as if it had been refused here.
            WorkerError: a worker died.
        """
        for worker in self.workers:
            worker.send(ask, question)
        replies = [worker.receive() for worker in self.workers]
        return [reply.unwrap() for reply in replies]

    def map(
        self, ask: Callable[[Opened, Question], Answer], questions: Iterable[Question]
    ) -> Iterator[Answer]:
        """Put each question to whichever worker is free.

        Args:
            ask: as for `each`.
            questions: taken one by one, as workers become free.

        Yields:
            Answers in the order of the questions, each as soon as it and those before it are
            there. All has been done when the last has been taken.

        Raises: as `each`.
        """
        free, asked, done = list(self.workers), dict[int, Worker](), dict[int, Answer]()
        left, given, taken = iter(questions), 0, 0
        more = True
        while more or asked:
            while more and free:
                try:
                    question = next(left)
                except StopIteration:
                    more = False
                    break
                free[-1].send(ask, question)
                asked[given] = free.pop()
                given += 1
            numbers = {id(worker): number for number, worker in asked.items()}
            for worker in self.waiting(list(asked.values())) if asked else ():
                number = numbers[id(worker)]
                done[number] = worker.receive().unwrap()
                free.append(asked.pop(number))
            while taken in done:
                yield done.pop(taken)
                taken += 1


def died(which: str, how: str) -> WorkerError:
    """The fault of a worker that is no more."""
    return WorkerError(
        which,
        expected="an answer",
        got=how,
        fix="Run it again: what was finished is kept. Were memory short, use fewer workers.",
    )
