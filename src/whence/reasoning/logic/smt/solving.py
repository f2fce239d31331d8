"""Which option of a program holds: validity, satisfiability and their like, asked of Z3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from whence.core.errors import LogicError
from whence.reasoning.logic.program import Line, Reading, sections
from whence.reasoning.logic.prover import Answer, Limits, check, z3_module
from whence.reasoning.logic.smt.building import Bound, Builder
from whence.reasoning.logic.smt.declarations import Declarations, declares, read_declarations
from whence.reasoning.logic.smt.syntax import Binder, Call, Expression, Listed, parse_expression
from whence.reasoning.logic.solution import Solution

_TITLES = ("# Declarations", "# Constraints", "# Options")
_LETTERS = "ABCDE"
_CHECKS = ("is_valid", "is_sat", "is_unsat", "is_exception", "is_accurate_list")


@dataclass(frozen=True)
class SmtProgram:
    """Declarations, constraints and options, read but not yet built."""

    declared: Declarations
    constraints: tuple[tuple[Expression, Line], ...]
    options: tuple[tuple[Expression, Line], ...]


def parse_smt(program: str, reading: Reading = "standard") -> SmtProgram:
    """Read a program.

    Args:
        program: the text.
        reading: `released` leaves out constraints that stand among the declarations.

    Raises:
        LogicError: with line and column of what cannot be read.
    """
    found = sections(program, _TITLES)
    options = [line for line in found["# Options"] if not _is_question(line)]
    declarations = found["# Declarations"]
    constraints = found["# Constraints"]
    if reading != "released":
        constraints = (*(line for line in declarations if not declares(line)), *constraints)
    return SmtProgram(
        read_declarations(declarations),
        tuple((parse_expression(line), line) for line in constraints),
        tuple((parse_expression(line), line) for line in options[: len(_LETTERS)]),
    )


def _is_question(line: Line) -> bool:
    return line.text == "Question"


@dataclass(frozen=True)
class _Verdict:
    """Whether an option holds, and the lines that show it."""

    holds: bool
    evidence: tuple[str, ...]


class _Asker:
    """Answers the checks of options over the constraints of one program."""

    def __init__(self, program: SmtProgram, limits: Limits) -> None:
        self._z3, self._limits = z3_module(), limits
        self.builder = builder = Builder(program.declared)
        self._stated = [
            (builder.truth(expression, line), line.shown)
            for expression, line in program.constraints
        ]
        self._stated += builder.ranges()

    def verdict(self, expression: Expression, line: Line, bound: Bound) -> _Verdict:
        if isinstance(expression, Binder) and expression.function == "Count":
            # An option that counts what passes a check holds when anything does.
            cases = self.builder.cases(expression, line, bound)
            found = [self.verdict(expression.body, line, case) for case in cases]
            return next((one for one in found if one.holds), found[0])
        if not isinstance(expression, Call) or expression.function not in _CHECKS:
            raise line.fault(f"one of {', '.join(_CHECKS)}", repr(line.text))
        if len(expression.arguments) != 1:
            raise line.fault("one argument", str(len(expression.arguments)), expression.at)
        inner = expression.arguments[0]
        if expression.function == "is_exception":
            excepted = self.verdict(inner, line, bound)
            return _Verdict(not excepted.holds, excepted.evidence)
        if expression.function == "is_accurate_list":
            return self._accurate(inner, line, bound)
        return self._check(expression.function, self.builder.truth(inner, line, bound))

    def _check(self, name: str, formula: Any) -> _Verdict:
        asked = self._z3.Not(formula) if name == "is_valid" else formula
        found = check([*(each for each, _ in self._stated), asked], self._limits, core=True)
        holds = found.satisfiable == (name == "is_sat")
        return _Verdict(holds, self._shown(found))

    def _accurate(self, inner: Expression, line: Line, bound: Bound) -> _Verdict:
        """A list of which one member must hold and each can."""
        if not isinstance(inner, Listed):
            raise line.fault("a list in square brackets", repr(line.text))
        formulas = [self.builder.truth(item, line, bound) for item in inner.items]
        verdicts = [self._check("is_valid", self._z3.Or(formulas))]
        verdicts += [self._check("is_sat", formula) for formula in formulas]
        return _Verdict(all(verdict.holds for verdict in verdicts), verdicts[0].evidence)

    def _shown(self, found: Answer) -> tuple[str, ...]:
        if not found.satisfiable:
            places = [place for place in found.core if place < len(self._stated)]
            lines = [f"  {self._stated[place][1]}" for place in places]
            return ("no such case, because of", *(lines or ["  itself"]))
        model = found.model
        values = sorted(f"{each.name()} = {_one_line(model[each])}" for each in model.decls())
        return ("a case:", *(f"  {value}" for value in values if not value.startswith("#")))


def _one_line(value: Any) -> str:
    return " ".join(str(value).split())


def solve_smt(
    program: str, reading: Reading = "standard", limits: Limits | None = None
) -> Solution:
    """The first option that holds, with the case or the constraints that show it.

    Args:
        program: the text.
        reading: how it is read.
        limits: of Z3's work, for each question.

    Raises:
        LogicError: the program cannot be read or built, no option holds, or one was not
            decided within the limits.
    """
    parsed = parse_smt(program, reading)
    asker = _Asker(parsed, limits or Limits())
    verdicts = [asker.verdict(expression, line, {}) for expression, line in parsed.options]
    for letter, verdict, (_, line) in zip(_LETTERS, verdicts, parsed.options, strict=False):
        if verdict.holds:
            return Solution(letter, (f"{letter}) {line.text}", *verdict.evidence))
    raise LogicError(
        "# Options",
        expected="an option that holds",
        got="none of them",
        fix="The constraints say too much or too little, or the options ask the wrong check.",
    )
