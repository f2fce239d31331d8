"""Expressions as trees: names, numbers, calls, lists, binders, arithmetic, comparisons."""

from __future__ import annotations

import re
from dataclasses import dataclass

from whence.reasoning.logic.program import Line, Tokens

_PATTERN = re.compile(
    r"""(?P<number>\d+(?![\w.])) | (?P<name>[A-Za-z_]\w*) | (?P<compare>==|!=|<=|>=|<|>)
    | (?P<sign>[-+*%()\[\],:])""",
    re.VERBOSE,
)
_NOT_NAMES = {
    *("and", "or", "not", "if", "else", "for", "in", "is", "lambda", "while", "return", "import"),
}


@dataclass(frozen=True)
class Number:
    """A whole number."""

    value: int


@dataclass(frozen=True)
class Name:
    """A member, a variable, a list of members, or a truth value."""

    text: str
    at: int


@dataclass(frozen=True)
class Listed:
    """Expressions in square brackets."""

    items: tuple[Expression, ...]


@dataclass(frozen=True)
class Call:
    """A function of arguments."""

    function: str
    arguments: tuple[Expression, ...]
    at: int


@dataclass(frozen=True)
class Binder:
    """`ForAll([x:S, y:T], body)` and its like.

    Attributes:
        function: ForAll, Exists, Count or Distinct.
        variables: each with the names of lists (joined by +) that it goes through.
        body: the expression over them.
        at: characters before it in its line.
    """

    function: str
    variables: tuple[tuple[str, tuple[str, ...]], ...]
    body: Expression
    at: int


@dataclass(frozen=True)
class Operation:
    """Two expressions and the sign between them, or `-` before one (`left` is then 0)."""

    sign: str
    left: Expression
    right: Expression
    at: int


Expression = Number | Name | Listed | Call | Binder | Operation
BINDERS = ("ForAll", "Exists", "Count", "Distinct")


def parse_expression(line: Line) -> Expression:
    """Read the one expression of a line.

    Raises:
        LogicError: with line and column of what cannot be read.
    """
    tokens = Tokens(line, _PATTERN)
    found = _comparison(tokens)
    tokens.finish()
    return found


def _comparison(tokens: Tokens) -> Expression:
    left = _sum(tokens)
    token = tokens.peek()
    if token.kind != "compare":
        return left
    tokens.next()
    found = Operation(token.text, left, _sum(tokens), token.at)
    if tokens.peek().kind == "compare":
        tokens.fail("one comparison (join two with And)")
    return found


def _sum(tokens: Tokens) -> Expression:
    left = _product(tokens)
    while tokens.at("+", "-"):
        token = tokens.next()
        left = Operation(token.text, left, _product(tokens), token.at)
    return left


def _product(tokens: Tokens) -> Expression:
    left = _unary(tokens)
    while tokens.at("*", "%"):
        token = tokens.next()
        left = Operation(token.text, left, _unary(tokens), token.at)
    return left


def _unary(tokens: Tokens) -> Expression:
    if tokens.at("-"):
        token = tokens.next()
        return Operation("-", Number(0), _unary(tokens), token.at)
    return _primary(tokens)


def _primary(tokens: Tokens) -> Expression:
    token = tokens.peek()
    if token.kind == "number":
        return Number(int(tokens.next().text))
    if tokens.skip("("):
        inner = _comparison(tokens)
        tokens.take(")")
        return inner
    if tokens.skip("["):
        return Listed(_items(tokens, "]"))
    if token.kind != "name" or token.text in _NOT_NAMES:
        tokens.fail("an expression")
    tokens.next()
    if not tokens.skip("("):
        return Name(token.text, token.at)
    if token.text in BINDERS and tokens.at("[") and tokens.peek(2).text == ":":
        return _binder(tokens, token.text, token.at)
    return Call(token.text, _items(tokens, ")"), token.at)


def _items(tokens: Tokens, end: str) -> tuple[Expression, ...]:
    items = []
    while not tokens.skip(end):
        items.append(_comparison(tokens))
        if not tokens.at(",", end):
            tokens.fail(f"',' or '{end}'")
        tokens.skip(",")
    return tuple(items)


def _binder(tokens: Tokens, function: str, at: int) -> Binder:
    tokens.take("[")
    variables = []
    while not tokens.skip("]"):
        name = tokens.take_kind("name", "a variable").text
        tokens.take(":")
        lists = [tokens.take_kind("name", "the name of a sort").text]
        while tokens.skip("+"):
            lists.append(tokens.take_kind("name", "the name of a sort").text)
        variables.append((name, tuple(lists)))
        if not tokens.at(",", "]"):
            tokens.fail("',' or ']'")
        tokens.skip(",")
    if function == "Distinct" and len(variables) > 1:
        raise tokens.line.fault("one variable for Distinct", str(len(variables)), at)
    tokens.take(",")
    body = _comparison(tokens)
    tokens.take(")")
    return Binder(function, tuple(variables), body, at)
