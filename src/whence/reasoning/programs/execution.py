"""Running programs of models, each distinct one once."""

from __future__ import annotations

from collections.abc import Sequence

from whence.core.progress import progress
from whence.reasoning.sandbox import Limits, Outcome, Program, Sandbox

PRELUDE = """
import math
import numpy as np
import statistics
from sympy import Eq, Symbol, simplify, solve, symbols

def solve_it(equations, unknowns):
    found = solve(equations, unknowns, dict=True)
    if found:
        return found[0]
    several = isinstance(unknowns, (list, tuple))
    return {unknown: None for unknown in (unknowns if several else [unknowns])}
"""
"""Names that programs use without importing them. `solve_it` is what the prompts for AQuA
call: the first solution of equations as a mapping, None for each unknown if there is none."""

LIMITS = Limits(cpu=5, wall=20)
"""Five seconds a program, as in the paper, of processor time: the clock of a busy machine
does not decide what a program is worth."""


def execute(
    sandbox: Sandbox,
    sources: Sequence[str],
    names: tuple[str, ...] = ("ans",),
) -> list[Outcome]:
    """The outcome of each program; equal texts are run once, since runs are the same.

    Args:
        sandbox: where; its limits hold (`LIMITS` are the paper's).
        sources: the programs.
        names: whose values are read in the end.
    """
    distinct = list(dict.fromkeys(sources))
    programs = [Program(source, names, PRELUDE) for source in distinct]
    run = progress(sandbox.run_many(programs), "programs", len(programs))
    outcomes = dict(zip(distinct, run, strict=True))
    return [outcomes[source] for source in sources]
