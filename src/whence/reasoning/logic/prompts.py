"""What a language model is asked: to translate, to mend a program, to answer step by step."""

from __future__ import annotations

import re

from whence.reasoning.logic.scoring import Problem

_RULES = """\
Predicates:
Warm($x, bool) ::: whether x is warm
Likes($x, $y, bool) ::: whether x likes y
Facts:
Warm(Rex, True) ::: Rex is warm.
Rules:
Warm($x, True) && Likes($x, Ada, False) >>> Calm($x, True) ::: warm and no liking for Ada: calm
Query:
Calm(Rex, False) ::: Rex is not calm."""

FORMATS = {
    "ProntoQA": _RULES,
    "ProofWriter": _RULES,
    "FOLIO": """\
Predicates:
Dog(x) ::: x is a dog.
Premises:
∀x (Dog(x) → ∃y Owns(y, x)) ::: Every dog has an owner.
Dog(rex) ::: Rex is a dog.
Conclusion:
∃y Owns(y, rex) ::: Somebody owns Rex.""",
    "LogicalDeduction": """\
Domain:
1: leftmost
3: rightmost
Variables:
red_cup [IN] [1, 2, 3]
blue_cup [IN] [1, 2, 3]
green_cup [IN] [1, 2, 3]
Constraints:
red_cup > blue_cup ::: The red cup is to the right of the blue cup.
AllDifferentConstraint([red_cup, blue_cup, green_cup]) ::: Each has a place of its own.
Query:
A) red_cup == 3 ::: The red cup is rightmost.
B) green_cup == 1 ::: The green cup is leftmost.""",
    "AR-LSAT": """\
# Declarations
people = EnumSort([Ada, Ben, Cleo])
days = EnumSort([1, 2, 3])
visits = Function([people] -> [days])
# Constraints
Distinct([p:people], visits(p)) ::: Each comes on a day of their own.
visits(Ada) < visits(Ben) ::: Ada comes before Ben.
# Options
Question ::: Which one could be true?
is_sat(visits(Ada) == 1) ::: (A)
is_sat(visits(Ben) == 1) ::: (B)""",
}
"""One small program of each format, which shows all of its signs."""

_CONNECTIVES = {
    "FOLIO": "Use ∀ ∃ ¬ ∧ ∨ → ↔ ⊕ and brackets.",
    "AR-LSAT": "Use And, Or, Not, Implies, ForAll([x:S], ...), Exists, Count, Distinct, "
    "and in options is_valid, is_sat, is_unsat, is_exception or is_accurate_list.",
}
_ANSWER = re.compile(r"answer is:?\s*\(?([A-Z])\b", re.IGNORECASE)
_LETTER = re.compile(r"\(?([A-Z])\b")


def translation_prompt(problem: Problem, dataset: str) -> str:
    """Ask for a program that says what a problem says."""
    return (
        f"Write the problem as a logic program in exactly this format:\n\n{FORMATS[dataset]}\n\n"
        f"{_CONNECTIVES.get(dataset, '')}\n\nProblem:\n{_asked(problem)}\n\nProgram:\n"
    )


def refinement_prompt(program: str, error: str, dataset: str) -> str:
    """Ask for a program again that does not run, with what the solver said."""
    return (
        f"This logic program should have this format:\n\n{FORMATS[dataset]}\n\n"
        f"{_CONNECTIVES.get(dataset, '')}\n\nProgram:\n{program}\n\n"
        f"The solver says: {error}\n\nThe whole program, mended:\n"
    )


def chain_prompt(problem: Problem) -> str:
    """Ask for an answer in words, step by step."""
    return (
        f"{_asked(problem)}\n\nThink step by step, and end with: "
        "The answer is X. (X is the letter of an option.)\n\n"
    )


def _asked(problem: Problem) -> str:
    return "\n".join((problem.question, *problem.options))


def read_letter(text: str) -> str | None:
    """The letter of the answer that a completion gives; None if it gives none."""
    said = _ANSWER.findall(text)
    if said:
        return str(said[-1]).upper()
    start = _LETTER.match(text.strip())
    return start[1] if start else None


def read_program(text: str) -> str:
    """A program out of a completion: what stands in a fence of code, or everything."""
    fenced = re.search(r"```\w*\n(.*?)```", text, re.DOTALL)
    return (fenced[1] if fenced else text).strip()
