"""TAT-QA: answers with a scale, compared as its own scorer compares them.

An answer is one or several texts or numbers and a scale ("thousand", "percent", ...). Both
sides are turned into one line of text in which numbers have their scale multiplied in, then
normalised word by word, and must be the same. A number without a scale may also be meant as
the share behind a percentage.

References:
    Zhu et al. 2021, "TAT-QA" (arXiv:2105.07624), and its released evaluation.
"""

from __future__ import annotations

import math
import re
import string
from collections.abc import Sequence
from typing import Any

_SCALES = (("hundred", 100), ("thousand", 10**3), ("million", 10**6), ("billion", 10**9))
_NOT_IN_NUMBERS = str.maketrans("", "", "'\"\\$€£¥%(),[]")
_ARTICLES = re.compile(r"\b(a|an|the)\b")
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?|[+-]?\.\d+")
_IN_BRACKETS = re.compile(r"\([\d.\s]+\)")
_PERCENT = re.compile(r"[\d.\s]+%")
_WITH_UNIT = re.compile(r"[\d.]+\s?[a-zA-Z]+")


def scale_factor(text: str) -> float:
    """The number behind a word of scale; 1 where there is none."""
    text = text.lower()
    for word, factor in _SCALES:
        if word in text:
            return factor
    return 0.01 if "percent" in text else 1


def is_number(text: str) -> bool:
    """Whether a text is a number, perhaps with a word of scale behind it."""
    words = " ".join(word.translate(_NOT_IN_NUMBERS) for word in text.split()).split()
    try:
        value = float(words[0])
    except (IndexError, ValueError):
        return False
    return not math.isnan(value) and (len(words) < 2 or scale_factor(words[1]) != 1)


def to_number(text: str) -> float | None:
    """The value of a text that is a number: "(1.5) million" is -1500000, "3%" is 0.03.

    Whole numbers stay whole: as in the released scorer the words 2018 and 2018.0 differ.
    """
    found = _NUMBER.findall(text.translate(_NOT_IN_NUMBERS))
    # The last one counts, and none that begins with its point, as in the released scorer.
    if not found or found[-1].lstrip("+-").startswith("."):
        return None
    unit = _WITH_UNIT.search(text)
    factor = scale_factor(unit[0]) if unit else 1
    sign = -1 if _IN_BRACKETS.search(text.strip()) else 1
    percent = 0.01 if _PERCENT.search(text.strip()) else 1
    number = float(found[-1]) if "." in found[-1] else int(found[-1])
    return round(number * factor * sign * percent, 4)


def normalize(text: str) -> str:
    """Lower case, no punctuation outside numbers, no articles, numbers in one spelling."""
    return " ".join(part for word in re.split(r"[ ]", text.lower()) if (part := _word(word)))


def _word(word: str) -> str:
    if not is_number(word):
        word = "".join(c for c in word if c not in string.punctuation)
    if is_number(word):
        word = str(to_number(word))
    return " ".join(_ARTICLES.sub(" ", word).split())


def one_line(answers: Sequence[Any], scale: str) -> str:
    """An answer as one line: its entries in order, scales multiplied in.

    Numbers are put in order by value and texts by the alphabet, so that the numbers 5912 and
    19812 differ from the texts "5,912" and "19,812", as in the released scorer.
    """
    numbers = all(isinstance(answer, int | float) for answer in answers)
    ordered = sorted(answers) if numbers else sorted(map(str, answers))
    return " ".join(_scaled(str(entry), scale) for entry in ordered)


def _scaled(entry: str, scale: str) -> str:
    value = to_number(entry) if is_number(entry) else None
    if value is None:
        return f"{entry} {scale}" if scale else entry
    if "%" in entry:
        return f"{value:.4f}"
    return f"{round(value, 2) * scale_factor(scale):.4f}"


def _readings(answers: Sequence[Any], scale: str) -> list[str]:
    """The lines that an answer may mean: itself, and for a bare number its value as it is."""
    lines = [one_line(answers, scale)]
    if len(answers) == 1 and not scale:
        text = str(answers[0])
        value = to_number(text) if "%" not in text and is_number(text) else None
        if value is not None:
            lines.append(f"{value:.4f}")
    return lines


def exact_match(prediction: Any, scale: str, reference: Any, reference_scale: str) -> bool:
    """Whether a prediction with its scale is the reference with its own."""
    wanted = list(reference) if isinstance(reference, list | tuple) else [reference]
    # A prediction of 0 counts as none, as in the released scorer; the text "0" does not.
    if not prediction or not wanted:
        return False
    predicted = list(prediction) if isinstance(prediction, list | tuple) else [prediction]
    right = normalize(one_line(wanted, reference_scale))
    return any(normalize(line) == right for line in _readings(predicted, scale))
