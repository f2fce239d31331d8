"""Multiple choice: from an executed value to the letter of an option.

In the paper a second question to the language model does this. `nearest_option` is what can
be done without one: the option whose numbers are nearest, or whose text is the same.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from whence.reasoning.programs.equality import as_answer, equal

_LETTER = re.compile(r"^\s*\(?([A-Z])\s*[).:]\s*(.*)$", re.DOTALL)
_NUMBER = re.compile(r"[-−–]?\d[\d,]*(?:\.\d+)?|[-−–]?\.\d+")
_FRACTION = re.compile(r"([-−–]?\d+)\s*/\s*(\d+)")
_NONE = re.compile(r"^none(?: of (?:these|those|them|the above|the options))?\W*$", re.IGNORECASE)
_FARTHEST = 0.05  # relative distance beyond which no option is meant


def split_option(option: str) -> tuple[str | None, str]:
    """Letter and text of "A)36"; None where an option has no letter."""
    found = _LETTER.match(option)
    return (found[1], found[2].strip()) if found else (None, option.strip())


def option_number(text: str) -> float | None:
    """The number that an option shows, if it shows one; "3/4" is 0.75, "12:5" none."""
    fraction = _FRACTION.search(text)
    if fraction and int(fraction[2]):
        return _sign(fraction[1]) / int(fraction[2])
    numbers = _NUMBER.findall(text)
    return _sign(numbers[0].replace(",", "")) if len(numbers) == 1 else None


def _sign(text: str) -> float:
    return float(text.replace("−", "-").replace("–", "-"))


def nearest_option(value: Any, options: Sequence[str]) -> str | None:
    """The letter of the option that an executed value means; None when none is near.

    An option of the same text or letter comes first, then the nearest number. Several numbers
    mean an option that shows as many, each near. A number that is near none of them means
    "none of these", where that can be chosen.

    Args:
        value: a number or text, a symbolic result, or several of them.
        options: options without letters get A, B, C... by their place.
    """
    answer = as_answer(value)
    if answer is None:
        return None
    split = [split_option(option) for option in options]
    letters = [letter or chr(ord("A") + place) for place, (letter, _) in enumerate(split)]
    texts = [text for _, text in split]
    for letter, text in zip(letters, texts, strict=True):
        if str(answer).strip().casefold() in (text.casefold(), letter.casefold()):
            return letter
    if isinstance(answer, bool | str):
        return None
    place = _by_several(value, texts) if _is_several(value) else None
    place = _by_number(answer, texts) if place is None else place
    if place is None:
        none = [k for k, text in enumerate(texts) if _NONE.match(text)]
        place = none[0] if none else None
    return None if place is None else letters[place]


def _by_number(answer: float, texts: Sequence[str]) -> int | None:
    numbers = [option_number(text) for text in texts]
    for place, number in enumerate(numbers):
        if equal(answer, number):
            return place
    distances = [math.inf if n is None else abs(n - answer) for n in numbers]
    best = min(range(len(distances)), key=distances.__getitem__, default=None)
    if best is None or distances[best] > _FARTHEST * max(abs(answer), 1e-9):
        return None
    return best


def _is_several(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) > 1


def _by_several(value: Sequence[Any], texts: Sequence[str]) -> int | None:
    """The option that shows as many numbers as there are values, in any order, each near."""
    ours = [as_answer(entry) for entry in value]
    known = sorted(each for each in ours if isinstance(each, float))
    if len(known) < len(ours):
        return None
    found: list[tuple[float, int]] = []
    for place, text in enumerate(texts):
        shown = sorted(_sign(number.replace(",", "")) for number in _NUMBER.findall(text))
        if len(shown) == len(known):
            pairs = zip(known, shown, strict=True)
            found.append((max(abs(a - b) / max(abs(a), 1e-9) for a, b in pairs), place))
    distance, best = min(found, default=(math.inf, None))
    return best if distance <= _FARTHEST else None
