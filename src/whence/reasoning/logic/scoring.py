"""Files of logic programs, solved and scored as Logic-LM scores them.

A program that cannot be read or run is a *failure*; `exe_rate` is the share of the others and
`exe_acc` how many of those have the right answer. With random back-off a failure is worth one
over the number of options. LogicalDeduction has no back-off: its failures are wrong.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from whence.core.errors import LogicError
from whence.core.progress import progress
from whence.reasoning.logic.deduction import solve_prontoqa, solve_proofwriter
from whence.reasoning.logic.first_order import solve_first_order
from whence.reasoning.logic.ordering import solve_ordering
from whence.reasoning.logic.program import Reading
from whence.reasoning.logic.smt import solve_smt
from whence.reasoning.logic.solution import Solution


@dataclass(frozen=True)
class Dataset:
    """A set of problems.

    Attributes:
        name: as papers call it.
        solve: from a program and a reading to its solution.
        options: how many answers there are to guess from; 0 when failures count as wrong.
    """

    name: str
    solve: Callable[[str, Reading], Solution]
    options: int


DATASETS = {
    each.name: each
    for each in (
        Dataset("ProntoQA", solve_prontoqa, 2),
        Dataset("ProofWriter", solve_proofwriter, 3),
        Dataset("FOLIO", solve_first_order, 3),
        Dataset("LogicalDeduction", solve_ordering, 0),
        Dataset("AR-LSAT", solve_smt, 5),
    )
}


@dataclass(frozen=True)
class Problem:
    """A question with a program for it.

    Attributes:
        id: of the question.
        program: what a model wrote.
        answer: the letter of the right option.
        question: context and question, for prompts.
        options: the options as the data set words them.
    """

    id: str
    program: str
    answer: str
    question: str = ""
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What became of one program.

    Attributes:
        id: of the question.
        right: the letter of the right option.
        executed: whether it could be read and run.
        answer: the letter that it gave, if any.
        evidence: the proof, model or core of a program that ran.
        error: why it did not run.
    """

    id: str
    right: str
    executed: bool
    answer: str | None
    evidence: tuple[str, ...] = ()
    error: str = ""

    @property
    def correct(self) -> bool:
        """Whether it ran and gave the right letter."""
        return self.executed and self.answer == self.right


@dataclass(frozen=True)
class LogicScore:
    """A file's outcomes and what they add up to."""

    dataset: str
    reading: Reading
    outcomes: tuple[Outcome, ...]

    def to_json(self) -> dict[str, Any]:
        """Counts and rates; rates are shares of one."""
        count = len(self.outcomes)
        executed = sum(outcome.executed for outcome in self.outcomes)
        correct = sum(outcome.correct for outcome in self.outcomes)
        options = DATASETS[self.dataset].options
        guessed = (count - executed) / options if options else 0.0
        return {
            "dataset": self.dataset,
            "reading": self.reading,
            "n": count,
            "executed": executed,
            "correct_executed": correct,
            "exe_rate": executed / count,
            "exe_acc": correct / executed if executed else None,
            "accuracy_random_backoff": (correct + guessed) / count,
        }


def find_dataset(name: str) -> Dataset:
    """The data set of a name.

    Raises:
        LogicError: there is none of that name.
    """
    if name not in DATASETS:
        raise LogicError(
            "--dataset",
            expected=", ".join(DATASETS),
            got=repr(name),
            fix="Name the one whose format the programs have.",
        )
    return DATASETS[name]


def read_problems(path: Path) -> list[Problem]:
    """The problems of a released file of programs.

    Raises:
        LogicError: the file is missing, is no list of problems, or is empty.
    """
    form = 'a JSON list of records with "id", "answer" and mostly "raw_logic_programs"'
    try:
        records = json.loads(path.read_text(encoding="utf-8"))
        problems = [_problem(record) for record in records]
    except FileNotFoundError:
        raise LogicError(
            str(path), expected=form, got="no such file", fix="Check the name."
        ) from None
    except (ValueError, KeyError, TypeError, IndexError, OSError) as error:
        got = f"{type(error).__name__}: {error}"
        raise LogicError(str(path), expected=form, got=got, fix="Check the file.") from error
    if not problems:
        raise LogicError(str(path), expected=form, got="an empty list", fix="Check the file.")
    return problems


def _problem(record: dict[str, Any]) -> Problem:
    return Problem(
        str(record["id"]),
        str(record.get("raw_logic_programs", ("",))[0]),
        str(record["answer"]),
        f"{record.get('context', '')}\n{record.get('question', '')}".strip(),
        tuple(record.get("options", ())),
    )


def attempt(problem: Problem, dataset: Dataset, reading: Reading) -> Outcome:
    """Solve one program; a program that fails is an outcome, not an error."""
    outcome = Outcome(problem.id, problem.answer, executed=False, answer=None)
    try:
        # Lines are counted from the first that says something.
        solution = dataset.solve(problem.program.strip(), reading)
    except LogicError as error:
        return replace(outcome, error=str(error))
    except RecursionError:
        return replace(outcome, error="program: nested too deeply")
    return replace(outcome, executed=True, answer=solution.answer, evidence=solution.evidence)


def score_programs(
    problems: Sequence[Problem], dataset: str, reading: Reading = "standard"
) -> LogicScore:
    """Solve every program and count.

    Args:
        problems: at least one.
        dataset: the name of their data set, which says the format.
        reading: how programs are read; `released` gives the published numbers.

    Raises:
        LogicError: there is no such data set.
    """
    known = find_dataset(dataset)
    outcomes = [
        attempt(problem, known, reading) for problem in progress(problems, "programs solved")
    ]
    return LogicScore(dataset, reading, tuple(outcomes))
