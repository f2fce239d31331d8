"""Translate, solve, mend from the solver's errors, and fall back: the loop of Logic-LM.

A model writes a program for each problem (unless one is given). Those that do not run go back
to it with the solver's complaint, which names line, column and what was expected, for up to
three rounds. What still does not run is answered by the model step by step, or by chance.

Source: Pan et al., Logic-LM (2023), section 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from whence.core.errors import LogicError
from whence.reasoning.clients import Client, Sampling
from whence.reasoning.logic.program import Reading
from whence.reasoning.logic.prompts import (
    chain_prompt,
    read_letter,
    read_program,
    refinement_prompt,
    translation_prompt,
)
from whence.reasoning.logic.scoring import LogicScore, Outcome, Problem, attempt, find_dataset

BackOff = Literal["random", "chain"]
BACK_OFFS: tuple[BackOff, ...] = ("random", "chain")


@dataclass(frozen=True)
class RefinementSettings:
    """How the loop runs.

    Attributes:
        rounds: how often programs that do not run go back to the model.
        reading: how programs are read.
        back_off: what becomes of those that never run: `random` counts a guess as its chance
            of being right, `chain` asks the model to answer step by step.
        sampling: of the model.

    Raises:
        LogicError: a negative number of rounds, or an unknown back-off.
    """

    rounds: int = 3
    reading: Reading = "standard"
    back_off: BackOff = "random"
    sampling: Sampling = field(default_factory=lambda: Sampling(max_tokens=1024))

    def __post_init__(self) -> None:
        if self.rounds < 0 or self.back_off not in BACK_OFFS:
            raise LogicError(
                "refinement",
                expected=f"rounds from 0, and back-off {' or '.join(BACK_OFFS)}",
                got=f"{self.rounds} and {self.back_off!r}",
                fix="Choose other settings.",
            )


@dataclass(frozen=True)
class Refined:
    """What came of the loop.

    Attributes:
        rounds: the score of all programs after each round; the first is before any.
        problems: with the last program of each.
        fallen_back: the answers of the model in place of programs that never ran, by id.
    """

    rounds: tuple[LogicScore, ...]
    problems: tuple[Problem, ...]
    fallen_back: dict[str, str | None]

    def to_json(self) -> dict[str, Any]:
        """The scores of every round, and the accuracy with the back-off that was used."""
        last = self.rounds[-1]
        record: dict[str, Any] = {"rounds": [score.to_json() for score in self.rounds]}
        accuracy = record["rounds"][-1]["accuracy_random_backoff"]
        if self.fallen_back:
            right = sum(
                outcome.correct or self.fallen_back.get(outcome.id) == outcome.right
                for outcome in last.outcomes
            )
            accuracy = right / len(last.outcomes)
        return record | {"fallen_back": len(self.fallen_back), "accuracy": accuracy}


def refine(
    problems: Sequence[Problem],
    dataset: str,
    client: Client,
    settings: RefinementSettings | None = None,
) -> Refined:
    """Run the loop on problems.

    Args:
        problems: those without a program are translated first.
        dataset: its name, which says the format.
        client: the model.
        settings: of the loop.

    Raises:
        LogicError: there is no such data set.
        ClientError: the model does not answer.
    """
    settings = settings or RefinementSettings()
    known = find_dataset(dataset)
    current = _translated(list(problems), dataset, client, settings)
    outcomes = [attempt(problem, known, settings.reading) for problem in current]
    rounds = [LogicScore(dataset, settings.reading, tuple(outcomes))]
    for _ in range(settings.rounds):
        failed = [place for place, outcome in enumerate(outcomes) if not outcome.executed]
        if not failed:
            break
        prompts = [
            refinement_prompt(current[place].program, outcomes[place].error, dataset)
            for place in failed
        ]
        for place, text in zip(failed, _ask(client, prompts, settings), strict=True):
            current[place] = replace(current[place], program=read_program(text))
            outcomes[place] = attempt(current[place], known, settings.reading)
        rounds.append(LogicScore(dataset, settings.reading, tuple(outcomes)))
    fallen_back = _fall_back(current, outcomes, client, settings)
    return Refined(tuple(rounds), tuple(current), fallen_back)


def _translated(
    problems: list[Problem], dataset: str, client: Client, settings: RefinementSettings
) -> list[Problem]:
    open_places = [place for place, problem in enumerate(problems) if not problem.program.strip()]
    prompts = [translation_prompt(problems[place], dataset) for place in open_places]
    for place, text in zip(open_places, _ask(client, prompts, settings), strict=True):
        problems[place] = replace(problems[place], program=read_program(text))
    return problems


def _fall_back(
    problems: Sequence[Problem],
    outcomes: Sequence[Outcome],
    client: Client,
    settings: RefinementSettings,
) -> dict[str, str | None]:
    if settings.back_off == "random":
        return {}
    failed = [
        problem for problem, outcome in zip(problems, outcomes, strict=True) if not outcome.executed
    ]
    texts = _ask(client, [chain_prompt(problem) for problem in failed], settings)
    return {problem.id: read_letter(text) for problem, text in zip(failed, texts, strict=True)}


def _ask(client: Client, prompts: list[str], settings: RefinementSettings) -> list[str]:
    if not prompts:
        return []
    replies = client.complete(prompts, settings.sampling)
    return [reply.completions[0].text for reply in replies]
