"""The format of ProntoQA and ProofWriter: facts and rules with explicit truth values.

    Predicates:  Round($x, bool)
    Facts:       Round(Anne, True)
    Rules:       Round($x, True) && Red($x, True) >>> Rough($x, True)
    Query:       Rough(Anne, False)

The last argument of an atom is its truth value. There is no negation: `Round(Anne, False)`
is a statement of its own, so both or neither may be derived (an open world).

Source: Pan et al., Logic-LM (2023), appendix.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from whence.core.errors import LogicError
from whence.reasoning.logic.program import Line, Reading, Tokens, sections

_PATTERN = re.compile(
    r"""(?P<and>&&) | (?P<then>>>>) | (?P<name>\$?\w+) | (?P<quoted>'[\w ]+'|"[\w ]+")
    | (?P<sign>[(),!~¬])""",
    re.VERBOSE,
)
# What the release reads of a query: a name, one argument, and all up to the closing bracket.
_RELEASED_QUERY = re.compile(r"(\w+)\(([^,]+),\s*([^)]+)\)")
_TITLES = ("Predicates:", "Facts:", "Rules:", "Query:")
_NEGATED = {"True": "False", "False": "True"}
_NEGATIONS = ("!", "~", "¬", "not", "Not", "NOT")


class Atom(NamedTuple):
    """A predicate of arguments, the last of which is its truth value.

    Attributes:
        predicate: its name.
        arguments: names of things, `$variables`, and at the end `True` or `False`.
    """

    predicate: str
    arguments: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.predicate}({', '.join(self.arguments)})"


@dataclass(frozen=True)
class Rule:
    """If all premises hold, all conclusions do.

    Attributes:
        premises: atoms, `$variables` in them stand for any thing.
        conclusions: atoms over the variables of the premises.
        line: where the rule stands.
    """

    premises: tuple[Atom, ...]
    conclusions: tuple[Atom, ...]
    line: Line


@dataclass(frozen=True)
class Query:
    """What is asked: whether the predicate has this value for these things.

    Attributes:
        predicate: its name.
        things: the arguments before the truth value.
        value: the truth value that is asked about.
        line: where the query stands.
    """

    predicate: str
    things: tuple[str, ...]
    value: bool
    line: Line


@dataclass(frozen=True)
class RuleProgram:
    """Facts with the lines that state them, rules, and one query."""

    facts: tuple[tuple[Atom, Line], ...]
    rules: tuple[Rule, ...]
    query: Query


def parse_rules(program: str, reading: Reading = "standard", *, unary: bool = False) -> RuleProgram:
    """Read a program of facts and rules.

    Statements are told apart by `>>>` where one of the two sections is missing or empty.
    Facts with the variable `$x` state nothing about anybody and are left out. A truth value
    other than True is a value of its own, which no query asks about.

    Args:
        program: the text.
        reading: `wide` also takes names of several words and negated atoms, `!P(x, True)`.
        unary: the query is a predicate of one thing, and what follows it is ignored.

    Raises:
        LogicError: with line and column of what cannot be read.
    """
    found = sections(program, _TITLES, optional=_TITLES[:3])
    facts, rules = found.get("Facts:", ()), found.get("Rules:", ())
    if not facts or not rules:
        lines = (*facts, *rules)
        if not {"Facts:", "Rules:"} & found.keys():
            raise LogicError(
                "program",
                expected="facts and rules before the query",
                got="neither",
                fix="Write the sections in the order of the format.",
            )
        facts = tuple(line for line in lines if ">>>" not in line.text)
        rules = tuple(line for line in lines if ">>>" in line.text)
    wide = reading == "wide"
    if not found["Query:"]:
        raise LogicError(
            "program", expected="a query", got="an empty section", fix="Write one atom there."
        )
    asked = found["Query:"][0]
    return RuleProgram(
        tuple((_fact(line, wide), line) for line in facts if "$x" not in line.text),
        tuple(_rule(line, wide) for line in rules),
        _released_query(asked) if unary or reading == "released" else _query(asked, wide),
    )


def _fact(line: Line, wide: bool) -> Atom:
    tokens = Tokens(line, _PATTERN)
    atom = _atom(tokens, wide)
    tokens.finish()
    return atom


def _rule(line: Line, wide: bool) -> Rule:
    tokens = Tokens(line, _PATTERN)
    premises = _atoms(tokens, wide)
    tokens.take(">>>")
    conclusions = _atoms(tokens, wide)
    tokens.finish()
    return Rule(premises, conclusions, line)


def _atoms(tokens: Tokens, wide: bool) -> tuple[Atom, ...]:
    atoms = [_atom(tokens, wide)]
    while tokens.skip("&&"):
        atoms.append(_atom(tokens, wide))
    return tuple(atoms)


def _atom(tokens: Tokens, wide: bool) -> Atom:
    if wide and tokens.at(*_NEGATIONS):
        return _negated(tokens)
    name = tokens.take_kind("name", "the name of a predicate")
    bracket = tokens.peek()
    if bracket.text == "(" and bracket.at > name.at + len(name.text):
        tokens.fail("'(' right after the name")
    tokens.take("(")
    arguments = [_argument(tokens, wide)]
    while tokens.skip(","):
        arguments.append(_argument(tokens, wide))
    if not tokens.at(")"):
        tokens.fail("',' or ')'")
    tokens.next()
    return Atom(name.text, tuple(arguments))


def _argument(tokens: Tokens, wide: bool) -> str:
    token = tokens.peek()
    if token.kind not in ("name", "quoted"):
        tokens.fail("a name, a $variable or a truth value")
    words = [tokens.next().text]
    while wide and tokens.peek().kind == "name":
        words.append(tokens.next().text)
    return " ".join(words)


def _negated(tokens: Tokens) -> Atom:
    tokens.next()
    bracket = tokens.skip("(")
    atom = _atom(tokens, wide=True)
    if bracket:
        tokens.take(")")
    value = atom.arguments[-1]
    if value not in _NEGATED:
        raise tokens.line.fault("True or False as the last argument of what is negated", value)
    return Atom(atom.predicate, (*atom.arguments[:-1], _NEGATED[value]))


def _query(line: Line, wide: bool) -> Query:
    atom = _fact(line, wide)
    value = atom.arguments[-1]
    if wide and value not in _NEGATED:
        raise line.fault("True or False as the last argument", value)
    return Query(atom.predicate, atom.arguments[:-1], value == "True", line)


def _released_query(line: Line) -> Query:
    match = _RELEASED_QUERY.match(line.text)
    if match is None:
        raise line.fault("a predicate of one thing and a truth value", repr(line.text))
    return Query(match[1], (match[2],), match[3] == "True", line)
