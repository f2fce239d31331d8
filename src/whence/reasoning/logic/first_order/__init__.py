"""The format of FOLIO: first-order premises and a conclusion, decided by entailment.

    Predicates:  Dog(x) ::: x is a dog.
    Premises:    ∀x (Dog(x) → ∃y (Owner(y, x) ∧ Kind(y)))
                 Dog(rex)
    Conclusion:  ∃y Kind(y)

`formulas` holds the trees, `notation` reads them, `released` reads them with the grammar and
the faults of the released parser, and `entailment` asks Z3.

Source: Pan et al., Logic-LM (2023), appendix.
"""

from whence.reasoning.logic.first_order.entailment import solve_first_order

__all__ = ["solve_first_order"]
