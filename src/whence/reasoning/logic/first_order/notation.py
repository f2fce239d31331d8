"""Formulas in the usual notation: ∀ ∃ ¬ ∧ ∨ → ↔ ⊕ = ≠, brackets, predicates, functions.

¬ binds closest, then ∧, then ∨ and ⊕, then → (to the right), then ↔. A quantifier reaches
over the bracket that follows it, and where none follows, to the end of its formula.
Several words in a row are one name.
"""

from __future__ import annotations

import re
from typing import cast

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
from whence.reasoning.logic.program import Line, Tokens

_PATTERN = re.compile(r"(?P<sign>[∀∃¬∧∨→↔⊕()=≠,])|(?P<name>[^\s∀∃¬∧∨→↔⊕()=≠,]+)")
# From the loosest to the closest.
_LEVELS: tuple[tuple[str, ...], ...] = (("↔",), ("→",), ("∨", "⊕"), ("∧",))


def parse_formula(line: Line) -> Formula:
    """Read the formula of a line.

    Raises:
        LogicError: with line and column of what cannot be read.
    """
    tokens = Tokens(line, _PATTERN)
    found = _joined(tokens, 0)
    tokens.finish()
    return found


def _joined(tokens: Tokens, level: int) -> Formula:
    if level == len(_LEVELS):
        return _single(tokens)
    left = _joined(tokens, level + 1)
    signs = _LEVELS[level]
    while tokens.at(*signs):
        sign = cast(Connective, tokens.next().text)
        # → joins to the right: a → b → c is a → (b → c).
        right = _joined(tokens, level if sign == "→" else level + 1)
        left = Joined(sign, left, right)
    return left


def _single(tokens: Tokens) -> Formula:
    if tokens.skip("¬"):
        return Negation(_single(tokens))
    if tokens.at("∀", "∃"):
        return _quantified(tokens)
    if tokens.skip("("):
        inner = _joined(tokens, 0)
        tokens.take(")")
        return inner
    return _relation(tokens)


def _quantified(tokens: Tokens) -> Formula:
    quantifier = cast(Quantifier, tokens.next().text)
    variables = [tokens.take_kind("name", "a variable").text]
    while tokens.skip(","):
        variables.append(tokens.take_kind("name", "a variable").text)
    reaches = tokens.at("(", "∀", "∃", "¬")
    body = _single(tokens) if reaches else _joined(tokens, 0)
    for variable in reversed(variables):
        body = Quantified(quantifier, variable, body)
    return body


def _relation(tokens: Tokens) -> Formula:
    term = _term(tokens, "a predicate, '¬', a quantifier or '('")
    if tokens.at("=", "≠"):
        negated = tokens.next().text == "≠"
        equal = Relation("=", (term, _term(tokens, "a term")))
        return Negation(equal) if negated else equal
    return Relation(term.name, term.arguments)


def _term(tokens: Tokens, expected: str) -> Term:
    words = [tokens.take_kind("name", expected).text]
    while tokens.peek().kind == "name":
        words.append(tokens.next().text)
    name = " ".join(words)
    if not tokens.skip("("):
        return Term(name)
    arguments = [_term(tokens, "a term")]
    while tokens.skip(","):
        arguments.append(_term(tokens, "a term"))
    if not tokens.at(")"):
        tokens.fail("',' or ')'")
    tokens.next()
    return Term(name, tuple(arguments))
