"""Multiple choice: from an executed value to the letter of an option.

In the paper a second question to the language model does this. `nearest_option` is what can
be done without one: the option whose number is nearest, or whose text is the same.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from whence.reasoning.programs.equality import Answer, equal

_LETTER = re.compile(r"^\s*\(?([A-Z])\s*[).:]\s*(.*)$", re.DOTALL)
_NUMBER = re.compile(r"[-−–]?\d[\d,]*(?:\.\d+)?|[-−–]?\.\d+")
_FRACTION = re.compile(r"([-−–]?\d+)\s*/\s*(\d+)")
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


def nearest_option(answer: Answer, options: Sequence[str]) -> str | None:
    """The letter of the option that a value means; None when none is near.

    Options without letters get A, B, C... by their place.
    """
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
    numbers = [option_number(text) for text in texts]
    for letter, number in zip(letters, numbers, strict=True):
        if equal(answer, number):
            return letter
    distances = [math.inf if n is None else abs(n - answer) for n in numbers]
    best = min(range(len(distances)), key=distances.__getitem__, default=None)
    if best is None or distances[best] > _FARTHEST * max(abs(answer), 1e-9):
        return None
    return letters[best]
