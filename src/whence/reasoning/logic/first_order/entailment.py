"""Does the conclusion follow, does its negation, or neither? Asked of Z3."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from whence.core.errors import LogicError
from whence.reasoning.logic.first_order.formulas import (
    Formula,
    Joined,
    Negation,
    Quantified,
    Relation,
    Term,
    closed,
)
from whence.reasoning.logic.first_order.notation import parse_formula
from whence.reasoning.logic.first_order.released import parse_released
from whence.reasoning.logic.program import Line, Reading, sections
from whence.reasoning.logic.prover import Limits, check, z3_module
from whence.reasoning.logic.solution import Solution

_TITLES = ("Predicates:", "Premises:", "Conclusion:")
_FEW = 8


@dataclass(frozen=True)
class FirstOrderProgram:
    """Premises with their lines, and a conclusion."""

    premises: tuple[tuple[Formula, Line], ...]
    conclusion: tuple[Formula, Line]


def parse_first_order(program: str, reading: Reading = "standard") -> FirstOrderProgram:
    """Read premises and the conclusion; free variables are bound by ∀.

    Args:
        program: the text.
        reading: `released` takes the released parser's grammar, faults included.

    Raises:
        LogicError: with line and column of what cannot be read.
    """
    found = sections(program, _TITLES, optional=_TITLES[:1])
    if not found["Conclusion:"]:
        raise LogicError(
            "program", expected="a conclusion", got="an empty section", fix="Write one formula."
        )
    parse = parse_released if reading == "released" else parse_formula
    asked = found["Conclusion:"][0]
    return FirstOrderProgram(
        tuple((closed(parse(line)), line) for line in found["Premises:"]),
        (closed(parse(asked)), asked),
    )


def solve_first_order(
    program: str, reading: Reading = "standard", limits: Limits | None = None
) -> Solution:
    """A when the conclusion follows, B when its negation does, C when neither does.

    The evidence is the premises that it follows from, or a world in which the premises hold
    and the conclusion does not, and one in which it does.

    Args:
        program: the text.
        reading: how it is read.
        limits: of Z3's work, for each of the two questions.

    Raises:
        LogicError: the program cannot be read, or was not decided within the limits.
    """
    parsed = parse_first_order(program, reading)
    limits = limits or Limits()
    builder = _Builder()
    premises = [builder.formula(formula, {}) for formula, _ in parsed.premises]
    goal = builder.formula(parsed.conclusion[0], {})
    shown = [line.shown for _, line in parsed.premises]
    against = check([*premises, z3_module().Not(goal)], limits, core=True)
    if not against.satisfiable:
        return Solution("A", ("follows from", *_cited(against.core, shown)))
    support = check([*premises, goal], limits, core=True)
    if not support.satisfiable:
        return Solution("B", ("its negation follows from", *_cited(support.core, shown)))
    return Solution(
        "C",
        (
            "undecided: a world in which the premises hold and the conclusion does not",
            *_world(against.model),
            "and one in which it does",
            *_world(support.model),
        ),
    )


def _cited(core: Sequence[int], shown: Sequence[str]) -> list[str]:
    return [f"  {shown[place]}" for place in core if place < len(shown)] or [
        "  nothing: by logic alone"
    ]


class _Builder:
    """Builds Z3 formulas over one sort of things, in a context of its own."""

    def __init__(self) -> None:
        self._z3 = z3 = z3_module()
        self._context = z3.Context()
        self._things = z3.DeclareSort("thing", self._context)

    def formula(self, formula: Formula, bound: Mapping[str, Any]) -> Any:
        z3 = self._z3
        if isinstance(formula, Relation):
            return self._relation(formula, bound)
        if isinstance(formula, Negation):
            return z3.Not(self.formula(formula.body, bound))
        if isinstance(formula, Quantified):
            variable = z3.FreshConst(self._things, formula.variable)
            body = self.formula(formula.body, {**bound, formula.variable: variable})
            return (z3.ForAll if formula.quantifier == "∀" else z3.Exists)([variable], body)
        return self._joined(formula, bound)

    def _joined(self, formula: Joined, bound: Mapping[str, Any]) -> Any:
        z3 = self._z3
        left, right = self.formula(formula.left, bound), self.formula(formula.right, bound)
        if formula.sign == "↔":
            return left == right
        join = {"∧": z3.And, "∨": z3.Or, "→": z3.Implies, "⊕": z3.Xor}[formula.sign]
        return join(left, right)

    def _relation(self, relation: Relation, bound: Mapping[str, Any]) -> Any:
        z3 = self._z3
        terms = [self._term(term, bound) for term in relation.terms]
        if relation.name == "=":
            return terms[0] == terms[1]
        if not terms:
            return z3.Bool(relation.name, self._context)
        # Predicates of one name and different numbers of terms are different predicates.
        sorts = [self._things] * len(terms)
        return z3.Function(f"{relation.name}", *sorts, z3.BoolSort(self._context))(*terms)

    def _term(self, term: Term, bound: Mapping[str, Any]) -> Any:
        z3 = self._z3
        if term.arguments:
            sorts = [self._things] * (len(term.arguments) + 1)
            return z3.Function(term.name, *sorts)(
                *(self._term(one, bound) for one in term.arguments)
            )
        return bound[term.name] if term.name in bound else z3.Const(term.name, self._things)


def _world(model: Any) -> list[str]:
    """What a model says, as far as a few lines hold it."""
    lines = sorted(
        f"  {name.name()} = {' '.join(str(model[name]).split())}"
        for name in model.decls()
        if not name.name().startswith(("#", "k!")) and "!" not in name.name()
    )
    return lines[:_FEW] + ([f"  and {len(lines) - _FEW} more"] if len(lines) > _FEW else [])
