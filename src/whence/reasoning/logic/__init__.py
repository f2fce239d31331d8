"""Logic programs, written by language models or people, read, solved and scored.

Five formats (those of Logic-LM), each with a parser that names the place of a mistake and a
solver that shows its proof, model or core:

    ProntoQA, ProofWriter    facts and rules      forward chaining       derivation tree
    FOLIO                    first-order logic    entailment by Z3       premises used, or worlds
    LogicalDeduction         orderings            solutions by Z3        constraints that force it
    AR-LSAT                  sorts, functions     checks by Z3           a case, or the core

`score_programs` solves whole files; `refine` runs the loop with a language model.
`puzzles` makes problems of the first kind, with proofs that are known, and `causal_problems`
asks whether causation follows from correlations, with answers that are exact.
"""

from whence.reasoning.logic.causation import CausalProblem, causal_problems, equivalence_classes
from whence.reasoning.logic.deduction import solve_prontoqa, solve_proofwriter
from whence.reasoning.logic.first_order import solve_first_order
from whence.reasoning.logic.ordering import solve_ordering
from whence.reasoning.logic.program import Reading
from whence.reasoning.logic.prover import Limits
from whence.reasoning.logic.puzzles import Puzzle, PuzzleSettings, puzzles
from whence.reasoning.logic.refinement import Refined, RefinementSettings, refine
from whence.reasoning.logic.scoring import (
    DATASETS,
    LogicScore,
    Outcome,
    Problem,
    read_problems,
    score_programs,
)
from whence.reasoning.logic.smt import solve_smt
from whence.reasoning.logic.solution import Solution

__all__ = [
    "DATASETS",
    "CausalProblem",
    "Limits",
    "LogicScore",
    "Outcome",
    "Problem",
    "Puzzle",
    "PuzzleSettings",
    "Reading",
    "Refined",
    "RefinementSettings",
    "Solution",
    "causal_problems",
    "equivalence_classes",
    "puzzles",
    "read_problems",
    "refine",
    "score_programs",
    "solve_first_order",
    "solve_ordering",
    "solve_prontoqa",
    "solve_proofwriter",
    "solve_smt",
]
