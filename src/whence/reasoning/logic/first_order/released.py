"""Formulas as the released parser reads them, faults included.

It parses twice. A grammar without inner quantifiers, functions and equality says which names
are predicates, constants and variables; on long chains of connectives it does not come to an
end. Then a lexer is made from those names as they are, so that a name which is a predicate
and a constant of one formula, or begins another name, is taken for the wrong thing; and where
its second grammar (all connectives of one strength, joined to the left) meets an error, it
drops what it has read and starts again behind it. So some formulas that are fine are refused,
and of a few only the last part is read. The published numbers contain all of this.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn, cast

from whence.reasoning.logic.first_order.formulas import (
    Connective,
    Formula,
    Joined,
    Negation,
    Quantified,
    Quantifier,
    Relation,
    Term,
)
from whence.reasoning.logic.program import Line

_CONNECTIVES = ("⊕", "∨", "∧", "→", "↔")
_SIGNS = (*_CONNECTIVES, "∀", "∃", "¬", "(", ")", ",")
# A chain of as many connectives as this takes the release longer than the minute it allows.
_TOO_LONG = 7


@dataclass
class _Names:
    """Names by their role, in the order of their first appearance."""

    variables: dict[str, None] = field(default_factory=dict)
    predicates: dict[str, None] = field(default_factory=dict)
    terms: dict[str, None] = field(default_factory=dict)


@dataclass(frozen=True)
class _Stop(Exception):  # noqa: N818 - not a fault: the place where a parse ended
    """A parse cannot go on at this token."""

    place: int


def parse_released(line: Line) -> Formula:
    """Read the formula of a line.

    Raises:
        LogicError: the release would not read it.
    """
    tokens = _words(line.text)
    names = _Names()
    recognizer = _Recognizer(tokens, names)
    try:
        recognizer.sentence()
        recognizer.finish()
    except _Stop as stop:
        _complain(line, tokens, stop.place)
    if recognizer.longest >= _TOO_LONG:
        raise line.fault(
            "a chain that the released parser ends", f"{recognizer.longest} connectives"
        )
    return _second_parse(line, tokens, names)


def _complain(line: Line, tokens: list[str], place: int) -> NoReturn:
    got = repr(tokens[place]) if place < len(tokens) else "the end of the line"
    raise line.fault("what the released grammar provides for", got)


def _words(text: str) -> list[str]:
    """Signs and names; words in a row become one name, each with a capital letter."""
    for sign in _SIGNS:
        text = text.replace(sign, f" {sign} ")
    found: list[str] = []
    words: list[str] = []
    for raw in text.split():
        word = raw.replace("'", "")
        if len(word) > 1:
            words.append(word[0].upper() + word[1:])
        elif word:
            found += ["".join(words), word] if words else [word]
            words = []
    return [*found, "".join(words)] if words else found


class _Parser:
    """Takes words one after another."""

    def __init__(self, words: list[str]) -> None:
        self.words, self.place = words, 0

    def peek(self) -> str:
        return self.words[self.place] if self.place < len(self.words) else ""

    def take(self, word: str) -> None:
        if self.peek() != word:
            raise _Stop(self.place)
        self.place += 1

    def name(self) -> str:
        word = self.peek()
        if not word or word in _SIGNS:
            raise _Stop(self.place)
        self.place += 1
        return word

    def finish(self) -> None:
        if self.place < len(self.words):
            raise _Stop(self.place)


class _Recognizer(_Parser):
    """The first grammar: quantifiers in front, then connectives over literals."""

    def __init__(self, words: list[str], names: _Names) -> None:
        super().__init__(words)
        self._names, self.longest = names, 0

    def sentence(self) -> None:
        if self.peek() in ("∀", "∃"):
            while self.peek() in ("∀", "∃"):
                self.place += 1
                self._names.variables[self.name()] = None
            self._chain()
        else:
            self._either(self._whole_chain, self._wrapped)

    def _whole_chain(self) -> None:
        self._chain()
        if self.peek() not in ("", ")"):
            raise _Stop(self.place)

    def _wrapped(self) -> None:
        if self.peek() == "¬":
            self.place += 1
            self.sentence()
        else:
            self.take("(")
            self.sentence()
            self.take(")")

    def _either(self, first: Callable[[], None], second: Callable[[], None]) -> None:
        start = self.place
        try:
            first()
        except _Stop as stop:
            self.place = start
            try:
                second()
            except _Stop as other:
                raise max(stop, other, key=lambda each: each.place) from None

    def _chain(self) -> None:
        self._literal()
        length = 0
        while self.peek() in _CONNECTIVES:
            self.place += 1
            length += 1
            self._literal()
        self.longest = max(self.longest, length)

    def _literal(self) -> None:
        if self.peek() == "¬":
            self.place += 1
        if self.peek() == "(":
            self.place += 1
            self._chain()
            self.take(")")
            return
        self._names.predicates[self.name()] = None
        self.take("(")
        self._names.terms[self.name()] = None
        while self.peek() == ",":
            self.place += 1
            self._names.terms[self.name()] = None
        self.take(")")


def _second_parse(line: Line, words: list[str], names: _Names) -> Formula:
    tokens = _mistaken(line, words, names)
    start = 0
    while True:
        reader = _Reader(tokens[start:])
        try:
            found = reader.sentence()
            reader.finish()
        except _Stop as stop:
            start += stop.place + 1
            if start > len(tokens):
                got = "a name that is two things, or begins another"
                raise line.fault("names that the released lexer tells apart", got) from None
            continue
        return found


def _mistaken(line: Line, words: list[str], names: _Names) -> list[tuple[str, str]]:
    """Tokens as a lexer made from bare names finds them: the kind with the most text first."""
    constants = [name for name in names.terms if name not in names.variables]
    kinds = {
        "VAR": "|".join(names.variables) or "x",
        "PRED": "|".join(names.predicates) or "PRED",
        "CONST": "|".join(constants) or "0",
        "OP": "|".join(_CONNECTIVES),
        "QUANT": "∀|∃",
        "NOT": "¬",
        "LPAREN": r"\(",
        "RPAREN": r"\)",
        "COMMA": ",",
    }
    ordered = sorted(kinds.items(), key=lambda kind: -len(kind[1]))
    try:
        pattern = re.compile("|".join(f"(?P<{kind}>{text})" for kind, text in ordered))
    except re.error as error:
        raise line.fault("names without signs", f"{error}") from error
    text, at, tokens = " ".join(words), 0, []
    while at < len(text):
        match = pattern.match(text, at)
        if match is None or match.end() == at:
            at += 1  # the release's lexer drops what it does not know
            continue
        tokens.append((cast(str, match.lastgroup), match.group()))
        at = match.end()
    return tokens


class _Reader:
    """The second grammar, over tokens with their kinds."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens, self._place = tokens, 0

    def _kind(self, ahead: int = 0) -> str:
        place = self._place + ahead
        return self._tokens[place][0] if place < len(self._tokens) else "END"

    def _take(self, *kinds: str) -> str:
        if self._kind() not in kinds:
            raise _Stop(self._place)
        self._place += 1
        return self._tokens[self._place - 1][1]

    def finish(self) -> None:
        if self._kind() != "END":
            raise _Stop(self._place)

    def sentence(self) -> Formula:
        if self._kind() == "QUANT":
            quantifier = cast(Quantifier, self._take("QUANT"))
            return Quantified(quantifier, self._take("VAR"), self.sentence())
        if self._kind() == "NOT" and self._kind(1) not in ("LPAREN", "PRED"):
            self._take("NOT")
            return Negation(self.sentence())
        return self._chain()

    def _chain(self) -> Formula:
        left = self._literal()
        while self._kind() == "OP":
            sign = cast(Connective, self._take("OP"))
            left = Joined(sign, left, self._literal())
        return left

    def _literal(self) -> Formula:
        if self._kind() == "NOT":
            self._take("NOT")
            if self._kind() not in ("LPAREN", "PRED"):
                raise _Stop(self._place)
            return Negation(self._literal())
        if self._kind() == "LPAREN":
            self._take("LPAREN")
            inner = self._chain()
            self._take("RPAREN")
            return inner
        if self._kind() == "VAR":
            return Relation(self._take("VAR"), ())
        name = self._take("PRED")
        self._take("LPAREN")
        terms = [Term(self._take("CONST", "VAR"))]
        while self._kind() == "COMMA":
            self._take("COMMA")
            terms.append(Term(self._take("CONST", "VAR")))
        self._take("RPAREN")
        return Relation(name, tuple(terms))
