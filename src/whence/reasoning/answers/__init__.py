"""Checking answers as their data sets check them.

numbers      a number, a list or a truth value out of what a model said; LaTeX included
theoremqa    typed answers: six types, rounding, the 4 % band
timeqa       spans: exact match and F1, questions without an answer
predictions  a file of predictions, by id
"""

from whence.reasoning.answers.predictions import Prediction, read_predictions
from whence.reasoning.answers.theoremqa import (
    TheoremProblem,
    TheoremScore,
    read_theoremqa,
    score_theoremqa,
    theorem_correct,
)
from whence.reasoning.answers.timeqa import (
    SpanScore,
    TimeProblem,
    exact_match,
    read_timeqa,
    score_timeqa,
    token_f1,
)

__all__ = [
    "Prediction",
    "SpanScore",
    "TheoremProblem",
    "TheoremScore",
    "TimeProblem",
    "exact_match",
    "read_predictions",
    "read_theoremqa",
    "read_timeqa",
    "score_theoremqa",
    "score_timeqa",
    "theorem_correct",
    "token_f1",
]
