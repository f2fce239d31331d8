"""Program of Thoughts: the model writes a program, the machine computes the answer.

prompts      questions as prompts that ask for a program
extraction   the program in a completion
execution    programs run in the sandbox, names preloaded
equality     when a value counts as the reference; majority votes
options      multiple choice
tatqa        answers with a scale
released     the files that the paper released
scoring      those files scored, as they are and run again
solving      the whole path on a live or recorded model

References:
    Chen et al. 2022, "Program of Thoughts Prompting: Disentangling Computation from Reasoning
    for Numerical Reasoning Tasks" (arXiv:2211.12588).
"""

from whence.reasoning.programs.equality import (
    RULES,
    Answer,
    Rule,
    Vote,
    as_answer,
    check_rule,
    equal,
    majority,
)
from whence.reasoning.programs.execution import LIMITS, PRELUDE, execute
from whence.reasoning.programs.extraction import program_of, solver_of
from whence.reasoning.programs.options import nearest_option
from whence.reasoning.programs.prompts import Exemplar, Problem, few_shot, zero_shot
from whence.reasoning.programs.released import Released, read_released
from whence.reasoning.programs.scoring import Judged, Score, score_again, score_stored
from whence.reasoning.programs.solving import Solved, solve_problems

__all__ = [
    "LIMITS",
    "PRELUDE",
    "RULES",
    "Answer",
    "Exemplar",
    "Judged",
    "Problem",
    "Released",
    "Rule",
    "Score",
    "Solved",
    "Vote",
    "as_answer",
    "check_rule",
    "equal",
    "execute",
    "few_shot",
    "majority",
    "nearest_option",
    "program_of",
    "read_released",
    "score_again",
    "score_stored",
    "solve_problems",
    "solver_of",
    "zero_shot",
]
