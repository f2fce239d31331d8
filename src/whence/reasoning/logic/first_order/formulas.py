"""First-order formulas as trees."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Connective = Literal["∧", "∨", "→", "↔", "⊕"]
Quantifier = Literal["∀", "∃"]
# The names of variables when no quantifier binds them, as Prover9 takes them.
_FREE = re.compile(r"[u-z]$")


@dataclass(frozen=True)
class Term:
    """A constant, a variable, or with arguments a function of them."""

    name: str
    arguments: tuple[Term, ...] = ()


@dataclass(frozen=True)
class Relation:
    """A predicate of terms; `=` of two is equality."""

    name: str
    terms: tuple[Term, ...]


@dataclass(frozen=True)
class Negation:
    """What does not hold."""

    body: Formula


@dataclass(frozen=True)
class Joined:
    """Two formulas and what joins them."""

    sign: Connective
    left: Formula
    right: Formula


@dataclass(frozen=True)
class Quantified:
    """For all, or for some, things."""

    quantifier: Quantifier
    variable: str
    body: Formula


Formula = Relation | Negation | Joined | Quantified


def closed(formula: Formula) -> Formula:
    """The formula with its free variables (single letters u to z) bound by ∀ in front."""
    free = {name for name in _free_names(formula, frozenset()) if _FREE.match(name)}
    for name in sorted(free, reverse=True):
        formula = Quantified("∀", name, formula)
    return formula


def _free_names(formula: Formula, bound: frozenset[str]) -> Iterator[str]:
    if isinstance(formula, Relation):
        for term in formula.terms:
            yield from (name for name in _names(term) if name not in bound)
    elif isinstance(formula, Negation):
        yield from _free_names(formula.body, bound)
    elif isinstance(formula, Joined):
        yield from _free_names(formula.left, bound)
        yield from _free_names(formula.right, bound)
    else:
        yield from _free_names(formula.body, bound | {formula.variable})


def _names(term: Term) -> Iterator[str]:
    if not term.arguments:
        yield term.name
    for argument in term.arguments:
        yield from _names(argument)
