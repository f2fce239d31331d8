"""Expressions become Z3 formulas: an interpreter, which executes nothing.

What a name means follows the release: a variable that a quantifier has bound once stays
known in later lines as some thing of that sort, of which nothing more is said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from whence.reasoning.logic.program import Line
from whence.reasoning.logic.prover import z3_module
from whence.reasoning.logic.smt.declarations import Declarations
from whence.reasoning.logic.smt.syntax import (
    BINDERS,
    Binder,
    Call,
    Expression,
    Listed,
    Name,
    Number,
    Operation,
)

_CONNECTIVES = ("And", "Or", "Not", "Implies", "Xor", "If", "Distinct", "Sum", "Abs")
_SIGNS: Mapping[str, Callable[[Any, Any], Any]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "%": lambda a, b: a % b,
}

Bound = Mapping[str, Any]
"""What variables stand for inside Count, Distinct and quantifiers over whole numbers."""


class Builder:
    """Builds the formulas of one program, line by line, in a Z3 context of its own.

    Args:
        declared: sorts and functions.
    """

    def __init__(self, declared: Declarations) -> None:
        self._z3 = z3 = z3_module()
        self.context = z3.Context()
        self._declared = declared
        self._sorts: dict[str, Any] = {
            "bool": z3.BoolSort(self.context),
            "int": z3.IntSort(self.context),
        }
        # Nothing equals None: a comparison with it is false, as in Python.
        self._names: dict[str, Any] = {
            "None": None,
            "True": z3.BoolVal(True, self.context),
            "False": z3.BoolVal(False, self.context),
        }
        self._functions: dict[str, Any] = {}
        self._declare()

    def _declare(self) -> None:
        z3, declared = self._z3, self._declared
        for name, members in declared.sorts.items():
            self._sorts[name], things = z3.EnumSort(name, list(members), ctx=self.context)
            self._names.update(zip(members, things, strict=True))
        for name, numbers in declared.named.items():
            self._sorts[name] = self._sorts["int"]
            self._names.update((number, z3.Int(number, self.context)) for number in numbers)
        for name in declared.ranges:
            self._sorts[name] = self._sorts["int"]
        for name, members in {**declared.sorts, **declared.views, **declared.named}.items():
            missing = next((member for member in members if member not in self._names), None)
            if missing is None:
                self._names[name] = [self._names[member] for member in members]
        for name, values in declared.ranges.items():
            self._names[name] = list(values)
        for name, (signature, _) in declared.functions.items():
            self._functions[name] = z3.Function(name, *(self._sorts[sort] for sort in signature))

    def ranges(self) -> list[tuple[Any, str]]:
        """That functions into a range of whole numbers stay in it, as formulas and words."""
        z3, stated = self._z3, []
        for name, (signature, line) in self._declared.functions.items():
            values = self._declared.ranges.get(signature[-1])
            if values is None:
                continue
            if list(values) != list(range(values[0], values[-1] + 1)):
                raise line.fault("whole numbers without a gap", f"{signature[-1]} = {values}")
            # Over the members of each argument: numbers outside their range do not matter.
            cases: list[list[Any]] = [[]]
            free = []
            for place, sort in enumerate(signature[:-1]):
                if sort in BUILT_IN_SORTS:
                    variable = z3.Const(f"_{name}{place}", self._sorts[sort])
                    free.append(variable)
                    cases = [[*case, variable] for case in cases]
                else:
                    cases = [[*case, thing] for case in cases for thing in self._names[sort]]
            called = [self._functions[name](*case) for case in cases]
            formula = z3.And([z3.And(values[0] <= one, one <= values[-1]) for one in called])
            stated.append(
                (z3.ForAll(free, formula) if free else formula, f"{name} lies in {signature[-1]}")
            )
        return stated

    def cases(self, binder: Binder, line: Line, bound: Bound) -> list[Bound]:
        """What the variables of a binder stand for, one way after another.

        Raises:
            LogicError: a list that was not declared.
        """
        return self._cases(binder.variables, line, bound, binder.at)

    def truth(self, expression: Expression, line: Line, bound: Bound | None = None) -> Any:
        """The Z3 formula of an expression that must be true or false.

        Raises:
            LogicError: an unknown name, sorts that do not fit, a number or a list.
        """
        self._bind(expression, line)
        value = self._value(expression, line, bound or {})
        if not self._z3.is_bool(value):
            raise line.fault("something true or false", f"{line.text!r}, which is {_kind(value)}")
        return value

    def _bind(self, expression: Expression, line: Line) -> None:
        """Give every variable that a quantifier binds a sort, from left to right."""
        if isinstance(expression, Binder):
            if expression.function in ("ForAll", "Exists"):
                for name, lists in expression.variables:
                    self._bind_one(name, lists, expression, line)
            self._bind(expression.body, line)
        elif isinstance(expression, Call):
            for argument in expression.arguments:
                self._bind(argument, line)
        elif isinstance(expression, Listed):
            for item in expression.items:
                self._bind(item, line)
        elif isinstance(expression, Operation):
            self._bind(expression.left, line)
            self._bind(expression.right, line)

    def _bind_one(self, name: str, lists: tuple[str, ...], binder: Binder, line: Line) -> None:
        sort = lists[0]
        known = {
            *self._declared.sorts,
            *self._declared.ranges,
            *self._declared.named,
            *BUILT_IN_SORTS,
        }
        if len(lists) > 1 or sort not in known:
            raise line.fault("a declared sort after ':'", " + ".join(lists), binder.at)
        if sort in self._declared.sorts or sort in BUILT_IN_SORTS:
            self._names[name] = self._z3.Const(name, self._sorts[sort])

    def _value(self, expression: Expression, line: Line, bound: Bound) -> Any:
        if isinstance(expression, Number):
            return expression.value
        if isinstance(expression, Name):
            return self._named(expression.text, expression.at, line, bound)
        if isinstance(expression, Listed):
            return [self._value(item, line, bound) for item in expression.items]
        if isinstance(expression, Binder):
            return self._binder(expression, line, bound)
        if isinstance(expression, Operation):
            left = self._value(expression.left, line, bound)
            right = self._value(expression.right, line, bound)
            return self._apply(_SIGNS[expression.sign], (left, right), expression.at, line)
        return self._call(expression, line, bound)

    def _named(self, name: str, at: int, line: Line, bound: Bound) -> Any:
        if name in bound:
            return bound[name]
        if name not in self._names:
            raise line.fault("a declared name", repr(name), at)
        return self._names[name]

    def _call(self, call: Call, line: Line, bound: Bound) -> Any:
        arguments = tuple(self._value(argument, line, bound) for argument in call.arguments)
        if call.function in self._functions:
            function = self._functions[call.function]
            if len(arguments) != function.arity():
                raise line.fault(
                    f"{call.function} with {function.arity()} arguments",
                    str(len(arguments)),
                    call.at,
                )
            return self._apply(function, arguments, call.at, line)
        if call.function not in (*_CONNECTIVES, *BINDERS) or call.function == "Count":
            raise line.fault("a declared function or one of the format", call.function, call.at)
        return self._apply(getattr(self._z3, call.function), arguments, call.at, line)

    def _binder(self, binder: Binder, line: Line, bound: Bound) -> Any:
        if binder.function in ("Count", "Distinct"):
            values = [
                self._value(binder.body, line, each) for each in self.cases(binder, line, bound)
            ]
            called = self._z3.Sum if binder.function == "Count" else self._z3.Distinct
            return self._apply(called, (values,), binder.at, line)
        declared = self._declared
        over = [
            each for each in binder.variables if each[1][0] in (*declared.sorts, *BUILT_IN_SORTS)
        ]
        listed = tuple(each for each in binder.variables if each not in over)
        variables = [self._names[name] for name, _ in over]

        def quantified(inner: Bound) -> Any:
            body = self._value(binder.body, line, inner)
            if not variables:
                return body
            quantifier = getattr(self._z3, binder.function)
            return self._apply(quantifier, (variables, body), binder.at, line)

        if not listed:
            return quantified(bound)
        cases = [quantified(inner) for inner in self._cases(listed, line, bound, binder.at)]
        join = self._z3.And if binder.function == "ForAll" else self._z3.Or
        return self._apply(join, (cases,), binder.at, line)

    def _cases(
        self,
        variables: tuple[tuple[str, tuple[str, ...]], ...],
        line: Line,
        bound: Bound,
        at: int,
    ) -> list[Bound]:
        cases: list[Bound] = [bound]
        for name, lists in variables:
            things = [thing for each in lists for thing in self._list(each, at, line, bound)]
            cases = [{**case, name: thing} for case in cases for thing in things]
        return cases

    def _list(self, name: str, at: int, line: Line, bound: Bound) -> list[Any]:
        value = self._named(name, at, line, bound)
        if not isinstance(value, list):
            raise line.fault("a list or sort to go through", name, at)
        return value

    def _apply(
        self, function: Callable[..., Any], arguments: tuple[Any, ...], at: int, line: Line
    ) -> Any:
        """What Z3 makes of the arguments; its complaints name the place."""
        try:
            found = function(*arguments)
            return self._z3.BoolVal(found, self.context) if isinstance(found, bool) else found
        except (self._z3.Z3Exception, TypeError, AttributeError, IndexError) as error:
            kinds = " and ".join(_kind(argument) for argument in arguments)
            raise line.fault("arguments whose sorts fit", f"{kinds} ({error})", at) from error


BUILT_IN_SORTS = ("bool", "int")


def _kind(value: Any) -> str:
    """What a value is, in words."""
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, int):
        return str(value)
    return f"{value} of sort {value.sort()}" if hasattr(value, "sort") else str(value)
