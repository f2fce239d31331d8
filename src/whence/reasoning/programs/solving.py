"""The whole path: ask for programs, run them, let their values vote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from whence.reasoning.clients import Client, Sampling
from whence.reasoning.programs.equality import Vote, as_answer, majority
from whence.reasoning.programs.execution import execute
from whence.reasoning.programs.extraction import program_of, solver_of
from whence.reasoning.programs.options import nearest_option
from whence.reasoning.programs.prompts import Exemplar, Problem, few_shot, zero_shot
from whence.reasoning.sandbox import Outcome, Sandbox

GREEDY = Sampling(max_tokens=512, stop=("\n\n\n",))
"""One program a problem, the most probable; the paper votes over 40 at temperature 0.4."""


@dataclass(frozen=True)
class Solved:
    """A problem with what was tried.

    Attributes:
        problem: the question.
        programs: as they were found in the completions.
        outcomes: of each program.
        vote: the majority of the values.
        option: the letter that the value means, where there are options.
    """

    problem: Problem
    programs: tuple[str, ...]
    outcomes: tuple[Outcome, ...]
    vote: Vote
    option: str | None


def solve_problems(
    client: Client,
    sandbox: Sandbox,
    problems: Sequence[Problem],
    exemplars: Sequence[Exemplar] = (),
    sampling: Sampling = GREEDY,
) -> list[Solved]:
    """Solve problems by programs; with `sampling.n` above 1 the executed values vote.

    Args:
        client: the model that writes the programs.
        sandbox: where they run.
        problems: the questions.
        exemplars: solved examples for the prompt; none for the zero-shot form.
        sampling: of the programs.

    References:
        Chen et al. 2022 (arXiv:2211.12588), sections 2 and 3.
    """
    openings = [few_shot(exemplars, p) if exemplars else zero_shot(p) for p in problems]
    replies = client.complete(openings, sampling)
    written = [
        tuple(
            program_of(c.text) if exemplars else solver_of(opening, c.text)
            for c in reply.completions
        )
        for opening, reply in zip(openings, replies, strict=True)
    ]
    ran = iter(execute(sandbox, [program for programs in written for program in programs]))
    return [
        _solved(problem, programs, tuple(next(ran) for _ in programs))
        for problem, programs in zip(problems, written, strict=True)
    ]


def _solved(problem: Problem, programs: tuple[str, ...], outcomes: tuple[Outcome, ...]) -> Solved:
    values = [o.value if o.status == "ok" else None for o in outcomes]
    answers = [as_answer(value) for value in values]
    vote = majority(answers)
    # The whole value that won: an option may show several numbers.
    won = values[answers.index(vote.answer)] if vote.votes else None
    option = nearest_option(won, problem.options) if problem.options else None
    return Solved(problem, programs, outcomes, vote, option)
