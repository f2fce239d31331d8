"""A logic program as text: sections of lines, each line with its place in the program.

All five formats share this frame. A section begins with its title and goes on to the next
title. A line may end in `::: words`, which explain it to people and are not read by solvers.

Whoever writes a program, a person or a language model, is told the line and the column of
what could not be read (`Line.fault`), counted from 1 in the program as it was given.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple, NoReturn

from whence.core.errors import LogicError

Reading = Literal["standard", "released", "wide"]
"""How programs are read.

standard: the format as it was published, and nothing besides.
released: with the faults of the release too, so that the published numbers come out.
wide: what plainly means one thing is accepted although the format does not provide for it.
"""

_NOTE = ":::"


class Line(NamedTuple):
    """One statement of a program.

    Attributes:
        text: the statement, without the blanks around it.
        note: what stood after `:::`.
        number: of the line in the program, from 1.
        column: of the statement's first character, from 1.
    """

    text: str
    note: str
    number: int
    column: int

    def fault(self, expected: str, got: str, at: int = 0) -> LogicError:
        """The complaint about what stands `at` characters into this line."""
        return LogicError(
            f"line {self.number}, column {self.column + at}",
            expected=expected,
            got=got,
            fix=f"The line is: {self.text}" if self.text else "The line is empty.",
        )

    @property
    def shown(self) -> str:
        """The statement as proofs quote it: its note where it has one, and itself."""
        return f"{self.text}   ({self.note})" if self.note else self.text


def sections(
    program: str, titles: Sequence[str], optional: Sequence[str] = ()
) -> dict[str, tuple[Line, ...]]:
    """The lines of each section; empty lines are left out.

    Args:
        program: the whole text.
        titles: what each section begins with, such as `Facts:`, in their order.
        optional: titles that may be missing, and are then missing in the answer.

    Raises:
        LogicError: a title is missing or stands there twice.
    """
    found: dict[str, tuple[Line, ...]] = {}
    end = len(program)
    for title in reversed(titles):
        starts = [m.start() for m in re.finditer(re.escape(title), program[:end])]
        if len(starts) == 1:
            found[title] = _lines(program, starts[0] + len(title), end)
            end = starts[0]
        elif title not in optional:
            _complain(program, title, starts)
    return found


def _complain(program: str, title: str, starts: list[int]) -> NoReturn:
    lines = [program.count("\n", 0, start) + 1 for start in starts]
    raise LogicError(
        f"line {lines[1]}" if lines else "program",
        expected=f"one section {title!r}",
        got=f"{len(lines)}, on lines {', '.join(map(str, lines))}" if lines else "none",
        fix="Every section has its title, once, and in the order of the format.",
    )


def _lines(program: str, start: int, end: int) -> tuple[Line, ...]:
    first = program.count("\n", 0, start) + 1
    margin = start - (program.rfind("\n", 0, start) + 1)
    lines = []
    for row, raw in enumerate(program[start:end].split("\n")):
        text, _, note = raw.partition(_NOTE)
        column = len(text) - len(text.lstrip()) + 1 + (margin if row == 0 else 0)
        if text.strip():
            lines.append(Line(text.strip(), note.strip(), first + row, column))
    return tuple(lines)


class Token(NamedTuple):
    """A word or sign of a line.

    Attributes:
        kind: the name of the group of the pattern that matched it.
        text: as it stands there.
        at: how many characters of the line come before it.
    """

    kind: str
    text: str
    at: int


class Tokens:
    """The tokens of a line, taken one after another; complaints name the place.

    Args:
        line: what is read.
        pattern: one named group for each kind of token; blanks between tokens are skipped.

    Raises:
        LogicError: a character that begins no token.
    """

    def __init__(self, line: Line, pattern: re.Pattern[str]) -> None:
        self.line, self._next = line, 0
        self._tokens: list[Token] = []
        at, text = 0, line.text
        while at < len(text):
            if text[at].isspace():
                at += 1
                continue
            match = pattern.match(text, at)
            if match is None or not match.lastgroup:
                raise line.fault("a name, a number or a sign of the format", repr(text[at]), at)
            self._tokens.append(Token(match.lastgroup, match.group(), at))
            at = match.end()
        self._end = Token("end", "", len(text))

    def peek(self, ahead: int = 0) -> Token:
        """The token that comes next, or one after it; kind `end` after the last."""
        place = self._next + ahead
        return self._tokens[place] if place < len(self._tokens) else self._end

    def next(self) -> Token:
        """Take the next token."""
        token = self.peek()
        self._next += token.kind != "end"
        return token

    def at(self, *texts: str) -> bool:
        """Whether one of these signs or words comes next."""
        return self.peek().text in texts

    def skip(self, text: str) -> bool:
        """Take this sign if it comes next, and say whether it did."""
        found = self.at(text)
        self._next += found
        return found

    def take(self, text: str) -> Token:
        """Take a sign that must come next.

        Raises:
            LogicError: something else comes next.
        """
        if not self.at(text):
            self.fail(f"{text!r}")
        return self.next()

    def take_kind(self, kind: str, expected: str) -> Token:
        """Take a token of a kind that must come next.

        Raises:
            LogicError: a token of another kind comes next.
        """
        if self.peek().kind != kind:
            self.fail(expected)
        return self.next()

    def mark(self) -> int:
        """A place to come back to."""
        return self._next

    def back(self, mark: int) -> None:
        """Come back to a marked place."""
        self._next = mark

    def finish(self) -> None:
        """Nothing may be left.

        Raises:
            LogicError: something is left.
        """
        if self.peek().kind != "end":
            self.fail("the end of the line")

    def fail(self, expected: str) -> NoReturn:
        """Complain about the token that comes next."""
        token = self.peek()
        got = "the end of the line" if token.kind == "end" else repr(token.text)
        raise self.line.fault(expected, got, token.at)
