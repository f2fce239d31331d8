"""TimeQA: spans of text, some questions without an answer; exact match and F1 of words.

Both sides are put in lower case, without punctuation and articles. A question without an
answer has the empty text as its only reference: nothing but an empty prediction is right.

References:
    Chen et al. 2021, "A Dataset for Answering Time-Sensitive Questions" (arXiv:2108.06314);
    the measures are those of Rajpurkar et al. 2016, "SQuAD" (arXiv:1606.05250).
"""

from __future__ import annotations

import json
import re
import string
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whence.reasoning.answers.predictions import Prediction, check_known, fault, read_text

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


@dataclass(frozen=True)
class TimeProblem:
    """A question with its references.

    Attributes:
        id: of the question; in the nested file the entry's index and the place in it.
        question: as it is put.
        references: answers that are right; a single empty one where there is none.
        context: the passage, as far as the file has it.
    """

    id: str
    question: str
    references: tuple[str, ...]
    context: str = ""

    @property
    def answerable(self) -> bool:
        """Whether the passage answers it."""
        return any(self.references)


@dataclass(frozen=True)
class SpanScore:
    """Predictions, scored; each measure is 0 to 1 for a prediction.

    Attributes:
        exact: id -> exact match.
        f1: id -> F1.
        n: questions in the file.
        unanswerable: questions without an answer in the file.
    """

    exact: Mapping[str, float]
    f1: Mapping[str, float]
    n: int
    unanswerable: int

    def to_json(self) -> dict[str, Any]:
        """Means over the predictions, times 100, as the paper has them."""
        predicted = len(self.exact)
        return {
            "n": self.n,
            "predicted": predicted,
            "unanswerable": self.unanswerable,
            "correct": round(sum(self.exact.values())),
            "em": 100 * sum(self.exact.values()) / predicted,
            "f1": 100 * sum(self.f1.values()) / predicted,
        }


def read_timeqa(path: Path) -> list[TimeProblem]:
    """The questions of a released file: nested by entity, or one JSON object a line.

    Raises:
        ProblemError: it is missing or of another form.
    """
    text = read_text(path, "questions")
    try:
        whole = json.loads(text) if text.lstrip().startswith("[") else None
        if whole is not None:
            return [problem for entry in whole for problem in _nested(entry)]
        return [_flat(json.loads(line)) for line in text.splitlines() if line.strip()]
    except (ValueError, KeyError, TypeError) as error:
        expected = "TimeQA: entries with questions, or lines with idx and targets"
        raise fault(str(path), expected, f"{type(error).__name__}: {error}") from error


def _nested(entry: dict[str, Any]) -> list[TimeProblem]:
    context = "\n".join(entry["paras"])
    return [
        TimeProblem(
            f"{entry['index']}#{place}",
            str(question),
            _references([str(answer["answer"]) for answer in answers]),
            context,
        )
        for place, (question, answers) in enumerate(entry["questions"])
    ]


def _flat(row: dict[str, Any]) -> TimeProblem:
    references = _references([str(target) for target in row["targets"]])
    return TimeProblem(str(row["idx"]), str(row["question"]), references, str(row["context"]))


def _references(found: Sequence[str]) -> tuple[str, ...]:
    return tuple(text for text in found if text.strip()) or ("",)


def normalize(text: str) -> str:
    """Lower case, no punctuation, no articles, single blanks."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def exact_match(prediction: str, references: Sequence[str]) -> float:
    """1 when the prediction is one of the references, else 0."""
    said = normalize(prediction)
    return float(any(said == normalize(reference) for reference in references))


def token_f1(prediction: str, references: Sequence[str]) -> float:
    """The largest F1 of words over the references, 0 to 1."""
    said = normalize(prediction).split()
    return max(_f1(said, normalize(reference).split()) for reference in references)


def _f1(said: list[str], wanted: list[str]) -> float:
    if not said or not wanted:
        return float(said == wanted)
    common = (Counter(said) & Counter(wanted)).total()
    return 2 * common / (len(said) + len(wanted))


def score_timeqa(
    problems: Sequence[TimeProblem], predictions: Mapping[str, Prediction]
) -> SpanScore:
    """Score predictions by id; None is an empty prediction.

    Raises:
        ProblemError: a prediction is for no question, or there is none.
    """
    known = {problem.id: problem for problem in problems}
    check_known(predictions, known)
    if not predictions:
        raise fault("predictions", "at least one", "none")

    def each(measure: Callable[[str, Sequence[str]], float]) -> dict[str, float]:
        return {
            name: measure("" if said is None else str(said), known[name].references)
            for name, said in predictions.items()
        }

    unanswerable = sum(not problem.answerable for problem in problems)
    return SpanScore(each(exact_match), each(token_f1), len(known), unanswerable)


def empty_answers(problems: Sequence[TimeProblem]) -> dict[str, Prediction]:
    """The baseline that says nothing: right where there is no answer."""
    return {problem.id: "" for problem in problems}
