"""TheoremQA: answers of six types, and when one counts.

bool       True or False, by the word
option     its letter
integer    the prediction, rounded, is the answer
float      the prediction lies within 4 % of the answer
list of integer, list of float      as many numbers, in order of size, each as above

References:
    Chen et al. 2023, "TheoremQA" (arXiv:2305.12524), and its released evaluation.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whence.reasoning.answers.numbers import read_list, read_number, read_option, read_truth
from whence.reasoning.answers.predictions import Prediction, check_known, fault, read_text

TYPES = ("bool", "option", "integer", "float", "list of integer", "list of float")
BAND = 0.04
_CONSTANTS = {"bool": True, "option": "(a)"}
_OTHERWISE = 1000


@dataclass(frozen=True)
class TheoremProblem:
    """A question with its typed answer.

    Attributes:
        id: of the question.
        question: as it is put.
        answer: a number, truth value, letter in brackets or list of numbers.
        kind: one of `TYPES`.
        picture: whether it needs one.
    """

    id: str
    question: str
    answer: Any
    kind: str
    picture: bool


@dataclass(frozen=True)
class TheoremScore:
    """Predictions, scored.

    Attributes:
        right: id -> whether the prediction is right, for each prediction.
        kinds: id -> type of the answer, for every question.
    """

    right: Mapping[str, bool]
    kinds: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """Counts over all questions; those without a prediction are wrong."""
        of_kind = Counter(self.kinds.values())
        correct = Counter(self.kinds[name] for name, right in self.right.items() if right)
        return {
            "n": len(self.kinds),
            "predicted": len(self.right),
            "correct": correct.total(),
            "score": correct.total() / len(self.kinds),
            "types": {k: {"n": of_kind[k], "correct": correct[k]} for k in sorted(of_kind)},
        }


def read_theoremqa(path: Path) -> list[TheoremProblem]:
    """The questions of a released file.

    Raises:
        ProblemError: it is missing or of another form.
    """
    text = read_text(path, "questions")
    try:
        return [
            TheoremProblem(
                str(row["id"]),
                str(row["Question"]),
                row["Answer"],
                _kind(row),
                bool(row.get("Picture")),
            )
            for row in json.loads(text)
        ]
    except (ValueError, KeyError, TypeError) as error:
        expected = "TheoremQA: a list of questions with Answer and Answer_type"
        raise fault(str(path), expected, f"{type(error).__name__}: {error}") from error


def _kind(row: dict[str, Any]) -> str:
    kind = str(row["Answer_type"])
    if kind not in TYPES:
        raise ValueError(f"the type {kind!r}")
    return kind


def theorem_correct(
    problem: TheoremProblem, prediction: Prediction, band_for_integers: bool = False
) -> bool:
    """Whether a prediction, a text or a computed value, is right.

    Args:
        problem: the question.
        prediction: a text, or a computed value.
        band_for_integers: judge integers by the 4 % band as well as by rounding.

    Raises:
        MissingExtraError: it is LaTeX, and the extra for it is not installed.
    """
    if prediction is None:
        return False
    if problem.kind == "bool":
        said = prediction if isinstance(prediction, bool) else read_truth(str(prediction))
        return said is not None and said == problem.answer
    if problem.kind == "option":
        return read_option(str(prediction)) == read_option(str(problem.answer))
    if problem.kind.startswith("list"):
        return _lists_match(_numbers(prediction), problem.answer, band_for_integers)
    number = _number(prediction)
    return number is not None and _matches(number, problem.answer, band_for_integers)


def _number(prediction: Prediction) -> float | None:
    if isinstance(prediction, list):
        return _number(prediction[0]) if prediction else None
    if isinstance(prediction, int | float):
        return float(prediction)
    return read_number(str(prediction))


def _numbers(prediction: Prediction) -> list[float] | None:
    if not isinstance(prediction, list):
        return read_list(str(prediction))
    numbers = [_number(entry) for entry in prediction]
    known = [number for number in numbers if number is not None]
    return known if len(known) == len(numbers) else None


def _lists_match(numbers: list[float] | None, answers: Sequence[float], band: bool) -> bool:
    if numbers is None or len(numbers) != len(answers):
        return False
    pairs = zip(sorted(numbers), sorted(answers), strict=True)
    return all(_matches(number, answer, band) for number, answer in pairs)


def _matches(number: float, answer: float, band: bool) -> bool:
    """How an answer is stored says how it is compared: integers by rounding, floats by a band."""
    if not math.isfinite(number):
        return False
    if isinstance(answer, int) and (not band or round(number) == answer):
        return round(number) == answer
    return abs(number - answer) <= BAND * abs(answer)


def score_theoremqa(
    problems: Sequence[TheoremProblem],
    predictions: Mapping[str, Prediction],
    band_for_integers: bool = False,
) -> TheoremScore:
    """Score predictions by id.

    The released evaluation rounds integers. The published figure of the constant baseline,
    84 of 800, comes out on the released file when they have the band too; else it is 83.

    Raises:
        ProblemError: a prediction is for no question.
    """
    known = {problem.id: problem for problem in problems}
    check_known(predictions, known)
    right = {
        name: theorem_correct(known[name], said, band_for_integers)
        for name, said in predictions.items()
    }
    return TheoremScore(right, {name: problem.kind for name, problem in known.items()})


def constant_answers(problems: Sequence[TheoremProblem]) -> dict[str, Prediction]:
    """The baseline that reads no question: always True, "(a)" or 1000."""
    return {problem.id: _CONSTANTS.get(problem.kind, _OTHERWISE) for problem in problems}
