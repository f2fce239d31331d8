"""The format of AR-LSAT: sorts, functions, constraints and options, solved by Z3.

    # Declarations
    people = EnumSort([Ada, Bob])
    days = EnumSort([1, 2, 3])
    visits = Function([people] -> [days])
    # Constraints
    ForAll([p:people], visits(p) != 2)
    Count([p:people], visits(p) == 1) == 1
    # Options
    is_valid(visits(Ada) < visits(Bob)) ::: (A)

Programs look like Python with Z3's names, but none is ever executed as Python: they are
parsed by a grammar (`syntax`), their declarations are read (`declarations`), and their
expressions are built into Z3 formulas by an interpreter that knows a dozen functions
(`building`). `solving` asks Z3 about the options.

Source: Pan et al., Logic-LM (2023), appendix.
"""

from whence.reasoning.logic.smt.solving import solve_smt

__all__ = ["solve_smt"]
