"""Z3 with limits that do not depend on the machine.

Work is limited in Z3's own resource units (`rlimit`), so that a result is the same on a
fast machine and a slow one. Behind it stands a wall clock of ten seconds, as a guard.
Either way out is a `LogicError`; what could not be decided is never taken for an answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from whence.core.errors import LogicError, MissingExtraError


@dataclass(frozen=True)
class Limits:
    """How much one question may cost.

    Attributes:
        resources: Z3's `rlimit`; a second on a machine of 2024 is a few million.
        milliseconds: of the guard behind it.
    """

    resources: int = 20_000_000
    milliseconds: int = 10_000


def z3_module() -> Any:
    """The module `z3`.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import z3  # noqa: PLC0415
    except ModuleNotFoundError:
        raise MissingExtraError("this solver", package="z3", extra="logic") from None
    return z3


@dataclass(frozen=True)
class Answer:
    """What Z3 found about a set of constraints.

    Attributes:
        satisfiable: whether all can hold together.
        model: one way in which they do, a `z3.ModelRef`.
        core: the places of constraints that cannot hold together, when they cannot.
    """

    satisfiable: bool
    model: Any = None
    core: tuple[int, ...] = ()


def check(constraints: Sequence[Any], limits: Limits, *, core: bool = False) -> Answer:
    """Whether these constraints can hold together.

    Args:
        constraints: Z3 formulas of one context.
        limits: of the work.
        core: say which of them cannot, if they cannot; costs a little more.

    Raises:
        LogicError: undecided within the limits.
    """
    z3 = z3_module()
    context = constraints[0].ctx if constraints else z3.main_ctx()
    solver = z3.Solver(ctx=context)
    solver.set("rlimit", limits.resources)
    solver.set("timeout", limits.milliseconds)
    for place, constraint in enumerate(constraints):
        if core:
            solver.assert_and_track(constraint, z3.Bool(f"#{place}", ctx=context))
        else:
            solver.add(constraint)
    found = solver.check()
    if found == z3.unsat:
        places = (int(str(name)[1:]) for name in solver.unsat_core()) if core else ()
        return Answer(False, core=tuple(sorted(places)))
    if found == z3.sat:
        return Answer(True, solver.model())
    raise LogicError(
        "solver",
        expected=f"a decision within {limits.resources:,} resource units",
        got=f"none ({solver.reason_unknown()})",
        fix="Make the constraints simpler or finite, or raise the limit.",
    )
