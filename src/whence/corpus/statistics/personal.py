"""Patterns of personal data: found by shape, kept only when their check digits agree.

A pattern is no proof: a version number looks like an address of the network, and a telephone
number without its country's code like any other number. Names and street addresses have no
pattern at all. So the counts say where to look, not that a corpus is clean.

References: ISO/IEC 7812-1 annex B (Luhn), ISO 13616-1 (IBAN), ITU-T E.164 (telephone numbers).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple


class Found(NamedTuple):
    """One match.

    Attributes:
        kind: which pattern.
        start: its first character.
        end: one past its last.
    """

    kind: str
    start: int
    end: int


class _Pattern(NamedTuple):
    shape: re.Pattern[str]
    accepts: Callable[[str], bool]


def luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of the others."""
    doubled = (int(digit) * (1 + position % 2) for position, digit in enumerate(reversed(digits)))
    return sum(number - 9 * (number > 9) for number in doubled) % 10 == 0


def mask(text: str) -> str:
    """A match with all letters and digits but the first hidden."""
    return text[:1] + re.sub(r"\w", "*", text[1:])


def find_personal(text: str) -> Iterator[Found]:
    """Everything in a text that looks like personal data, line by line, kind by kind."""
    end = 0
    while hint := _HINT.search(text, end):
        start = text.rfind("\n", end, hint.start()) + 1 or end
        end = text.find("\n", hint.end())
        end = len(text) if end < 0 else end
        for kind, pattern in _PATTERNS.items():
            for match in pattern.shape.finditer(text, start, end):
                if pattern.accepts(match.group()):
                    yield Found(kind, match.start(), match.end())


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)


def _is_card(text: str) -> bool:
    digits = _digits(text)
    # A number of one repeated digit passes Luhn when that digit is 0, and is no card.
    return 13 <= len(digits) <= 19 and len(set(digits)) > 1 and luhn(digits)


def _is_iban(text: str) -> bool:
    plain = text.replace(" ", "")
    turned = plain[4:] + plain[:4]
    return 15 <= len(plain) <= 34 and int("".join(str(int(c, 36)) for c in turned)) % 97 == 1


def _is_phone(text: str) -> bool:
    return 8 <= len(_digits(text)) <= 15


def _is_network_address(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return not address.is_unspecified


_NO_DIGIT = r"(?![\w])"
_PATTERNS = {
    "email": _Pattern(
        re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![\w@-])"),
        lambda text: not text.startswith("."),
    ),
    "phone": _Pattern(
        re.compile(
            r"(?<![\w.+-])(?:\+\d{1,3}(?:[ .-]?\(?\d{1,4}\)?){2,6}"
            r"|(?:\(\d{3}\) ?|\d{3}[-. ])\d{3}[-. ]\d{4})" + _NO_DIGIT
        ),
        _is_phone,
    ),
    "network address": _Pattern(
        re.compile(
            r"(?<![\w.:])(?:(?:\d{1,3}\.){3}\d{1,3}|(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4})"
            r"(?![\w.:]\w)" + _NO_DIGIT
        ),
        _is_network_address,
    ),
    "card": _Pattern(re.compile(r"(?<![\w.+-])[3-6](?:[ -]?\d){12,18}" + _NO_DIGIT), _is_card),
    "iban": _Pattern(
        re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\w)"),
        _is_iban,
    ),
    "social security": _Pattern(
        re.compile(r"(?<![\w-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-])"),
        lambda _: True,
    ),
}
# One search for what some match of each pattern must hold; no pattern goes over the end of a line,
# and most lines have nothing of it.
_HINT = re.compile(
    r"[@:\d](?:(?<=@)|(?<=:)[0-9A-Fa-f]{0,4}:"
    r"|(?<=\d)(?:\d{0,2}\.\d{1,3}\.\d|(?:[ .()-]{0,3}\d){7}|(?<=[A-Z]{2}\d)\d))"
)
PERSONAL = tuple(_PATTERNS)
"""What is looked for; `social security` is the number of the United States."""
