"""The format of LogicalDeduction: things put in order, and which option must hold.

    Domain:       1: leftmost
                  3: rightmost
    Variables:    robin [IN] [1, 2, 3]
    Constraints:  robin > crow
                  AllDifferentConstraint([robin, crow, owl])
    Query:        A) robin == 2

An option holds when its variable has that value in every solution (and there is one).

Source: Pan et al., Logic-LM (2023), appendix.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from whence.reasoning.logic.program import Line, Reading, Tokens, sections
from whence.reasoning.logic.prover import Limits, check, z3_module
from whence.reasoning.logic.solution import Solution

_PATTERN = re.compile(
    r"(?P<in>\[IN\]) | (?P<number>\d+\b) | (?P<name>\w+)"
    r" | (?P<compare>==|!=|<=|>=|<|>) | (?P<sign>[-+*()\[\],])",
    re.VERBOSE,
)
_TITLES = ("Domain:", "Variables:", "Constraints:", "Query:")
_ALL_DIFFERENT = "AllDifferentConstraint"
_OUTSIDE = ("or", "and", "not", "if", "else", "in", "is")


@dataclass(frozen=True)
class Sum:
    """A linear term: a number plus multiples of variables."""

    constant: int
    variables: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Comparison:
    """Two terms and how they compare: one of `== != < > <= >=`."""

    left: Sum
    sign: str
    right: Sum


@dataclass(frozen=True)
class Different:
    """Variables no two of which are equal."""

    names: tuple[str, ...]


@dataclass(frozen=True)
class Either:
    """At least one of the comparisons holds (reading `wide` only)."""

    parts: tuple[Comparison, ...]


Constraint = Comparison | Different | Either


@dataclass(frozen=True)
class Option:
    """An answer to choose: its letter, the variable and the value it would have."""

    letter: str
    name: str
    value: int
    line: Line


@dataclass(frozen=True)
class OrderingProgram:
    """Variables with their values, constraints with their lines, options."""

    domains: dict[str, tuple[int, ...]]
    constraints: tuple[tuple[Constraint, Line], ...]
    options: tuple[Option, ...]


def parse_ordering(program: str, reading: Reading = "standard") -> OrderingProgram:
    """Read a program of variables, constraints and options.

    Args:
        program: the text.
        reading: `wide` also takes comparisons joined by `or`.

    Raises:
        LogicError: with line and column of what cannot be read.
    """
    found = sections(program, _TITLES)
    domains: dict[str, tuple[int, ...]] = {}
    for line in found["Variables:"]:
        name, values = _variable(line)
        if name in domains:
            raise line.fault("each variable once", name)
        domains[name] = values
    read = _Reader(domains, wide=reading == "wide")
    return OrderingProgram(
        domains,
        tuple((read.constraint(line), line) for line in found["Constraints:"]),
        tuple(read.option(line) for line in found["Query:"]),
    )


def _variable(line: Line) -> tuple[str, tuple[int, ...]]:
    tokens = Tokens(line, _PATTERN)
    name = tokens.take_kind("name", "a variable").text
    tokens.take_kind("in", "'[IN]'")
    tokens.take("[")
    values = [int(tokens.take_kind("number", "a whole number").text)]
    while tokens.skip(","):
        values.append(int(tokens.take_kind("number", "a whole number").text))
    tokens.take("]")
    tokens.finish()
    return name, tuple(values)


class _Reader:
    """Reads constraints and options over declared variables."""

    def __init__(self, domains: dict[str, tuple[int, ...]], *, wide: bool) -> None:
        self._domains, self._wide = domains, wide

    def constraint(self, line: Line) -> Constraint:
        tokens = Tokens(line, _PATTERN)
        found: Constraint
        if tokens.at(_ALL_DIFFERENT):
            found = self._different(tokens)
        else:
            found = self._comparison(tokens)
            parts = [found]
            while self._wide and tokens.skip("or"):
                parts.append(self._comparison(tokens))
            found = Either(tuple(parts)) if parts[1:] else found
        tokens.finish()
        return found

    def option(self, line: Line) -> Option:
        tokens = Tokens(line, _PATTERN)
        letter = tokens.take_kind("name", "the letter of an option").text
        tokens.take(")")
        at = tokens.peek()
        comparison = self._comparison(tokens)
        tokens.finish()
        variables = comparison.left.variables
        fixed = len(variables) == 1 and variables[0][1] == 1 and not comparison.left.constant
        if comparison.sign != "==" or not fixed or comparison.right.variables:
            raise line.fault("a variable, '==' and a number", repr(line.text[at.at :]), at.at)
        return Option(letter, variables[0][0], comparison.right.constant, line)

    def _different(self, tokens: Tokens) -> Different:
        tokens.next()
        tokens.take("(")
        tokens.take("[")
        names = [self._name(tokens)]
        while tokens.skip(","):
            names.append(self._name(tokens))
        tokens.take("]")
        tokens.take(")")
        return Different(tuple(names))

    def _name(self, tokens: Tokens) -> str:
        token = tokens.peek()
        if token.kind != "name" or token.text in _OUTSIDE:
            tokens.fail("a variable")
        if token.text not in self._domains:
            tokens.fail(f"a declared variable ({', '.join(self._domains)})")
        return tokens.next().text

    def _comparison(self, tokens: Tokens) -> Comparison:
        left = self._sum(tokens)
        sign = tokens.take_kind("compare", "a comparison such as '==' or '<'").text
        return Comparison(left, sign, self._sum(tokens))

    def _sum(self, tokens: Tokens) -> Sum:
        constant, variables = 0, dict[str, int]()
        sign = -1 if tokens.skip("-") else 1
        while True:
            if tokens.peek().kind == "number":
                constant += sign * int(tokens.next().text)
            else:
                name = self._name(tokens)
                variables[name] = variables.get(name, 0) + sign
            if not tokens.at("+", "-"):
                return Sum(constant, tuple(variables.items()))
            sign = -1 if tokens.next().text == "-" else 1


def solve_ordering(
    program: str, reading: Reading = "standard", limits: Limits | None = None
) -> Solution:
    """The option that holds in every solution, with the constraints that force it.

    Args:
        program: the text.
        reading: how it is read.
        limits: of Z3's work, for each option.

    Raises:
        LogicError: the program cannot be read, or was not decided within the limits.
    """
    parsed = parse_ordering(program, reading)
    limits = limits or Limits()
    z3 = z3_module()
    variables = {name: z3.Int(name) for name in parsed.domains}
    stated = [(_build(each, variables), line.shown) for each, line in parsed.constraints]
    for name, values in parsed.domains.items():
        within = z3.Or([variables[name] == value for value in values])
        stated.append((within, f"{name} in {list(values)}"))
    formulas = [formula for formula, _ in stated]
    first = check(formulas, limits, core=True)
    if not first.satisfiable:
        return Solution(
            None, ("no solution: these contradict one another", *_told(first.core, stated))
        )
    solution = {name: first.model.eval(each).as_long() for name, each in variables.items()}
    for option in parsed.options:
        # Another value in this solution means that the option does not hold in all.
        if solution[option.name] != option.value:
            continue
        other = variables[option.name] != option.value
        found = check([*formulas, other], limits, core=True)
        if not found.satisfiable:
            head = f"{option.letter}) {option.name} == {option.value} in every solution, from"
            places = tuple(place for place in found.core if place < len(stated))
            return Solution(option.letter, (head, *_told(places, stated)))
    shown = ", ".join(f"{name} = {value}" for name, value in solution.items())
    return Solution(None, ("no option holds in every solution; one of them is", f"  {shown}"))


def _told(places: Sequence[int], stated: Sequence[tuple[Any, str]]) -> list[str]:
    return [f"  {stated[place][1]}" for place in places]


def _build(constraint: Constraint, variables: dict[str, Any]) -> Any:
    z3 = z3_module()
    if isinstance(constraint, Different):
        return z3.Distinct([variables[name] for name in constraint.names])
    if isinstance(constraint, Either):
        return z3.Or([_build(part, variables) for part in constraint.parts])
    left, right = (
        z3.Sum([z3.IntVal(term.constant), *(k * variables[name] for name, k in term.variables)])
        for term in (constraint.left, constraint.right)
    )
    compared = {
        "==": left == right,
        "!=": left != right,
        "<": left < right,
        ">": left > right,
        "<=": left <= right,
        ">=": left >= right,
    }
    return compared[constraint.sign]
